"""Rewrites of an ONNX graph before TVM imports it: what exporters write differently becomes one form of QDQ.

One normalization a file, each a function of a `Graph`; `pipeline` lists them in their order.
"""
