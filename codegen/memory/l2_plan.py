"""What lies in L2 and when: activations, parameters that stay, and what comes from L3 in time.

If everything fits L2 it stays there. Otherwise parameters are kept in L3 and brought to L2 in chunks while
earlier layers compute; if even so the activations don't fit, some lie in L3, and bands of their rows pass
through L2. Several sizes of chunks are tried, then layer after layer, the smallest first, its parameters are
left in L2 as long as that costs no cycle: it saves traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import StepCosts
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import L3Model, Machine
from tvm_pulp.codegen.memory.in_place import input_distance
from tvm_pulp.codegen.memory.l2_allocator import Distances, place
from tvm_pulp.codegen.memory.l2_errors import L2ShortageError, l2_error, l3_error
from tvm_pulp.codegen.memory.l2_space import Rect, arena_bytes
from tvm_pulp.codegen.memory.l2_tables import streamed_room, transfers_table_bytes
from tvm_pulp.codegen.memory.l3_bound import Demand, bound, least_moves
from tvm_pulp.codegen.memory.l3_chunks import (
    Chunk,
    Flow,
    bands,
    joined,
    loaded_chunks,
    params_chunks,
    step_groups,
    steps_chunk,
    stored_chunks,
    with_rows,
)
from tvm_pulp.codegen.memory.l3_reserve import Reserved, reserve
from tvm_pulp.codegen.memory.l3_schedule import Placed, in_order, place_chunks, waits
from tvm_pulp.codegen.memory.marks import MarkTimes, mark_times
from tvm_pulp.codegen.memory.spill import (
    Life,
    Spill,
    SpillTask,
    Ways,
    again_chunk,
    choose_spill,
    layer_ways,
    layers_in_need,
    may_overwrite,
    tensor_lives,
)
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import (
    ROW_BYTES,
    ROWS_IN_L2,
    L2Buffer,
    L3Buffer,
    L3Kind,
    L3Transfer,
    LayerPlan,
    Prediction,
)
from tvm_pulp.errors import PlanError

CHUNK_BYTES = (65_536, 32_768, 16_384, 8_192)
QUICK_CHUNK_BYTES, LEAST_CHUNK_BYTES = 16_384, 2_048
LEAST_CHUNKS = 4
"""So many of the larger chunks fit L2."""
SPILL_LIMITS = (1.0, 0.94, 0.86, 0.75, 0.6)
"""Shares of L2 that what is there at once may take: room for more transfers ahead, and against fragments."""

BANDS = (1, 2, 4)
"""Rows of tiles in a band of an activation that lies in L3."""

BEST_LAYOUTS = 2
"""So many of the layouts that are best with large chunks of parameters are tried with smaller ones."""


@dataclass(frozen=True)
class L2Plan:
    """The parts of a plan that are about L2 and L3; fields as in `plan.Plan`."""

    layers: tuple[LayerPlan, ...]
    buffers: tuple[L2Buffer, ...]
    arena: int
    used: int
    prediction: Prediction
    l3_arena: int = 0
    l3_buffers: tuple[L3Buffer, ...] = ()
    transfers: tuple[L3Transfer, ...] = ()


@dataclass(frozen=True)
class L2Task:
    """A region whose layers have plans. `ways` are the plans to choose from for a layer where activations may
    lie in L3; `costs` is what a layer's steps cost; `tables` are bytes of L2 to be left for step tables. If not
    `thorough` the first plan that is found will do; `may_spill` allows activations in L3. With `streams_tables`
    step tables and the table of transfers lie in L3, too; `table_sizes` are bytes that earlier plans' tables
    took, by their layer's index."""

    graph: LayerGraph
    best: tuple[LayerPlan, ...]
    ways: Callable[[int], Ways]
    costs: Callable[[Sequence[LayerPlan]], list[StepCosts]]
    machine: Machine
    effort: Effort
    tables: int = 0
    thorough: bool = True
    may_spill: bool = True
    streams_tables: bool = False
    table_sizes: Mapping[int, int] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """Bytes of L2 for activations and parameters."""
        return self.machine.l2_bytes - self.tables

    @property
    def lives(self) -> list[Life]:
        """Every tensor between layers that is not in L1."""
        in_l1 = {name for plan in self.best for name in plan.in_l1}
        return [life for life in tensor_lives(self.graph, self.best) if life.tensor not in in_l1]


def plan_l2(task: L2Task) -> L2Plan:
    """Places everything. Raises PlanError, naming the largest contributors and a size of L2 that would do, if
    it doesn't fit."""
    params = [pack_size(plan) for plan in task.best]
    l2_bytes = task.limit
    plain = _Layout.of(task, task.best, Spill())
    if plain.arena + sum(params) <= l2_bytes:
        return _all_in_l2(plain, params)
    tight = _Layout.of(task, task.best, Spill(in_place=_dying_inputs(task)))
    if tight.arena + sum(params) <= l2_bytes:
        return _all_in_l2(tight, params)
    if task.machine.l3 is None:
        raise l2_error(task.graph, task.lives, params, plain.arena + task.tables, task.machine)
    options = (found for layout in (plain, tight) for found in _streams(layout, task.machine))
    found = min(options, key=_Streams.order, default=None)
    if found is None and not task.may_spill:
        raise L2ShortageError(task.graph, task.lives, task.machine, task.tables)
    found = found or _spilled(task)
    if task.thorough:
        found = _keep_in_l2(found, task.machine)
    result = _result(task, found)
    l3_used = result.l3_arena + sum(size for i, size in enumerate(params) if i not in found.resident)
    l3_used += sum(one.size for one in result.transfers if one.kind in (L3Kind.STEPS, L3Kind.ROWS))
    if l3_used > task.machine.l3.size:
        raise l3_error(task.graph, l3_used, task.machine)
    return result


def _dying_inputs(task: L2Task) -> frozenset[tuple[str, str]]:
    """Outputs and the inputs that they may overwrite."""
    last = {life.tensor: life.last for life in task.lives}
    return frozenset(
        (layer.output, layer.inputs[0])
        for index, layer in enumerate(task.graph.layers)
        if last.get(layer.inputs[0]) == index
        and layer.output in last
        and may_overwrite(task.graph, layer, layer.inputs[0])
    )


def _all_in_l2(layout: _Layout, params: Sequence[int]) -> L2Plan:
    arena, cycles = layout.arena, layout.marks.total
    prediction = Prediction(layers=cycles, bound=cycles)
    return L2Plan(layout.plans, layout.buffers(), arena, arena + sum(params), prediction)


@dataclass(frozen=True)
class _Layout:
    """Plans of all layers, and the places in L2 of what is there at fixed times: the activations `fixed`, and
    the bands `stored` on their way to L3. `moves` are the transfers of activations, with `groups` rows of tiles
    in a band; what layers that are `tight` bring from L3 or take there comes in the smallest parts. `tables`
    are the bytes of the step tables that come from L3, by their layer's index."""

    task: L2Task
    plans: tuple[LayerPlan, ...]
    spill: Spill
    marks: MarkTimes
    fixed: Sequence[Rect]
    moves: Sequence[Chunk] = ()
    stored: Mapping[Chunk, Rect] = field(default_factory=dict)
    groups: int = 1
    tight: frozenset[int] = frozenset()
    tables: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, task: L2Task, plans: tuple[LayerPlan, ...], spill: Spill) -> _Layout:
        """Places the activations."""
        marks, tables = mark_times(task.costs(plans)), _table_rooms(task, plans, spill)
        return cls(task, plans, spill, marks, (), tables=tables).with_bands(1)

    def with_bands(self, groups: int, tight: frozenset[int] = frozenset()) -> _Layout:
        """The same with so many rows of tiles in a band, and these layers tight: everything has another
        place."""
        task, marks, spill = self.task, self.marks, self.spill
        rects = [
            Rect(
                life.tensor,
                marks.begins[life.first],
                marks.begins[life.last + 1],
                0,
                task.graph.tensors[life.tensor].size_bytes,
            )
            for life in task.lives
            if life.tensor not in spill.tensors
        ]
        rows = [1 if index in tight else groups for index in range(len(self.plans))]
        stores, loads = _moves(task, self.plans, spill, marks, rows)
        leaving = [
            Rect(f"{chunk.tensor}@{chunk.l3_offset}", chunk.begin, chunk.need, 0, chunk.size)
            for chunk in stores
        ]
        seconds = 0 if tight else task.effort.address_seconds  # then all places are found at once
        placed = place([*rects, *leaving], seconds, _distances(task, self.plans, spill))
        return replace(
            self,
            fixed=placed[: len(rects)],
            moves=[*stores, *loads],
            stored=dict(zip(stores, placed[len(rects) :], strict=True)),
            groups=groups,
            tight=tight,
        )

    def tighter(self, layers: Collection[int]) -> _Layout | None:
        """The same with these layers and those before each of them tight; None if they are."""
        around = {index for layer in layers for index in (layer - 1, layer)}
        more = {index for index in around if 0 <= index < len(self.plans)} - self.tight
        if not more:
            return None
        tight = self.tight | more
        if self.groups == 1 or not any(one.layer in more for one in self.moves):
            return replace(self, tight=tight)
        return self.with_bands(self.groups, tight)

    @property
    def arena(self) -> int:
        """Bytes of L2 for all of it."""
        return arena_bytes([*self.fixed, *self.stored.values()])

    def buffers(self) -> tuple[L2Buffer, ...]:
        """The activations in L2."""
        lives = {life.tensor: life for life in self.task.lives}
        return tuple(
            L2Buffer(rect.name, rect.offset, rect.size, lives[rect.name].first, lives[rect.name].last)
            for rect in self.fixed
        )


def _table_rooms(task: L2Task, plans: Sequence[LayerPlan], spill: Spill) -> dict[int, int]:
    """Bytes for the step tables that come from L3."""
    if not task.streams_tables:
        return {}
    rooms = streamed_room(task.graph, plans, spill.again, task.machine.l2_bytes)
    return {index: max(size, task.table_sizes.get(index, 0)) for index, size in rooms.items()}


def _distances(task: L2Task, plans: Sequence[LayerPlan], spill: Spill) -> Distances:
    producers = {layer.output: index for index, layer in enumerate(task.graph.layers)}
    return {
        (out, source): input_distance(task.graph, task.graph.layers[producers[out]], plans[producers[out]])
        for out, source in sorted(spill.in_place)
    }


def _moves(
    task: L2Task, plans: Sequence[LayerPlan], spill: Spill, marks: MarkTimes, groups: Sequence[int]
) -> tuple[list[Chunk], list[Chunk]]:
    """Transfers of activations to and from L3; `groups` are each layer's rows of tiles in a band."""
    stores: list[Chunk] = []
    loads: list[Chunk] = []
    for index, (layer, plan) in enumerate(zip(task.graph.layers, plans, strict=True)):
        parts = joined(step_groups(plan), groups[index])
        if layer.output in spill.tensors:
            tensor = task.graph.tensors[layer.output]
            stores += stored_chunks(tensor, plan, index, bands(plan, parts, of_input=False), marks)
        for name in dict.fromkeys(layer.inputs):
            if name in spill.tensors:
                sources = [store for store in stores if store.tensor == name]
                rows = bands(plan, parts, of_input=True)
                loads += loaded_chunks(task.graph.tensors[name], plan, index, rows, Flow(marks, sources))
    return stores, loads


@dataclass(frozen=True)
class _Streams:
    """A choice: a layout, the layers whose parameters stay in L2, the transfers, the cycles that these make the
    region wait, and how large chunks of parameters may be."""

    layout: _Layout
    resident: frozenset[int]
    placed: Sequence[Placed]
    waits: int
    most_chunk_bytes: int

    @property
    def cycles(self) -> int:
        """Cycles of the region, with what core 0 takes for the transfers."""
        calls = _l3(self.layout.task.machine).call_cycles * len(self.placed)
        return self.layout.marks.total + self.waits + calls

    def order(self) -> tuple[int, int]:
        """Smaller is better: cycles, then traffic."""
        return self.cycles, sum(one.chunk.size for one in self.placed)


def _spilled(task: L2Task) -> _Streams:
    """The best way found with activations in L3."""
    l3 = _l3(task.machine)
    ways = _ways(task)
    found: list[tuple[_Streams, Iterator[_Streams]]] = []  # with the largest chunks that have room, and others
    tried: set[Spill] = set()
    for share in SPILL_LIMITS:
        if found and not task.thorough:
            break
        limit = int(share * task.limit)
        row_bytes = 0 if task.streams_tables else ROW_BYTES
        problem = SpillTask(task.graph, ways, task.lives, l3, limit, row_bytes)
        spill = choose_spill(problem, task.effort.spill_seconds)
        if spill is None:
            break
        if spill in tried:
            continue
        tried.add(spill)
        plans = tuple(way.all[number].plan for way, number in zip(ways, spill.ways, strict=True))
        layout = _Layout.of(task, plans, spill)
        for groups in BANDS if task.thorough else BANDS[:1]:
            others = _streams(layout if groups == 1 else layout.with_bands(groups), task.machine)
            found += [(first, others) for first in islice(others, 1)]
    if not found:
        raise L2ShortageError(task.graph, task.lives, task.machine, task.tables)
    best = sorted(found, key=lambda one: one[0].order())[:BEST_LAYOUTS]
    return min((one for first, others in best for one in (first, *others)), key=_Streams.order)


def _ways(task: L2Task) -> list[Ways]:
    """The ways of each layer; where L2 has room for all that the layer needs its own plan only."""
    room = int(min(SPILL_LIMITS) * task.limit)
    needy = layers_in_need(task.graph, task.best, task.lives, room)
    return [
        task.ways(index) if index in needy else layer_ways([plan], [], task.machine.l2_bytes)
        for index, plan in enumerate(task.best)
    ]


def _l3(machine: Machine) -> L3Model:
    if machine.l3 is None:
        raise PlanError("there is no L3", where=f"SoC {machine.soc}")
    return machine.l3


def _streams(layout: _Layout, machine: Machine) -> Iterator[_Streams]:
    """The ways found to bring parameters to L2 beside these activations, in chunks of each size."""
    most = layout.task.limit // LEAST_CHUNKS
    sizes = [size for size in CHUNK_BYTES if size <= most] if layout.task.thorough else []
    for size in sizes or [QUICK_CHUNK_BYTES]:
        found = _try(layout, machine, size)
        if found is not None:
            yield found


def _keep_in_l2(best: _Streams, machine: Machine) -> _Streams:
    """The same with parameters left in L2 as long as that costs no cycle."""
    params = [pack_size(plan) for plan in best.layout.plans]
    for index in sorted((i for i, size in enumerate(params) if size), key=lambda index: params[index]):
        found = _with_places(best.layout, machine, best.resident | {index}, best.most_chunk_bytes)
        if isinstance(found, _Streams) and found.waits <= best.waits:
            best = found
    return best


def _try(layout: _Layout, machine: Machine, most: int) -> _Streams | None:
    """Transfers of all parameters in chunks of at most `most` bytes, of less where they have no room."""
    current: _Layout | None = layout
    while current is not None:
        found = _with_places(current, machine, frozenset(), most)
        if isinstance(found, _Streams):
            return found
        current = current.tighter(found)
    return None


def _with_places(layout: _Layout, machine: Machine, resident: frozenset[int], most: int) -> _Streams | set[int]:
    """Places for all transfers, or the layers that have too little room."""
    task, chunks = layout.task, list(layout.moves)
    chunks += [
        steps_chunk(layout.plans[index], index, layout.marks, size) for index, size in layout.tables.items()
    ]
    for index, plan in enumerate(layout.plans):
        if index not in resident:
            again = index in layout.spill.again
            least = again_chunk(machine.l2_bytes) if again else LEAST_CHUNK_BYTES
            size = least if index in layout.tight else most
            chunks += params_chunks(plan, index, layout.marks, size, again=again)
    by_rows = task.streams_tables and len(chunks) > ROWS_IN_L2
    limit = task.limit - transfers_table_bytes(len(chunks), in_l3=by_rows)
    limit -= sum(align(pack_size(layout.plans[index])) for index in resident)
    chunks = in_order(chunks, layout.tight)
    chunks = with_rows(chunks, layout.marks) if by_rows else chunks
    placed = place_chunks(chunks, layout.fixed, layout.stored, limit) if layout.arena <= limit else None
    if placed is None:
        seconds = 0 if resident or layout.groups > 1 else task.effort.address_seconds
        distances = _distances(task, layout.plans, layout.spill)
        places = reserve(chunks, (layout.fixed, layout.stored), distances, limit, seconds)
        if not isinstance(places, Reserved):
            return {layout.marks.mark(number).layer for number in places}
        layout = replace(layout, fixed=places.fixed, stored=places.stored)
        placed = place_chunks(chunks, places.fixed, places.stored, limit, places.loaded)
    assert placed is not None, "each chunk has a place when it is needed"
    return _Streams(layout, resident, placed, waits(placed, layout.marks, _l3(machine)), most)


def _result(task: L2Task, streams: _Streams) -> L2Plan:
    layout, l3 = streams.layout, _l3(task.machine)
    marks = layout.marks
    tops = [one.offset + align(one.chunk.size) for one in streams.placed if one.chunk.kind is not L3Kind.ROWS]
    rows = max([layout.arena, *tops])
    by_rows = len(tops) < len(streams.placed)
    arena = rows + (transfers_table_bytes(len(tops), in_l3=True) if by_rows else 0)
    params = [pack_size(plan) for plan in layout.plans]
    buffers, l3_buffers = layout.buffers(), _l3_buffers(layout)
    kept = [sum(one.size for one in buffers if one.first < index <= one.last) for index in range(len(params))]
    demand = Demand(params, kept, least_moves(task.graph, task.lives, task.limit))
    places = {buffer.tensor: buffer.offset for buffer in l3_buffers}
    return L2Plan(
        layers=layout.plans,
        buffers=buffers,
        arena=arena,
        used=arena + sum(params[index] for index in streams.resident),
        prediction=Prediction(marks.total, streams.waits, bound(demand, marks, task.limit, l3)),
        l3_arena=max((buffer.offset + align(buffer.size) for buffer in l3_buffers), default=0),
        l3_buffers=l3_buffers,
        transfers=tuple(_transfer(one, marks, places.get(one.chunk.tensor, 0), rows) for one in streams.placed),
    )


def _l3_buffers(layout: _Layout) -> tuple[L3Buffer, ...]:
    """The activations in L3."""
    sizes = {name: layout.task.graph.tensors[name].size_bytes for name in layout.spill.tensors}
    rects = [
        Rect(life.tensor, life.first, life.last + 1, 0, sizes[life.tensor])
        for life in layout.task.lives
        if life.tensor in sizes
    ]
    return tuple(
        L3Buffer(rect.name, rect.offset, rect.size) for rect in place(rects, layout.task.effort.address_seconds)
    )


def _transfer(one: Placed, marks: MarkTimes, base: int, rows: int) -> L3Transfer:
    """The transfer of a chunk of the tensor at `base` in L3; the table's rows begin at `rows` in the arena."""
    chunk = one.chunk
    return L3Transfer(
        kind=chunk.kind,
        layer=chunk.layer,
        tensor=chunk.tensor,
        first=chunk.first,
        last=chunk.last,
        l3_offset=base + chunk.l3_offset,
        l2_offset=one.offset + (rows if chunk.kind is L3Kind.ROWS else 0),
        size=chunk.size,
        start=marks.mark(one.start),
        wait=marks.mark(chunk.need),
    )
