"""Integer ONNX of NEMO, QuantLab and DORY: integers in float tensors, scaled by Mul, Add, Div, Floor and Clip.

`recognise` tells such a network, `sums` is the arithmetic between two clips, `operators` has a rule for each
operator, `reader` walks the graph and writes Relay in the canonical integer form.
"""
