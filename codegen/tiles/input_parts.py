"""Layers whose tiles read their input channels in parts: 32-bit sums of a tile stay in L1, each part adds to
them, and the last one makes bytes of them.

A part is a layer by itself, with fewer input channels: it has parameter blocks of its own, with the weights of
its channels and, as any part may come last, the multipliers and offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.plan import LayerPlan, TileStep

SUM_BYTES = 4

WORD = 4
"""Parts begin at whole words: kernels multiply four channels at a time."""

MOST_PARTS = 32

WITHOUT_BUFFER = "pulp_conv"
"""PULP-NN's kernels want room for im2col, 9,216 bytes for 3x3 and 64 channels on 8 cores; ours doesn't."""

_KERNELS = {
    LayerKind.CONV2D: "pulp_conv_add",
    LayerKind.POINTWISE: "pulp_conv_add",
    LayerKind.LINEAR: "pulp_linear_add",
}


def has_buffer(layer: Layer) -> bool:
    """True if PULP-NN's kernel for the layer asks for a buffer that ours doesn't need."""
    return layer.kind is LayerKind.CONV2D and layer.requant is not None and not layer.requant.wide


def has_parts(layer: Layer) -> bool:
    """True if the layer can be computed in parts."""
    return layer.kind in _KERNELS and layer.requant is not None


def part_sizes(graph: LayerGraph, layer: Layer) -> list[int]:
    """Numbers of input channels that are worth trying as those of a part: all in 2, 3, 4, 6, 8, ... parts; in
    one, where the kernel has a buffer that another can do without."""
    if not has_parts(layer):
        return []
    channels = graph.tensors[layer.inputs[0]].channels
    one = (1,) if has_buffer(layer) and channels % WORD == 0 else ()
    counts = [count for count in (*one, 2, 3, 4, 6, 8, 12, 16, 24, MOST_PARTS) if WORD * count <= channels]
    sizes = {-(-channels // count) for count in counts}
    return sorted({size + -size % WORD for size in sizes}, reverse=True)


def part_of(graph: LayerGraph, layer: Layer, c0: int, c: int) -> Layer:
    """The layer that reads input channels `c0 .. c0 + c - 1` only."""
    channels = graph.tensors[layer.inputs[0]].channels
    if layer.weights is None or c == channels:
        return layer
    weights = layer.weights.reshape(layer.weights.shape[0], -1, channels)[..., c0 : c0 + c]
    shape = (-1,) if layer.kind is LayerKind.LINEAR else (*layer.weights.shape[1:3], c)
    return replace(layer, weights=weights.reshape(layer.weights.shape[0], *shape))


def in_parts(graph: LayerGraph, layer: Layer, choice: KernelChoice, c_in: int) -> KernelChoice:
    """The kernel of parts of `c_in` input channels, where `choice` is that of the whole layer: one that adds
    sums or, if one part is all channels, one without a buffer."""
    if c_in == 0:
        return choice
    whole = c_in >= graph.tensors[layer.inputs[0]].channels
    return replace(choice, name=WITHOUT_BUFFER if whole else _KERNELS[layer.kind])


def part_size(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> int:
    """The `c_in` with which the plan is made again."""
    return graph.tensors[layer.inputs[0]].channels if plan.kernel == WITHOUT_BUFFER else plan.c_in


def finishing(steps: Sequence[TileStep]) -> list[bool]:
    """For each step whether its output box is complete behind it: the next one computes another."""
    return [*(one.y != following.y for one, following in pairwise(steps)), True]
