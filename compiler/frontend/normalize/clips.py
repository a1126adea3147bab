"""Limits of Clip: constants, however they are written, or left out."""

from __future__ import annotations

import numpy as np
import onnx

from .graph import Array, Graph, input_of


def constant_limits(graph: Graph) -> None:
    """Write both limits of every Clip as constants; a limit that is computed at run time stays as it is."""
    if graph.opset < 11:  # limits are attributes
        return
    for node in graph.of_type("Clip"):
        limits = [_limit(graph, input_of(node, index)) for index in (1, 2)]
        if any(limit is None for limit in limits):
            continue
        source, numbers = node.input[0], zip(("min", "max"), limits, (-np.inf, np.inf), strict=True)
        del node.input[:]
        node.input.append(source)
        for suffix, limit, default in numbers:
            value = default if limit is None or limit.size == 0 else limit
            node.input.append(
                graph.add_constant(f"{node.name}_{suffix}", np.asarray(value, np.float32).reshape(()))
            )


def _limit(graph: Graph, name: str) -> Array | None:
    """A limit's value, empty if there is none; None if it is computed at run time."""
    if not name:
        return np.empty(0, np.float32)
    value = graph.constant(name)
    if value is not None:
        return value
    producer = graph.producer(name)
    return _dequantized(graph, producer) if producer is not None else None


def _dequantized(graph: Graph, node: onnx.NodeProto) -> Array | None:
    """The real number behind a DQ of a constant."""
    values = [graph.constant(name) for name in node.input]
    if node.op_type != "DequantizeLinear" or any(value is None for value in values):
        return None
    stored, scale, zero_point = (np.asarray(value) for value in values)
    real: Array = (stored.astype(np.int64) - zero_point.astype(np.int64)) * scale
    return real
