"""Convolution: standard, depthwise, pointwise and grouped."""

from __future__ import annotations

from typing import Any

from . import build
from .island import Island, Refusal
from .read import as_call
from .values import Layout, Quantized
from .weighted import multipliers_of, peel_bias, read_weights


def _conv_shape(attrs: Any, pad_value: int) -> build.ConvShape:
    top, left, bottom, right = (int(p) for p in attrs.padding)
    return build.ConvShape(
        strides=(int(attrs.strides[0]), int(attrs.strides[1])),
        padding=(top, left, bottom, right),
        dilation=(int(attrs.dilation[0]), int(attrs.dilation[1])),
        groups=int(attrs.groups),
        pad_value=pad_value,
    )


def legalize_conv2d(island: Island) -> Quantized | Refusal:
    """`nn.conv2d [-> bias]` in NCHW."""
    core, bias = peel_bias(island.core)
    call = as_call(core, "nn.conv2d")
    assert call is not None
    x = island.value(call.args[0])
    weights = read_weights(call.args[1])
    if x is None or x.layout is not Layout.NHWC:
        return Refusal("its input is not a quantized feature map of batch 1")
    if isinstance(weights, Refusal):
        return weights
    if call.attrs.data_layout != "NCHW" or call.attrs.kernel_layout != "OIHW":
        return Refusal(f"its layout is {call.attrs.data_layout}")
    multipliers = multipliers_of(weights, bias, x.quantization, island.out)
    if isinstance(multipliers, Refusal):
        return multipliers
    shape = _conv_shape(call.attrs, x.quantization.zero_point)
    acc = build.convolution(x.expr, weights.values, shape, build.sum_dtype(multipliers.wide))
    _, channels, height, width = island.shape
    return Quantized(
        build.requantize(acc, multipliers, island.bounds),
        island.out,
        Layout.NHWC,
        island.shape,
        island.dtype,
        (channels, height, width),
    )
