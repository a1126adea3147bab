"""How far a network's result may be from that of exact multipliers, where some layer's have 32 bits only.

What a multiplier is off by hardly shows in one layer: a few results in a thousand round to the other side. But
each is an input of many sums in the next layer, so the share of numbers that differ grows from layer to layer
till about half of them do. What that does to the result depends on the layers at the network's end: averages
make it small, a last layer with large weights makes it large.

The share of numbers that differ, by one unit, is a difference of that variance. A layer that weighs its inputs
with `g` makes a difference of the variance `sum(g^2) * share` of it. Before rounding that is a fraction of a
unit, and its mean size is the share of results that differ then. Inputs count as independent.
"""

from __future__ import annotations

import math

import numpy as np
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind

MOST = 0.5  # of the numbers differ, however many layers there are
TYPICAL_UNITS = 64  # that a result is away from its zero point
MEAN_SIZE = math.sqrt(2 / math.pi)  # of a normal variable of variance 1


def expected_difference(graph: LayerGraph) -> float:
    """The mean difference of the region's outputs from those of exact multipliers, in units of the last layer
    that rounds; of tensors in one place, the largest."""
    differences: dict[str, float] = {}

    def known(name: str) -> float:
        return differences.get(graph.tensors[name].base, 0.0)

    for layer in graph.layers:
        made = _difference(layer, [known(name) for name in layer.inputs])
        differences[graph.tensors[layer.output].base] = max(made, known(layer.output))
    return max(map(known, graph.outputs))


def _difference(layer: Layer, inputs: list[float]) -> float:
    """Of a layer's results, from its inputs'; operators without multipliers hand theirs on."""
    shares = [min(MOST, difference) for difference in inputs]
    gains = _squared_gains(layer)
    if gains is None:
        return max(inputs, default=0.0)
    variance = sum(gain * share for gain, share in zip(gains, shares, strict=True))
    return MEAN_SIZE * math.sqrt(variance) + _own_error(layer)


def _squared_gains(layer: Layer) -> tuple[float, ...] | None:
    """For each input: what one unit of it is worth in the output, squared and summed over those that are
    added; the mean of all channels. None for operators that round nothing."""
    requant = layer.requant
    if requant is None:
        return None
    scale = requant.multiplier / 2.0**requant.shift
    if layer.weights is not None:
        weights = layer.weights.reshape(layer.weights.shape[0], -1) + float(layer.weight_offset)
        return (float(np.mean(scale**2 * np.sum(weights**2, axis=1))),)
    if layer.kind is LayerKind.ADD:
        return tuple(float(value) for value in scale**2)
    if layer.kind is LayerKind.AVGPOOL:
        return (float(scale.ravel()[-1]) ** 2 * layer.window.kernel_h * layer.window.kernel_w,)
    return None


def _own_error(layer: Layer) -> float:
    """The mean error of a layer's multipliers, in units of its output: a quarter of the last bit of each."""
    requant = layer.requant
    if requant is None or requant.wide or layer.weights is None:
        return 0.0
    used = requant.multiplier[requant.multiplier != 0]
    return float(np.mean(TYPICAL_UNITS / 4 / used)) if used.size else 0.0
