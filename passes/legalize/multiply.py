"""Product of two quantized tensors, or of one and a constant for each channel, rounded once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..numerics import Accumulator, choose_multipliers, choose_product_multipliers
from . import build
from .constants import per_channel
from .island import Island, Refusal
from .read import evaluate
from .table import refuse_scalar
from .values import Layout, Quantized

_TOO_FAR = Refusal("its scales are too far apart for 32-bit arithmetic")


def legalize_multiply(island: Island) -> Quantized | Refusal:
    """`multiply` of two tensors, of which one may have a single pixel, or of a tensor and a constant."""
    left, right = island.core.args
    a, b = island.value(left), island.value(right)
    if a is not None and b is not None:
        return _tensors(island, a, b)
    x, constant = (a, evaluate(right)) if a is not None else (b, evaluate(left))
    if x is None or constant is None:
        return Refusal("one of its inputs is not a quantized tensor")
    return _constant(island, x, constant.astype(np.float64))


def _is_pixel(value: Quantized) -> bool:
    return value.layout is Layout.NHWC and value.feature_map[1:] == (1, 1)


def _tensors(island: Island, a: Quantized, b: Quantized) -> Quantized | Refusal:
    if a.expr is b.expr:
        return refuse_scalar()
    if a.shape != island.shape:
        a, b = b, a
    same_channels = a.layout is b.layout and a.feature_map[0] == b.feature_map[0]
    if a.shape != island.shape or not (
        (a.shape == b.shape and a.layout is b.layout) or (_is_pixel(b) and same_channels)
    ):
        return Refusal("its inputs have different shapes")
    found = choose_product_multipliers(a.quantization, b.quantization, island.out)
    if found is None:
        return _TOO_FAR
    factors = (
        relay.subtract(relay.cast(x.expr, "int32"), build.constant(x.quantization.zero_point, "int32"))
        for x in (a, b)
    )
    scalars = replace(found, k=found.k.reshape(()), offset=found.offset.reshape(()))
    expr = build.requantize(relay.multiply(*factors), scalars, island.bounds)
    return replace(a, expr=expr, quantization=island.out, dtype=island.dtype)


def _constant(island: Island, x: Quantized, constant: npt.NDArray[np.float64]) -> Quantized | Refusal:
    if constant.size == 1:
        return refuse_scalar()
    factors = per_channel(constant, x)
    if factors is None or island.shape != x.shape:
        return Refusal("its constant varies within a channel")
    scale = factors.astype(np.float64) * x.quantization.scale / island.out.scale
    zero = np.zeros(scale.shape, np.int64)
    acc = Accumulator(low=zero, high=zero + 255, constant=zero - x.quantization.zero_point)
    found = choose_multipliers(scale, acc, island.out.zero_point)
    if found is None or found.wide:
        return _TOO_FAR
    expr = build.requantize(relay.cast(x.expr, "int32"), found, island.bounds)
    return replace(x, expr=expr, quantization=island.out, dtype=island.dtype)
