"""Cycles that no other choice of transfers between L3 and L2 can beat, for layers as they are planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.marks import MarkTimes
from tvm_pulp.codegen.memory.spill import Life


@dataclass(frozen=True)
class Demand:
    """Bytes for each layer: its packed `params`, `live` activations in L2 at its begin, and what it must have
    `moved` of activations, whatever lies where."""

    params: Sequence[int]
    live: Sequence[int]
    moved: Sequence[int]


def least_moves(graph: LayerGraph, lives: Sequence[Life], limit: int) -> list[int]:
    """Bytes of activations that each layer must at least bring from L3 or take there, with `limit` bytes of L2.

    What of its inputs is more than L2 has to be loaded. When it ends, the activations that are needed later are
    in L2 or L3: what L2 can't hold of them has been stored, by this layer unless it was there before.
    """
    sizes = {life.tensor: graph.tensors[life.tensor].size_bytes for life in lives}
    moves = []
    for index, layer in enumerate(graph.layers):
        read = {name for name in layer.inputs if graph.tensors[name].base in sizes}
        inputs = sum(graph.tensors[name].size_bytes for name in read)
        kept = [life for life in lives if life.first <= index < life.last]
        beyond = sum(sizes[life.tensor] for life in kept) - limit
        older = sum(sizes[life.tensor] for life in kept if life.first < index)
        moves.append(max(0, inputs - limit) + max(0, beyond - older))
    return moves


def bound(demand: Demand, marks: MarkTimes, limit: int, model: L3Model) -> int:
    """Cycles of a region at least.

    From the begin of layer i to the begin of layer j > i pass at least the cycles of the layers between, and as
    many as it takes to bring their parameters from L3, less what can have been in L2 already, and to move their
    activations.
    """
    layers = len(demand.params)
    least = [0] * (layers + 1)
    for j in range(1, layers + 1):
        params = moved = 0
        for i in range(j - 1, -1, -1):
            params += demand.params[i]
            moved += demand.moved[i]
            compute = marks.begin(j) - marks.begin(i)
            missing = max(0, params - max(0, limit - demand.live[i]))
            least[j] = max(least[j], least[i] + max(compute, ceil((missing + moved) / model.bytes_per_cycle)))
    return least[layers]
