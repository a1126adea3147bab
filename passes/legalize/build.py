"""The canonical forms as Relay expressions. What `patterns` matches is what is built here, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call
from ..numerics import MAX_BYTE, AddMultipliers, Multipliers, Range

Padding = tuple[int, int, int, int]  # top, left, bottom, right, as Relay orders them


@dataclass(frozen=True)
class ConvShape:
    """Stride, padding, dilation (h, w) and groups of a convolution, and the byte that pads it."""

    strides: tuple[int, int]
    padding: Padding
    dilation: tuple[int, int]
    groups: int
    pad_value: int


@dataclass(frozen=True)
class Pool:
    """Window, strides (h, w) and padding of a pooling operator."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding


def constant(values: npt.NDArray[np.generic] | int, dtype: str) -> relay.Expr:
    """A constant of the given dtype."""
    return relay.const(np.asarray(values).astype(dtype), dtype)  # without a dtype it narrows int64


def reshape(expr: relay.Expr, shape: Sequence[int]) -> relay.Expr:
    """`expr` in another shape, bytes in the same order; reshapes in a row are one."""
    below = _operand_of(expr, "reshape")
    return relay.reshape(expr if below is None else below, shape)


def transpose(expr: relay.Expr, axes: Sequence[int]) -> relay.Expr:
    """`expr` with its axes permuted; permutations in a row are one, and none where they cancel."""
    below = _operand_of(expr, "transpose")
    if below is not None:
        inner = [int(axis) for axis in expr.attrs.axes]
        expr, axes = below, [inner[axis] for axis in axes]
    return expr if list(axes) == list(range(len(axes))) else relay.transpose(expr, axes)


def _operand_of(expr: relay.Expr, name: str) -> relay.Expr | None:
    call = as_call(expr, name)
    return None if call is None else call.args[0]


def table(expr: relay.Expr, values: npt.NDArray[np.uint8]) -> relay.Expr:
    """`values[expr]`, element by element; 256 values."""
    return relay.take(constant(values, "uint8"), relay.cast(expr, "int32"), mode="clip")


def strided_slice(
    expr: relay.Expr, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]
) -> relay.Expr:
    """A part of `expr`, with bounds for every axis."""
    return relay.strided_slice(expr, begin=list(begin), end=list(end), strides=list(strides))


def flip_to_int8(expr: relay.Expr) -> relay.Expr:
    """The int8 tensor whose bytes, with the top bit flipped, are the uint8 `expr`."""
    return relay.cast(relay.cast(expr, "int16") - constant(128, "int16"), "int8")


def flip_to_uint8(expr: relay.Expr) -> relay.Expr:
    """The canonical bytes of an int8 tensor."""
    return relay.cast(relay.cast(expr, "int16") + constant(128, "int16"), "uint8")


def quantization(expr: relay.Expr, factor: float, zero_point: int) -> relay.Expr:
    """Bytes of a float32 tensor: `clip(round(expr * factor) + zero_point, 0, 255)`."""
    units = relay.round(relay.multiply(expr, relay.const(factor, "float32")))
    shifted = relay.add(units, relay.const(float(zero_point), "float32"))
    return relay.cast(relay.clip(shifted, 0.0, float(MAX_BYTE)), "uint8")


def dequantization(expr: relay.Expr, scale: float, zero_point: int) -> relay.Expr:
    """What bytes stand for, as float32: `(expr - zero_point) * scale`."""
    centred = relay.subtract(relay.cast(expr, "int32"), relay.const(zero_point, "int32"))
    return relay.multiply(relay.cast(centred, "float32"), relay.const(scale, "float32"))


def softmax(expr: relay.Expr, table: npt.NDArray[np.float32]) -> relay.Expr:
    """float32 of bytes, along the last axis: `table[d]` for the distance d of each from the largest, divided by
    the sum of them all, which is one of whole numbers."""
    widened = relay.cast(expr, "int32")
    distance = relay.subtract(relay.max(widened, axis=-1, keepdims=True), widened)
    terms = relay.take(constant(np.rint(table), "int32"), distance, mode="clip")
    total = relay.sum(relay.cast(terms, "int64"), axis=-1, keepdims=True)
    exact = relay.take(constant(table, "float32"), distance, mode="clip")
    return relay.divide(exact, relay.cast(total, "float32"))


def clip_to_byte(expr: relay.Expr, shift: int, bounds: Range, dtype: str) -> relay.Expr:
    """`clip(expr >> shift, lo, hi)` as uint8."""
    shifted = relay.right_shift(expr, constant(shift, dtype))
    return relay.cast(relay.clip(shifted, bounds.lo, bounds.hi), "uint8")


def requantize(acc: relay.Expr, multipliers: Multipliers, bounds: Range) -> relay.Expr:
    """Sums to bytes; `k` and `offset` have an entry per channel, or one (a scalar) for all."""
    dtype = sum_dtype(multipliers.wide)
    scaled = relay.multiply(acc, constant(multipliers.k, dtype))
    total = relay.add(scaled, constant(multipliers.offset, dtype))
    return clip_to_byte(total, multipliers.shift, bounds, dtype)


def border_of(expr: relay.Expr) -> Padding | None:
    """The widths of a constant border in height and width of a map, rank 4; None for any other expression."""
    call = as_call(expr, "nn.pad")
    if call is None or call.attrs.pad_mode != "constant" or not isinstance(call.args[1], relay.Constant):
        return None
    widths = [[int(p) for p in sides] for sides in call.attrs.pad_width]
    if len(widths) != 4 or any(widths[0]) or any(widths[3]) or min(*widths[1], *widths[2]) < 0:
        return None
    (top, bottom), (left, right) = widths[1:3]
    return top, left, bottom, right


def pad(expr: relay.Expr, padding: Padding, value: int) -> relay.Expr:
    """An NHWC map with a border of `value`; a border around the same border is one."""
    top, left, bottom, right = padding
    inner = border_of(expr)
    if inner is not None and int(expr.args[1].data.numpy()) == value:
        top, left, bottom, right = (a + b for a, b in zip(padding, inner, strict=True))
        expr = expr.args[0]
    return relay.nn.pad(expr, [[0, 0], [top, bottom], [left, right], [0, 0]], pad_value=value)


def sum_dtype(wide: bool) -> str:
    """The dtype of a weighted layer's sums and of its requantization.

    Operands are widened to it before they are multiplied, because TVM folds a multiplier behind a convolution
    into its weights: exact there (every partial sum of k * w * x stays between the proven bounds), ill-typed
    in anything narrower.
    """
    return "int64" if wide else "int32"


def convolution(x: relay.Expr, weights: npt.NDArray[np.integer], shape: ConvShape, dtype: str) -> relay.Expr:
    """Sums (of `dtype`) of an NHWC convolution; `weights` (Co, Ci / groups, Kh, Kw) are int8 or int16."""
    padding = shape.padding
    if shape.pad_value and any(padding):
        x, padding = pad(x, padding, shape.pad_value), (0, 0, 0, 0)
    channels, per_group = weights.shape[:2]
    depthwise = shape.groups > 1 and per_group == 1
    if depthwise:
        in_channels = shape.groups
        weights = weights.reshape(in_channels, channels // in_channels, *weights.shape[2:])
        weights = weights.transpose(2, 3, 0, 1)
    else:
        weights = weights.transpose(2, 3, 1, 0)
    return relay.nn.conv2d(
        relay.cast(x, dtype),
        widened(weights, dtype),
        strides=shape.strides,
        padding=padding,
        dilation=shape.dilation,
        groups=shape.groups,
        channels=channels,
        kernel_size=weights.shape[:2],
        data_layout="NHWC",
        kernel_layout="HWOI" if depthwise else "HWIO",
        out_dtype=dtype,
    )


def widened(weights: npt.NDArray[np.integer], dtype: str) -> relay.Expr:
    """Weights as an operand of `dtype`, stored in their own."""
    return relay.cast(relay.const(np.ascontiguousarray(weights)), dtype)


def dense(x: relay.Expr, weights: npt.NDArray[np.integer], dtype: str) -> relay.Expr:
    """Sums (of `dtype`) of a linear layer: x (M, K), weights (N, K)."""
    return relay.nn.dense(
        relay.cast(x, dtype), widened(weights, dtype), units=weights.shape[0], out_dtype=dtype
    )


def biased(sums: relay.Expr, bias: npt.NDArray[np.integer]) -> relay.Expr:
    """int32 sums with an integer for each channel, the last axis, added."""
    return relay.add(sums, constant(bias, "int32"))


def addition(a: relay.Expr, b: relay.Expr, multipliers: AddMultipliers, bounds: Range) -> relay.Expr:
    """Bytes of `(k_a * a + k_b * b + offset) >> shift`."""
    scaled_a = relay.multiply(relay.cast(a, "int32"), constant(multipliers.k_a, "int32"))
    scaled_b = relay.multiply(relay.cast(b, "int32"), constant(multipliers.k_b, "int32"))
    total = relay.add(relay.add(scaled_a, scaled_b), constant(multipliers.offset, "int32"))
    return clip_to_byte(total, multipliers.shift, bounds, "int32")


def pool_of(attrs: Any) -> Pool:
    """The window of a pooling operator in two dimensions or in one."""
    return Pool(pair(attrs.pool_size), pair(attrs.strides), padding_of(attrs))


def pair(values: Any) -> tuple[int, int]:
    """An attribute for height and width; in one dimension the map has a single row."""
    numbers = [int(value) for value in values]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


def padding_of(attrs: Any) -> Padding:
    """The padding of an operator in two dimensions or in one."""
    numbers = [int(value) for value in attrs.padding]
    return (
        (numbers[0], numbers[1], numbers[2], numbers[3])
        if len(numbers) == 4
        else (0, numbers[0], 0, numbers[1])
    )


def window_sum(x: relay.Expr, feature_map: tuple[int, int, int], pool: Pool, pad_value: int) -> relay.Expr:
    """int32 sums over the windows of an NHWC map of (C, H, W).

    A window of the whole map is a reduction, any other a depthwise convolution with ones.
    """
    channels, height, width = feature_map
    if pool.window == (height, width) and not any(pool.padding):
        return relay.sum(relay.cast(x, "int32"), axis=(1, 2), keepdims=True)
    if any(pool.padding):
        x = pad(x, pool.padding, pad_value)
    return relay.nn.conv2d(
        relay.cast(x, "int32"),
        constant(np.ones((*pool.window, channels, 1)), "int32"),
        strides=pool.strides,
        padding=(0, 0, 0, 0),
        groups=channels,
        channels=channels,
        kernel_size=pool.window,
        data_layout="NHWC",
        kernel_layout="HWOI" if channels > 1 else "HWIO",
        out_dtype="int32",
    )
