"""Addition of two tensors with a multiplier each."""

from __future__ import annotations

import numpy as np
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Requant, Window
from ..expressions import shape_of
from .operator import Operands, OperatorPattern, check_map, check_rank
from .requantization import integers, read_tail, shifted


def add_pattern() -> DFPattern:
    """`(a * k_a + b * k_b + offset) >> shift`."""
    a = is_op("multiply")(is_op("cast")(wildcard()), is_constant())
    b = is_op("multiply")(is_op("cast")(wildcard()), is_constant())
    return shifted(is_op("add")(a, b))


def read_add(cast: relay.Call) -> Operands:
    """Takes a match apart."""
    tail = read_tail(cast)
    a, b = tail.scaled.args
    multiplier = np.concatenate([integers(a.args[1]).ravel(), integers(b.args[1]).ravel()])
    requant = Requant(multiplier, tail.offset.ravel(), tail.shift, False, tail.lo, tail.hi)
    inputs = (a.args[0].args[0], b.args[0].args[0])
    return Operands(LayerKind.ADD, inputs, Window(), None, requant)


def check_add(cast: relay.Call) -> str | None:
    """Two maps (or rows) of one shape."""
    operands = read_add(cast)
    a, b = operands.inputs
    if shape_of(a) != shape_of(b):
        return "its inputs have different shapes"
    requant = operands.requant
    if requant is None or requant.multiplier.size != 2 or requant.offset.size != 1:
        return "its multipliers differ between channels"
    return check_rank(a) or check_map(a) or check_map(b)


ADD = OperatorPattern(
    name="pulp.add",
    description="sum and difference of two tensors",
    pattern=add_pattern,
    check=check_add,
    read=read_add,
    kinds=(LayerKind.ADD,),
    onnx=("Add", "Sub"),
    conditions=("tensors of one shape",),
)
