"""Geometry of tiles and slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import Shape, output_size, single_layer, window3
from tvm_pulp.codegen.graph import LayerKind
from tvm_pulp.codegen.plan import Box, LoopOrder, Padding
from tvm_pulp.codegen.tiles.geometry import Axis, Span, enumerate_tiles, span, spans
from tvm_pulp.codegen.tiles.schedule import SlotUse, assign_slots


@pytest.mark.parametrize(
    ("axis", "start", "size", "expected"),
    [
        (Axis(8, 8, 3, 1, 1), 0, 4, Span(0, 4, 0, 5, 1, 0)),
        (Axis(8, 8, 3, 1, 1), 4, 4, Span(4, 4, 3, 5, 0, 1)),
        (Axis(8, 8, 3, 1, 1), 0, 8, Span(0, 8, 0, 8, 1, 1)),
        (Axis(8, 4, 3, 2, 1), 0, 4, Span(0, 4, 0, 8, 1, 0)),  # the last window ends inside: no padding
        (Axis(8, 4, 3, 2, 0), 3, 1, Span(3, 1, 6, 2, 0, 1)),
        (Axis(9, 3, 1, 4, 0), 1, 2, Span(1, 2, 4, 5, 0, 0)),  # a stride larger than the kernel
        (Axis(2, 2, 3, 1, 1), 1, 1, Span(1, 1, 0, 2, 0, 1)),
    ],
)
def test_span(axis: Axis, start: int, size: int, expected: Span) -> None:
    assert span(axis, start, size) == expected


@given(st.data())
def test_spans_read_what_the_windows_read(data: st.DataObject) -> None:
    kernel = data.draw(st.integers(1, 6))
    before, after = data.draw(st.integers(0, kernel - 1)), data.draw(st.integers(0, kernel - 1))
    size = data.draw(st.integers(max(1, kernel - before - after), 20))
    stride = data.draw(st.integers(1, 4))
    axis = Axis(size, output_size(size, kernel, stride, before, after), kernel, stride, before)
    cut = spans(axis, data.draw(st.integers(1, axis.out_size)))
    assert [output for part in cut for output in range(part.start, part.start + part.size)] == list(
        range(axis.out_size)
    )
    for part in cut:
        reads = [
            output * stride - before + tap
            for output in range(part.start, part.start + part.size)
            for tap in range(kernel)
        ]
        inside = [place for place in reads if 0 <= place < size]
        assert (part.in_start, part.in_start + part.in_size) == (min(inside), max(inside) + 1)
        assert (part.before, part.after) == (max(0, -min(reads)), max(0, max(reads) + 1 - size))


def test_inner_loop_turns_round() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, 6, 4, 3, 5, window3()))
    tiles = enumerate_tiles(graph, graph.layers[0], Box(0, 2, 0, 4, 0, 3), LoopOrder.CHANNELS_OUTER)
    assert [(tile.y.c0, tile.y.h0) for tile in tiles] == [(0, 0), (0, 2), (0, 4), (3, 4), (3, 2), (3, 0)]
    tiles = enumerate_tiles(graph, graph.layers[0], Box(0, 2, 0, 4, 0, 3), LoopOrder.SPACE_OUTER)
    assert [(tile.y.h0, tile.y.c0) for tile in tiles] == [(0, 0), (0, 3), (2, 3), (2, 0), (4, 0), (4, 3)]


def test_tile_of_a_convolution_reads_all_channels_with_its_halo() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, 6, 4, 3, 5, window3()))
    first, second, *_ = enumerate_tiles(graph, graph.layers[0], Box(0, 2, 0, 4, 0, 5), LoopOrder.CHANNELS_OUTER)
    assert (first.x, first.padding) == (Box(0, 3, 0, 4, 0, 3), Padding(1, 0, 1, 1))
    assert (second.x, second.padding) == (Box(1, 4, 0, 4, 0, 3), Padding(0, 0, 1, 1))


def test_tile_of_a_depthwise_reads_its_own_channels() -> None:
    graph = single_layer(Shape(LayerKind.DEPTHWISE, 6, 4, 8, 8, window3()))
    tiles = enumerate_tiles(graph, graph.layers[0], Box(0, 6, 0, 4, 0, 5), LoopOrder.CHANNELS_OUTER)
    assert [tile.x for tile in tiles] == [Box(0, 6, 0, 4, 0, 5), Box(0, 6, 0, 4, 5, 3)]


def load(slot: int) -> SlotUse:
    return SlotUse(slot, load=True)


def keep(slot: int) -> SlotUse:
    return SlotUse(slot, load=False)


def test_slots() -> None:
    assert assign_slots("aaa") == [load(0), keep(0), keep(0)]
    assert assign_slots("abc") == [load(0), load(1), load(0)]
    assert assign_slots("abccba") == [load(0), load(1), load(0), keep(0), keep(1), load(0)]
    assert assign_slots("aa", reusable=False) == [load(0), load(1)]
    assert assign_slots("abbaac", slots=1) == [load(0), load(0), keep(0), load(0), keep(0), load(0)]
