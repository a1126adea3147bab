"""A grouped convolution as convolutions of its groups, which run on the faster kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tvm_pulp.codegen.graph import Layer, LayerKind, Requant, Window

MOST_GROUPS = 16
FEWEST_CHANNELS = 4
"""Below, a group's sums are too short for the matrix kernels, and the calls cost more than they save."""


@dataclass(frozen=True)
class GroupLayer:
    """The layer of one group, and its channels in the whole layer's input and output."""

    layer: Layer
    inputs_of_group: range
    outputs_of_group: range


def splits_into_groups(layer: Layer) -> bool:
    """Whether a layer is a grouped convolution of few large groups, without dilation."""
    if layer.kind is not LayerKind.CONV_DIRECT or layer.requant is None or layer.weight_offset:
        return False
    if layer.weights is None:
        return False
    dilated = (layer.window.dilation_h, layer.window.dilation_w) != (1, 1)
    return not dilated and 1 < layer.groups <= MOST_GROUPS and layer.weights.shape[3] >= FEWEST_CHANNELS


def group_layers(layer: Layer) -> Iterator[GroupLayer]:
    """The convolutions of the groups; their names, inputs and outputs are still the whole layer's."""
    assert layer.weights is not None
    outputs, channels = layer.weights.shape[0] // layer.groups, layer.weights.shape[3]
    kind = LayerKind.POINTWISE if layer.window == Window() else LayerKind.CONV2D
    for group in range(layer.groups):
        part = slice(group * outputs, (group + 1) * outputs)
        made = replace(
            layer, kind=kind, weights=layer.weights[part], requant=_part(layer.requant, part), groups=1
        )
        yield GroupLayer(
            made,
            range(group * channels, (group + 1) * channels),
            range(group * outputs, (group + 1) * outputs),
        )


def _part(requant: Requant | None, part: slice) -> Requant | None:
    if requant is None:
        return None
    return replace(requant, multiplier=requant.multiplier[part], offset=requant.offset[part])
