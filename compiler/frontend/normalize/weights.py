"""Weights that are stored as floats behind a Q, as training-aware exporters write them, become integers."""

from __future__ import annotations

import numpy as np
from onnx import helper

from .graph import Array, Graph, attributes_of


def quantize_constants(graph: Graph) -> None:
    """`QuantizeLinear` of a constant becomes an integer constant: rounded half to even and saturated."""
    for node in graph.of_type("QuantizeLinear"):
        value = graph.constant(node.input[0])
        if value is None:
            continue
        scale, zero_point = (graph.constant(name) for name in node.input[1:3])
        if scale is None or zero_point is None:
            continue
        stored = _quantized(value, scale, zero_point, int(attributes_of(node).get("axis", 1)))
        name = graph.add_constant(f"{node.output[0]}_stored", stored)
        graph.replace(node, [helper.make_node("Identity", [name], list(node.output), name=node.name)])


def _quantized(value: Array, scale: Array, zero_point: Array, axis: int) -> Array:
    shape = [1] * value.ndim
    if scale.size > 1:
        shape[axis] = -1
    limits = np.iinfo(zero_point.dtype)
    steps = np.rint(value.astype(np.float32) / scale.reshape(shape)) + zero_point.reshape(shape).astype(
        np.int64
    )
    stored: Array = np.clip(steps, limits.min, limits.max).astype(zero_point.dtype)
    return stored
