"""What convolutions and linear layers share: weights, bias and multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call, shape_of
from ..numerics import Multipliers, Quantization, accumulator_of, choose_multipliers
from .island import Refusal
from .read import QuantizedConstant, evaluate, quantized_constant

INT8 = np.iinfo(np.int8)
_WEIGHTED = ("nn.conv2d", "nn.conv1d", "nn.dense", "nn.matmul")


@dataclass(frozen=True)
class Weights:
    """Weights with the output channel first and zero point 0, int8 where they fit, otherwise int16; a scale for
    each channel (float64)."""

    values: npt.NDArray[np.integer]
    scale: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bias:
    """A constant added to the sums: real numbers, and the integers with their scale if it was quantized."""

    real: npt.NDArray[np.float64]
    quantized: QuantizedConstant | None

    def in_units(self, step: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The bias in units of the accumulator, `step` real numbers each, for every channel.

        A bias with (nearly) that scale already, as quantizers write it, is taken as it is.
        """
        if self.quantized is not None and np.allclose(self.quantized.scale, step, rtol=1e-6, atol=0):
            centred = self.quantized.values.astype(np.int64).ravel() - self.quantized.zero_point
            return np.broadcast_to(centred, step.shape)
        real = np.broadcast_to(self.real, step.shape)
        return np.rint(np.divide(real, step, out=np.zeros(step.shape), where=step > 0)).astype(np.int64)


def peel_bias(expr: relay.Expr) -> tuple[relay.Expr, Bias | None]:
    """The operator below a constant bias, and the bias, if there is one."""
    call = as_call(expr, "nn.bias_add", "add")
    if call is None:
        return expr, None
    for data, other in ((call.args[0], call.args[1]), (call.args[1], call.args[0])):
        real = evaluate(other) if as_call(data, *_WEIGHTED) is not None else None
        if real is not None and (call.op.name == "nn.bias_add" or _is_per_channel(real, data)):
            return data, Bias(np.asarray(real, np.float64).ravel(), quantized_constant(other))
    return expr, None


def _is_per_channel(real: npt.NDArray[np.generic], data: relay.Call) -> bool:
    """Whether a constant that is added is one number, or has an entry for each output channel."""
    behind = {"nn.conv2d": 2, "nn.conv1d": 1}.get(data.op.name, 0)  # axes behind the channels
    channels = shape_of(data)[-1 - behind]
    per_channel = real.ndim > behind and real.shape[real.ndim - 1 - behind] == channels
    return real.size == 1 or (per_channel and real.size == channels)


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
    weights: Weights, bias: Bias | None, x: Quantization, out: Quantization
) -> Multipliers | Refusal:
    """Multipliers of a layer."""
    step = weights.scale * x.scale  # what one unit of the accumulator is worth
    units = np.zeros(step.shape, np.int64) if bias is None else bias.in_units(step)
    acc = accumulator_of(weights.values, units, x.zero_point)
    found = choose_multipliers(step / out.scale, acc, out.zero_point)
    return found or Refusal("its scales are too far apart for 64-bit requantization")
