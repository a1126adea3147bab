"""Padding with a constant: a border of the byte that stands for it."""

from __future__ import annotations

from dataclasses import replace

from . import build
from .island import Island, Refusal
from .read import scalar
from .requantize import rescaled
from .values import Layout, Quantized, map_shape


def legalize_pad(island: Island) -> Quantized | Refusal:
    """`nn.pad` in height and width; a window behind it takes it as its own padding."""
    data, constant = island.core.args
    x, real = island.value(data), scalar(constant)
    if x is None or x.layout is not Layout.NHWC or len(x.shape) != 4:
        return Refusal("its input is not a quantized feature map of batch 1")
    if real is None or island.core.attrs.pad_mode != "constant":
        return Refusal("it pads with something else than a constant")
    batch, channels, vertical, horizontal = ([int(p) for p in sides] for sides in island.core.attrs.pad_width)
    if any(batch) or any(channels) or min(*vertical, *horizontal) < 0:
        return Refusal("it pads other axes than height and width, or crops")
    value = x.quantization.nearest_byte(real)
    if (value - x.quantization.zero_point) * x.quantization.scale != real:
        return Refusal("what it pads with is not a multiple of its input's scale")
    padding = (vertical[0], horizontal[0], vertical[1], horizontal[1])
    expr = build.pad(x.expr, padding, value)
    padded = replace(x, expr=expr, shape=island.shape, feature_map=map_shape(island.shape))
    return rescaled(padded, island)
