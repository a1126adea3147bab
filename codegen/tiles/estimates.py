"""What the tiles of a layer cost, about: all sizes that fit L1 are estimated at once.

The estimates of a layer serve all searches for it: those that may use tiles of few rows only, or tiles that
load no parameters twice, choose among the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import inf

import numpy as np
from tvm_pulp.codegen.cost.arrays import BoolArray, FloatArray, IntArray, Tiles
from tvm_pulp.codegen.cost.cluster import adding_cycles, begin_sums_cycles, end_sums_cycles
from tvm_pulp.codegen.cost.dma import line_cycles
from tvm_pulp.codegen.cost.layer import x_costs, y_costs
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LoopOrder, Operand
from tvm_pulp.codegen.tiles.input_parts import has_parts, part_of, part_sizes
from tvm_pulp.codegen.tiles.sizes import TileTables, tile_tables

TOLERANCE = 0.01
"""Cycles that the model can't tell apart, as a share."""

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


def late_choices(engine: Engine) -> tuple[tuple[Operand, ...], ...]:
    """What may be loaded late on an engine."""
    return LATE_CHOICES if engine.on_cores else ((), (Operand.PARAMS,))


@dataclass(frozen=True)
class Limits:
    """Which tiles may be used: with `most_rows` those that finish a row of tiles, of at most so many rows of
    the map, before they begin the next; with `params_once` those that load no parameters twice."""

    most_rows: int | None = None
    params_once: bool = False

    @property
    def orders(self) -> tuple[LoopOrder, ...]:
        """The loop orders to choose from."""
        if self.most_rows is not None:
            return (LoopOrder.SPACE_OUTER,)
        return (LoopOrder.CHANNELS_OUTER,) if self.params_once else tuple(LoopOrder)


ANY_TILE = Limits()


@dataclass(frozen=True)
class Estimate:
    """A tile with what it costs, about; `c_in` input channels in a part, 0 where a tile reads all at once."""

    tile: Box
    order: LoopOrder
    late: tuple[Operand, ...]
    cycles: float
    dma_cycles: float
    steps: int
    c_in: int


@dataclass(frozen=True)
class LayerTarget:
    """A layer on an engine of a machine. Tensors `in_l1` take none of the machine's L1: they lie beside it."""

    graph: LayerGraph
    layer: Layer
    machine: Machine
    engine: Engine
    in_l1: frozenset[str]

    @cached_property
    def kernel(self) -> str:
        """That of the layer as one tile."""
        return self.engine.choose_kernel(self.graph, self.layer, None, self.machine.cores).name

    @cached_property
    def cycles_as_one(self) -> float:
        """Of the computation of the layer as one tile."""
        source, out = (self.graph.tensors[name] for name in (self.layer.inputs[0], self.layer.output))
        sizes = (out.height, out.width, out.channels, source.height, source.width, source.channels, 0)
        tiles = Tiles(*(np.array([size]) for size in sizes))
        return float(self.engine.cycles(self.machine, self.layer, self.kernel, tiles)[0])


class LayerEstimates:
    """The estimates of a layer's tiles."""

    def __init__(self, target: LayerTarget) -> None:
        self._target = target
        self._of_parts: dict[int, _TileCosts] = {}

    def most_promising(self, limits: Limits) -> list[Estimate]:
        """Tiles that are worth scheduling; none if none fits L1."""
        found = self._costs(0).estimates(limits)
        if not self._parts_may_pay(limits, found):
            return found
        in_parts = self._in_parts(limits)
        if not in_parts and not found:  # then parameters have to come again for each place
            in_parts = self._in_parts(replace(limits, params_once=False))
        return found + in_parts

    @property
    def least_l1(self) -> int:
        """Bytes of L1 that the smallest tile needs, where none fits."""
        return min(costs.least_l1 for costs in self._of_parts.values())

    def _costs(self, c_in: int) -> _TileCosts:
        if c_in not in self._of_parts:
            self._of_parts[c_in] = _TileCosts(self._target, c_in)
        return self._of_parts[c_in]

    def _parts_may_pay(self, limits: Limits, found: Sequence[Estimate]) -> bool:
        """True if no tile fits, or the best of them is far from what the computation would take as one tile;
        with few rows they are, and parts help where they do with any number of rows."""
        target = self._target
        if target.engine is not CLUSTER or target.in_l1 or not has_parts(target.layer):
            return False
        if limits.most_rows is not None and found:
            return self._best_has_parts
        return _fastest(found) > PARTS_RATIO * target.cycles_as_one

    @cached_property
    def _best_has_parts(self) -> bool:
        return min(self.most_promising(ANY_TILE), key=lambda one: one.cycles).c_in > 0

    def _in_parts(self, limits: Limits) -> list[Estimate]:
        """The most promising tiles that read their input channels in parts. The parts get smaller until that
        doesn't help."""
        found: list[Estimate] = []
        for c_in in part_sizes(self._target.graph, self._target.layer):
            estimates = self._costs(c_in).estimates(limits)
            if estimates and _fastest(estimates) > PARTS_RATIO * _fastest(found):
                break
            found += estimates
        return found


def _fastest(estimates: Sequence[Estimate]) -> float:
    return min((one.cycles for one in estimates), default=inf)


# ---- Tiles of one table ------------------------------------------------------------------------------------


class _TileCosts:
    """The estimates of all tile sizes of a layer, or with `c_in` of those that read so many input channels in a
    step."""

    def __init__(self, target: LayerTarget, c_in: int) -> None:
        machine = target.machine
        self._c_in = c_in
        self._table = tile_tables(
            target.graph,
            target.layer,
            machine.cores,
            machine.l1_bytes,
            target.engine,
            in_l1=target.in_l1,
            c_in=c_in,
        )
        self._fitting = list(_fitting(target, self._table, c_in))
        self.least_l1 = int(self._table.l1_bytes(late_choices(target.engine)[-1]).min())

    def estimates(self, limits: Limits) -> list[Estimate]:
        """The most promising tile sizes, with each choice of what is late, in each loop order."""
        found: list[Estimate] = []
        for tiles in self._fitting:
            allowed = self._allowed(tiles, limits)
            if not allowed.any():
                continue
            tiled_twice = bool((tiles.tiled_twice & allowed).any())
            others: list[Estimate] = []
            for order in limits.orders if tiled_twice else limits.orders[:1]:
                others += _most_promising(tiles, order, np.flatnonzero(allowed), self._c_in)
            if tiles.target.engine.on_cores or _fastest(others) < LATE_RATIO * _fastest(found):
                found += others
        return found

    def _allowed(self, tiles: _Fitting, limits: Limits) -> BoolArray:
        """Which of the tiles are within the limits."""
        pairs, parts = tiles.pairs, self._table.parts
        allowed = np.ones(pairs.tiles.shape, np.bool_)
        if limits.most_rows is not None:
            allowed &= pairs.space["h"] <= limits.most_rows
        if limits.params_once and parts > (1 if Operand.PARAMS in tiles.late else 2):
            allowed &= pairs.tiles == 1
        if parts > 1 and allowed.any():
            allowed &= tiles.steps <= STEPS_RATIO * tiles.steps[allowed].min()
        return allowed


def _fitting(target: LayerTarget, table: TileTables, c_in: int) -> Iterator[_Fitting]:
    """The tiles of a table that fit L1, by what has to be late."""
    allowed = _whole_lines(target, table)
    part = part_of(target.graph, target.layer, 0, c_in) if c_in else target.layer
    for late in late_choices(target.engine):
        fits = allowed & (table.l1_bytes(late) <= target.machine.l1_bytes)
        allowed &= ~fits
        rows, columns = np.nonzero(fits)
        if rows.size:
            space = {name: column[rows] for name, column in table.space.items()}
            channel = {name: column[columns] for name, column in table.channels.items()}
            yield _Fitting(target, table, part, late, _Pairs(space, channel))


@dataclass(frozen=True)
class _Fitting:
    """Tiles that fit L1 when these operands are `late`; `part` is the layer with the input channels of a
    step."""

    target: LayerTarget
    table: TileTables
    part: Layer
    late: tuple[Operand, ...]
    pairs: _Pairs
    known: dict[LoopOrder, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    @cached_property
    def steps(self) -> IntArray:
        """Steps of each."""
        return self.table.parts * self.pairs.tiles * self.pairs.channel["ranges"]

    @cached_property
    def tiled_twice(self) -> BoolArray:
        """Which of them come in an order."""
        return np.asarray((self.pairs.tiles > 1) & (self.pairs.channel["ranges"] > 1), np.bool_)

    def cycles(self, order: LoopOrder) -> tuple[FloatArray, FloatArray]:
        """Cycles of the layer with each, and of its transfers."""
        if order not in self.known:
            loads = _loads(self.table, self.pairs, order, self.late)
            self.known[order] = _cycles(self.target, self.table, self.pairs, loads, self._classes)
        return self.known[order]

    @cached_property
    def _classes(self) -> list[_Class]:
        target, table, pairs = self.target, self.table, self.pairs
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
            x = x_costs(graph, layer, machine, tiles, channels_first=table.channels_first, in_l1=target.in_l1)[
                0
            ]
            found.append(
                _Class(
                    count=count,
                    first=first,
                    ends=all(last),
                    compute=self._compute(tiles),
                    finish=target.engine.finish_cycles(machine, layer, tiles),
                    x=x,
                    params=line_cycles(machine.dma, pairs.channel["last_block" if last[2] else "block"]),
                    y=y_costs(graph, layer, machine, tiles)[0] * table.stored,
                )
            )
        return found

    def _compute(self, tiles: Tiles) -> FloatArray:
        """Cycles of the computation of each tile, or of one of its parts on average."""
        target, parts = self.target, self.table.parts
        layer, machine = target.layer, target.machine
        if parts == 1:
            return target.engine.cycles(machine, layer, target.kernel, tiles).astype(np.float64)
        once = begin_sums_cycles(machine, tiles) + end_sums_cycles(machine, layer, tiles)
        each: FloatArray = adding_cycles(machine, self.part, target.kernel, tiles) + once / parts
        return each


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a space and a channel row that fit L1, as columns."""

    space: dict[str, IntArray]
    channel: dict[str, IntArray]

    @property
    def tiles(self) -> IntArray:
        return self.space["nh"] * self.space["nw"]


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


def _whole_lines(target: LayerTarget, table: TileTables) -> BoolArray:
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


def _cycles(
    target: LayerTarget, table: TileTables, pairs: _Pairs, loads: _Loads, classes: Sequence[_Class]
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


def _most_promising(tiles: _Fitting, order: LoopOrder, allowed: IntArray, c_in: int) -> list[Estimate]:
    """Of the tiles with the `allowed` numbers the fastest, and of those that are nearly as fast the ones with
    the shortest transfers."""
    cycles, dma_cycles = (some[allowed] for some in tiles.cycles(order))
    near = np.flatnonzero(cycles <= cycles.min() * (1 + TOLERANCE))
    chosen = {int(index) for index in np.argsort(cycles, kind="stable")[:FINALISTS]}
    chosen |= {int(near[i]) for i in np.lexsort((cycles[near], dma_cycles[near]))[:FINALISTS]}
    space, channel = tiles.pairs.space, tiles.pairs.channel
    return [
        Estimate(
            tile=Box(0, int(space["h"][i]), 0, int(space["w"][i]), 0, int(channel["c"][i])),
            order=order,
            late=tiles.late,
            cycles=float(tiles.cycles(order)[0][i]),
            dma_cycles=float(tiles.cycles(order)[1][i]),
            steps=int(tiles.steps[i]),
            c_in=c_in,
        )
        for i in allowed[sorted(chosen)]
    ]
