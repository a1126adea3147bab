"""Flatten and Reshape: free where the order of the bytes stays, otherwise through the user's layout."""

from __future__ import annotations

from dataclasses import replace

from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized, from_user_layout, in_user_layout


def _flattens(x: Quantized, shape: tuple[int, ...]) -> bool:
    return x.layout is Layout.NHWC and len(shape) == 2 and shape[0] == 1


def _flat(x: Quantized, shape: tuple[int, ...]) -> Quantized:
    channels, height, width = x.feature_map
    same_order = channels == 1 or height * width == 1
    layout = Layout.SAME if same_order else Layout.FLAT_HWC
    return replace(x, expr=build.reshape(x.expr, shape), layout=layout, shape=shape)


def legalize_reshape(island: Island) -> Quantized | Refusal:
    """`reshape`, `nn.batch_flatten`, `squeeze`, `expand_dims`, and a requantization where the scale changes."""
    x = island.value(island.core.args[0])
    if x is None:
        return Refusal("its input is not a quantized tensor")
    if _flattens(x, island.shape):
        return rescaled(_flat(x, island.shape), island)
    moved = build.reshape(in_user_layout(x), island.shape)
    return rescaled(from_user_layout(moved, x.quantization, island.shape, island.dtype), island)
