"""Max pooling and average pooling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Requant, Window
from .operator import Exactness, Operands, OperatorPattern, check_map, check_window, shape_of
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
    window, pad_value = _average_window(total, border), border.value
    if requant.multiplier.size > 1:
        by_count = _by_count(requant, _elements_inside(shape_of(border.data), window), window)
        return Operands(LayerKind.AVGPOOL, (border.data,), window, None, by_count)
    flat = replace(requant, multiplier=requant.multiplier.ravel(), offset=requant.offset.ravel())
    return Operands(LayerKind.AVGPOOL, (border.data,), window, pad_value, flat)


def _elements_inside(shape: tuple[int, ...], window: Window) -> npt.NDArray[np.int64]:
    """How many elements of each window lie inside the map: (OH, OW)."""
    vertical = (shape[1], window.kernel_h, window.stride_h, window.pad_top, window.pad_bottom)
    horizontal = (shape[2], window.kernel_w, window.stride_w, window.pad_left, window.pad_right)
    return np.outer(_inside(*vertical), _inside(*horizontal))


def _inside(size: int, kernel: int, stride: int, before: int, after: int) -> npt.NDArray[np.int64]:
    start = np.arange((size + before + after - kernel) // stride + 1) * stride - before
    return np.minimum(start + kernel, size) - np.maximum(start, 0)


def _by_count(requant: Requant, counts: npt.NDArray[np.int64], window: Window) -> Requant:
    """Multipliers of each pixel as multipliers of each number of elements."""
    k, offset = np.zeros((2, window.kernel_h * window.kernel_w), np.int64)
    k[counts - 1] = requant.multiplier.reshape(counts.shape)
    offset[counts - 1] = requant.offset.reshape(counts.shape)
    return replace(requant, multiplier=k, offset=offset)


def check_average_pool(cast: relay.Call) -> str | None:
    """A multiplier for all windows, or one for each number of elements."""
    total, requant = read_requant(cast)
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
