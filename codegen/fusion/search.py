"""The search for a fused group's tile: every size that fits L1 is estimated, the most promising are scheduled
and costed step by step, as `tiles/search.py` does for a layer.

The tiles of a group have halos in several maps, so what a tile costs depends on where it lies. Tiles that are
alike in everything are counted and costed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.arrays import BoolArray, IntArray, Tiles, held_up
from tvm_pulp.codegen.cost.dma import line_cycles
from tvm_pulp.codegen.cost.layer import x2_costs, x_costs, y_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.fusion.geometry import Group, Through
from tvm_pulp.codegen.fusion.groups import second_input_buffers, stage_plans
from tvm_pulp.codegen.fusion.schedule import runs_fused, schedule_group, stage_kernels
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder
from tvm_pulp.codegen.tiles.estimates import ANY_TILE, Limits
from tvm_pulp.codegen.tiles.geometry import channel_ranges
from tvm_pulp.codegen.tiles.search import Candidate, NothingFits, Search, affordable, candidate, chosen
from tvm_pulp.codegen.tiles.sizes import cuts

MOST_HEIGHTS, MOST_HEIGHTS_BESIDE = 5, 12
"""So many tile heights, the largest that fit, are tried for each width and number of channels; and where an
engine works beside the cores, which begins late with large tiles."""

FINALISTS, FINALISTS_BESIDE, MOST_ESTIMATES = 8, 20, 30
"""So many of the most promising tiles are costed step by step, more where an engine works beside the cores:
what its first and last tiles cost isn't in the estimates."""


@dataclass(frozen=True)
class _Target:
    group: Group
    machine: Machine

    @property
    def many_stages(self) -> int:
        return len(self.group.parts)


class GroupSearch:
    """The searches for the best way to run a fused layer within the machine's L1, one of its layers on
    `engine`, as `tiles.search.TileSearch` does for a layer."""

    def __init__(
        self,
        graph: LayerGraph,
        layer: Layer,
        machine: Machine,
        *,
        engine: Engine = CLUSTER,
        effort: Effort | None = None,
    ) -> None:
        self._target = _Target(Group(graph, layer, engine), machine)
        self._effort = effort or Effort()
        self._candidates: dict[tuple[Box, LoopOrder], Candidate] = {}

    def best(self, limits: Limits = ANY_TILE) -> Search | NothingFits:
        """The best way within the limits, of which only that of rows matters, or how much L1 it would take.
        NothingFits(0) where the kernels can't take each other's maps, or the engine and the cores couldn't work
        at different tiles."""
        group, machine = self._target.group, self._target.machine
        one_row = group.graph.tensors[group.layer.output].height == 1
        if not runs_fused(group, machine.cores) or (group.overlaps and one_row):
            return NothingFits(0)
        sizes = _Sizes.of(group, machine, limits.most_rows)
        fits = sizes.that_fit(group, machine)
        if not fits.any():
            return NothingFits(int(sizes.l1_bytes.min()))
        estimates = _estimates(self._target, sizes, fits, limits.most_rows is not None)
        most = FINALISTS_BESIDE if group.overlaps else FINALISTS
        found = [self._candidate(one) for one in affordable(estimates[:most], self._effort)]
        inside = [one for one in found if one.l1_bytes <= machine.l1_bytes and _is_possible(group, one.plan)]
        if not inside:
            return NothingFits(min(one.l1_bytes for one in found))
        return chosen(inside)

    def _candidate(self, estimate: _Estimate) -> Candidate:
        key, group, machine = (estimate.tile, estimate.order), self._target.group, self._target.machine
        if key not in self._candidates:
            plan = _schedule(group, machine, estimate)
            self._candidates[key] = candidate(group.graph, group.layer, machine, plan)
        return self._candidates[key]


def _is_possible(group: Group, plan: LayerPlan) -> bool:
    """True if an engine can compute its part of each step."""
    if not group.overlaps:
        return True
    own = stage_plans(plan)[group.engine_stage]
    return not any(group.engine.violations(group.graph, group.own_part, own, step) for step in own.steps)


def group_candidates(
    graph: LayerGraph, layer: Layer, machine: Machine, most_steps: int, engine: Engine = CLUSTER
) -> tuple[int, list[LayerPlan]]:
    """How many tiles of a fused layer fit L1 in each loop order, and plans of the most promising ones, which
    have so many steps together."""
    group = Group(graph, layer, engine)
    sizes = _Sizes.of(group, machine, None)
    fits = sizes.that_fit(group, machine)
    plans = []
    estimates = _estimates(_Target(group, machine), sizes, fits, False) if fits.any() else []
    for estimate in estimates:
        most_steps -= estimate.steps
        if most_steps >= 0:
            plans.append(_schedule(group, machine, estimate))
    return len(LoopOrder) * int(fits.sum()), plans


def _schedule(group: Group, machine: Machine, estimate: _Estimate) -> LayerPlan:
    tile, order = estimate.tile, estimate.order
    return schedule_group(group.graph, group.layer, tile, machine.cores, order, engine=group.engine)


# ---- Sizes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Class:
    """Tiles on one axis that are alike: how many there are, by stage the sizes of output and input, and the
    padding on both sides of the latter together."""

    count: int
    out: tuple[int, ...]
    into: tuple[int, ...]
    padding: tuple[int, ...]


@dataclass(frozen=True)
class _Cut:
    """An axis cut into tiles of `size`, of which there are `count`: the kinds of tiles, the last one's
    first."""

    size: int
    count: int
    classes: tuple[_Class, ...]

    def largest(self, stage: int) -> int:
        """Outputs of a stage."""
        return max(one.out[stage] for one in self.classes)

    def largest_input(self, *, padded: bool) -> int:
        """Inputs of the group."""
        return max(one.into[0] + padded * one.padding[0] for one in self.classes)

    def largest_padded(self, stage: int) -> int:
        """Inputs of a stage with their padding."""
        return max(one.into[stage] + one.padding[stage] for one in self.classes)


def _cut_of(size: int, through: Sequence[Through]) -> _Cut:
    kinds = Counter(
        (
            tuple(span.size for span in one),
            tuple(span.in_size for span in one),
            tuple(span.before + span.after for span in one),
        )
        for one in through
    )
    return _Cut(size, len(through), tuple(_Class(count, *kind) for kind, count in kinds.items()))


@dataclass(frozen=True)
class _Sizes:
    """Cuts of rows, columns and channels, and the L1 bytes of their combinations (in this order of axes)."""

    heights: tuple[_Cut, ...]
    widths: tuple[_Cut, ...]
    channels: tuple[int, ...]
    l1_bytes: IntArray

    @classmethod
    def of(cls, group: Group, machine: Machine, most_rows: int | None) -> _Sizes:
        out = group.graph.tensors[group.layer.output]
        steps = group.engine.tile_steps(group.own_part)
        sizes = [size for size in cuts(out.height, steps.rows) if most_rows is None or size <= most_rows]
        if group.overlaps:  # a small last tile is soon done
            rows = 1 if group.widens_behind else steps.rows
            sizes = sorted({*sizes, *range(rows, most_rows or out.height, rows)})
        heights = tuple(_cut_of(size, group.row_cut(size)) for size in sizes)
        widths = tuple(_cut_of(size, group.column_cut(size)) for size in cuts(out.width, steps.columns))
        channels = cuts(out.channels, steps.channels) if group.tiles_channels else [out.channels]
        if steps.only_whole_channels:
            channels = [c for c in channels if c % steps.channels == 0 or c == out.channels]
        return cls(heights, widths, tuple(channels), _l1_bytes(group, machine, heights, widths, channels))

    def that_fit(self, group: Group, machine: Machine) -> BoolArray:
        """Which combinations fit L1. Beside an engine they are several tiles."""
        places = np.multiply.outer([one.count for one in self.heights], [one.count for one in self.widths])
        ranges = np.array([-(-self.channels[-1] // c) for c in self.channels])
        several = np.multiply.outer(places, ranges) > 1
        return np.asarray((self.l1_bytes <= machine.l1_bytes) & (several if group.overlaps else True), np.bool_)


def _l1_bytes(
    group: Group, machine: Machine, heights: Sequence[_Cut], widths: Sequence[_Cut], channels: Sequence[int]
) -> IntArray:
    out, source = (group.graph.tensors[name] for name in (group.layer.output, group.layer.inputs[0]))
    whole = Box(0, out.height, 0, out.width, 0, out.channels)
    choices = stage_kernels(group, whole, machine.cores)
    padded = choices[0].pad_in_l1
    tiles = np.array([[down.count * across.count for across in widths] for down in heights])[:, :, None]
    ranges = np.array([-(-out.channels // c) for c in channels])
    own = np.array([group.input_channels(0, c)[1] for c in channels])
    many = np.where(tiles * ranges > 1, 2, 1)
    x_area = _areas(
        [one.largest_input(padded=padded) for one in heights],
        [one.largest_input(padded=padded) for one in widths],
    )
    slack = group.engines[0].input_slack_bytes(choices[0], group.parts[0])
    size = many * _aligned(x_area * own * source.dtype.size + slack)
    size += np.where(ranges > 1, 2, 1) * np.array([align(group.block_bytes(0, c)) for c in channels])
    for stage in range(len(group.parts) - 1):
        count = np.array([group.stage_channels(0, c)[stage][1] for c in channels])
        areas = _areas([one.largest(stage) for one in heights], [one.largest(stage) for one in widths])
        twice = group.overlaps and group.engine_stage in (stage, stage + 1)
        size += (1 + twice) * _aligned(areas * count)
    y_area = _areas([one.size for one in heights], [one.size for one in widths])
    size += many * _aligned(y_area * np.array(channels) * out.dtype.size)
    if group.has_second_input:
        buffers = np.minimum(tiles * ranges, second_input_buffers(overlaps=group.overlaps))
        size += buffers * _aligned(y_area * np.array(channels))
    size += many * _aligned(_sums_bytes(group, heights, widths, channels))
    scratch = [
        max(
            engine.scratch_bytes(
                choice,
                part,
                one.largest_padded(stage),
                group.graph.tensors[part.inputs[0]].channels,
                machine.cores,
            )
            for stage, (part, engine, choice) in enumerate(
                zip(group.parts, group.engines, choices, strict=True)
            )
        )
        for one in heights
    ]
    return np.asarray(size + _aligned(np.array(scratch))[:, None, None], np.int64)


def _sums_bytes(
    group: Group, heights: Sequence[_Cut], widths: Sequence[_Cut], channels: Sequence[int]
) -> IntArray:
    """Bytes of the sums that the engine leaves to the cores."""
    stage = group.engine_stage
    count = np.array([group.stage_channels(0, c)[stage][1] for c in channels])
    areas = _areas([one.largest(stage) for one in heights], [one.largest(stage) for one in widths])
    return np.asarray(areas * count * group.engine.sums_bytes(group.own_part), np.int64)


def _areas(heights: Sequence[int], widths: Sequence[int]) -> IntArray:
    return np.asarray(np.outer(heights, widths)[:, :, None], np.int64)


def _aligned(size: IntArray) -> IntArray:
    return size + -size % 8


# ---- Estimates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Estimate:
    tile: Box
    order: LoopOrder
    cycles: float
    dma_cycles: float
    steps: int


@dataclass(frozen=True)
class _Kinds:
    """Kinds of tiles of all sizes: the number of the size that each belongs to, and how many there are of it;
    by stage its tiles."""

    size: IntArray
    count: IntArray
    tiles: tuple[Tiles, ...]
    block: IntArray


def _estimates(target: _Target, sizes: _Sizes, fits: BoolArray, by_rows: bool) -> list[_Estimate]:
    """The most promising tile sizes, best first."""
    tried = _worth_trying(fits, MOST_HEIGHTS_BESIDE if target.group.overlaps else MOST_HEIGHTS)
    kinds = _kinds(target, sizes, tried)
    graph, layer, machine = target.group.graph, target.group.layer, target.machine
    compute, after = _compute(target, kinds, _tile(sizes, tried[0]))
    x = x_costs(graph, layer, machine, kinds.tiles[0], channels_first=False)[0]
    y = y_costs(graph, layer, machine, kinds.tiles[-1])[0]
    x2 = x2_costs(graph, layer, machine, kinds.tiles[-1])[0]
    params = line_cycles(machine.dma, kinds.block)
    found: list[_Estimate] = []
    ranges = np.array([-(-sizes.channels[-1] // sizes.channels[c]) for _, _, c in tried])
    steps = np.bincount(kinds.size, kinds.count, len(tried))
    own = target.group.input_channels(0, 1)[1] == 1
    for order in LoopOrder if (ranges > 1).any() and not by_rows else (LoopOrder.SPACE_OUTER,):
        x_share = 1.0 / ranges if order is LoopOrder.SPACE_OUTER and not own else np.ones(len(tried))
        params_share = (
            ranges / steps if order is LoopOrder.CHANNELS_OUTER else np.where(ranges > 1, 1.0, ranges / steps)
        )
        passing = x * x_share[kinds.size] + params * params_share[kinds.size] + x2 + y
        each = kinds.count * np.maximum(compute, passing)
        ends = np.bincount(kinds.size, kinds.count * (x + params + x2 + y + after), len(tried)) / steps
        cycles = np.bincount(kinds.size, each, len(tried)) + ends
        busy = np.bincount(kinds.size, kinds.count * passing, len(tried))
        differs = (ranges > 1) | (order is LoopOrder.SPACE_OUTER)  # all channels at once have but one order
        most = min(MOST_ESTIMATES, int(differs.sum()))
        for index in np.lexsort((busy, cycles, ~differs))[:most]:
            tile, number = _tile(sizes, tried[index]), int(steps[index])
            found.append(_Estimate(tile, order, float(cycles[index]), float(busy[index]), number))
    return sorted(found, key=lambda one: (one.cycles, one.dma_cycles))


def _compute(target: _Target, kinds: _Kinds, tile: Box) -> tuple[IntArray, IntArray]:
    """Cycles of each kind of tile, of all layers or, if one is an engine's, of what takes longer; and of that
    layer and those behind it, which have nothing beside them at the end. `tile` is one of those."""
    group, machine = target.group, target.machine
    choices = stage_kernels(group, tile, machine.cores)
    each = [
        engine.cycles(machine, part, choice.name, tiles)
        for part, engine, choice, tiles in zip(group.parts, group.engines, choices, kinds.tiles, strict=True)
    ]
    if not group.overlaps:
        return np.sum(each, axis=0), np.zeros_like(kinds.count)
    own = group.engine_stage
    finish = group.engine.finish_cycles(machine, group.own_part, kinds.tiles[own])
    job, after = each[own], sum(each[own + 1 :], start=finish)
    on_cores = sum(each[:own], start=after)
    beside = held_up(job, on_cores, group.engine.lost_share(group.own_part))
    return np.maximum(on_cores + group.engine.turn_cycles(), beside), job + after


_Index = tuple[int, int, int]


def _worth_trying(fits: BoolArray, most_heights: int) -> list[_Index]:
    """Numbers of heights, widths and channels: for each of the latter two the largest heights that fit."""
    tried: list[_Index] = []
    for w in range(fits.shape[1]):
        for c in range(fits.shape[2]):
            heights = np.flatnonzero(fits[:, w, c])[-most_heights:]
            tried += [(int(h), w, c) for h in heights]
    return tried


def _tile(sizes: _Sizes, index: _Index) -> Box:
    h, w, c = index
    return Box(0, sizes.heights[h].size, 0, sizes.widths[w].size, 0, sizes.channels[c])


def _kinds(target: _Target, sizes: _Sizes, tried: Sequence[_Index]) -> _Kinds:
    group = target.group
    rows, columns = _axis_table(sizes.heights), _axis_table(sizes.widths)
    parts = [_range_kinds(group, c) for c in sizes.channels]
    picks: list[tuple[int, int, int, int, int]] = []  # size, row kind, column kind, channels, range kind
    for number, (h, w, c) in enumerate(tried):
        for row in range(rows.starts[h], rows.starts[h + 1]):
            for column in range(columns.starts[w], columns.starts[w + 1]):
                picks += [(number, row, column, c, kind) for kind in range(len(parts[c]))]
    number, row, column, c, kind = np.array(picks, np.int64).T
    flat = [one for some in parts for one in some]
    starts = np.cumsum([0, *(len(some) for some in parts)])[:-1]
    at = starts[c] + kind
    times = np.array([one.count for one in flat])[at]
    tiles = []
    for stage in range(target.many_stages):
        y_c = np.array([one.channels[stage] for one in flat], np.int64)[at]
        x_c = np.array([one.inputs[stage] for one in flat], np.int64)[at]
        tiles.append(
            Tiles(
                y_h=rows.out[stage][row],
                y_w=columns.out[stage][column],
                y_c=y_c,
                x_h=rows.into[stage][row],
                x_w=columns.into[stage][column],
                x_c=x_c,
                x_beside=np.zeros_like(y_c),
            )
        )
    block = np.array([one.block for one in flat], np.int64)[at]
    return _Kinds(number, rows.count[row] * columns.count[column] * times, tuple(tiles), block)


@dataclass(frozen=True)
class _RangeKind:
    """Ranges of channels that are alike: how many, by stage the channels that it computes and reads, bytes of
    parameters."""

    count: int
    channels: tuple[int, ...]
    inputs: tuple[int, ...]
    block: int


def _range_kinds(group: Group, c: int) -> list[_RangeKind]:
    kinds = Counter(size for _, size in channel_ranges(group.graph.tensors[group.layer.output].channels, c))
    found = []
    for size, count in kinds.items():
        channels = tuple(number for _, number in group.stage_channels(0, size))
        inputs = (group.input_channels(0, size)[1], *channels[:-1])
        found.append(_RangeKind(count, channels, inputs, group.block_bytes(0, size)))
    return found


@dataclass(frozen=True)
class _AxisTable:
    """The kinds of tiles of all cuts of an axis, those of cut `i` from `starts[i]` to `starts[i + 1]`."""

    starts: tuple[int, ...]
    count: IntArray
    out: tuple[IntArray, ...]
    into: tuple[IntArray, ...]


def _axis_table(axis: Sequence[_Cut]) -> _AxisTable:
    classes = [one for cut in axis for one in cut.classes]
    starts = np.cumsum([0, *(len(cut.classes) for cut in axis)])
    stages = range(len(classes[0].out))
    return _AxisTable(
        starts=tuple(map(int, starts)),
        count=np.array([one.count for one in classes], np.int64),
        out=tuple(np.array([one.out[stage] for one in classes], np.int64) for stage in stages),
        into=tuple(np.array([one.into[stage] for one in classes], np.int64) for stage in stages),
    )
