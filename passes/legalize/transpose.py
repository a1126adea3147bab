"""Transpose: through the user's layout, where a permutation and its inverse cancel."""

from __future__ import annotations

from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Quantized, from_user_layout, in_user_layout


def legalize_transpose(island: Island) -> Quantized | Refusal:
    """`transpose`; a change of scale is a requantization behind it."""
    x = island.value(island.core.args[0])
    if x is None:
        return Refusal("its input is not a quantized tensor")
    given = island.core.attrs.axes
    rank = len(x.shape)
    axes = [int(axis) % rank for axis in given] if given else list(range(rank))[::-1]
    moved = build.transpose(in_user_layout(x), axes)
    return rescaled(from_user_layout(moved, x.quantization, island.shape, island.dtype), island)
