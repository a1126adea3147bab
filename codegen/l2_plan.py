"""What lies in L2 and when: activations, parameters that stay, parameters that come from L3 in time.

If everything fits L2 it stays there. Otherwise parameters of as many layers as need be are kept in L3 and
brought to L2 in chunks while earlier layers compute. Several sizes of chunks are tried, then layer after layer,
the smallest first, is left in L2 as long as that costs no cycle: it saves traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.cost.layer import StepCosts
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.l2_allocator import arena_bytes, in_place_distances, least_arena, lifetimes, place
from tvm_pulp.codegen.l2_space import Rect
from tvm_pulp.codegen.l3_chunks import params_chunks
from tvm_pulp.codegen.l3_schedule import Placed, bound, place_chunks, waits
from tvm_pulp.codegen.machine import L3Model, Machine
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L2Buffer, L3Kind, L3Transfer, LayerPlan, Prediction
from tvm_pulp.codegen.timeline import Timeline, timeline
from tvm_pulp.errors import PlanError

CHUNK_BYTES = (65_536, 32_768, 16_384, 8_192, 2_048)
LARGEST_NAMED = 3


@dataclass(frozen=True)
class L2Plan:
    """The parts of a plan that are about L2 and L3; fields as in `plan.Plan`."""

    buffers: tuple[L2Buffer, ...]
    arena: int
    used: int
    transfers: tuple[L3Transfer, ...]
    prediction: Prediction


def plan_l2(
    graph: LayerGraph, plans: Sequence[LayerPlan], costs: Sequence[StepCosts], machine: Machine
) -> L2Plan:
    """Places everything. Raises PlanError, naming the largest contributors, if it doesn't fit."""
    alive = lifetimes(graph)
    marks = timeline(costs)
    params = [pack_size(plan) for plan in plans]
    plain = place(alive)
    if arena_bytes(plain) + sum(params) <= machine.l2_bytes:
        return _all_in_l2(plain, params, marks)
    distances = in_place_distances(graph, plans, alive)
    tight = place(alive, distances)
    if arena_bytes(tight) + sum(params) <= machine.l2_bytes:
        return _all_in_l2(tight, params, marks)
    if machine.l3 is None:
        raise _l2_error(graph, plain, params, machine)
    task = _Task(plans, params, marks, machine.l2_bytes, machine.l3)
    options = [found for buffers in (plain, tight) if (found := _stream(task, buffers)) is not None]
    if not options:
        raise _activations_error(graph, tight, least_arena(alive, distances), machine)
    best = min(options, key=lambda option: (option.waits, option.l3_bytes))
    return _result(task, best, alive)


def _all_in_l2(buffers: Sequence[L2Buffer], params: Sequence[int], marks: Timeline) -> L2Plan:
    arena = arena_bytes(buffers)
    prediction = Prediction(layers=marks.total, bound=marks.total)
    return L2Plan(tuple(buffers), arena, arena + sum(params), (), prediction)


@dataclass(frozen=True)
class _Task:
    """What is to be brought to L2: layers with the bytes of their packed parameters."""

    plans: Sequence[LayerPlan]
    params: Sequence[int]
    marks: Timeline
    l2_bytes: int
    model: L3Model


@dataclass(frozen=True)
class _Streams:
    """A choice: where activations lie, the layers whose parameters stay in L2, the transfers of the others, and
    the cycles that these make the region wait."""

    buffers: Sequence[L2Buffer]
    resident: frozenset[int]
    placed: Sequence[Placed]
    waits: int

    @property
    def l3_bytes(self) -> int:
        """Bytes from L3."""
        return sum(one.chunk.size for one in self.placed)


def _stream(task: _Task, buffers: Sequence[L2Buffer]) -> _Streams | None:
    """The best way found to bring parameters to L2 beside these activations; None if there is none."""
    options = []
    for most in CHUNK_BYTES:
        found = _try(task, buffers, frozenset(), most)
        if found is not None:
            options.append((found.waits, -most, found))
    if not options:
        return None
    _, most, best = min(options, key=lambda option: option[:2])
    with_params = (index for index, size in enumerate(task.params) if size)
    for index in sorted(with_params, key=lambda index: task.params[index]):
        found = _try(task, buffers, best.resident | {index}, -most)
        if found is not None and found.waits <= best.waits:
            best = found
    return best


def _try(task: _Task, buffers: Sequence[L2Buffer], resident: frozenset[int], most: int) -> _Streams | None:
    limit = task.l2_bytes - sum(task.params[index] for index in resident)
    if arena_bytes(buffers) > limit:
        return None
    marks = task.marks
    tensors = [
        Rect(marks.begins[one.first], marks.begins[one.last + 1], one.offset, one.size) for one in buffers
    ]
    chunks = [
        chunk
        for index, plan in enumerate(task.plans)
        if index not in resident
        for chunk in params_chunks(plan, index, marks, most)
    ]
    placed = place_chunks(chunks, tensors, limit)
    return None if placed is None else _Streams(buffers, resident, placed, waits(placed, marks, task.model))


def _result(task: _Task, streams: _Streams, alive: Sequence[L2Buffer]) -> L2Plan:
    arena = max([arena_bytes(streams.buffers), *(one.offset + one.chunk.size for one in streams.placed)])
    arena += -arena % 8
    kept = [
        sum(one.size for one in alive if one.first < index <= one.last) for index in range(len(task.params))
    ]
    least = bound(task.params, kept, task.marks, task.l2_bytes, task.model)
    return L2Plan(
        buffers=tuple(streams.buffers),
        arena=arena,
        used=arena + sum(task.params[index] for index in streams.resident),
        transfers=_transfers(streams.placed, task.marks),
        prediction=Prediction(task.marks.total, streams.waits, least),
    )


def _transfers(placed: Sequence[Placed], marks: Timeline) -> tuple[L3Transfer, ...]:
    return tuple(
        L3Transfer(
            kind=L3Kind.PARAMS,
            layer=one.chunk.layer,
            first=one.chunk.first,
            last=one.chunk.last,
            l3_offset=one.chunk.l3_offset,
            l2_offset=one.offset,
            size=one.chunk.size,
            start=marks.mark(one.start),
            wait=marks.mark(one.chunk.need),
        )
        for one in placed
    )


def _l2_error(
    graph: LayerGraph, buffers: Sequence[L2Buffer], params: Sequence[int], machine: Machine
) -> PlanError:
    used = arena_bytes(buffers) + sum(params)
    parts = [_tensor_words(graph, buffer) for buffer in buffers]
    for layer, size in zip(graph.layers, params, strict=True):
        parts.append((size, f"parameters of {', '.join(layer.sources) or layer.name}"))
    return PlanError(
        f"activations and parameters need {used} bytes of L2 memory, there are {machine.l2_bytes}"
        f" (largest: {_largest(parts)})",
        where=f"region {graph.name}",
        fix=f"choose a SoC or -l2= with at least {used} bytes",
    )


def _activations_error(
    graph: LayerGraph, buffers: Sequence[L2Buffer], least: int, machine: Machine
) -> PlanError:
    parts = [_tensor_words(graph, buffer) for buffer in buffers]
    return PlanError(
        f"activations alone need {least} bytes of L2 memory, and some more for parameters on their way from L3;"
        f" there are {machine.l2_bytes} (largest: {_largest(parts)})",
        where=f"region {graph.name}",
        fix="choose a SoC or -l2= with more",
    )


def _tensor_words(graph: LayerGraph, buffer: L2Buffer) -> tuple[int, str]:
    return buffer.size, f"tensor {graph.tensors[buffer.tensor].source or buffer.tensor}"


def _largest(parts: list[tuple[int, str]]) -> str:
    parts = sorted(parts, key=lambda part: -part[0])
    return "; ".join(f"{name} {size} bytes" for size, name in parts[:LARGEST_NAMED])
