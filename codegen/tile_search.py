"""The search for a layer's tile and loop order: every tile size that fits L1 is estimated, the
most promising are scheduled and costed step by step.

The best candidate is not the fastest at any price: of those that the model can't tell from it (TOLERANCE) the
one that keeps the DMA busy for the shortest time is taken: few bytes in few commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, product, zip_longest
from typing import Protocol, TypeVar

import numpy as np
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.arrays import BoolArray, FloatArray, IntArray, Tiles
from tvm_pulp.codegen.cost.dma import line_cycles
from tvm_pulp.codegen.cost.layer import step_costs, x_costs, y_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder, Operand
from tvm_pulp.codegen.share_schedule import schedule_on
from tvm_pulp.codegen.tile_tables import TileTables, tile_tables
from tvm_pulp.codegen.traffic import layer_traffic

TOLERANCE = 0.01
FINALISTS = 4
WORD = 4

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
    table = tile_tables(graph, layer, machine.cores, machine.l1_bytes, engine, in_l1=in_l1)
    orders = (LoopOrder.CHANNELS_OUTER,) if params_once else tuple(LoopOrder)
    orders = orders if most_rows is None else (LoopOrder.SPACE_OUTER,)
    target = _Target(graph, layer, machine, most_rows, orders, engine, in_l1)
    estimates = _estimates(target, table)
    if not estimates:
        return NothingFits(int(table.l1_bytes(late_choices(engine)[-1]).min()))
    finalists = [
        _candidate(target, estimate) for estimate in affordable(_finalists(estimates), effort or Effort())
    ]
    return chosen(finalists)


def chosen(candidates: Sequence[Candidate]) -> Search:
    """What a search makes of the candidates that fit L1."""
    return Search(_best(candidates), _pareto_front(candidates))


def late_choices(engine: Engine) -> tuple[tuple[Operand, ...], ...]:
    """What may be loaded late on an engine."""
    return LATE_CHOICES if engine.on_cores else LATE_CHOICES[:1]


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


@dataclass(frozen=True)
class _Estimate:
    tile: Box
    order: LoopOrder
    late: tuple[Operand, ...]
    cycles: float
    dma_cycles: float
    steps: int


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
    found: list[_Estimate] = []
    for late in late_choices(target.engine):
        fits = allowed & (table.l1_bytes(late) <= target.machine.l1_bytes)
        allowed &= ~fits
        rows, columns = np.nonzero(fits)
        if rows.size == 0:
            continue
        pairs = _Pairs(
            {name: column[rows] for name, column in table.space.items()},
            {name: column[columns] for name, column in table.channels.items()},
        )
        for order in _orders(target, pairs):
            loads = _loads(table, pairs, order, late)
            cycles, dma_cycles = _cycles(target, table, pairs, loads)
            found += _most_promising(table, pairs, (order, late), cycles, dma_cycles)
    return found


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
    """How often operands are loaded, as shares of the steps. One of them comes with a new pass of the inner
    loop only: `x_bursts` says that it is x. Those that are `late` have one buffer."""

    x_share: FloatArray
    params_share: FloatArray
    x_bursts: bool
    late: tuple[Operand, ...]


def _loads(table: TileTables, pairs: _Pairs, order: LoopOrder, late: tuple[Operand, ...]) -> _Loads:
    tiles, ranges = pairs.tiles, pairs.channel["ranges"]
    x_kept, params_kept = (1 if operand in late else 2 for operand in (Operand.X, Operand.PARAMS))
    steps = tiles * ranges
    own = table.in_channels is None
    if order is LoopOrder.CHANNELS_OUTER:
        x_loads = steps if own else tiles + (ranges - 1) * np.maximum(0, tiles - x_kept)
        params_loads = ranges
    else:
        x_loads = steps if own else tiles
        params_loads = ranges + (tiles - 1) * np.maximum(0, ranges - params_kept)
    x_bursts = order is LoopOrder.SPACE_OUTER and not own
    return _Loads(x_loads / steps, params_loads / steps, x_bursts, late)


def _cycles(target: _Target, table: TileTables, pairs: _Pairs, loads: _Loads) -> tuple[FloatArray, FloatArray]:
    """Cycles of the layer, and of its transfers. Every class of tiles (inner or last on each axis) takes the
    longer of computation and transfers; what is loaded at the begin of a pass counts as far as it exceeds the
    computation there."""
    graph, layer, machine = target.graph, target.layer, target.machine
    kernel = target.engine.choose_kernel(graph, layer, None, machine.cores).name
    total, busy = np.zeros(pairs.tiles.shape), np.zeros(pairs.tiles.shape)
    sizes = (pairs.space["nh"], pairs.space["nw"], pairs.channel["ranges"])
    for last in product((False, True), repeat=3):
        count = np.ones_like(sizes[0])
        first = np.ones(pairs.tiles.shape, np.bool_)
        for is_last, size in zip(last, sizes, strict=True):
            count = count * (1 if is_last else size - 1)
            first &= (size > 1) != is_last
        tiles = _tiles(table, pairs, *last)
        finish = target.engine.finish_cycles(machine, layer, tiles)
        compute = target.engine.cycles(machine, layer, kernel, tiles)
        x = x_costs(graph, layer, machine, tiles, channels_first=table.channels_first, in_l1=target.in_l1)[0]
        y = y_costs(graph, layer, machine, tiles)[0] * table.stored
        params = line_cycles(machine.dma, pairs.channel["last_block" if last[2] else "block"])
        x_each, params_each = loads.x_share * x, loads.params_share * params
        reloads = (finish > 0) & (pairs.channel["ranges"] > 1)  # only when the cores have finished
        compute = np.maximum(compute, finish + reloads * (x_each + params_each))
        between = sum(
            each
            for operand, each in ((Operand.X, x_each), (Operand.PARAMS, params_each))
            if operand in loads.late
        )
        steady_load, steady_each = (Operand.PARAMS, params_each) if loads.x_bursts else (Operand.X, x_each)
        burst_load, burst, share = (
            (Operand.X, x, loads.x_share) if loads.x_bursts else (Operand.PARAMS, params, loads.params_share)
        )
        passing = y + steady_each * (steady_load not in loads.late)
        steady = np.maximum(compute, passing + target.engine.turn_cycles())
        beyond = np.maximum(0, burst - (steady - passing)) * (burst_load not in loads.late)
        total += count * (steady + share * beyond + between)
        total += np.where(first, x + params, 0) + (y + finish if all(last) else 0)
        busy += count * (x_each + params_each + y)
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
    steps = pairs.tiles * pairs.channel["ranges"]
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
