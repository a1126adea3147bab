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
from tvm_pulp.codegen.plan import TileStep

SUM_BYTES = 4

WORD = 4
"""Parts begin at whole words: kernels multiply four channels at a time."""

MOST_PARTS = 32

_KERNELS = {
    LayerKind.CONV2D: "pulp_conv_add",
    LayerKind.POINTWISE: "pulp_conv_add",
    LayerKind.LINEAR: "pulp_linear_add",
}


def has_parts(layer: Layer) -> bool:
    """True if the layer can be computed in parts."""
    return layer.kind in _KERNELS and layer.requant is not None


def part_sizes(graph: LayerGraph, layer: Layer) -> list[int]:
    """Numbers of input channels that are worth trying as those of a part: all in 2, 3, 4, 6, 8, ... parts."""
    if not has_parts(layer):
        return []
    channels = graph.tensors[layer.inputs[0]].channels
    counts = [count for count in (2, 3, 4, 6, 8, 12, 16, 24, MOST_PARTS) if WORD * count <= channels]
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


def adding(layer: Layer, choice: KernelChoice) -> KernelChoice:
    """The kernel of a part, where `choice` is that of the whole layer."""
    return replace(choice, name=_KERNELS[layer.kind])


def finishing(steps: Sequence[TileStep]) -> list[bool]:
    """For each step whether its output box is complete behind it: the next one computes another."""
    return [*(one.y != following.y for one, following in pairwise(steps)), True]
