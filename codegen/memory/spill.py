"""Which activations lie in L3, so that what is left fits L2: the choice that costs the fewest cycles.

A layer that reads or writes such an activation works row by row, and two bands of its rows are in L2. A layer
that works row by row can also let its output overwrite its input. Both may mean another, slower tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.in_place import input_distance
from tvm_pulp.codegen.memory.l2_allocator import shared_bytes
from tvm_pulp.codegen.memory.l3_chunks import WORD, band_bytes, bands, step_groups
from tvm_pulp.codegen.plan import ROW_BYTES, LayerPlan, turns
from tvm_pulp.codegen.solver import new_model, solved

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

BANDS_AT_ONCE = 2
LEAST_CHUNK = 8_192
"""Bytes of parameters that are in L2 at least while a layer runs that has more."""

AGAIN_CHUNK, AGAIN_CHUNKS = 16_384, 8
"""Parameters that come again and again come in chunks of so many bytes, at least so many of which fit L2."""


@dataclass(frozen=True)
class Spill:
    """Tensors that lie in L3, outputs that overwrite an input (output, input), which of its ways each layer
    goes, and the layers whose parameters come from L3 `again` for each pass through them."""

    tensors: frozenset[str] = frozenset()
    in_place: frozenset[tuple[str, str]] = frozenset()
    ways: tuple[int, ...] = ()
    again: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Way:
    """A plan of a layer. Where its parameters are too many to stay in L2 while it runs, they come from L3 again
    for each pass through them, in chunks of `again` bytes; otherwise that is 0."""

    plan: LayerPlan
    again: int = 0

    @property
    def params_room(self) -> int:
        """Bytes of L2 that the parameters take at least while the layer runs: all of them where blocks are
        fetched more than once, else a chunk; two where they come again."""
        sizes = _block_sizes(self.plan)
        total, block = sum(sizes), max(sizes)
        if self.again:
            return min(total, 2 * max(self.again, block))
        return total if _fetched_again(self.plan) else min(total, max(LEAST_CHUNK, block))

    @property
    def params_again(self) -> int:
        """Bytes of parameters that come from L3 more than once."""
        return _fetched_again(self.plan) if self.again else 0

    @property
    def params_transfers(self) -> int:
        """Transfers of parameters, about."""
        sizes = _block_sizes(self.plan)
        total, block = sum(sizes), max(sizes)
        chunk = self.again or LEAST_CHUNK
        return ceil((total + self.params_again) / max(chunk // block * block, block)) if total else 0


def _block_sizes(plan: LayerPlan) -> list[int]:
    """Bytes of each block of a layer's parameters."""
    return list({step.params_offset: step.params_size for step in plan.steps}.values())


def _fetched_again(plan: LayerPlan) -> int:
    """Bytes of parameters that are fetched once more than once."""
    loaded = sum(step.params_size for step in plan.steps if step.load_params)
    return max(0, loaded - sum(_block_sizes(plan)))


@dataclass(frozen=True)
class Ways:
    """The ways to run a layer: those for which all its tensors are in L2, the fastest first, and those that
    work row by row."""

    whole: tuple[Way, ...]
    by_rows: tuple[Way, ...]

    @property
    def all(self) -> tuple[Way, ...]:
        """The fastest one first."""
        return (*self.whole, *self.by_rows)


def again_chunk(l2_bytes: int) -> int:
    """Bytes of a chunk of parameters that come again."""
    return min(AGAIN_CHUNK, l2_bytes // AGAIN_CHUNKS)


def layer_ways(whole: Sequence[LayerPlan], by_rows: Sequence[LayerPlan], l2_bytes: int) -> Ways:
    """The ways of a layer with these plans, the fastest first, in so much L2."""
    chunk = again_chunk(l2_bytes)
    return Ways(tuple(_with_again(whole, chunk)), tuple(_with_again(by_rows, chunk)))


def _with_again(plans: Sequence[LayerPlan], chunk: int) -> Iterator[Way]:
    for plan in {plan.steps: plan for plan in plans}.values():
        once, again = Way(plan), Way(plan, again=chunk)
        yield once
        if again.params_room < once.params_room:
            yield again


@dataclass(frozen=True)
class Life:
    """A tensor that the region keeps, with its first and last layer."""

    tensor: str
    first: int
    last: int


def tensor_lives(graph: LayerGraph, plans: Sequence[LayerPlan]) -> list[Life]:
    """Every tensor between layers, with the first and the last layer that touches it or a view of it, or runs
    at the same time as one that does."""
    outside = {*graph.inputs, *graph.outputs}
    lives: dict[str, Life] = {}
    for turn in turns(plans):
        for layer in graph.layers[turn.start : turn.stop]:
            for name in (layer.output, *layer.inputs):
                base = graph.tensors[name].base
                if base not in outside:
                    first = lives[base].first if base in lives else turn.start
                    lives[base] = Life(base, first, turn.stop - 1)
    return list(lives.values())


def has_views(graph: LayerGraph, name: str) -> bool:
    """True if other tensors are parts of this one."""
    return any(tensor.view is not None and tensor.base == name for tensor in graph.tensors.values())


def _is_map(tensor: Tensor) -> bool:
    """True for bytes in HWC order."""
    return tensor.dtype.size == 1 and not tensor.planar


def same_shape(graph: LayerGraph, one: str, other: str) -> bool:
    """True if two tensors have equal heights, widths and channels."""
    a, b = graph.tensors[one], graph.tensors[other]
    return (a.height, a.width, a.channels) == (b.height, b.width, b.channels)


def is_second_of_group(layer: Layer, name: str) -> bool:
    """True for the second input of a fused group, of which a step reads another box than of the first."""
    return bool(layer.parts) and name in layer.inputs[1:]


def may_overwrite(graph: LayerGraph, layer: Layer, source: str) -> bool:
    """True if a layer's output may share bytes with an input that the layer is the last to read."""
    if source not in layer.inputs or layer.output in graph.outputs or is_second_of_group(layer, source):
        return False
    plain = all(
        _is_map(graph.tensors[name]) and graph.tensors[name].view is None and not has_views(graph, name)
        for name in (layer.output, source)
    )
    return plain and same_shape(graph, layer.inputs[0], source)


def layers_in_need(graph: LayerGraph, plans: Sequence[LayerPlan], lives: Sequence[Life], room: int) -> set[int]:
    """The layers with these plans that don't find `room` for all activations that are alive and for their
    parameters, and those that touch one of these activations: the others have nothing to gain from working row
    by row."""
    sizes = {life.tensor: align(graph.tensors[life.tensor].size_bytes) for life in lives}
    may_spill = set[str]()
    found = set[int]()
    for index, plan in enumerate(plans):
        alive = [life.tensor for life in lives if life.first <= index <= life.last]
        if sum(sizes[name] for name in alive) + Way(plan).params_room > room:
            found.add(index)
            may_spill.update(alive)
    touching = {
        index
        for index, layer in enumerate(graph.layers)
        if not may_spill.isdisjoint(graph.tensors[name].base for name in (*layer.inputs, layer.output))
    }
    return found | touching


@dataclass(frozen=True)
class SpillTask:
    """The layers' ways to choose from, the tensors that need a place, and the bytes of L2 that there are for
    them, for parameters on their way, and for `row_bytes` of each transfer."""

    graph: LayerGraph
    ways: Sequence[Ways]
    lives: Sequence[Life]
    l3: L3Model
    limit: int
    row_bytes: int = ROW_BYTES


def choose_spill(task: SpillTask, seconds: float) -> Spill | None:
    """The best choice found in `seconds` of the solver's count; None if there is none."""
    return _SpillModel(task).solve(seconds)


def band_room(graph: LayerGraph, plan: LayerPlan, tensor: str, *, of_input: bool) -> int:
    """Bytes of L2 that bands of one row of tiles take, as many as are there at once."""
    parts = bands(plan, step_groups(plan), of_input=of_input)
    at_once = min(BANDS_AT_ONCE, len(parts))
    return at_once * align(max(band_bytes(graph.tensors[tensor], part) for part in parts))


class _SpillModel:
    def __init__(self, task: SpillTask) -> None:
        self._graph = task.graph
        self._ways = task.ways
        self._lives = task.lives
        self._l3 = task.l3
        self._limit = task.limit
        self._row_bytes = task.row_bytes
        self._model = new_model()
        self._spilled = {life.tensor: self._spill_variable(life.tensor) for life in task.lives}
        self._chosen = [
            [self._model.new_bool_var(f"{layer.name} {number}") for number in range(len(way.all))]
            for layer, way in zip(task.graph.layers, task.ways, strict=True)
        ]
        self._in_place: dict[tuple[str, str], list[cp_model.IntVar]] = {}
        self._used: list[cp_model.LinearExprT] = []
        self._transfers: cp_model.LinearExprT = 0

    def _spill_variable(self, name: str) -> cp_model.IntVar:
        tensor = self._graph.tensors[name]
        variable = self._model.new_bool_var(name)
        whole_words = tensor.row_bytes % WORD == 0
        if not (whole_words and self._moves_by_rows(name)):
            self._model.add(variable == 0)
        return variable

    def _moves_by_rows(self, name: str) -> bool:
        """True if every layer that touches a tensor reads or writes boxes of its rows."""
        readers = [layer for layer in self._graph.layers if name in layer.inputs]
        tensor = self._graph.tensors[name]
        return (
            _is_map(tensor)
            and not has_views(self._graph, name)
            and all(same_shape(self._graph, layer.inputs[0], name) for layer in readers)
            and not any(is_second_of_group(layer, name) for layer in readers)
        )

    def solve(self, seconds: float) -> Spill | None:
        for index, chosen in enumerate(self._chosen):
            self._model.add_exactly_one(chosen)
            self._add_layer(index)
        for used in self._used:
            self._model.add(used + self._row_bytes * self._transfers <= self._limit)
        self._model.minimize(self._cost())
        solver = solved(self._model, seconds)
        if solver is None:
            return None
        pairs = self._in_place.items()
        ways = tuple([solver.value(one) for one in chosen].index(1) for chosen in self._chosen)
        return Spill(
            tensors=frozenset(name for name, one in self._spilled.items() if solver.value(one)),
            in_place=frozenset(pair for pair, some in pairs if any(map(solver.value, some))),
            ways=ways,
            again=frozenset(index for index, way in enumerate(ways) if self._ways[index].all[way].again > 0),
        )

    def _cost(self) -> cp_model.LinearExprT:
        """Cycles of transfers, and what working row by row costs more."""
        moves = {life.tensor: 1 for life in self._lives}
        for layer in self._graph.layers:
            for name in layer.inputs:
                if name in moves:
                    moves[name] += 1
        transfers = sum(
            int(count * self._graph.tensors[name].size_bytes / self._l3.bytes_per_cycle) * self._spilled[name]
            for name, count in moves.items()
        )
        slower = sum(
            (max(0, way.plan.cycles - ways.whole[0].plan.cycles) + number) * chosen
            for ways, variables in zip(self._ways, self._chosen, strict=True)
            for number, (way, chosen) in enumerate(zip(ways.all, variables, strict=True))
        )
        again = sum(
            int(way.params_again / self._l3.bytes_per_cycle) * chosen
            for ways, variables in zip(self._ways, self._chosen, strict=True)
            for way, chosen in zip(ways.all, variables, strict=True)
        )
        each = self._l3.setup_cycles + self._l3.call_cycles
        return transfers + slower + again + each * self._transfers

    def _add_layer(self, index: int) -> None:
        """Adds what is in L2 during the layer, and the transfers for it."""
        layer, ways = self._graph.layers[index], self._ways[index]
        used: cp_model.LinearExprT = 0
        for way, chosen in zip(ways.all, self._chosen[index], strict=True):
            used += way.params_room * chosen
            self._transfers += way.params_transfers * chosen
        for life in self._lives:
            if life.first <= index <= life.last:
                size = align(self._graph.tensors[life.tensor].size_bytes)
                used += size * (1 - self._spilled[life.tensor])
                if life.tensor == layer.output or life.tensor in layer.inputs:
                    used += self._bands(index, life.tensor)
                if life.last == index and may_overwrite(self._graph, layer, life.tensor):
                    used -= self._shared(index, life.tensor)
        self._used.append(used)

    def _bands(self, index: int, tensor: str) -> cp_model.LinearExprT:
        """Bytes of the bands of a tensor that the layer touches, if it lies in L3."""
        spilled, of_input = self._spilled[tensor], tensor in self._graph.layers[index].inputs
        used: cp_model.LinearExprT = 0
        for chosen in self._chosen[index][: len(self._ways[index].whole)]:
            self._model.add_implication(spilled, ~chosen)
        for way, chosen in self._by_rows(index):
            both = self._model.new_bool_var("bands")
            self._model.add_bool_or(both, ~spilled, ~chosen)
            used += band_room(self._graph, way.plan, tensor, of_input=of_input) * both
            self._transfers += len(step_groups(way.plan)) * both
        return used

    def _by_rows(self, index: int) -> Iterator[tuple[Way, cp_model.IntVar]]:
        """The layer's ways that work row by row, each with the variable that chooses it."""
        ways = self._ways[index]
        return zip(ways.by_rows, self._chosen[index][len(ways.whole) :], strict=True)

    def _shared(self, index: int, source: str) -> cp_model.LinearExprT:
        """Bytes that the layer's output shares with an input that dies, if it overwrites it."""
        layer, out = self._graph.layers[index], self._graph.layers[index].output
        if any(pair[0] == out for pair in self._in_place):
            return 0  # an output overwrites one input
        sizes = (self._graph.tensors[out].size_bytes, self._graph.tensors[source].size_bytes)
        shared: cp_model.LinearExprT = 0
        self._in_place[out, source] = []
        for way, chosen in self._by_rows(index):
            over = self._model.new_bool_var(f"{out} over {source}")
            self._model.add_implication(over, chosen)
            self._model.add_implication(over, ~self._spilled[source])
            self._model.add_implication(over, ~self._spilled[out])
            self._in_place[out, source].append(over)
            shared += shared_bytes(*sizes, input_distance(self._graph, layer, way.plan)) * over
        return shared
