"""Sum and difference of two quantized tensors, or of one and a constant per channel, rounded once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..numerics import Multipliers, Quantization, choose_add_multipliers
from . import build
from .constants import per_channel
from .island import Island, Refusal
from .read import QuantizedConstant, quantized_constant
from .values import Quantized, as_user_layout, flipped_zero_point

_TOO_FAR = Refusal("its scales are too far apart for 32-bit arithmetic")


Signs = tuple[int, int]


def legalize_add(island: Island) -> Quantized | Refusal:
    """`add` of two tensors of one shape, or of a tensor and an 8-bit constant."""
    return _sum(island, (1, 1))


def legalize_subtract(island: Island) -> Quantized | Refusal:
    """`subtract` of two tensors of one shape, or of a tensor and an 8-bit constant, either way round."""
    return _sum(island, (1, -1))


def _sum(island: Island, signs: Signs) -> Quantized | Refusal:
    left, right = island.core.args
    a, b = island.value(left), island.value(right)
    if a is not None and b is not None:
        return _tensors(island, a, b, signs)
    x, constant = (a, quantized_constant(right)) if a is not None else (b, quantized_constant(left))
    signs = signs if a is not None else signs[::-1]
    if x is None or constant is None:
        return Refusal("one of its inputs is not a quantized tensor")
    return _constant(island, x, constant, signs)


def _tensors(island: Island, a: Quantized, b: Quantized, signs: Signs) -> Quantized | Refusal:
    if a.shape != b.shape:
        return Refusal("its inputs have different shapes")
    if a.layout is not b.layout:
        a, b = as_user_layout(a), as_user_layout(b)
    found = choose_add_multipliers(a.quantization, b.quantization, island.out, signs)
    if found is None:
        return _TOO_FAR
    expr = build.addition(a.expr, b.expr, found, island.bounds)
    return replace(a, expr=expr, quantization=island.out, dtype=island.dtype)


def _constant(island: Island, x: Quantized, constant: QuantizedConstant, signs: Signs) -> Quantized | Refusal:
    """The constant's bytes are part of the offset of each channel."""
    if constant.values.dtype not in (np.int8, np.uint8) or constant.scale.size != 1:
        return Refusal("its constant is not 8-bit with one scale")
    values = per_channel(constant.values, x)
    if values is None or island.shape != x.shape:
        return Refusal("its constant varies within a channel")
    bytes_, meaning = _canonical(values, constant)
    found = choose_add_multipliers(x.quantization, meaning, island.out, signs)
    if found is None:
        return _TOO_FAR
    offset = found.k_b * bytes_ + found.offset
    multipliers = Multipliers(np.array(found.k_a), offset, found.shift, wide=False)
    expr = build.requantize(relay.cast(x.expr, "int32"), multipliers, island.bounds)
    return replace(x, expr=expr, quantization=island.out, dtype=island.dtype)


def _canonical(
    values: npt.NDArray[np.generic], constant: QuantizedConstant
) -> tuple[npt.NDArray[np.int64], Quantization]:
    zero_point = flipped_zero_point(int(constant.zero_point[0]), str(values.dtype))
    bytes_ = values.astype(np.int64) + (zero_point - int(constant.zero_point[0]))
    return bytes_, Quantization(float(constant.scale[0]), zero_point)
