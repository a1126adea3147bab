"""Layers for the engines of Darkside and DIANA: seeded, in all shapes, quantized as the engines need it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from layers import NetworkBuilder, Shape, single_layer
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant, Window

LARGEST_SIGNED = 127
WINDOWS = (LayerKind.CONV2D, LayerKind.POINTWISE)
CONVOLUTIONS = (*WINDOWS, LayerKind.LINEAR)


def shifting(layer: Layer, most: int, largest: int) -> Layer:
    """The layer with weights up to `most`, outputs up to `largest`, and a shift instead of multipliers."""
    assert layer.weights is not None
    weights = np.clip(layer.weights, -most, most).astype(np.int8)
    reach = 255 * np.abs(weights.reshape(weights.shape[0], -1).astype(np.int64)).sum(axis=1)
    shift = max(1, int(reach.max()).bit_length() - largest.bit_length() - 1)
    scale = 2 ** max(0, 30 - int(reach.max()).bit_length() - 1)
    mean = 128 * weights.reshape(weights.shape[0], -1).astype(np.int64).sum(axis=1)
    offset = ((largest // 2 << shift) - mean) * scale
    requant = Requant(np.full(len(weights), scale), offset, shift + scale.bit_length() - 1, hi=largest)
    return replace(layer, weights=weights, requant=requant)


@st.composite
def sizes(draw: st.DrawFn, kinds: tuple[LayerKind, ...], kernels: tuple[int, ...]) -> Shape:
    """A small layer of one of these kinds."""
    kind, kernel = draw(st.sampled_from(kinds)), draw(st.sampled_from(kernels))
    window = Window()
    if kind in (LayerKind.CONV2D, LayerKind.DEPTHWISE):
        pads = [draw(st.integers(0, (kernel - 1) // 2)) for _ in range(4)]
        stride = draw(st.sampled_from([1, 2])) if kernel > 1 else 2
        window = Window(kernel, kernel, stride, stride, *pads)
    return Shape(
        kind=kind,
        height=draw(st.integers(5, 14)),
        width=draw(st.integers(5, 14)),
        channels=draw(st.integers(1, 40)),
        out_channels=draw(st.integers(1, 40)),
        window=window,
        seed=draw(st.integers(0, 999)),
    )


@st.composite
def depthwise_graphs(draw: st.DrawFn) -> LayerGraph:
    """A 3x3 depthwise layer."""
    return single_layer(draw(sizes((LayerKind.DEPTHWISE,), (3,))))


@st.composite
def digital_graphs(draw: st.DrawFn, kinds: tuple[LayerKind, ...] = CONVOLUTIONS) -> LayerGraph:
    """A layer whose scale is a power of two, with outputs of 8 or 6 bits."""
    graph = single_layer(draw(sizes(kinds, (1, 3, 5))))
    return replace(graph, layers=(shifting(graph.layers[0], 128, draw(st.sampled_from([255, 63]))),))


@st.composite
def analog_graphs(draw: st.DrawFn, kinds: tuple[LayerKind, ...] = CONVOLUTIONS) -> LayerGraph:
    """A layer that limits the analog one's inputs to 7 bits, and that."""
    shape = draw(sizes(kinds, (1, 3)))
    net = NetworkBuilder(shape.height, shape.width, shape.channels)
    net.add(LayerKind.POINTWISE, draw(st.integers(1, 30)))
    net.add(shape.kind, shape.out_channels, shape.window)
    graph = net.graph()
    first, second = graph.layers
    assert first.requant is not None
    limited = replace(first, requant=replace(first.requant, hi=LARGEST_SIGNED))
    return replace(graph, layers=(limited, shifting(second, 1, 63)))
