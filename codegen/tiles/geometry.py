"""Geometry of tiles: which part of the input, and how much padding, a part of the output needs.

Pure functions on whole numbers; rows and columns are independent, so everything works on one axis at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.plan import Box, LoopOrder, Padding

S = TypeVar("S")
T = TypeVar("T")

PER_CHANNEL_KINDS = (
    LayerKind.DEPTHWISE,
    LayerKind.ADD,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
    LayerKind.MUL,
    LayerKind.TABLE,
    LayerKind.COPY,
    LayerKind.TRANSPOSE,
    LayerKind.QUANTIZE,
    LayerKind.DEQUANTIZE,
)
"""Kinds whose output channel c reads only input channel c."""


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a layer: sizes in elements, padding around the whole tensor."""

    in_size: int
    out_size: int
    kernel: int
    stride: int
    pad_before: int


@dataclass(frozen=True)
class Span:
    """A range of outputs on one axis and what it reads: `in_size` elements from `in_start`, inside the tensor,
    and `before` / `after` elements of padding on either side of them."""

    start: int
    size: int
    in_start: int
    in_size: int
    before: int
    after: int

    @property
    def padded_size(self) -> int:
        """Input elements with the padding."""
        return self.before + self.in_size + self.after


def rows(graph: LayerGraph, layer: Layer) -> Axis:
    """The vertical axis of a layer; a linear layer reads its whole input for its one row."""
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    if layer.kind is LayerKind.LINEAR:
        return Axis(source.height, out.height, source.height, 1, 0)
    window = layer.window
    return Axis(source.height, out.height, window.extent_h, window.stride_h, window.pad_top)


def columns(graph: LayerGraph, layer: Layer) -> Axis:
    """The horizontal axis of a layer; a linear layer reads its whole input for its one column."""
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    if layer.kind is LayerKind.LINEAR:
        return Axis(source.width, out.width, source.width, 1, 0)
    window = layer.window
    return Axis(source.width, out.width, window.extent_w, window.stride_w, window.pad_left)


def span(axis: Axis, start: int, size: int) -> Span:
    """What outputs `start .. start + size - 1` read."""
    first = start * axis.stride - axis.pad_before
    end = (start + size - 1) * axis.stride - axis.pad_before + axis.kernel
    before, after = max(0, -first), max(0, end - axis.in_size)
    return Span(start, size, first + before, end - after - (first + before), before, after)


def spans(axis: Axis, tile: int) -> list[Span]:
    """The axis cut into tiles of `tile` outputs; the last one may be smaller."""
    return [span(axis, at, min(tile, axis.out_size - at)) for at in range(0, axis.out_size, tile)]


def channel_ranges(channels: int, tile: int) -> list[tuple[int, int]]:
    """(first channel, channels) of each range; the last one may be smaller."""
    return [(at, min(tile, channels - at)) for at in range(0, channels, tile)]


@dataclass(frozen=True)
class Tile:
    """One output tile and what it reads; the positions of its channel range and, where input channels are read
    in parts, of its part of these, among all of them."""

    y: Box
    x: Box
    padding: Padding
    channel_range: int
    part: int = 0


def enumerate_tiles(graph: LayerGraph, layer: Layer, tile: Box, order: LoopOrder, c_in: int = 0) -> list[Tile]:
    """All tiles of a layer in the order in which they are computed; with `c_in` each of them once for each part
    of so many input channels.

    Inner loops run alternately forwards and backwards, so that what the last iterations of one pass left
    in L1 is what the next pass begins with.
    """
    row_spans, column_spans = spans(rows(graph, layer), tile.h), spans(columns(graph, layer), tile.w)
    space = [(row, column) for row in row_spans for column in column_spans]
    ranges = list(enumerate(channel_ranges(graph.tensors[layer.output].channels, tile.c)))
    in_channels = graph.tensors[layer.inputs[0]].channels
    visits = in_turns(space, ranges, order)
    if c_in == 0:
        return [_tile(layer, in_channels, row, column, part) for (row, column), part in visits]
    parts = list(enumerate(channel_ranges(in_channels, c_in)))
    return [
        replace(whole, x=replace(whole.x, c0=c0, c=c), part=number)
        for turn, ((row, column), part) in enumerate(visits)
        for whole in (_tile(layer, in_channels, row, column, part),)
        for number, (c0, c) in _snake(parts, turn)
    ]


def in_turns(space: Sequence[S], ranges: Sequence[T], order: LoopOrder) -> list[tuple[S, T]]:
    """All combinations of places and ranges of channels, in the order in which they are visited."""
    if order is LoopOrder.CHANNELS_OUTER:
        return [(place, part) for turn, part in enumerate(ranges) for place in _snake(space, turn)]
    return [(place, part) for turn, place in enumerate(space) for part in _snake(ranges, turn)]


def _snake(items: Sequence[T], turn: int) -> Sequence[T]:
    return items if turn % 2 == 0 else items[::-1]


def _tile(layer: Layer, in_channels: int, row: Span, column: Span, part: tuple[int, tuple[int, int]]) -> Tile:
    index, (c0, c) = part
    x_c0, x_c = (c0, c) if layer.kind in PER_CHANNEL_KINDS else (0, in_channels)
    return Tile(
        y=Box(row.start, row.size, column.start, column.size, c0, c),
        x=Box(row.in_start, row.in_size, column.in_start, column.in_size, x_c0, x_c),
        padding=Padding(row.before, row.after, column.before, column.after),
        channel_range=index,
    )
