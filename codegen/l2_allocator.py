"""Addresses of the activations between layers in the region's L2 arena.

A tensor lives from the layer that writes it to the last layer that reads it; tensors that live at the same
time must not share bytes, unless a layer's output may overwrite its input. The caller owns the region's inputs
and outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from ortools.sat.python import cp_model
from tvm_pulp.codegen.align import ALIGNMENT, align
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.in_place import input_distance
from tvm_pulp.codegen.plan import L2Buffer, LayerPlan

DETERMINISTIC_SECONDS = 0.5
SEED = 1

Distances = Mapping[tuple[str, str], int]
"""(lower tensor, upper tensor) -> the least difference of their offsets, where it isn't the lower one's size"""


def lifetimes(graph: LayerGraph) -> list[L2Buffer]:
    """Every tensor between layers with its first and last layer; all offsets 0."""
    outside = set(graph.inputs) | set(graph.outputs)
    last = {name: index for index, layer in enumerate(graph.layers) for name in layer.inputs}
    return [
        L2Buffer(layer.output, 0, graph.tensors[layer.output].size_bytes, index, last.get(layer.output, index))
        for index, layer in enumerate(graph.layers)
        if layer.output not in outside
    ]


def in_place_distances(graph: LayerGraph, plans: Sequence[LayerPlan], buffers: Sequence[L2Buffer]) -> Distances:
    """For each output and each input that dies with its layer: how far the output must begin before it."""
    last = {buffer.tensor: buffer.last for buffer in buffers}
    return {
        (layer.output, name): input_distance(graph, layer, plan)
        for index, (layer, plan) in enumerate(zip(graph.layers, plans, strict=True))
        for name in layer.inputs
        if layer.output in last and last.get(name) == index
    }


def arena_bytes(buffers: Sequence[L2Buffer]) -> int:
    """Bytes of an arena that holds the buffers."""
    return max((buffer.offset + align(buffer.size) for buffer in buffers), default=0)


def place(buffers: Sequence[L2Buffer], distances: Distances | None = None) -> list[L2Buffer]:
    """Offsets that make the arena small: proven least where the solver has the time, else first fit."""
    distances = distances or {}
    greedy = _first_fit(buffers, distances)
    if arena_bytes(greedy) == least_arena(buffers, distances):
        return greedy
    return _solve(buffers, greedy, distances)


def least_arena(buffers: Sequence[L2Buffer], distances: Distances) -> int:
    """Bytes alive during the fullest layer; no arena is smaller."""
    return max((_live_bytes(buffers, distances, buffer.first) for buffer in buffers), default=0)


def _live_bytes(buffers: Sequence[L2Buffer], distances: Distances, layer: int) -> int:
    alive = {buffer.tensor: align(buffer.size) for buffer in buffers if buffer.first <= layer <= buffer.last}
    shared = [
        alive[low] - max(distance, alive[low] - alive[high])
        for (low, high), distance in distances.items()
        if low in alive and high in alive
    ]
    return sum(alive.values()) - sum(shared)


def _distance(low: L2Buffer, high: L2Buffer, distances: Distances) -> int:
    return distances.get((low.tensor, high.tensor), align(low.size))


def _meet(one: L2Buffer, other: L2Buffer) -> bool:
    return one.first <= other.last and other.first <= one.last


def _first_fit(buffers: Sequence[L2Buffer], distances: Distances) -> list[L2Buffer]:
    """Largest first, each at the lowest address that is free during its life."""
    placed: list[L2Buffer] = []
    for buffer in sorted(buffers, key=lambda item: (-item.size, item.first)):
        rivals = [rival for rival in placed if _meet(rival, buffer)]
        starts = sorted({0, *(rival.offset + _distance(rival, buffer, distances) for rival in rivals)})
        free = (at for at in starts if all(_apart(_at(buffer, at), rival, distances) for rival in rivals))
        placed.append(_at(buffer, next(free)))
    by_name = {buffer.tensor: buffer for buffer in placed}
    return [by_name[buffer.tensor] for buffer in buffers]


def _apart(one: L2Buffer, other: L2Buffer, distances: Distances) -> bool:
    above = other.offset >= one.offset + _distance(one, other, distances)
    return above or one.offset >= other.offset + _distance(other, one, distances)


def _at(buffer: L2Buffer, offset: int) -> L2Buffer:
    return L2Buffer(buffer.tensor, offset, buffer.size, buffer.first, buffer.last)


def _solve(buffers: Sequence[L2Buffer], greedy: Sequence[L2Buffer], distances: Distances) -> list[L2Buffer]:
    """Of every two buffers that live at the same time one lies above the other, below the lowest possible
    top."""
    top = arena_bytes(greedy)
    model = cp_model.CpModel()
    offsets = [model.new_int_var(0, (top - align(b.size)) // ALIGNMENT, b.tensor) for b in buffers]
    height = model.new_int_var(0, top // ALIGNMENT, "arena")
    for (one, at), (other, other_at) in combinations(zip(buffers, offsets, strict=True), 2):
        if _meet(one, other):
            above = model.new_bool_var(f"{other.tensor} above {one.tensor}")
            low = _distance(one, other, distances) // ALIGNMENT
            high = _distance(other, one, distances) // ALIGNMENT
            model.add(at + low <= other_at).only_enforce_if(above)
            model.add(other_at + high <= at).only_enforce_if(~above)
    for offset, first_fit, buffer in zip(offsets, greedy, buffers, strict=True):
        model.add(offset + align(buffer.size) // ALIGNMENT <= height)
        model.add_hint(offset, first_fit.offset // ALIGNMENT)
    model.add(height >= least_arena(buffers, distances) // ALIGNMENT)
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.max_deterministic_time = DETERMINISTIC_SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return list(greedy)
    return [_at(b, ALIGNMENT * solver.value(offset)) for b, offset in zip(buffers, offsets, strict=True)]
