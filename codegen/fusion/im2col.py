"""Convolutions as products of matrices: a layer that makes a pixel of each window, and a pointwise one.

An engine beside the cores that is slow with strides or few channels computes the second while the cores are
at the first for the next tile. The two are always in a group (`fusion/groups.py`): in L2 the windows would take
the room of the map several times.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window
from tvm_pulp.codegen.plan import Plan

SUFFIX = "_im2col"


def may_be_product(layer: Layer) -> bool:
    """True for a convolution with one group and a window, whose sums become bytes."""
    return layer.kind is LayerKind.CONV2D and layer.requant is not None


def with_im2col(graph: LayerGraph, names: Collection[str]) -> LayerGraph:
    """The graph with two layers for each of these convolutions; the second one keeps the name."""
    tensors, layers = dict(graph.tensors), list[Layer]()
    for layer in graph.layers:
        if layer.name in names:
            windows = _windows(graph, layer)
            tensors[windows.name] = windows
            layers += _two_layers(layer, windows)
        else:
            layers.append(layer)
    return replace(graph, tensors=tensors, layers=tuple(layers)) if names else graph


def with_planned_products(graph: LayerGraph, plan: Plan) -> LayerGraph:
    """The graph with two layers for each convolution that is two layers of a group of the plan."""
    stages = {stage.layer for layer in plan.layers for stage in layer.stages}
    found = [one.name for one in graph.layers if one.name + SUFFIX in stages and may_be_product(one)]
    return with_im2col(graph, found)


def _windows(graph: LayerGraph, layer: Layer) -> Tensor:
    source, out, window = graph.tensors[layer.inputs[0]], graph.tensors[layer.output], layer.window
    channels = window.kernel_h * window.kernel_w * source.channels
    return Tensor(layer.name + SUFFIX, out.height, out.width, channels, source.zero_point)


def _two_layers(layer: Layer, windows: Tensor) -> tuple[Layer, Layer]:
    assert layer.weights is not None  # it is a convolution
    gather = Layer(windows.name, LayerKind.IM2COL, layer.inputs, windows.name, layer.window)
    weights = layer.weights.reshape(layer.weights.shape[0], 1, 1, -1)
    product = replace(layer, kind=LayerKind.POINTWISE, inputs=(windows.name,), window=Window(), weights=weights)
    return gather, product
