"""Softmax along the last axis of bytes."""

from __future__ import annotations

import numpy as np
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import shape_of
from .operator import Exactness, Operands, OperatorPattern, check_map, check_rank

TABLE_ENTRIES = 256


def softmax_pattern() -> DFPattern:
    """`take(table, max(x) - x)`, divided by the sum of its integers."""
    widened = is_op("cast")(wildcard())
    distance = is_op("subtract")(is_op("max")(widened), widened)
    total = is_op("sum")(is_op("cast")(is_op("take")(is_constant(), distance)))
    return is_op("divide")(is_op("take")(is_constant(), distance), is_op("cast")(total))


def read_softmax(divide: relay.Call) -> Operands:
    """Takes a match apart."""
    constant, distance = divide.args[0].args
    table = np.asarray(constant.data.numpy()).astype(np.float32)
    return Operands(LayerKind.SOFTMAX, (distance.args[1].args[0],), Window(), None, None, table=table)


def check_softmax(divide: relay.Call) -> str | None:
    """The canonical form along the last axis."""
    constant, distance = divide.args[0].args
    total = divide.args[1].args[0]
    units = total.args[0].args[0].args[0]
    if constant.data.shape != (TABLE_ENTRIES,) or str(constant.data.dtype) != "float32":
        return "its table has not 256 floats"
    if not np.array_equal(units.data.numpy(), np.rint(constant.data.numpy())):
        return "it does not add up its own numbers"
    for reduction in (total, distance.args[0]):
        rank = len(shape_of(reduction.args[0]))
        if [int(axis) % rank for axis in reduction.attrs.axis] != [rank - 1] or not reduction.attrs.keepdims:
            return "its axis is not the last"
    data = distance.args[1].args[0]
    return check_rank(data) or check_map(data) or check_map(divide, "float32")


SOFTMAX = OperatorPattern(
    name="pulp.softmax",
    description="exponentials in proportion to their sum",
    pattern=softmax_pattern,
    check=check_softmax,
    read=read_softmax,
    kinds=(LayerKind.SOFTMAX,),
    onnx=("Softmax",),
    conditions=("one input, of 8 bit with one scale", "along the channels or the last axis"),
    exactness=Exactness.SOFTMAX,
)
