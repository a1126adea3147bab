"""Another scale for a tensor: a Relu or Clip on its own, or a constant added to each channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_op, wildcard

from ...codegen.graph import LayerKind, Requant, Window
from ..expressions import shape_of
from .operator import Operands, OperatorPattern, check_map
from .requantization import read_requant, requantized


def requantize_pattern() -> DFPattern:
    """`requantize` of a tensor as it is."""
    return requantized(is_op("cast")(wildcard()))


def read_requantize(cast: relay.Call) -> Operands:
    """Takes a match apart.

    With one multiplier and offset it is an average over windows of one element, otherwise a depthwise
    convolution with a single weight of 1.
    """
    widened, requant = read_requant(cast)
    data = widened.args[0]
    one_for_all = requant.multiplier.size == requant.offset.size == 1
    channels = () if one_for_all else (shape_of(data)[-1],)
    k, offset = (_spread(values, channels) for values in (requant.multiplier, requant.offset))
    spread = Requant(k, offset, requant.shift, requant.wide, requant.lo, requant.hi)
    if one_for_all:
        return Operands(LayerKind.AVGPOOL, (data,), Window(), None, spread)
    ones = relay.const(np.ones((1, 1, *channels, 1), np.int8))
    return Operands(LayerKind.DEPTHWISE, (data,), Window(), None, spread, ones)


def _spread(values: npt.NDArray[np.int64], channels: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.broadcast_to(values.ravel(), channels) if channels else values.ravel()


def check_requantize(cast: relay.Call) -> str | None:
    """A map, or a row."""
    data = read_requant(cast)[0].args[0]
    if len(shape_of(data)) not in (2, 4):
        return f"its input has {len(shape_of(data))} dimensions"
    return check_map(data) or check_map(cast)


REQUANTIZE = OperatorPattern(
    name="pulp.requantize",
    description="another scale for a tensor, also a Relu or Clip on its own, or a constant for each channel",
    pattern=requantize_pattern,
    check=check_requantize,
    read=read_requantize,
    kinds=(LayerKind.AVGPOOL, LayerKind.DEPTHWISE),
    onnx=("Relu", "Clip", "Add", "Sub", "Mul"),
    conditions=("the constant, 8-bit for a sum, is one number or one for each channel",),
)
