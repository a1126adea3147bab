"""The tile sizes that a search chooses from: how each cuts the map, and what it means for L1.

Rows of the two tables are independent: the memory of a tile is made of sums and products of a space row's and
a channel row's numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace

import numpy as np
from tvm_pulp.codegen.align import ALIGNMENT
from tvm_pulp.codegen.cost.arrays import IntArray
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.plan import Box, Operand
from tvm_pulp.codegen.tiles.geometry import PER_CHANNEL_KINDS, Span, channel_ranges, columns, rows, spans
from tvm_pulp.codegen.tiles.input_parts import SUM_BYTES, in_parts, part_of

MOST_WIDTHS = 3
"""So many tile widths are tried where whole rows fit L1."""

CHANNEL_GROUP = 16
"""Channels with which per-channel kernels keep all cores busy."""


@dataclass(frozen=True)
class SpaceRow:
    """A choice of tile height and width.

    `nh` x `nw` tiles, the last ones of each axis `last_h` and `last_w` large; `x_…` the rows and columns that
    these read, inside the tensor. Areas count elements of one channel: `x_area` of the largest input tile with
    what is padded in L1. `scratch` and `slack` are bytes, `beside` columns of
    explicit padding.
    """

    h: int
    w: int
    nh: int
    nw: int
    last_h: int
    last_w: int
    x_h: int
    x_w: int
    x_last_h: int
    x_last_w: int
    x_area: int
    scratch: int
    slack: int
    beside: int


@dataclass(frozen=True)
class ChannelRow:
    """A choice of output channels per tile: `ranges` of `c`, the last one of `last_c`; bytes of the largest and
    of the last parameter block."""

    c: int
    ranges: int
    last_c: int
    block: int
    last_block: int


@dataclass(frozen=True)
class TileTables:
    """All tile sizes of a layer. `in_channels` is what a tile reads, in one of `parts` steps; None: its own
    channels. `x_bytes` and `y_bytes` are those of an element, `sums_bytes` those of what an engine, or a part,
    leaves of it to the cores. `inputs` counts those that are loaded; `stored` says that the output is."""

    space: dict[str, IntArray]
    channels: dict[str, IntArray]
    in_channels: int | None
    inputs: int
    channels_first: bool
    x_bytes: int
    y_bytes: int
    sums_bytes: int = 0
    stored: bool = True
    parts: int = 1

    def l1_bytes(self, late: Collection[Operand] = ()) -> IntArray:
        """L1 bytes by space and channel row: every buffer aligned, twice for what is transferred more than
        once unless it is late."""
        space = {name: column[:, None] for name, column in self.space.items()}
        channel = {name: column[None, :] for name, column in self.channels.items()}
        tiles = space["nh"] * space["nw"]
        many = np.where(tiles * channel["ranges"] * self.parts > 1, 2, 1)
        own = self.in_channels is None
        in_channels = channel["c"] if self.in_channels is None else np.array(self.in_channels)
        outputs = space["h"] * space["w"] * channel["c"]
        x_slots = 1 if Operand.X in late else many if own else np.where(tiles * self.parts > 1, 2, 1)
        params_slots = 1 if Operand.PARAMS in late else np.where(channel["ranges"] * self.parts > 1, 2, 1)
        sums_slots = many if self.parts == 1 else 1
        size: IntArray = (
            self.inputs * x_slots * _aligned(space["x_area"] * in_channels * self.x_bytes + space["slack"])
            + params_slots * _aligned(channel["block"])
            + self.stored * many * _aligned(outputs * self.y_bytes)
            + sums_slots * _aligned(outputs * self.sums_bytes)
            + _aligned(space["scratch"])
        ).astype(np.int64)
        return size


def tile_tables(
    graph: LayerGraph,
    layer: Layer,
    cores: int,
    l1_limit: int,
    engine: Engine = CLUSTER,
    *,
    in_l1: Collection[str] = (),
    c_in: int = 0,
) -> TileTables:
    """The tile sizes of a layer, tensors `in_l1` having memory of their own and, with `c_in`, input channels
    being read in parts of so many: for each number of tiles on an axis the most even cut, and the same rounded
    up to what the engine likes; the whole axis and 1 are always among them, but where whole rows fit L1 few
    narrower tiles are tried, for they add halo and transfers."""
    out, steps = graph.tensors[layer.output], engine.tile_steps(layer)
    heights = [spans(rows(graph, layer), size) for size in cuts(out.height, steps.rows)]
    heights = [one for one in heights if one[-1].size >= steps.fewest_rows]
    widths = [spans(columns(graph, layer), size) for size in reversed(cuts(out.width, steps.columns))]
    sizes = cuts(out.channels, steps.channels)
    if steps.only_whole_channels:
        sizes = [c for c in sizes if c % steps.channels == 0 or c == out.channels]
    part = part_of(graph, layer, 0, c_in) if c_in else layer
    channels = [_channel_row(engine, part, out.channels, c) for c in sizes]
    few = _tables(graph, layer, cores, engine, (heights, widths[:MOST_WIDTHS], channels), c_in=c_in)
    few = _without(few, layer, in_l1)
    enough = min(out.channels, CHANNEL_GROUP) if few.in_channels is None else out.channels
    whole_rows = few.space["w"] == out.width
    if (few.l1_bytes()[whole_rows][:, few.channels["c"] >= enough] <= l1_limit).any():
        return few
    return _without(_tables(graph, layer, cores, engine, (heights, widths, channels), c_in=c_in), layer, in_l1)


def _without(table: TileTables, layer: Layer, in_l1: Collection[str]) -> TileTables:
    """The table with no memory for these operands."""
    loaded = sum(name not in in_l1 for name in layer.inputs)
    return replace(table, inputs=loaded, stored=layer.output not in in_l1)


def _tables(
    graph: LayerGraph,
    layer: Layer,
    cores: int,
    engine: Engine,
    cuts: tuple[list[list[Span]], list[list[Span]], list[ChannelRow]],
    *,
    c_in: int,
) -> TileTables:
    heights, widths, channels = cuts
    out_channels = graph.tensors[layer.output].channels
    space = []
    for vertical in heights:
        for horizontal in widths:
            tile = Box(0, vertical[0].size, 0, horizontal[0].size, 0, out_channels)
            choice = engine.choose_kernel(graph, layer, tile, cores)
            choice = in_parts(graph, layer, choice, c_in)
            scratch = _Scratch(engine, choice, layer, graph.tensors[layer.inputs[0]].channels, cores)
            space.append(_space_row(scratch, (vertical, horizontal)))
    choice = engine.choose_kernel(graph, layer, None, cores)
    in_channels = graph.tensors[layer.inputs[0]].channels
    return TileTables(
        space=_table(space),
        channels=_table(channels),
        in_channels=None if layer.kind in PER_CHANNEL_KINDS else c_in or in_channels,
        inputs=len(layer.inputs),
        channels_first=choice.channels_first,
        x_bytes=graph.tensors[layer.inputs[0]].dtype.size,
        y_bytes=graph.tensors[layer.output].dtype.size,
        sums_bytes=SUM_BYTES if 0 < c_in < in_channels else engine.sums_bytes(layer),
        parts=len(channel_ranges(in_channels, c_in or in_channels)),
    )


def _table(table: list[SpaceRow] | list[ChannelRow]) -> dict[str, IntArray]:
    names = [field.name for field in fields(table[0])]
    return {name: np.array([getattr(row, name) for row in table], np.int64) for name in names}


def _aligned(size: IntArray) -> IntArray:
    return size + -size % ALIGNMENT


def cuts(size: int, step: int) -> list[int]:
    """Tile sizes of an axis of `size` elements, ascending."""
    even = {-(-size // count) for count in range(1, size + 1)}
    rounded = {min(size, cut + -cut % step) for cut in even}
    return sorted(even | rounded)


@dataclass(frozen=True)
class _Scratch:
    """What an engine needs in L1 beside the operands, by the rows of an input tile."""

    engine: Engine
    choice: KernelChoice
    layer: Layer
    in_channels: int
    cores: int

    def bytes(self, in_h: int) -> int:
        return self.engine.scratch_bytes(self.choice, self.layer, in_h, self.in_channels, self.cores)


def _space_row(scratch: _Scratch, cut: tuple[list[Span], list[Span]]) -> SpaceRow:
    (vertical, horizontal), choice = cut, scratch.choice
    padded_h = max(part.padded_size for part in vertical)
    in_h, in_w = max(part.in_size for part in vertical), max(part.in_size for part in horizontal)
    tall = padded_h if choice.pad_in_l1 else in_h
    wide = max(part.padded_size for part in horizontal) if choice.pad_in_l1 else in_w
    return SpaceRow(
        h=vertical[0].size,
        w=horizontal[0].size,
        nh=len(vertical),
        nw=len(horizontal),
        last_h=vertical[-1].size,
        last_w=horizontal[-1].size,
        x_h=in_h,
        x_w=in_w,
        x_last_h=vertical[-1].in_size,
        x_last_w=horizontal[-1].in_size,
        x_area=tall * wide,
        scratch=scratch.bytes(padded_h),
        slack=scratch.engine.input_slack_bytes(choice, scratch.layer),
        beside=wide - in_w,
    )


def _channel_row(engine: Engine, layer: Layer, channels: int, c: int) -> ChannelRow:
    ranges = channel_ranges(channels, c)
    sizes = [engine.block_bytes(layer, count) for _, count in (ranges[0], ranges[-1])]
    return ChannelRow(c, len(ranges), ranges[-1][1], sizes[0], sizes[-1])
