"""Quantized values while a network is rewritten: canonical bytes, what they mean, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from tvm import relay

from ..numerics import Quantization
from . import build

INT8_OFFSET = 128


class Layout(Enum):
    """How the canonical bytes lie, compared with the user's tensor."""

    SAME = "same"
    NHWC = "nhwc"  # the user's tensor is NCHW, or NCW, which is a map of one row
    FLAT_HWC = "flat_hwc"  # the user's tensor is NCHW flattened to (1, C*H*W), the bytes are in HWC order


@dataclass(frozen=True)
class Quantized:
    """A uint8 expression, its meaning, and the user's tensor that it stands for.

    `shape` and `dtype` (int8 or uint8) are the user's; `feature_map` is (C, H, W) for NHWC and FLAT_HWC.
    """

    expr: relay.Expr
    quantization: Quantization
    layout: Layout
    shape: tuple[int, ...]
    dtype: str
    feature_map: tuple[int, int, int] = (0, 0, 0)

    def with_expr(self, expr: relay.Expr) -> Quantized:
        """The same meaning, other bytes."""
        return replace(self, expr=expr)


def canonical_axis(axis: int) -> int:
    """Where axis `axis` of NCHW is in NHWC."""
    return (0, 3, 1, 2)[axis]


def flipped_zero_point(zero_point: int, dtype: str) -> int:
    """The zero point of the canonical byte: an int8 tensor is the same byte with the top bit flipped."""
    return zero_point + INT8_OFFSET if dtype == "int8" else zero_point


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of a user's tensor NCHW or NCW."""
    return (shape[1], shape[2], shape[3]) if len(shape) == 4 else (shape[1], 1, shape[2])


def as_feature_map(value: Quantized) -> Quantized | None:
    """The value as an NHWC map of batch 1; None if the user's tensor is neither NCHW nor NCW."""
    if value.layout is Layout.NHWC:
        return value
    if value.layout is not Layout.SAME or len(value.shape) != 3 or value.shape[0] != 1:
        return None
    channels, _, width = map_shape(value.shape)
    expr = value.expr if channels == 1 or width == 1 else build.transpose(value.expr, (0, 2, 1))
    expr = build.reshape(expr, (1, 1, width, channels))
    return replace(value, expr=expr, layout=Layout.NHWC, feature_map=(channels, 1, width))


def in_user_layout(value: Quantized) -> relay.Expr:
    """The canonical bytes in the order and shape of the user's tensor, still uint8."""
    if value.layout is Layout.SAME:
        return value.expr
    channels, height, width = value.feature_map
    expr = value.expr
    if _same_order(value.feature_map):
        return build.reshape(expr, value.shape)
    if value.layout is Layout.FLAT_HWC:
        expr = build.reshape(expr, (1, height, width, channels))
    expr = build.transpose(expr, (0, 3, 1, 2))
    return expr if value.shape == (1, channels, height, width) else build.reshape(expr, value.shape)


def as_user_layout(value: Quantized) -> Quantized:
    """The same value with its bytes in the order of the user's tensor."""
    return replace(value, expr=in_user_layout(value), layout=Layout.SAME, feature_map=(0, 0, 0))


def _same_order(feature_map: tuple[int, int, int]) -> bool:
    """Whether a map's bytes lie the same way in CHW and in HWC."""
    channels, height, width = feature_map
    return channels == 1 or height * width == 1


def in_user_form(value: Quantized) -> relay.Expr:
    """The user's tensor: its layout and dtype."""
    expr = in_user_layout(value)
    return build.flip_to_int8(expr) if value.dtype == "int8" else expr


def from_user_layout(
    expr: relay.Expr, quantization: Quantization, shape: tuple[int, ...], dtype: str
) -> Quantized:
    """Canonical value of uint8 bytes in the user's layout: feature maps of batch 1 become NHWC."""
    if len(shape) != 4 or shape[0] != 1:
        return Quantized(expr, quantization, Layout.SAME, shape, dtype)
    _, channels, height, width = shape
    nhwc = (
        build.reshape(expr, (1, height, width, channels))
        if _same_order((channels, height, width))
        else build.transpose(expr, (0, 2, 3, 1))
    )
    return Quantized(nhwc, quantization, Layout.NHWC, shape, dtype, (channels, height, width))
