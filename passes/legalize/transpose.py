"""Transpose: between NCHW and NHWC it only changes how bytes are read, otherwise it moves them."""

from __future__ import annotations

from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized, from_user_layout, in_user_layout

_TO_NHWC = [0, 2, 3, 1]
_FROM_NHWC = [0, 3, 1, 2]


def legalize_transpose(island: Island) -> Quantized | Refusal:
    """`transpose`; a change of scale is a requantization behind it."""
    x = island.value(island.core.args[0])
    if x is None:
        return Refusal("its input is not a quantized tensor")
    given = island.core.attrs.axes
    rank = len(x.shape)
    axes = [int(axis) % rank for axis in given] if given else list(range(rank))[::-1]
    return rescaled(_transposed(x, axes, island.shape, island.dtype), island)


def _transposed(x: Quantized, axes: list[int], shape: tuple[int, ...], dtype: str) -> Quantized:
    if x.layout is Layout.NHWC and axes == _TO_NHWC:
        return Quantized(x.expr, x.quantization, Layout.SAME, shape, dtype)
    if x.layout is Layout.SAME and axes == _FROM_NHWC and shape[0] == 1:
        _, channels, height, width = shape
        return Quantized(x.expr, x.quantization, Layout.NHWC, shape, dtype, (channels, height, width))
    moved = build.transpose(in_user_layout(x), axes)
    return from_user_layout(moved, x.quantization, shape, dtype)
