"""Product of two tensors, centred on their zero points."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Requant, Window
from ..expressions import shape_of
from .operator import Exactness, Operands, OperatorPattern, check_map, check_rank
from .requantization import integers, read_requant, requantized


def multiply_pattern() -> DFPattern:
    """`(a - zero_a) * (b - zero_b) -> requantize`."""
    a = is_op("subtract")(is_op("cast")(wildcard()), is_constant())
    b = is_op("subtract")(is_op("cast")(wildcard()), is_constant())
    return requantized(is_op("multiply")(a, b))


def read_multiply(cast: relay.Call) -> Operands:
    """Takes a match apart."""
    product, requant = read_requant(cast)
    inputs = tuple(factor.args[0].args[0] for factor in product.args)
    zero_points = tuple(int(integers(factor.args[1])) for factor in product.args)
    flat = Requant(
        requant.multiplier.ravel(), requant.offset.ravel(), requant.shift, False, requant.lo, requant.hi
    )
    return Operands(LayerKind.MUL, inputs, Window(), zero_points[0], flat, pad_value2=zero_points[1])


def check_multiply(cast: relay.Call) -> str | None:
    """Two maps (or rows) of one shape, or a map and a single pixel; one multiplier."""
    operands = read_multiply(cast)
    a, b = operands.inputs
    pixel = (1, 1, 1, shape_of(a)[-1])
    if shape_of(b) not in (shape_of(a), pixel):
        return "its inputs have different shapes"
    if operands.requant is None or operands.requant.multiplier.size != 1 or operands.requant.offset.size != 1:
        return "its multipliers differ between channels"
    return check_rank(a) or check_map(a) or check_map(b)


MULTIPLY = OperatorPattern(
    name="pulp.multiply",
    description="product of two tensors",
    pattern=multiply_pattern,
    check=check_multiply,
    read=read_multiply,
    kinds=(LayerKind.MUL,),
    onnx=("Mul",),
    conditions=("tensors of one shape, or one of them N x C x 1 x 1",),
    exactness=Exactness.CONTRACT,
)
