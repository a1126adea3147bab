"""Hypothesis strategies that draw QDQ models: awkward sizes, every stride and padding, all encodings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st
from onnx_layers import CONVOLUTIONS, FUNCTIONS, TWO_TENSORS, Activation, Kind, QdqLayer, QdqModel
from onnx_writer import ActivationForm, Quantization, Shape, WeightType

SPATIAL = (
    *(*CONVOLUTIONS, *TWO_TENSORS, Kind.MAXPOOL, Kind.AVGPOOL, Kind.GLOBAL_AVGPOOL),
    *(Kind.SLICE, Kind.RESIZE, Kind.UNARY),
)
FLAT = (Kind.GEMM, Kind.MATMUL)
WINDOWED = (Kind.CONV, Kind.DEPTHWISE, Kind.GROUPED, Kind.MAXPOOL, Kind.AVGPOOL)
POOLS = (Kind.MAXPOOL, Kind.AVGPOOL)
LARGEST_RESIZED = 20
LARGEST_KERNEL = 5


@st.composite
def quantizations(draw: st.DrawFn) -> Quantization:
    """Draw activation and weight types that the compiler takes."""
    return Quantization(
        draw(st.sampled_from(["uint8", "int8"])),
        draw(st.booleans()),
        draw(st.sampled_from([WeightType.INT8_PER_CHANNEL, WeightType.INT8_PER_TENSOR])),
        draw(st.sampled_from([None, ActivationForm.KEPT, ActivationForm.SEPARATE])),
    )


@st.composite
def layers(draw: st.DrawFn, kind: Kind, shape: Shape = (1, 1, 1), max_channels: int = 40) -> QdqLayer:
    """Draw a layer for a map of `shape` (C, H, W); a padding is smaller than its kernel side.

    With ceil_mode a pool has no padding: windows wholly in it are not in the contract.
    """
    channels_in, height, width = shape
    kernel, pads, groups, dilations = (1, 1), (0, 0, 0, 0), 1, (1, 1)
    ceil_mode = kind in POOLS and draw(st.integers(0, 3)) == 0
    if kind in WINDOWED:
        kernel_h = draw(st.integers(1, min(LARGEST_KERNEL, height)))
        kernel_w = draw(st.integers(1, min(LARGEST_KERNEL, width)))
        kernel = kernel_h, kernel_w
        rows, columns = st.integers(0, kernel_h - 1), st.integers(0, kernel_w - 1)
        pads = (0, 0, 0, 0) if ceil_mode else draw(st.tuples(rows, columns, rows, columns))
    if kind in CONVOLUTIONS and kind is not Kind.POINTWISE and draw(st.integers(0, 2)) == 0:
        sizes = (height + pads[0] + pads[2], width + pads[1] + pads[3])
        most = [(n - 1) // (k - 1) if k > 1 else 1 for n, k in zip(sizes, kernel, strict=True)]
        dilations = draw(st.tuples(*(st.integers(1, min(3, n)) for n in most)))
    if kind is Kind.GROUPED:
        groups = draw(st.sampled_from([n for n in range(1, channels_in + 1) if channels_in % n == 0]))
    most_stride = 3
    if kind is Kind.RESIZE:
        most_stride = min(3, LARGEST_RESIZED // max(height, width, 7))
    strides = draw(st.tuples(st.integers(1, most_stride), st.integers(1, most_stride)))
    if ceil_mode:  # or else a window may lie wholly outside of the map
        strides = min(strides[0], kernel[0]), min(strides[1], kernel[1])
    start = draw(st.integers(0, channels_in - 1))
    channels = groups * draw(st.integers(1, max(1, max_channels // groups)))
    return QdqLayer(
        kind,
        channels,
        kernel,
        strides,
        pads,
        draw(st.booleans()),
        draw(st.sampled_from(Activation)) if kind in (*CONVOLUTIONS, *FLAT, *TWO_TENSORS) else Activation.NONE,
        count_include_pad=not ceil_mode and draw(st.booleans()),
        shared_scale=draw(st.booleans()),
        groups=groups,
        dilations=dilations,
        ceil_mode=ceil_mode,
        start=start,
        end=draw(st.integers(start + 1, channels_in)),
        function=draw(st.sampled_from(FUNCTIONS)),
    )


def output_size(layer: QdqLayer, shape: Shape) -> Shape:
    """Return the output (C, H, W) of a spatial layer."""
    if layer.kind in (Kind.ADD, Kind.SUB, Kind.UNARY, Kind.SOFTMAX):
        return shape
    if layer.kind is Kind.SLICE:
        return layer.end - layer.start, *shape[1:]
    if layer.kind is Kind.RESIZE:
        return shape[0], shape[1] * layer.strides[0], shape[2] * layer.strides[1]
    if layer.kind is Kind.GLOBAL_AVGPOOL:
        return shape[0], 1, 1
    channels = layer.channels if layer.kind in (Kind.CONV, Kind.POINTWISE, Kind.GROUPED) else shape[0]
    kernel = (1, 1) if layer.kind is Kind.POINTWISE else layer.kernel
    top, left, bottom, right = layer.pads
    sizes = (shape[1] + top + bottom, shape[2] + left + right)
    more = [s - 1 if layer.ceil_mode else 0 for s in layer.strides]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, layer.dilations, strict=True)]
    out = [(n + m - e) // s + 1 for n, m, e, s in zip(sizes, more, extents, layer.strides, strict=True)]
    return channels, *out


def second_operands(kind: Kind, shape: Shape, earlier: list[Shape]) -> list[int]:
    """How many layers back the tensors are that can be the second operand of a layer on `shape`."""

    def same(other: Shape) -> bool:
        return other == shape

    rules: dict[Kind, Callable[[Shape], bool]] = {
        Kind.CONCAT: lambda other: other[1:] == shape[1:],
        Kind.MUL: lambda other: other == shape or (other[0] == shape[0] and (1, 1) in (shape[1:], other[1:])),
    }
    fits = rules.get(kind, same)
    return [back for back, other in enumerate(reversed(earlier)) if fits(other)]


@st.composite
def qdq_models(draw: st.DrawFn, max_layers: int = 3, max_size: int = 13, max_channels: int = 40) -> QdqModel:
    """Draw a model of up to `max_layers` operators on a map, or a Flatten and linear layers after them."""
    size = st.integers(1, max_size)
    shape: Shape = draw(st.tuples(st.integers(1, max_channels), size, size))
    input_shape, drawn, shapes = shape, [], [shape]
    for _ in range(draw(st.integers(1, max_layers))):
        kind = draw(st.sampled_from(SPATIAL))
        layer = draw(layers(kind, shape, max_channels))
        other = shape
        if kind in TWO_TENSORS:
            layer = replace(layer, skip=draw(st.sampled_from(second_operands(kind, shape, shapes))))
            other = shapes[-1 - layer.skip]
        drawn.append(layer)
        if kind is Kind.CONCAT:
            shape = (shape[0] + other[0], *shape[1:])
        elif kind is Kind.MUL:
            shape = tuple(max(sizes) for sizes in zip(shape, other, strict=True))
        else:
            shape = output_size(layer, shape)
        shapes.append(shape)
    if draw(st.integers(0, 3)) == 0:
        drawn.append(QdqLayer(draw(st.sampled_from([Kind.FLATTEN, Kind.RESHAPE]))))
        drawn.append(draw(layers(draw(st.sampled_from(FLAT)), max_channels=max_channels)))
    low = draw(st.sampled_from([-1.0, 0.0]))
    seed = draw(st.integers(0, 2**16))
    return QdqModel(tuple(drawn), input_shape, draw(quantizations()), (low, 1.5), seed)
