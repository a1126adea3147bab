"""`auto_pad` becomes padding in numbers."""

from __future__ import annotations

from .graph import Graph, attributes_of, set_attributes
from .shapes import TensorShapes

_PADDED = ("Conv", "MaxPool", "AveragePool", "ConvInteger")


def explicit_paddings(graph: Graph, shapes: TensorShapes) -> None:
    """Write the padding of SAME_UPPER, SAME_LOWER and VALID as numbers."""
    for node in graph.of_type(*_PADDED):
        attributes = attributes_of(node)
        mode = attributes.get("auto_pad", b"NOTSET")
        if mode == b"NOTSET":
            continue
        kernel = attributes.get("kernel_shape") or shapes.of(node.input[1])[2:]
        spatial = shapes.of(node.input[0])[2:]
        if len(spatial) != len(kernel) or not kernel:
            continue  # an unknown shape: TVM's importer decides
        strides = attributes.get("strides", [1] * len(kernel))
        dilations = attributes.get("dilations", [1] * len(kernel))
        pads = [_same(*numbers) for numbers in zip(spatial, kernel, strides, dilations, strict=True)]
        if mode == b"VALID":
            pads = [(0, 0)] * len(kernel)
        elif mode == b"SAME_LOWER":
            pads = [(after, before) for before, after in pads]
        flat = [before for before, _ in pads] + [after for _, after in pads]
        set_attributes(node, auto_pad=None, pads=flat)


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after one axis, the odd element after."""
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2
