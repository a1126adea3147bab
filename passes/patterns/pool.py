"""Max pooling and average pooling."""

from __future__ import annotations

from dataclasses import replace

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from .operator import Operands, OperatorPattern, check_map, check_window, shape_of
from .padding import Border, maybe_padded, read_border
from .requantization import read_requant, requantized


def max_pool_pattern() -> DFPattern:
    """`max_pool2d` on bytes."""
    return is_op("nn.max_pool2d")(wildcard())


def read_max_pool(call: relay.Call) -> Operands:
    """Takes a match apart."""
    attrs = call.attrs
    top, left, bottom, right = (int(p) for p in attrs.padding)
    window = Window(
        kernel_h=int(attrs.pool_size[0]),
        kernel_w=int(attrs.pool_size[1]),
        stride_h=int(attrs.strides[0]),
        stride_w=int(attrs.strides[1]),
        pad_top=top,
        pad_bottom=bottom,
        pad_left=left,
        pad_right=right,
    )
    return Operands(LayerKind.MAXPOOL, (call.args[0],), window, None, None)


def check_max_pool(call: relay.Call) -> str | None:
    """uint8 NHWC, no dilation, no window beyond the padding."""
    if call.attrs.layout != "NHWC":
        return f"its layout is {call.attrs.layout}"
    if any(int(d) != 1 for d in call.attrs.dilation):
        return "it is dilated"
    if call.attrs.ceil_mode:
        return "ceil_mode lets windows reach beyond the padding"
    return check_map(call.args[0]) or check_window(read_max_pool(call).window)


def average_pool_pattern() -> DFPattern:
    """`[pad ->] conv2d with ones -> requantize`, or `sum -> requantize` over a whole map."""
    data = is_op("cast")(maybe_padded())
    windows = is_op("nn.conv2d")(data, is_constant())
    return requantized(windows | is_op("sum")(is_op("cast")(wildcard())))


def _average_window(total: relay.Call, border: Border) -> Window:
    if total.op.name == "sum":
        _, height, width, _ = shape_of(border.data)
        return Window(height, width)
    top, left, bottom, right = border.padding
    (kernel_h, kernel_w), (stride_h, stride_w) = total.attrs.kernel_size, total.attrs.strides
    return Window(int(kernel_h), int(kernel_w), int(stride_h), int(stride_w), top, bottom, left, right)


def read_average_pool(cast: relay.Call) -> Operands:
    """Takes a match apart."""
    total, requant = read_requant(cast)
    border = read_border(total.args[0].args[0])
    flat = replace(requant, multiplier=requant.multiplier.ravel(), offset=requant.offset.ravel())
    return Operands(LayerKind.AVGPOOL, (border.data,), _average_window(total, border), border.value, flat)


def check_average_pool(cast: relay.Call) -> str | None:
    """Every window divides by the same number."""
    operands = read_average_pool(cast)
    if operands.requant is None or operands.requant.multiplier.size != 1:
        return "windows at the border divide by fewer elements (count_include_pad=0)"
    return check_map(operands.inputs[0]) or check_map(cast) or check_window(operands.window)


MAX_POOL = OperatorPattern(
    name="pulp.max_pool2d",
    description="max pooling",
    pattern=max_pool_pattern,
    check=check_max_pool,
    read=read_max_pool,
)

AVERAGE_POOL = OperatorPattern(
    name="pulp.avg_pool2d",
    description="average pooling, also global",
    pattern=average_pool_pattern,
    check=check_average_pool,
    read=read_average_pool,
)
