"""Convolution: standard, depthwise, pointwise and grouped, in two dimensions and in one."""

from __future__ import annotations

from typing import Any

from tvm import relay

from ..expressions import as_call
from . import build
from .island import Island, Refusal, Values
from .values import Layout, Quantized, as_feature_map
from .weighted import WeightedLayer, peel_bias, read_weights, requantized


def _conv_shape(attrs: Any, pad_value: int) -> build.ConvShape:
    top, left, bottom, right = build.padding_of(attrs)
    return build.ConvShape(
        strides=build.pair(attrs.strides),
        padding=(top, left, bottom, right),
        dilation=build.pair(attrs.dilation),
        groups=int(attrs.groups),
        pad_value=pad_value,
    )


def read_convolution(expr: relay.Expr, values: Values) -> WeightedLayer | Refusal:
    """`nn.conv2d [-> bias]` in NCHW, `nn.conv1d` in NCW."""
    core, bias = peel_bias(expr)
    call = as_call(core, "nn.conv2d", "nn.conv1d")
    assert call is not None
    given = values(call.args[0])
    x = None if given is None else as_feature_map(given)
    weights = read_weights(call.args[1])
    if x is None:
        return Refusal("its input is not a quantized feature map of batch 1")
    if isinstance(weights, Refusal):
        return weights
    if (call.attrs.data_layout, call.attrs.kernel_layout) not in (("NCHW", "OIHW"), ("NCW", "OIW")):
        return Refusal(f"its layout is {call.attrs.data_layout}")
    shape = _conv_shape(call.attrs, x.quantization.zero_point)
    kernels = weights.values.reshape(*weights.values.shape[:2], -1, weights.values.shape[-1])
    return WeightedLayer(
        x, weights, bias, lambda dtype: build.convolution(x.expr, kernels, shape, dtype), Layout.NHWC
    )


def legalize_conv2d(island: Island) -> Quantized | Refusal:
    """A convolution to bytes."""
    layer = read_convolution(island.core, island.value)
    return layer if isinstance(layer, Refusal) else requantized(layer, island)
