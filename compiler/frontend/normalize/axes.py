"""Axes in the one form that TVM's importer reads rightly."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from tvm_pulp.errors import ModelError

from .graph import Graph, attributes_of, input_of, set_attributes
from .shapes import TensorShapes

_REDUCTIONS = tuple(
    f"Reduce{name}"
    for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
)


def axes_as_attributes(graph: Graph) -> None:
    """Axes that a reduction takes as an input become an attribute, of which TVM's importer reads more than the
    first. ModelError for axes that are computed at run time."""
    for node in graph.of_type(*_REDUCTIONS):
        name = input_of(node, 1)
        axes = graph.constant(name) if name else np.empty(0, np.int64)
        if axes is None:
            raise ModelError("its axes are computed at run time", where=node.name, fix="make them a constant")
        keeps_all = attributes_of(node).get("noop_with_empty_axes", 0)
        del node.input[1:]
        set_attributes(node, noop_with_empty_axes=None)
        if axes.size:
            set_attributes(node, axes=[int(axis) for axis in axes.ravel()])
        elif keeps_all and "axes" not in attributes_of(node):
            graph.replace(node, [_without_axes(node)])


def _without_axes(node: onnx.NodeProto) -> onnx.NodeProto:
    """A reduction over no axis: the standard leaves open what becomes of squares and logarithms then."""
    if node.op_type not in ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"):
        raise ModelError("it reduces no axis", where=node.name, fix="give its axes")
    return helper.make_node("Identity", node.input, node.output, name=node.name)


def axes_counted_from_the_front(graph: Graph, shapes: TensorShapes) -> None:
    """A negative axis of a Gather with negative indices, which TVM's importer takes for an axis of size 1."""
    for node in graph.of_type("Gather", "GatherElements"):
        axis = int(attributes_of(node).get("axis", 0))
        if axis < 0:
            set_attributes(node, axis=axis + shapes.rank(node))


def pads_of_every_axis(graph: Graph, shapes: TensorShapes) -> None:
    """Widths for every axis where a Pad has them for some. ModelError for what TVM can't import."""
    for node in graph.of_type("Pad"):
        if attributes_of(node).get("mode") == b"wrap":
            raise ModelError("TVM 0.19 can't pad with mode wrap", where=node.name, fix="use another mode")
        if not input_of(node, 3):
            continue
        given, axes = graph.constant(node.input[1]), graph.constant(node.input[3])
        if given is None or axes is None:
            raise ModelError("its widths are computed at run time", where=node.name, fix="make them constants")
        rank = shapes.rank(node)
        widths = np.zeros((2, rank), np.int64)
        widths[:, axes.ravel() % rank] = given.reshape(2, -1)
        node.input[1] = graph.add_constant(f"{node.name}_widths", widths.ravel())
        del node.input[3:]
