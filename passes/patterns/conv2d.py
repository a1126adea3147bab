"""Convolutions: all of them are one canonical form that differs in its attributes."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op

from ...codegen.graph import LayerKind, Requant
from ..expressions import shape_of
from ..numerics import MAX_BYTE
from .operator import Operands, OperatorPattern, check_map, check_window, window_of
from .padding import check_border, maybe_padded, read_border
from .requantization import read_requant, requantized


def conv2d_pattern() -> DFPattern:
    """`[pad ->] conv2d -> requantize`."""
    data, weights = is_op("cast")(maybe_padded()), is_op("cast")(is_constant())
    return requantized(is_op("nn.conv2d")(data, weights))


def is_depthwise(conv: relay.Call) -> bool:
    """One input channel makes one output channel."""
    groups = int(conv.attrs.groups)
    return groups > 1 and shape_of(conv.args[0])[3] == groups == int(conv.attrs.channels)


def is_pointwise(conv: relay.Call) -> bool:
    """1x1 with stride 1 and no padding."""
    attrs = conv.attrs
    ones = [*attrs.kernel_size, *attrs.strides]
    return all(int(v) == 1 for v in ones) and not any(int(p) for p in attrs.padding)


def is_dilated(conv: relay.Call) -> bool:
    """Kernel elements that are not neighbours."""
    return any(int(d) != 1 for d in conv.attrs.dilation)


def _kind(conv: relay.Call) -> LayerKind:
    if (
        has_wide_weights(conv.args[1].args[0])
        or is_dilated(conv)
        or (int(conv.attrs.groups) != 1 and not is_depthwise(conv))
    ):
        return LayerKind.CONV_DIRECT
    if is_depthwise(conv):
        return LayerKind.DEPTHWISE
    border = read_border(conv.args[0].args[0])
    return LayerKind.POINTWISE if is_pointwise(conv) and not any(border.padding) else LayerKind.CONV2D


def read_conv2d(cast: relay.Call) -> Operands:
    """Takes a match apart."""
    conv, requant = read_requant(cast)
    return convolution_operands(conv, requant)


def convolution_operands(conv: relay.Call, requant: Requant | None) -> Operands:
    """A convolution taken apart; sums are left to the kernel that knows every kind of it."""
    attrs = conv.attrs
    border = read_border(conv.args[0].args[0])
    padding = [int(p) + b for p, b in zip(attrs.padding, border.padding, strict=True)]
    window = window_of(attrs.kernel_size, attrs.strides, padding, attrs.dilation)
    pad_value = border.value if border.value is not None else (0 if any(padding) else None)
    weights = conv.args[1].args[0]
    groups = int(attrs.groups)
    return Operands(
        _kind(conv) if requant is not None else LayerKind.CONV_DIRECT,
        (border.data,),
        window,
        pad_value,
        requant,
        weights,
        groups=groups,
        one_channel_groups=attrs.kernel_layout == "HWOI",
    )


def check_conv2d(cast: relay.Call) -> str | None:
    """Kernels take symmetric int8 weights."""
    conv, _ = read_requant(cast)
    operands = read_conv2d(cast)
    if conv.attrs.data_layout != "NHWC":
        return f"its layout is {conv.attrs.data_layout}"
    return (
        check_weights(operands.weights)
        or check_map(operands.inputs[0])
        or check_map(cast)
        or check_window(operands.window)
        or check_borders(conv, operands)
    )


def check_borders(conv: relay.Call, operands: Operands) -> str | None:
    """A border of its own and the convolution's padding can't both be there with different values."""
    own = any(int(p) for p in conv.attrs.padding)
    return "it is padded twice" if own and operands.pad_value else check_border(conv.args[0].args[0])


def has_wide_weights(weights: relay.Expr) -> bool:
    """Whether weights less their zero point leave int8."""
    return isinstance(weights, relay.Constant) and str(weights.data.dtype) == "int16"


def check_weights(weights: relay.Expr | None) -> str | None:
    """Weights that are int8, or int8 with one number added to all."""
    if not isinstance(weights, relay.Constant):
        return "its weights are no constant"
    values = weights.data.numpy()
    if str(values.dtype) not in ("int8", "int16") or int(values.max()) - int(values.min()) > MAX_BYTE:
        return "its channels' weights have zero points too far apart for the kernels"
    return None


CONV2D = OperatorPattern(
    name="pulp.conv2d",
    description="convolution: standard, pointwise, depthwise, grouped, dilated",
    pattern=conv2d_pattern,
    check=check_conv2d,
    read=read_conv2d,
    kinds=(LayerKind.CONV2D, LayerKind.POINTWISE, LayerKind.DEPTHWISE, LayerKind.CONV_DIRECT),
    onnx=("Conv",),
    conditions=(
        "one or two dimensions, any kernel, stride, dilation and number of groups",
        "8-bit weights, with a scale for all or for each output channel",
        "padding smaller than the kernel",
    ),
)
