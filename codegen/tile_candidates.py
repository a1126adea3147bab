"""The tile sizes the solver chooses from, with the L1 bytes and the transfers each of them means.

Rows of the two tables are independent: memory and traffic of a tile are sums and products of a space row's
and a channel row's numbers, which is what the solver's model and `smallest_tile` both use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import choose_kernel, input_slack_bytes, scratch_bytes
from tvm_pulp.codegen.params import block_bytes
from tvm_pulp.codegen.plan import Box
from tvm_pulp.codegen.tiling import PER_CHANNEL_KINDS, Axis, Span, channel_ranges, columns, rows, spans

ALIGNMENT = 8
"""Every L1 buffer begins at a multiple of this many bytes."""

ROW_STEP, COLUMN_STEP, CHANNEL_STEP = 8, 2, 4
"""Tile sizes that keep eight cores, pixel pairs and groups of four channels busy."""

CHANNEL_GROUP = 16
"""Channels with which per-channel kernels keep all cores busy."""


def align(size: int) -> int:
    """`size` rounded up to whole alignment units."""
    return size + -size % ALIGNMENT


@dataclass(frozen=True)
class SpaceRow:
    """A choice of tile height and width.

    Areas count elements of one channel: `x_area` of the largest input tile with what is padded in L1,
    `x_once` of all input tiles together, `x_again` of those that a further pass over all tiles loads again
    (two are still in their slots). `scratch` and `slack` are bytes.
    """

    h: int
    w: int
    tiles: int
    x_area: int
    x_once: int
    x_again: int
    scratch: int
    slack: int


@dataclass(frozen=True)
class ChannelRow:
    """A choice of output channels per tile; bytes of its largest block, of all blocks, and of those that a
    further pass over all ranges loads again."""

    c: int
    ranges: int
    block: int
    params_once: int
    params_again: int


@dataclass(frozen=True)
class Candidates:
    """All tile sizes of a layer. `in_channels` is what a tile reads; None: its own channels."""

    space: tuple[SpaceRow, ...]
    channels: tuple[ChannelRow, ...]
    in_channels: int | None
    inputs: int


def candidates(graph: LayerGraph, layer: Layer, cores: int) -> Candidates:
    """The tile sizes of a layer: for each number of tiles on an axis the most even cut, and the same rounded
    up to what the kernels like; the whole axis and 1 are always among them."""
    out = graph.tensors[layer.output]
    vertical, horizontal = rows(graph, layer), columns(graph, layer)
    heights = _sized_spans(vertical, ROW_STEP)
    widths = _sized_spans(horizontal, COLUMN_STEP)
    space = tuple(_space_row(graph, layer, cores, h, w) for h in heights.values() for w in widths.values())
    channels = tuple(_channel_row(layer, out.channels, c) for c in _cuts(out.channels, CHANNEL_STEP))
    per_channel = layer.kind in PER_CHANNEL_KINDS
    in_channels = None if per_channel else graph.tensors[layer.inputs[0]].channels
    return Candidates(space, channels, in_channels, len(layer.inputs))


def l1_bytes(options: Candidates, space: SpaceRow, channel: ChannelRow) -> int:
    """L1 bytes of a tile: every buffer aligned, twice for what is transferred more than once."""
    many = 2 if space.tiles * channel.ranges > 1 else 1
    in_channels = channel.c if options.in_channels is None else options.in_channels
    x_slots = many if options.in_channels is None or space.tiles > 1 else 1
    params_slots = 2 if channel.ranges > 1 else 1
    return (
        options.inputs * x_slots * align(space.x_area * in_channels + space.slack)
        + params_slots * align(channel.block)
        + many * align(space.h * space.w * channel.c)
        + align(space.scratch)
    )


def traffic_bytes(options: Candidates, space: SpaceRow, channel: ChannelRow) -> int:
    """About as many bytes come from L2 to L1 during the layer, in the better loop order."""
    if options.in_channels is None:
        channels = max(row.c for row in options.channels)
        return options.inputs * channels * space.x_once + channel.params_once
    again = min(
        options.in_channels * space.x_again * (channel.ranges - 1), channel.params_again * (space.tiles - 1)
    )
    return options.in_channels * space.x_once + channel.params_once + again


def worth_trying(options: Candidates, l1_limit: int) -> Candidates:
    """Leaves out the tiles narrower than the map where whole rows fit L1: they only add halo and transfers.

    Whole rows must fit with all channels where a tile reads all input channels, else with one group of 16.
    """
    width = max(row.w for row in options.space)
    enough = max(row.c for row in options.channels) if options.in_channels is not None else CHANNEL_GROUP
    channel = next((row for row in options.channels if row.c >= enough), options.channels[-1])
    whole_rows = tuple(row for row in options.space if row.w == width)
    if any(l1_bytes(options, row, channel) <= l1_limit for row in whole_rows):
        return replace(options, space=whole_rows)
    return options


@dataclass(frozen=True)
class SizedTile:
    """A tile and its bytes of L1 and of traffic."""

    space: SpaceRow
    channel: ChannelRow
    l1_bytes: int
    traffic_bytes: int


def least_traffic_tile(options: Candidates, l1_limit: int) -> SizedTile | None:
    """The tile that fits and moves the fewest bytes, then the one with the fewest steps; None if none fits."""
    fitting = (
        SizedTile(space, channel, size, traffic_bytes(options, space, channel))
        for space in options.space
        for channel in options.channels
        if (size := l1_bytes(options, space, channel)) <= l1_limit
    )
    return min(
        fitting, key=lambda tile: (tile.traffic_bytes, tile.space.tiles * tile.channel.ranges), default=None
    )


def smallest_l1(options: Candidates) -> int:
    """The least L1 with which the layer can be tiled at all.

    Memory grows with the channels as long as the layer stays cut or whole, so two channel rows are enough.
    """
    ends = (min(options.channels, key=lambda row: row.c), max(options.channels, key=lambda row: row.c))
    return min(l1_bytes(options, space, end) for space in options.space for end in ends)


def _cuts(size: int, step: int) -> list[int]:
    """Tile sizes of an axis of `size` elements."""
    even = {-(-size // count) for count in range(1, size + 1)}
    rounded = {min(size, cut + -cut % step) for cut in even}
    return sorted(even | rounded)


def _sized_spans(axis: Axis, step: int) -> dict[int, list[Span]]:
    return {size: spans(axis, size) for size in _cuts(axis.out_size, step)}


def _space_row(
    graph: LayerGraph, layer: Layer, cores: int, vertical: list[Span], horizontal: list[Span]
) -> SpaceRow:
    h, w = vertical[0].size, horizontal[0].size
    out_channels = graph.tensors[layer.output].channels
    choice = choose_kernel(graph, layer, Box(0, h, 0, w, 0, out_channels), cores)
    padded_h = max(part.padded_size for part in vertical)
    x_h = padded_h if choice.pad_in_l1 else max(part.in_size for part in vertical)
    x_w = max(part.padded_size if choice.pad_in_l1 else part.in_size for part in horizontal)
    once = sum(part.in_size for part in vertical) * sum(part.in_size for part in horizontal)
    tiles = len(vertical) * len(horizontal)
    kept = 2 * x_h * x_w if tiles > 2 else once
    return SpaceRow(
        h=h,
        w=w,
        tiles=tiles,
        x_area=x_h * x_w,
        x_once=once,
        x_again=max(0, once - kept),
        scratch=scratch_bytes(choice, layer, padded_h, graph.tensors[layer.inputs[0]].channels, cores),
        slack=input_slack_bytes(choice, layer),
    )


def _channel_row(layer: Layer, channels: int, c: int) -> ChannelRow:
    sizes = [block_bytes(layer, count) for _, count in channel_ranges(channels, c)]
    again = sum(sizes[:-2]) if len(sizes) > 2 else 0
    return ChannelRow(c, len(sizes), sizes[0], sum(sizes), again)
