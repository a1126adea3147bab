"""What convolutions and linear layers share: weights, bias, multipliers, and what is made of their sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call, shape_of
from ..numerics import INT32_MAX, Accumulator, Multipliers, Quantization, accumulator_of, choose_multipliers
from . import build
from .island import Island, Refusal
from .read import QuantizedConstant, evaluate, quantized_constant
from .values import Layout, Quantized, map_shape

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

    def is_in_units(self, step: npt.NDArray[np.float64]) -> bool:
        """Whether it was quantized with the accumulator's scale."""
        return self.quantized is not None and np.allclose(self.quantized.scale, step, rtol=1e-6, atol=0)

    def in_units(self, step: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The bias in units of the accumulator, `step` real numbers each, for every channel.

        A bias with (nearly) that scale already, as quantizers write it, is taken as it is.
        """
        if self.quantized is not None and self.is_in_units(step):
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


@dataclass(frozen=True)
class WeightedLayer:
    """A convolution or linear layer taken apart. `sums` makes the expression of its sums in a dtype:
    (1, H, W, C) if the layout is NHWC, (M, N) if it is SAME."""

    x: Quantized
    weights: Weights
    bias: Bias | None
    sums: Callable[[str], relay.Expr]
    layout: Layout

    @property
    def step(self) -> npt.NDArray[np.float64]:
        """What one unit of each channel's sums is worth."""
        return self.weights.scale * self.x.quantization.scale

    @property
    def accumulator(self) -> Accumulator:
        """The bounds of its sums."""
        units = np.zeros(self.step.shape, np.int64) if self.bias is None else self.bias.in_units(self.step)
        return accumulator_of(self.weights.values, units, self.x.quantization.zero_point)

    def multipliers(self, out: Quantization) -> Multipliers | Refusal:
        """Multipliers from sums to bytes."""
        found = choose_multipliers(self.step / out.scale, self.accumulator, out.zero_point)
        return found or Refusal("its scales are too far apart for 64-bit requantization")


def requantized(layer: WeightedLayer, island: Island) -> Quantized | Refusal:
    """The layer's sums as the bytes of its island."""
    multipliers = layer.multipliers(island.out)
    if isinstance(multipliers, Refusal):
        return multipliers
    acc = layer.sums(build.sum_dtype(multipliers.wide))
    expr = build.requantize(acc, multipliers, island.bounds)
    feature_map = map_shape(island.shape) if layer.layout is Layout.NHWC else (0, 0, 0)
    return Quantized(expr, island.out, layer.layout, island.shape, island.dtype, feature_map)


def real_sums(layer: WeightedLayer, shape: tuple[int, ...]) -> relay.Expr | Refusal:
    """The layer's sums as float32 in the user's layout and `shape`: integers until one multiplication, behind
    which a bias is added that isn't in their units."""
    bias = layer.bias
    if bias is not None and not bias.is_in_units(layer.step):
        sums = real_sums(replace(layer, bias=None), shape)
        return sums if isinstance(sums, Refusal) else _with_real_bias(sums, bias, layer)
    acc, step = layer.accumulator, layer.step.astype(np.float32)
    ends = (acc.low, acc.high, acc.constant, acc.low + acc.constant, acc.high + acc.constant)
    if any(np.abs(end).max() > INT32_MAX for end in ends):
        return Refusal("its sums leave 32 bits")
    total = build.biased(layer.sums("int32"), acc.constant)
    if layer.layout is Layout.NHWC:
        total = build.reshape(build.transpose(total, (0, 3, 1, 2)), shape)
    return relay.multiply(relay.cast(total, "float32"), build.constant(_spread(step, layer), "float32"))


def _with_real_bias(sums: relay.Expr, bias: Bias, layer: WeightedLayer) -> relay.Expr:
    real = np.broadcast_to(bias.real, layer.step.shape)
    return relay.add(sums, build.constant(_spread(real, layer), "float32"))


def _spread(values: npt.NDArray[np.floating], layer: WeightedLayer) -> npt.NDArray[np.floating]:
    """A number for each channel in a shape that fits the user's layout."""
    behind = len(layer.x.shape) - 2 if layer.layout is Layout.NHWC else 0
    return values.reshape(-1, *[1] * behind)
