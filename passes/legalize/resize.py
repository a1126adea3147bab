"""Nearest-neighbour enlargement by whole factors: every pixel is repeated."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm_pulp.errors import ModelError

from ..expressions import operator_name
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized

_POSITIONS: dict[str, Callable[[npt.NDArray[np.float64], int, int], npt.NDArray[np.float64]]] = {
    "asymmetric": lambda at, size, factor: at / factor,
    "half_pixel": lambda at, size, factor: (at + 0.5) / factor - 0.5,
    "align_corners": lambda at, size, factor: at * (size - 1) / max(1, size * factor - 1),
}
_ROUNDINGS: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "round": np.rint,
    "round_prefer_floor": lambda position: np.ceil(position - 0.5),
    "round_prefer_ceil": lambda position: np.floor(position + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _repeats(size: int, factor: int, mode: str, rounding: str) -> bool:
    """Whether output i is input i // factor."""
    if mode not in _POSITIONS or rounding not in _ROUNDINGS:
        return False
    outputs = np.arange(size * factor)
    nearest = _ROUNDINGS[rounding](_POSITIONS[mode](outputs.astype(np.float64), size, factor))
    return bool(np.array_equal(np.clip(nearest, 0, size - 1), outputs // factor))


def legalize_resize(island: Island) -> Quantized | Refusal:
    """`image.resize2d` and `nn.upsampling` in NCHW."""
    call, x = island.core, island.value(island.core.args[0])
    if x is None or x.layout is not Layout.NHWC or call.attrs.layout != "NCHW":
        return Refusal("its input is not a quantized feature map of batch 1")
    if call.attrs.method != "nearest_neighbor":
        return Refusal(f"its method is {call.attrs.method} (only nearest_neighbor is supported)")
    channels, height, width = x.feature_map
    out_h, out_w = island.shape[2:]
    if out_h % height or out_w % width:
        return Refusal("its factors are not whole numbers")
    factors = (out_h // height, out_w // width)
    if call.op.name == "image.resize2d":
        mode, rounding = str(call.attrs.coordinate_transformation_mode), str(call.attrs.rounding_method)
        sizes = zip((height, width), factors, strict=True)
        if not all(_repeats(size, factor, mode, rounding) for size, factor in sizes):
            if mode == "asymmetric" and rounding != "floor":
                raise ModelError(
                    f"TVM 0.19 takes other pixels than asymmetric coordinates with {rounding} rounding say",
                    where=operator_name(call),
                    fix="export it with nearest_mode floor",
                )
            return Refusal(f"{mode} with {rounding or 'no'} rounding does not repeat pixels")
    if math.prod(factors) == 1:
        return rescaled(x, island)
    expr = relay.repeat(relay.repeat(x.expr, factors[0], axis=1), factors[1], axis=2)
    enlarged = replace(x, expr=expr, shape=island.shape, feature_map=(channels, out_h, out_w))
    return rescaled(enlarged, island)
