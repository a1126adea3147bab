"""Max pooling and average pooling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Requant, Window
from ..expressions import shape_of
from ..numerics import Ints, elements_inside
from .operator import Border, Exactness, Operands, OperatorPattern, check_map, check_window, window_of
from .padding import check_border, maybe_padded, read_border
from .requantization import read_requant, requantized


def max_pool_pattern() -> DFPattern:
    """`max_pool2d` on bytes."""
    return is_op("nn.max_pool2d")(wildcard())


def read_max_pool(call: relay.Call) -> Operands:
    """Takes a match apart."""
    attrs = call.attrs
    window = window_of(attrs.pool_size, attrs.strides, attrs.padding)
    return Operands(LayerKind.MAXPOOL, (call.args[0],), window, None, None)


def check_max_pool(call: relay.Call) -> str | None:
    """uint8 NHWC, no dilation, no window beyond the padding."""
    if call.attrs.layout != "NHWC":
        return f"its layout is {call.attrs.layout}"
    if any(int(d) != 1 for d in call.attrs.dilation):
        return "it is dilated"
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
    return window_of(total.attrs.kernel_size, total.attrs.strides, border.padding)


def read_average_pool(cast: relay.Call) -> Operands:
    """Takes a match apart."""
    total, requant = read_requant(cast)
    border = read_border(total.args[0].args[0])
    window, pad_value = _average_window(total, border), border.value
    if requant.multiplier.size > 1:
        by_count = _by_count(requant, _elements_inside(shape_of(border.data), window), window)
        return Operands(LayerKind.AVGPOOL, (border.data,), window, None, by_count)
    flat = replace(requant, multiplier=requant.multiplier.ravel(), offset=requant.offset.ravel())
    return Operands(LayerKind.AVGPOOL, (border.data,), window, pad_value, flat)


def _elements_inside(shape: tuple[int, ...], window: Window) -> Ints:
    """How many elements of each window lie inside the map: (OH, OW)."""
    out_h = (shape[1] + window.pad_top + window.pad_bottom - window.kernel_h) // window.stride_h + 1
    out_w = (shape[2] + window.pad_left + window.pad_right - window.kernel_w) // window.stride_w + 1
    rows = elements_inside(shape[1], out_h, window.kernel_h, window.stride_h, window.pad_top)
    cols = elements_inside(shape[2], out_w, window.kernel_w, window.stride_w, window.pad_left)
    return np.outer(rows, cols)


def _by_count(requant: Requant, counts: Ints, window: Window) -> Requant:
    """Multipliers of each pixel as multipliers of each number of elements."""
    k, offset = np.zeros((2, window.kernel_h * window.kernel_w), np.int64)
    k[counts - 1] = requant.multiplier.reshape(counts.shape)
    offset[counts - 1] = requant.offset.reshape(counts.shape)
    return replace(requant, multiplier=k, offset=offset)


def check_average_pool(cast: relay.Call) -> str | None:
    """A multiplier for all windows, or one for each number of elements."""
    total, requant = read_requant(cast)
    reason = check_border(total.args[0].args[0])
    if reason is not None:
        return reason
    border = read_border(total.args[0].args[0])
    operands = read_average_pool(cast)
    if requant.multiplier.size > 1:
        counts = _elements_inside(shape_of(border.data), operands.window)
        found = operands.requant
        if found is None or not np.array_equal(
            found.multiplier[counts - 1].ravel(), requant.multiplier.ravel()
        ):
            return "windows of the same size divide by different numbers"
        if border.value not in (None, 0):
            return "it counts a part of its padding"
    return check_map(operands.inputs[0]) or check_map(cast) or check_window(operands.window)


MAX_POOL = OperatorPattern(
    name="pulp.max_pool2d",
    description="max pooling",
    pattern=max_pool_pattern,
    check=check_max_pool,
    read=read_max_pool,
    kinds=(LayerKind.MAXPOOL,),
    onnx=("MaxPool",),
    conditions=("one or two dimensions, no dilation", "padding smaller than the window"),
    exactness=Exactness.COPY,
)

AVERAGE_POOL = OperatorPattern(
    name="pulp.avg_pool2d",
    description="average pooling, also global",
    pattern=average_pool_pattern,
    check=check_average_pool,
    read=read_average_pool,
    kinds=(LayerKind.AVGPOOL,),
    onnx=("AveragePool", "GlobalAveragePool", "ReduceMean"),
    conditions=(
        "one or two dimensions, ReduceMean over height and width",
        "with ceil_mode padding must not be counted",
        "padding smaller than the window",
    ),
)
