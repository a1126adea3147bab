"""Constant nodes and Identity of a constant become initializers; other Identities go."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from .graph import Array, Graph, attributes_of


def inline_constants(graph: Graph) -> None:
    """Name every constant by its value, wherever the exporter put it."""
    for node in graph.of_type("Constant", "Identity"):
        value = _value(node) if node.op_type == "Constant" else graph.constant(node.input[0])
        (output,) = node.output
        if output in graph.outputs:
            continue
        if value is not None:
            _rename(graph, output, graph.add_constant(f"{output}_value", value))
        elif node.op_type == "Identity":
            _rename(graph, output, node.input[0])
        else:
            continue
        graph.remove(node)


def drop_empty_operands(graph: Graph) -> None:
    """Operands that are left out at the end of a node's list go, as TVM's importer would read them."""
    for node in graph.nodes:
        while node.input and not node.input[-1]:
            del node.input[-1]


def _value(node: onnx.NodeProto) -> Array | None:
    """The value of a Constant node that holds a tensor, a number or a list of numbers."""
    for name, value in attributes_of(node).items():
        if name == "value":
            return np.asarray(numpy_helper.to_array(value))
        if name in ("value_float", "value_floats"):
            return _array(value, "float32")
        if name in ("value_int", "value_ints"):
            return _array(value, "int64")
    return None


def _array(value: object, dtype: str) -> Array:
    return np.asarray(value, dtype)


def _rename(graph: Graph, old: str, new: str) -> None:
    for node in graph.consumers(old):
        names = [new if name == old else name for name in node.input]
        del node.input[:]
        node.input.extend(names)
