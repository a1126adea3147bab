"""Whether a network without Q and DQ is an integer network."""

from __future__ import annotations

import numpy as np
import onnx

from ..normalize.graph import Graph

_WEIGHTED = ("Conv", "Gemm", "MatMul")
_RESCALES = ("Floor", "Clip", "Div")


def is_integer_network(model: onnx.ModelProto) -> bool:
    """Every weight is a small integer, and some result is divided, floored or clipped."""
    graph = Graph(model)
    weights = [graph.constant(node.input[1]) for node in graph.of_type(*_WEIGHTED)]
    if not weights or not any(graph.of_type(*_RESCALES)):
        return False
    return all(values is not None and _is_int8(values) for values in weights)


def _is_int8(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    reals = values.astype(np.float64)
    return bool(np.all(reals == np.rint(reals)) and reals.min() >= -128 and reals.max() <= 127)
