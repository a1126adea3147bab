"""Softmax of a quantized tensor: exponentials from a table of 256, their sum in integers, one division each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..numerics import MAX_BYTE
from . import build
from .island import Refusal
from .values import Layout, Quantized, in_user_layout

UNIT = 2**30
"""What stands for an exponential of 1."""


def exponentials(scale: float) -> npt.NDArray[np.float32]:
    """exp(-scale * d) in units, for the distance d = 0 … 255 of a byte from the largest."""
    return np.asarray((np.exp(-scale * np.arange(MAX_BYTE + 1)) * UNIT).astype(np.float32))


def quantized_softmax(softmax: relay.Call, x: Quantized) -> relay.Expr | Refusal:
    """float32 in the user's layout."""
    rank = len(x.shape)
    axis = int(softmax.attrs.axis) % rank
    table = exponentials(x.quantization.scale)
    if x.layout is Layout.NHWC and rank == 4 and axis == 1:
        channels, height, width = x.feature_map
        real = build.softmax(x.expr, table)
        if channels == 1 or height * width == 1:
            return build.reshape(real, x.shape)
        return build.transpose(real, (0, 3, 1, 2))
    if axis != rank - 1:
        return Refusal("its axis is neither the channels' nor the last")
    return build.softmax(in_user_layout(x), table)
