"""Max pooling on bytes; average pooling from the window's sum, rounded once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tvm import relay

from ..numerics import Ints, Quantization, choose_pool_multipliers, elements_inside
from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized, as_feature_map, map_shape


def _feature_map(island: Island) -> Quantized | Refusal:
    given = island.value(island.core.args[0])
    x = None if given is None else as_feature_map(given)
    if x is None:
        return Refusal("its input is not a quantized feature map of batch 1")
    attrs = island.core.attrs
    if getattr(attrs, "layout", "NCHW") not in ("NCHW", "NCW"):
        return Refusal(f"its layout is {attrs.layout}")
    return x


def _result(island: Island, x: Quantized, expr: relay.Expr, meaning: Quantization) -> Quantized:
    return replace(
        x,
        expr=expr,
        quantization=meaning,
        shape=island.shape,
        dtype=island.dtype,
        feature_map=map_shape(island.shape),
    )


def _reach(island: Island, x: Quantized) -> build.Pool | Refusal:
    """The window with the padding that it really reaches: with ceil_mode the last windows go beyond the one
    given."""
    pool = build.pool_of(island.core.attrs)
    top, left, bottom, right = pool.padding
    if not island.core.attrs.ceil_mode:
        return pool
    _, out_h, out_w = map_shape(island.shape)
    _, height, width = x.feature_map
    bottom = max(bottom, (out_h - 1) * pool.strides[0] + pool.window[0] - height - top)
    right = max(right, (out_w - 1) * pool.strides[1] + pool.window[1] - width - left)
    if bottom >= pool.window[0] or right >= pool.window[1]:
        return Refusal("ceil_mode puts a window wholly into the padding")
    return replace(pool, padding=(top, left, bottom, right))


def legalize_max_pool(island: Island) -> Quantized | Refusal:
    """`nn.max_pool2d`, `nn.max_pool1d`; where the scale changes it is followed by a requantization."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    pool = _reach(island, x)
    if isinstance(pool, Refusal):
        return pool
    expr = relay.nn.max_pool2d(
        x.expr,
        pool_size=pool.window,
        strides=pool.strides,
        dilation=build.pair(island.core.attrs.dilation),
        padding=pool.padding,
        layout="NHWC",
    )
    return rescaled(_result(island, x, expr, x.quantization), island)


def _counts(x: Quantized, out: tuple[int, int], pool: build.Pool, include_padding: bool) -> Ints:
    """How many elements each window divides by: (OH, OW)."""
    if include_padding:
        return np.full(out, pool.window[0] * pool.window[1], np.int64)
    _, height, width = x.feature_map
    top, left, _, _ = pool.padding
    rows = elements_inside(height, out[0], pool.window[0], pool.strides[0], top)
    cols = elements_inside(width, out[1], pool.window[1], pool.strides[1], left)
    return np.outer(rows, cols)


def _average(
    island: Island, x: Quantized, pool: build.Pool, include_padding: bool = True
) -> Quantized | Refusal:
    counts = _counts(x, map_shape(island.shape)[1:], pool, include_padding)
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
    """`nn.avg_pool2d`, `nn.avg_pool1d`; where border windows divide by fewer elements each pixel has its own
    multiplier."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    pool, include_padding = _reach(island, x), bool(island.core.attrs.count_include_pad)
    if isinstance(pool, Refusal):
        return pool
    if include_padding and pool != build.pool_of(island.core.attrs):
        return Refusal("ceil_mode lets windows reach beyond the padding that is counted")
    return _average(island, x, pool, include_padding)


def legalize_global_average_pool(island: Island) -> Quantized | Refusal:
    """`nn.global_avg_pool2d`: one window of the whole map."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    return _average(island, x, _whole(x))


def _whole(x: Quantized) -> build.Pool:
    _, height, width = x.feature_map
    return build.Pool((height, width), (1, 1), (0, 0, 0, 0))


def legalize_mean(island: Island) -> Quantized | Refusal:
    """`mean` over height and width, which are kept or not."""
    x = _feature_map(island)
    if isinstance(x, Refusal):
        return x
    attrs, rank = island.core.attrs, len(x.shape)
    axes = {int(axis) % rank for axis in attrs.axis} if attrs.axis is not None else set()
    if axes != set(range(2, rank)) or attrs.exclude:
        return Refusal("it is a mean over other axes than height and width")
    kept = replace(island, shape=(1, x.feature_map[0], 1, 1))
    mean = _average(kept, x, _whole(x))
    if isinstance(mean, Refusal) or len(island.shape) == 4:
        return mean
    return Quantized(
        build.reshape(mean.expr, island.shape), island.out, Layout.SAME, island.shape, island.dtype
    )
