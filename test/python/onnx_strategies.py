"""Hypothesis strategies that draw QDQ models: awkward sizes, every stride and padding, all encodings."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from onnx_layers import CONVOLUTIONS, Activation, Kind, QdqLayer, QdqModel
from onnx_writer import ActivationForm, Quantization, Shape, WeightType

SPATIAL = (*CONVOLUTIONS, Kind.ADD, Kind.MAXPOOL, Kind.AVGPOOL, Kind.GLOBAL_AVGPOOL)
FLAT = (Kind.GEMM, Kind.MATMUL)
WINDOWED = (Kind.CONV, Kind.DEPTHWISE, Kind.MAXPOOL, Kind.AVGPOOL)
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
def layers(draw: st.DrawFn, kind: Kind, height: int = 1, width: int = 1, max_channels: int = 40) -> QdqLayer:
    """Draw a layer for a map of `height x width`; a padding is smaller than its kernel side.

    An average pool has padding only if it counts it: the rest is not in the contract.
    """
    kernel, pads = (1, 1), (0, 0, 0, 0)
    if kind in WINDOWED:
        kernel_h = draw(st.integers(1, min(LARGEST_KERNEL, height)))
        kernel_w = draw(st.integers(1, min(LARGEST_KERNEL, width)))
        kernel = kernel_h, kernel_w
        rows, columns = st.integers(0, kernel_h - 1), st.integers(0, kernel_w - 1)
        pads = draw(st.tuples(rows, columns, rows, columns))
    return QdqLayer(
        kind,
        draw(st.integers(1, max_channels)),
        kernel,
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        pads,
        draw(st.booleans()),
        draw(st.sampled_from(Activation)) if kind in (*CONVOLUTIONS, *FLAT, Kind.ADD) else Activation.NONE,
        count_include_pad=any(pads),
        shared_scale=draw(st.booleans()),
    )


def output_size(layer: QdqLayer, shape: Shape) -> Shape:
    """Return the output (C, H, W) of a spatial layer."""
    if layer.kind in (Kind.ADD, Kind.SOFTMAX):
        return shape
    if layer.kind is Kind.GLOBAL_AVGPOOL:
        return shape[0], 1, 1
    channels = layer.channels if layer.kind in (Kind.CONV, Kind.POINTWISE) else shape[0]
    kernel = (1, 1) if layer.kind is Kind.POINTWISE else layer.kernel
    top, left, bottom, right = layer.pads
    sizes = (shape[1] + top + bottom, shape[2] + left + right)
    out = [(n - k) // s + 1 for n, k, s in zip(sizes, kernel, layer.strides, strict=True)]
    return channels, *out


@st.composite
def qdq_models(draw: st.DrawFn, max_layers: int = 3, max_size: int = 13, max_channels: int = 40) -> QdqModel:
    """Draw a model of up to `max_layers` operators on a map, or a Flatten and linear layers after them."""
    size = st.integers(1, max_size)
    shape: Shape = draw(st.tuples(st.integers(1, max_channels), size, size))
    input_shape, drawn, shapes = shape, [], [shape]
    for _ in range(draw(st.integers(1, max_layers))):
        kind = draw(st.sampled_from(SPATIAL))
        layer = draw(layers(kind, shape[1], shape[2], max_channels))
        if kind is Kind.ADD:
            same = [i for i, earlier in enumerate(reversed(shapes)) if earlier == shape]
            layer = replace(layer, skip=draw(st.sampled_from(same)))
        drawn.append(layer)
        shape = output_size(layer, shape)
        shapes.append(shape)
    if draw(st.integers(0, 3)) == 0:
        drawn.append(QdqLayer(draw(st.sampled_from([Kind.FLATTEN, Kind.RESHAPE]))))
        drawn.append(draw(layers(draw(st.sampled_from(FLAT)), max_channels=max_channels)))
    low = draw(st.sampled_from([-1.0, 0.0]))
    seed = draw(st.integers(0, 2**16))
    return QdqModel(tuple(drawn), input_shape, draw(quantizations()), (low, 1.5), seed)
