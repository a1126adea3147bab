"""Bytes of another scale, or clipped bytes: a Relu or Clip on its own, or behind an operator that copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tvm import relay

from ..numerics import Multipliers, Range, choose_pool_multipliers
from . import build
from .island import Island, Refusal
from .values import Quantized

_KEEP = Multipliers(np.array([1]), np.array([0]), shift=0, wide=False)


def rescaled(x: Quantized, island: Island) -> Quantized | Refusal:
    """`x` with the island's scale and bounds; rounds once, or not at all where the scales agree."""
    same = x.quantization == island.out
    if same and island.bounds == Range():
        return replace(x, dtype=island.dtype)
    found = _KEEP if same else choose_pool_multipliers(x.quantization, island.out, np.array([1]))
    if found is None:
        return Refusal("its scales are too far apart for 32-bit arithmetic")
    scalars = replace(found, k=found.k.reshape(()), offset=found.offset.reshape(()))
    expr = build.requantize(relay.cast(x.expr, "int32"), scalars, island.bounds)
    return replace(x, expr=expr, quantization=island.out, dtype=island.dtype)


def legalize_requantize(island: Island) -> Quantized | Refusal:
    """Nothing but activations between dequantize and quantize."""
    x = island.value(island.core)
    return Refusal("its input is not a quantized tensor") if x is None else rescaled(x, island)
