"""Addresses of the activations between layers in the region's L2 arena.

A tensor lives from the layer that writes it to the last layer that reads it; tensors that live at the same
time must not share bytes. The caller owns the region's inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L2Buffer, LayerPlan
from tvm_pulp.codegen.tile_candidates import align
from tvm_pulp.errors import PlanError

DETERMINISTIC_SECONDS = 0.5
SEED = 1
LARGEST_NAMED = 3


@dataclass(frozen=True)
class L2Allocation:
    """The placed tensors, the arena's size, and with the packed parameters all L2 bytes in use."""

    buffers: tuple[L2Buffer, ...]
    arena_bytes: int
    l2_used: int


def allocate_l2(graph: LayerGraph, plans: Sequence[LayerPlan], machine: Machine) -> L2Allocation:
    """Places all tensors. Raises PlanError, naming the largest contributors, if they and the parameters don't
    fit the machine's L2."""
    buffers = place(lifetimes(graph))
    arena = max((buffer.offset + align(buffer.size) for buffer in buffers), default=0)
    params = {plan.layer: pack_size(plan) for plan in plans}
    used = arena + sum(params.values())
    if used > machine.l2_bytes:
        raise _l2_error(graph, buffers, params, used, machine)
    return L2Allocation(tuple(buffers), arena, used)


def lifetimes(graph: LayerGraph) -> list[L2Buffer]:
    """Every tensor between layers, with the first and the last layer that touches it or a view of it; all
    offsets 0."""
    outside = set(graph.inputs) | set(graph.outputs)
    lives: dict[str, tuple[int, int]] = {}
    for index, layer in enumerate(graph.layers):
        for name in (layer.output, *layer.inputs):
            base = graph.tensors[name].base
            if base not in outside:
                lives[base] = (lives.get(base, (index, index))[0], index)
    return [
        L2Buffer(name, 0, graph.tensors[name].size_bytes, first, last) for name, (first, last) in lives.items()
    ]


def place(buffers: Sequence[L2Buffer]) -> list[L2Buffer]:
    """Offsets that make the arena small: proven least where the solver has the time, else first fit."""
    greedy = _first_fit(buffers)
    top = max((buffer.offset + align(buffer.size) for buffer in greedy), default=0)
    if top == _least_possible(buffers):
        return greedy
    return _solve(buffers, greedy, top)


def _least_possible(buffers: Sequence[L2Buffer]) -> int:
    """Bytes alive during the fullest layer."""
    steps = {buffer.first for buffer in buffers}
    return max(
        (sum(align(buffer.size) for buffer in buffers if buffer.first <= at <= buffer.last) for at in steps),
        default=0,
    )


def _first_fit(buffers: Sequence[L2Buffer]) -> list[L2Buffer]:
    """Largest first, each at the lowest address that is free during its life."""
    placed: dict[str, L2Buffer] = {}
    for buffer in sorted(buffers, key=lambda item: (-item.size, item.first)):
        offset = 0
        rivals = [p for p in placed.values() if p.first <= buffer.last and buffer.first <= p.last]
        for rival in sorted(rivals, key=lambda item: item.offset):
            if offset + align(buffer.size) <= rival.offset:
                break
            offset = max(offset, rival.offset + align(rival.size))
        placed[buffer.tensor] = _at(buffer, offset)
    return [placed[buffer.tensor] for buffer in buffers]


def _at(buffer: L2Buffer, offset: int) -> L2Buffer:
    return L2Buffer(buffer.tensor, offset, buffer.size, buffer.first, buffer.last)


def _solve(buffers: Sequence[L2Buffer], greedy: Sequence[L2Buffer], top: int) -> list[L2Buffer]:
    """Rectangles of life time by address that don't overlap, below the lowest possible top."""
    model = cp_model.CpModel()
    offsets = [model.new_int_var(0, (top - align(b.size)) // 8, b.tensor) for b in buffers]
    height = model.new_int_var(_least_possible(buffers) // 8, top // 8, "arena")
    lives = [model.new_fixed_size_interval_var(b.first, b.last - b.first + 1, b.tensor) for b in buffers]
    places = [
        model.new_fixed_size_interval_var(offset, align(b.size) // 8, b.tensor)
        for offset, b in zip(offsets, buffers, strict=True)
    ]
    model.add_no_overlap_2d(lives, places)
    for offset, first_fit, buffer in zip(offsets, greedy, buffers, strict=True):
        model.add(offset + align(buffer.size) // 8 <= height)
        model.add_hint(offset, first_fit.offset // 8)
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.max_deterministic_time = DETERMINISTIC_SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return list(greedy)
    return [_at(b, 8 * solver.value(offset)) for b, offset in zip(buffers, offsets, strict=True)]


def _l2_error(
    graph: LayerGraph, buffers: Sequence[L2Buffer], params: dict[str, int], used: int, machine: Machine
) -> PlanError:
    parts = [
        (buffer.size, f"tensor {graph.tensors[buffer.tensor].source or buffer.tensor}") for buffer in buffers
    ]
    sources = {layer.name: ", ".join(layer.sources) or layer.name for layer in graph.layers}
    parts += [(size, f"parameters of {sources[name]}") for name, size in params.items()]
    parts.sort(key=lambda part: -part[0])
    largest = "; ".join(f"{name} {size} bytes" for size, name in parts[:LARGEST_NAMED])
    return PlanError(
        f"activations and parameters need {used} bytes of L2 memory, there are {machine.l2_bytes}"
        f" (largest: {largest})",
        where=f"region {graph.name}",
        fix=f"choose a SoC or -l2= with at least {used} bytes",
    )
