"""What convolutions and linear layers share: weights, bias and multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..numerics import Multipliers, Quantization, accumulator_of, choose_multipliers
from .island import Refusal
from .read import QuantizedConstant, as_call, evaluate, quantized_constant

INT8 = np.iinfo(np.int8)


@dataclass(frozen=True)
class Weights:
    """Weights with the output channel first and zero point 0, int8 where they fit, otherwise int16; a scale for
    each channel (float64)."""

    values: npt.NDArray[np.integer]
    scale: npt.NDArray[np.float64]


def peel_bias(expr: relay.Expr) -> tuple[relay.Expr, npt.NDArray[np.float64] | None]:
    """The operator below a constant bias, and the bias in real numbers (flat), if there is one."""
    call = as_call(expr, "nn.bias_add", "add")
    if call is None:
        return expr, None
    for data, other in ((call.args[0], call.args[1]), (call.args[1], call.args[0])):
        bias = evaluate(other)
        if bias is not None and as_call(data, "nn.conv2d", "nn.dense", "nn.matmul") is not None:
            return data, np.asarray(bias, np.float64).ravel()
    return expr, None


def read_weights(expr: relay.Expr) -> Weights | Refusal:
    """Weights of a dequantized constant whose axis 0 is the output channel."""
    found = quantized_constant(expr)
    if found is None:
        return Refusal("its weights are not a quantized constant")
    return _centred(found)


def _centred(found: QuantizedConstant) -> Weights | Refusal:
    channels = found.values.shape[0]
    if found.scale.size > 1 and found.axis != 0:
        return Refusal("its weights are quantized along another axis than the output channel")
    zero_point = found.zero_point.reshape(-1, *[1] * (found.values.ndim - 1))
    centred = found.values.astype(np.int64) - zero_point
    fits = centred.min(initial=0) >= INT8.min and centred.max(initial=0) <= INT8.max
    return Weights(centred.astype(np.int8 if fits else np.int16), np.broadcast_to(found.scale, (channels,)))


def multipliers_of(
    weights: Weights, bias: npt.NDArray[np.float64] | None, x: Quantization, out: Quantization
) -> Multipliers | Refusal:
    """Multipliers of a layer; `bias` in real numbers, an entry per channel or one for all."""
    channels = weights.values.shape[0]
    step = weights.scale * x.scale  # what one unit of the accumulator is worth
    real_bias = np.broadcast_to(np.zeros(1) if bias is None else bias, (channels,))
    units = np.divide(real_bias, step, out=np.zeros(channels), where=step > 0)
    acc = accumulator_of(weights.values, np.rint(units).astype(np.int64), x.zero_point)
    found = choose_multipliers(step / out.scale, acc, out.zero_point)
    return found or Refusal("its scales are too far apart for 64-bit requantization")
