"""Addition of two quantized tensors, rounded once."""

from __future__ import annotations

from dataclasses import replace

from ..numerics import choose_add_multipliers
from . import build
from .island import Island, Refusal
from .values import Quantized


def legalize_add(island: Island) -> Quantized | Refusal:
    """`add` of two tensors of one shape."""
    a, b = island.value(island.core.args[0]), island.value(island.core.args[1])
    if a is None or b is None:
        return Refusal("one of its inputs is not a quantized tensor")
    if a.shape != b.shape or a.layout is not b.layout:
        return Refusal("its inputs have different shapes")
    multipliers = choose_add_multipliers(a.quantization, b.quantization, island.out)
    if multipliers is None:
        return Refusal("its scales are too far apart for 32-bit arithmetic")
    expr = build.addition(a.expr, b.expr, multipliers, island.bounds)
    return replace(a, expr=expr, quantization=island.out, dtype=island.dtype)
