"""`auto_pad` becomes padding in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from .graph import Graph, attributes_of, set_attributes

_PADDED = ("Conv", "MaxPool", "AveragePool", "ConvInteger")


def explicit_paddings(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Write the padding of SAME_UPPER, SAME_LOWER and VALID as numbers, in place; `shapes` are the inputs'."""
    graph = Graph(model)
    nodes = [
        node for node in graph.of_type(*_PADDED) if attributes_of(node).get("auto_pad", b"NOTSET") != b"NOTSET"
    ]
    if not nodes:
        return
    sizes = _sizes(model, shapes)
    for node in nodes:
        attributes = attributes_of(node)
        kernel = attributes.get("kernel_shape") or sizes.get(node.input[1], ())[2:]
        spatial = sizes.get(node.input[0], ())[2:]
        if len(spatial) != len(kernel) or not kernel:
            continue  # an unknown shape: TVM's importer decides
        strides = attributes.get("strides", [1] * len(kernel))
        dilations = attributes.get("dilations", [1] * len(kernel))
        pads = [_same(*numbers) for numbers in zip(spatial, kernel, strides, dilations, strict=True)]
        mode = attributes["auto_pad"]
        if mode == b"VALID":
            pads = [(0, 0)] * len(kernel)
        elif mode == b"SAME_LOWER":
            pads = [(after, before) for before, after in pads]
        flat = [before for before, _ in pads] + [after for _, after in pads]
        set_attributes(node, auto_pad=None, pads=flat)
    graph.write()


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after one axis, the odd element after."""
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def _sizes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Static shapes of tensors."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            dim.dim_value = int(size)
    del copy.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(copy).graph
    found = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info):
        found[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return found
