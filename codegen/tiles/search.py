"""The search for a layer's tile and loop order: every tile size that fits L1 is estimated, the
most promising are scheduled and costed step by step.

The best candidate is not the fastest at any price: of those that the model can't tell from it (TOLERANCE) the
one that keeps the DMA busy for the shortest time is taken: few bytes in few commands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain, product, zip_longest
from math import inf
from typing import Protocol, TypeVar

import numpy as np
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.arrays import BoolArray, FloatArray, IntArray, Tiles
from tvm_pulp.codegen.cost.cluster import adding_cycles, begin_sums_cycles, requantize_cycles
from tvm_pulp.codegen.cost.dma import line_cycles
from tvm_pulp.codegen.cost.layer import step_costs, x_costs, y_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder, Operand
from tvm_pulp.codegen.tiles.input_parts import has_parts, part_of, part_sizes
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.codegen.tiles.sizes import TileTables, tile_tables
from tvm_pulp.codegen.traffic import layer_traffic

TOLERANCE = 0.01
FINALISTS = 4
WORD = 4

PARTS_RATIO = 1.1
"""Tiles that read their input channels in parts are tried where others take so much longer than the computation
of the layer as one tile."""

LATE_RATIO = 0.9
"""Parameters are late on an engine beside the cores where that takes so much less than with two buffers:
meanwhile it stands still."""

STEPS_RATIO = 8
"""Of these tiles those that make so many more steps than the largest are left out: each is a call more."""

LATE_CHOICES = ((), (Operand.X,), (Operand.PARAMS,), (Operand.X, Operand.PARAMS))
"""Operands with one buffer; the fewest first, for what fits with two is faster with two."""


@dataclass(frozen=True)
class Candidate:
    """One way to run a layer, with its cost: cycles, bytes of L1, bytes and commands between L2 and L1, and the
    cycles that the DMA is busy."""

    plan: LayerPlan
    cycles: int
    l1_bytes: int
    traffic_bytes: int
    commands: int
    dma_cycles: int


@dataclass(frozen=True)
class Search:
    """What a search found: the chosen candidate, and the others that are on the Pareto front over cycles, L1
    and traffic."""

    best: Candidate
    front: tuple[Candidate, ...]


@dataclass(frozen=True)
class NothingFits:
    """No tile fits L1; the smallest needs so many bytes."""

    l1_bytes: int


def search_tiles(
    graph: LayerGraph,
    layer: Layer,
    machine: Machine,
    *,
    most_rows: int | None = None,
    params_once: bool = False,
    engine: Engine = CLUSTER,
    effort: Effort | None = None,
    in_l1: frozenset[str] = frozenset(),
) -> Search | NothingFits:
    """The best way to run a layer on an engine within the machine's L1, or how much it would take; with
    `most_rows` of those that finish a row of tiles, of at most so many rows of the map, before they begin the
    next; with `params_once` of those that load no parameters twice. Tensors `in_l1` take none of the machine's
    L1: they lie beside it."""
    orders = (LoopOrder.CHANNELS_OUTER,) if params_once else tuple(LoopOrder)
    orders = orders if most_rows is None else (LoopOrder.SPACE_OUTER,)
    target = _Target(graph, layer, machine, most_rows, orders, engine, in_l1, params_once)
    table = target.table
    estimates, least = _estimates(target, table), _least_l1(target, table)
    if _parts_may_pay(target, estimates):
        in_parts, least_in_parts = _estimates_in_parts(target)
        if not in_parts and not estimates:  # then parameters have to come again for each place
            in_parts = _estimates_in_parts(replace(target, params_once=False))[0]
        estimates, least = estimates + in_parts, min(least, least_in_parts)
    if not estimates:
        return NothingFits(least)
    finalists = [
        _candidate(target, estimate) for estimate in affordable(_finalists(estimates), effort or Effort())
    ]
    return chosen(finalists)


def chosen(candidates: Sequence[Candidate]) -> Search:
    """What a search makes of the candidates that fit L1."""
    return Search(_best(candidates), _pareto_front(candidates))


def late_choices(engine: Engine) -> tuple[tuple[Operand, ...], ...]:
    """What may be loaded late on an engine."""
    return LATE_CHOICES if engine.on_cores else ((), (Operand.PARAMS,))


def _best(candidates: Sequence[Candidate]) -> Candidate:
    limit = min(candidate.cycles for candidate in candidates) * (1 + TOLERANCE)
    near = [candidate for candidate in candidates if candidate.cycles <= limit]
    return min(near, key=lambda one: (one.dma_cycles, one.commands, one.cycles, one.l1_bytes))


def _pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that no other beats, or equals, in everything; by cycles."""
    ordered = sorted(candidates, key=lambda one: (one.cycles, one.l1_bytes, one.traffic_bytes))
    front: list[Candidate] = []
    for one in ordered:
        if not any(
            other.l1_bytes <= one.l1_bytes and other.traffic_bytes <= one.traffic_bytes for other in front
        ):
            front.append(one)
    return tuple(front)


# ---- Estimates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    graph: LayerGraph
    layer: Layer
    machine: Machine
    most_rows: int | None
    orders: tuple[LoopOrder, ...]
    engine: Engine
    in_l1: frozenset[str]
    params_once: bool
    c_in: int = 0

    @property
    def table(self) -> TileTables:
        """The tile sizes to choose from."""
        machine = self.machine
        return tile_tables(
            self.graph,
            self.layer,
            machine.cores,
            machine.l1_bytes,
            self.engine,
            in_l1=self.in_l1,
            c_in=self.c_in,
        )

    @cached_property
    def _kernel(self) -> str:
        """That of the layer as one tile."""
        return self.engine.choose_kernel(self.graph, self.layer, None, self.machine.cores).name

    @cached_property
    def _part(self) -> Layer:
        """The layer with the input channels of a part."""
        return part_of(self.graph, self.layer, 0, self.c_in)

    def compute(self, tiles: Tiles, parts: int) -> FloatArray:
        """Cycles of the computation of each tile, or of one of its parts on average."""
        layer, machine = self.layer, self.machine
        if parts == 1:
            return self.engine.cycles(machine, layer, self._kernel, tiles).astype(np.float64)
        once = begin_sums_cycles(machine, tiles) + requantize_cycles(machine, layer, tiles)
        each: FloatArray = adding_cycles(machine, self._part, self._kernel, tiles) + once / parts
        return each


def _parts_may_pay(target: _Target, estimates: Sequence[_Estimate]) -> bool:
    """True if no tile fits, or the best of them is far from what the computation would take as one tile."""
    graph, layer = target.graph, target.layer
    if target.engine is not CLUSTER or target.in_l1 or not has_parts(layer):
        return False
    source, out = (graph.tensors[name] for name in (layer.inputs[0], layer.output))
    sizes = (out.height, out.width, out.channels, source.height, source.width, source.channels, 0)
    whole = target.compute(Tiles(*(np.array([size]) for size in sizes)), 1)
    return _fastest(estimates) > PARTS_RATIO * float(whole[0])


def _estimates_in_parts(target: _Target) -> tuple[list[_Estimate], int]:
    """The most promising tiles that read their input channels in parts, and the bytes of L1 that the smallest
    one needs. The parts get smaller until that doesn't help."""
    found: list[_Estimate] = []
    least = sys.maxsize
    for c_in in part_sizes(target.graph, target.layer):
        one = replace(target, c_in=c_in)
        table = one.table
        least = min(least, _least_l1(one, table))
        estimates = _estimates(one, table)
        if estimates and _fastest(estimates) > PARTS_RATIO * _fastest(found):
            break
        found += estimates
    return found, least


def _fastest(estimates: Sequence[_Estimate]) -> float:
    return min((one.cycles for one in estimates), default=inf)


@dataclass(frozen=True)
class _Estimate:
    tile: Box
    order: LoopOrder
    late: tuple[Operand, ...]
    cycles: float
    dma_cycles: float
    steps: int
    c_in: int = 0


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a space and a channel row that fit L1, as columns."""

    space: dict[str, IntArray]
    channel: dict[str, IntArray]

    @property
    def tiles(self) -> IntArray:
        return self.space["nh"] * self.space["nw"]


def _estimates(target: _Target, table: TileTables) -> list[_Estimate]:
    """The most promising tile sizes of a table, with each choice of what is late, in each loop order."""
    allowed = _whole_lines(target, table)
    if target.most_rows is not None:
        allowed &= table.space["h"][:, None] <= target.most_rows
    steps = (table.space["nh"] * table.space["nw"])[:, None] * table.channels["ranges"][None, :]
    found: list[_Estimate] = []
    for late in late_choices(target.engine):
        fits = allowed & (table.l1_bytes(late) <= target.machine.l1_bytes)
        if target.params_once and table.parts > (1 if Operand.PARAMS in late else 2):
            fits &= (table.space["nh"] * table.space["nw"] == 1)[:, None]
        if table.parts > 1 and fits.any():
            fits &= steps <= STEPS_RATIO * steps[fits].min()
        allowed &= ~fits
        rows, columns = np.nonzero(fits)
        if rows.size == 0:
            continue
        pairs = _Pairs(
            {name: column[rows] for name, column in table.space.items()},
            {name: column[columns] for name, column in table.channels.items()},
        )
        classes = _classes(target, table, pairs)
        others: list[_Estimate] = []
        for order in _orders(target, pairs):
            loads = _loads(table, pairs, order, late)
            cycles, dma_cycles = _cycles(target, table, pairs, loads, classes)
            others += _most_promising(table, pairs, (order, late), cycles, dma_cycles)
        if target.engine.on_cores or _fastest(others) < LATE_RATIO * _fastest(found):
            found += others
    return [replace(one, c_in=target.c_in) for one in found] if target.c_in else found


def _least_l1(target: _Target, table: TileTables) -> int:
    """Bytes of L1 that the smallest tile needs."""
    return int(table.l1_bytes(late_choices(target.engine)[-1]).min())


def _whole_lines(target: _Target, table: TileTables) -> BoolArray:
    """Tiles that a kernel can read or write where they lie in a tensor that is whole in L1: lines of all
    columns and channels, or channels of one pixel, at whole words."""
    graph, layer = target.graph, target.layer
    space, channel = table.space, table.channels
    allowed = np.ones((space["h"].size, channel["c"].size), np.bool_)
    for name in (*layer.inputs, layer.output):
        if name not in target.in_l1:
            continue
        tensor, own = graph.tensors[name], name == layer.output or table.in_channels is None
        width = space["w" if name == layer.output else "x_w"]
        words = (space["nh"] == 1) | (tensor.row_bytes % WORD == 0)
        lines = (width == tensor.width) & (space["nw"] == 1) & words
        one_pixel = tensor.height * tensor.width == 1
        whole = (channel["ranges"] == 1) | (one_pixel & (channel["c"] % WORD == 0)) if own else True
        allowed &= lines[:, None] & whole
    return allowed


def _orders(target: _Target, pairs: _Pairs) -> tuple[LoopOrder, ...]:
    tiled_twice = bool(((pairs.tiles > 1) & (pairs.channel["ranges"] > 1)).any())
    return target.orders if tiled_twice else target.orders[:1]


@dataclass(frozen=True)
class _Loads:
    """How often operands are loaded, as shares of the steps; X stands for all inputs. `bursts` are those that
    come with a new pass of the inner loop only, `late` those that have one buffer."""

    shares: dict[Operand, FloatArray]
    bursts: tuple[Operand, ...]
    late: tuple[Operand, ...]

    def passing(self, cycles: dict[Operand, FloatArray]) -> list[FloatArray]:
        """Of these cycles those of loads beside most steps."""
        return [each for one, each in cycles.items() if one not in (*self.bursts, *self.late)]


def _loads(table: TileTables, pairs: _Pairs, order: LoopOrder, late: tuple[Operand, ...]) -> _Loads:
    tiles, ranges, parts = pairs.tiles, pairs.channel["ranges"], table.parts
    x_kept, params_kept = (1 if operand in late else 2 for operand in (Operand.X, Operand.PARAMS))
    steps = parts * tiles * ranges
    own = table.in_channels is None
    bursts: tuple[Operand, ...]
    bursts = (Operand.X,) if order is LoopOrder.SPACE_OUTER and not own else (Operand.PARAMS,)
    if parts > 1:  # the first steps of a tile find what the last ones of the tile before have loaded
        x_kept, params_kept, bursts = min(parts, x_kept), min(parts, params_kept), ()
        if order is LoopOrder.CHANNELS_OUTER:
            x_loads = steps - (ranges - 1) * x_kept
            params_loads = ranges * (parts + (tiles - 1) * (parts - params_kept))
        else:
            x_loads = tiles * (parts + (ranges - 1) * (parts - x_kept))
            params_loads = steps - (tiles - 1) * params_kept
    elif order is LoopOrder.CHANNELS_OUTER:
        x_loads = steps if own else tiles + (ranges - 1) * np.maximum(0, tiles - x_kept)
        params_loads = ranges
    else:
        x_loads = steps if own else tiles
        params_loads = ranges + (tiles - 1) * np.maximum(0, ranges - params_kept)
    return _Loads({Operand.X: x_loads / steps, Operand.PARAMS: params_loads / steps}, bursts, late)


@dataclass(frozen=True)
class _Class:
    """What the tiles of one class (inner or last on each axis) cost, by pair: `count` of them, or of their
    parts; whether the `first` tile of the layer is one, and the last; cycles of computation, of what the cores
    finish, of loads and of the store."""

    count: IntArray
    first: BoolArray
    ends: bool
    compute: FloatArray
    finish: IntArray
    x: IntArray
    params: IntArray
    y: IntArray


def _classes(target: _Target, table: TileTables, pairs: _Pairs) -> list[_Class]:
    graph, layer, machine = target.graph, target.layer, target.machine
    sizes = (pairs.space["nh"], pairs.space["nw"], pairs.channel["ranges"])
    found = []
    for last in product((False, True), repeat=3):
        count = np.full_like(sizes[0], table.parts)
        first = np.ones(pairs.tiles.shape, np.bool_)
        for is_last, size in zip(last, sizes, strict=True):
            count = count * (1 if is_last else size - 1)
            first &= (size > 1) != is_last
        if not count.any():
            continue
        tiles = _tiles(table, pairs, *last)
        x = x_costs(graph, layer, machine, tiles, channels_first=table.channels_first, in_l1=target.in_l1)[0]
        found.append(
            _Class(
                count=count,
                first=first,
                ends=all(last),
                compute=target.compute(tiles, table.parts),
                finish=target.engine.finish_cycles(machine, layer, tiles),
                x=x,
                params=line_cycles(machine.dma, pairs.channel["last_block" if last[2] else "block"]),
                y=y_costs(graph, layer, machine, tiles)[0] * table.stored,
            )
        )
    return found


def _cycles(
    target: _Target, table: TileTables, pairs: _Pairs, loads: _Loads, classes: Sequence[_Class]
) -> tuple[FloatArray, FloatArray]:
    """Cycles of the layer, and of its transfers. Every class of tiles takes the longer of computation and
    transfers; what is loaded at the begin of a pass counts as far as it exceeds the computation there."""
    total, busy = np.zeros(pairs.tiles.shape), np.zeros(pairs.tiles.shape)
    for one in classes:
        whole = {Operand.X: one.x, Operand.PARAMS: one.params}
        each = {operand: loads.shares[operand] * cycles for operand, cycles in whole.items()}
        y = one.y / table.parts
        reloads = (one.finish > 0) & (pairs.channel["ranges"] > 1)  # only when the cores have finished
        drains = Operand.PARAMS in loads.late
        compute = np.maximum(one.compute, one.finish + (0 if drains else reloads * sum(each.values())))
        passing = y + sum(loads.passing(each))
        steady = np.maximum(compute, passing + target.engine.turn_cycles())
        between = sum(each[operand] for operand in loads.late)
        between = between + drains * loads.shares[Operand.PARAMS] * one.finish
        for operand in {*loads.bursts} - {*loads.late}:
            between = between + loads.shares[operand] * np.maximum(0, whole[operand] - (steady - passing))
        total += one.count * (steady + between)
        total += np.where(one.first, one.x + one.params, 0) + (one.y + one.finish if one.ends else 0)
        busy += one.count * (sum(each.values()) + y)
    return total, busy


def _tiles(table: TileTables, pairs: _Pairs, last_h: bool, last_w: bool, last_c: bool) -> Tiles:
    space, channel = pairs.space, pairs.channel
    c = channel["last_c" if last_c else "c"]
    return Tiles(
        y_h=space["last_h" if last_h else "h"],
        y_w=space["last_w" if last_w else "w"],
        y_c=c,
        x_h=space["x_last_h" if last_h else "x_h"],
        x_w=space["x_last_w" if last_w else "x_w"],
        x_c=c if table.in_channels is None else np.full_like(c, table.in_channels),
        x_beside=space["beside"],
    )


def _most_promising(
    table: TileTables,
    pairs: _Pairs,
    way: tuple[LoopOrder, tuple[Operand, ...]],
    cycles: FloatArray,
    dma_cycles: FloatArray,
) -> list[_Estimate]:
    """The fastest, and of those that are nearly as fast the ones with the shortest transfers."""
    near = np.flatnonzero(cycles <= cycles.min() * (1 + TOLERANCE))
    chosen = {int(index) for index in np.argsort(cycles, kind="stable")[:FINALISTS]}
    chosen |= {int(near[i]) for i in np.lexsort((cycles[near], dma_cycles[near]))[:FINALISTS]}
    steps = table.parts * pairs.tiles * pairs.channel["ranges"]
    return [
        _Estimate(
            tile=Box(0, int(pairs.space["h"][i]), 0, int(pairs.space["w"][i]), 0, int(pairs.channel["c"][i])),
            order=way[0],
            late=way[1],
            cycles=float(cycles[i]),
            dma_cycles=float(dma_cycles[i]),
            steps=int(steps[i]),
        )
        for i in sorted(chosen)
    ]


def _finalists(estimates: Sequence[_Estimate]) -> list[_Estimate]:
    limit = min(estimate.cycles for estimate in estimates) * (1 + TOLERANCE)
    by_dma = sorted(estimates, key=lambda one: (one.cycles > limit, one.dma_cycles, one.cycles))
    by_cycles = sorted(estimates, key=lambda one: (one.cycles, one.dma_cycles))
    turns = zip_longest(by_dma[:FINALISTS], by_cycles[:FINALISTS])
    return [one for one in dict.fromkeys(chain.from_iterable(turns)) if one is not None]


class HasSteps(Protocol):
    """A way to run a layer, of which the number of steps is known."""

    @property
    def steps(self) -> int: ...


E = TypeVar("E", bound=HasSteps)


def affordable(finalists: Sequence[E], effort: Effort) -> list[E]:
    """As many of the first as may be scheduled in reasonable time, at least one."""
    steps = list(accumulate(finalist.steps for finalist in finalists))
    return [
        one
        for one, total in zip(finalists, steps, strict=True)
        if total <= max(effort.scheduled_steps, steps[0])
    ]


def _candidate(target: _Target, estimate: _Estimate) -> Candidate:
    graph, layer, machine = target.graph, target.layer, target.machine
    plan = schedule_on(
        graph,
        layer,
        machine,
        estimate.tile,
        estimate.order,
        engine=target.engine,
        in_l1=target.in_l1,
        late=estimate.late,
        c_in=estimate.c_in,
    )
    return candidate(graph, layer, machine, plan)


def candidate(graph: LayerGraph, layer: Layer, machine: Machine, plan: LayerPlan) -> Candidate:
    """A plan of a layer with its cost."""
    costs = step_costs(graph, layer, plan, machine)
    traffic = layer_traffic(graph, layer, plan)
    return Candidate(
        plan=plan,
        cycles=costs.cycles,
        l1_bytes=max((buffer.offset + align(buffer.size) for buffer in plan.buffers), default=0),
        traffic_bytes=traffic.bytes_in + traffic.bytes_out,
        commands=costs.commands,
        dma_cycles=int(costs.load.sum() + costs.store.sum()),
    )
