"""Max pooling on bytes; average pooling from the window's sum, rounded once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..numerics import Quantization, choose_pool_multipliers
from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized


def _feature_map(island: Island) -> Quantized | Refusal:
    x = island.value(island.core.args[0])
    if x is None or x.layout is not Layout.NHWC:
        return Refusal("its input is not a quantized feature map of batch 1")
    attrs = island.core.attrs
    if getattr(attrs, "layout", "NCHW") != "NCHW":
        return Refusal(f"its layout is {attrs.layout}")
    return x


def _result(island: Island, x: Quantized, expr: relay.Expr, meaning: Quantization) -> Quantized:
    _, channels, height, width = island.shape
    return replace(
        x,
        expr=expr,
        quantization=meaning,
        shape=island.shape,
        dtype=island.dtype,
        feature_map=(channels, height, width),
    )


def legalize_max_pool(island: Island) -> Quantized | Refusal:
    """`nn.max_pool2d`; where the scale changes it is followed by a requantization."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    attrs = island.core.attrs
    expr = relay.nn.max_pool2d(
        x.expr,
        pool_size=attrs.pool_size,
        strides=attrs.strides,
        dilation=attrs.dilation,
        padding=attrs.padding,
        layout="NHWC",
        ceil_mode=attrs.ceil_mode,
    )
    return rescaled(_result(island, x, expr, x.quantization), island)


def _counts(
    x: Quantized, out: tuple[int, int], pool: build.Pool, include_padding: bool
) -> npt.NDArray[np.int64]:
    """How many elements each window divides by: (OH, OW)."""
    if include_padding:
        return np.full(out, pool.window[0] * pool.window[1], np.int64)
    _, height, width = x.feature_map
    top, left, _, _ = pool.padding

    def inside(outputs: int, stride: int, before: int, kernel: int, size: int) -> npt.NDArray[np.int64]:
        start = np.arange(outputs) * stride - before
        return np.minimum(start + kernel, size) - np.maximum(start, 0)

    rows = inside(out[0], pool.strides[0], top, pool.window[0], height)
    cols = inside(out[1], pool.strides[1], left, pool.window[1], width)
    return np.outer(rows, cols)


def _average(
    island: Island, x: Quantized, pool: build.Pool, include_padding: bool = True
) -> Quantized | Refusal:
    _, _, height, width = island.shape
    counts = _counts(x, (height, width), pool, include_padding)
    uniform = bool(np.all(counts == counts.flat[0]))
    multipliers = choose_pool_multipliers(
        x.quantization, island.out, counts.ravel()[:1] if uniform else counts.ravel()
    )
    if multipliers is None:
        return Refusal("its scales are too far apart for 32-bit arithmetic")
    shape = () if uniform else (1, *counts.shape, 1)
    shaped = replace(multipliers, k=multipliers.k.reshape(shape), offset=multipliers.offset.reshape(shape))
    pad_value = x.quantization.zero_point if include_padding else 0
    total = build.window_sum(x.expr, x.feature_map, pool, pad_value)
    return _result(island, x, build.requantize(total, shaped, island.bounds), island.out)


def legalize_average_pool(island: Island) -> Quantized | Refusal:
    """`nn.avg_pool2d`; where border windows divide by fewer elements each pixel has its own multiplier."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    attrs = island.core.attrs
    if attrs.ceil_mode:
        return Refusal("ceil_mode lets windows reach beyond the padding")
    return _average(island, x, build.pool_of(attrs), bool(attrs.count_include_pad))


def legalize_global_average_pool(island: Island) -> Quantized | Refusal:
    """`nn.global_avg_pool2d`: one window of the whole map."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    _, height, width = x.feature_map
    return _average(island, x, build.Pool((height, width), (1, 1), (0, 0, 0, 0)))
