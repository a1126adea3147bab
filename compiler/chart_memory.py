"""Memory maps: addresses over layers, a column of equal width for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tvm_pulp.codegen.plan import L1Buffer, L1Tensor, L2Buffer, Operand

from .charts import Rect, Tick, linear_ticks, size_label
from .report import LayerReport, RegionReport

WIDTH, HEIGHT = 1040.0, 240.0
LETTER_WIDTH = 6.5  # of a label, about
_NAMES = {
    Operand.X: "input",
    Operand.X2: "second input",
    Operand.PARAMS: "parameters",
    Operand.Y: "output",
    Operand.SUMS: "sums",
    Operand.SCRATCH: "scratch of the kernel",
    Operand.MID: "map between fused layers",
}


@dataclass(frozen=True)
class MemoryMap:
    """`rows` are heights of the address axis, `columns` centres of layers; `limit` is the height of the
    memory's end, None where it is not drawn."""

    rects: tuple[Rect, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    limit: Tick | None = None
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True)
class Segment:
    """A part of a memory: its share in per cent, a CSS class and a tooltip."""

    percent: float
    style: str
    title: str


def l1_map(region: RegionReport) -> MemoryMap:
    """The L1 buffers of every layer, each alive during the whole layer, and the tensors that stay in L1."""
    top = max(region.l1_limit, 1)
    column = WIDTH / max(1, len(region.layers))
    rects = tuple(
        _l1_rect(layer, buffer, index * column, column, top)
        for index, layer in enumerate(region.layers)
        for buffer in layer.buffers
    )
    kept = tuple(_tensor_rect(region, tensor, column, top) for tensor in region.l1_tensors)
    return MemoryMap(rects + kept, _columns(region), _rows(top), _row(top, top))


def l2_map(region: RegionReport) -> MemoryMap:
    """The activations in the L2 arena, each from the layer that makes it to the last that reads it."""
    top = max(region.l2_arena, 1)
    column = WIDTH / max(1, len(region.layers))
    return MemoryMap(
        tuple(_tensor_rect(region, buffer, column, top) for buffer in region.l2_buffers),
        _columns(region),
        _rows(top),
    )


def l2_bar(region: RegionReport) -> tuple[Segment, ...]:
    """What all of L2 is used for: the arena, each layer's parameters, what is left."""
    return tuple(segment for segment in _l2_segments(region) if segment.percent > 0)


def _l2_segments(region: RegionReport) -> Iterator[Segment]:
    whole = max(region.l2_limit, region.l2_used, 1)
    parts = [
        (region.l2_arena, "activation", region.l2_arena_holds),
        *((layer.params_bytes, "params", f"parameters of {layer.name}") for layer in region.layers),
        (region.l2_tables, "scratch", "tables of steps and transfers"),
        (region.l2_limit - region.l2_used, "free", "free"),
    ]
    for size, style, name in parts:
        yield Segment(100 * size / whole, style, f"{name}: {size:,} bytes")


def _l1_rect(layer: LayerReport, buffer: L1Buffer, x: float, column: float, top: int) -> Rect:
    name = _NAMES[buffer.operand] + (f", slot {buffer.slot}" if buffer.slot else "")
    end = buffer.offset + buffer.size
    return Rect(
        x=x + 0.06 * column,
        y=HEIGHT * (1 - end / top),
        width=0.88 * column,
        height=HEIGHT * buffer.size / top,
        style=buffer.operand.value,
        title=f"{layer.name}: {name}, {buffer.size:,} bytes at {buffer.offset:,}",
    )


def _tensor_rect(region: RegionReport, buffer: L2Buffer | L1Tensor, column: float, top: int) -> Rect:
    width, height = (buffer.last - buffer.first + 1) * column, HEIGHT * buffer.size / top
    first, last = region.layers[buffer.first].name, region.layers[buffer.last].name
    fits = width > LETTER_WIDTH * len(buffer.tensor) and height > 14
    return Rect(
        x=buffer.first * column,
        y=HEIGHT * (1 - (buffer.offset + buffer.size) / top),
        width=width,
        height=height,
        style="activation",
        title=f"{buffer.tensor}: {buffer.size:,} bytes at {buffer.offset:,}, from {first} to {last}",
        label=buffer.tensor if fits else "",
    )


def _columns(region: RegionReport) -> tuple[Tick, ...]:
    """Numbers of layers, as many as there is room for."""
    count = max(1, len(region.layers))
    every = -(-count // 50)
    return tuple(
        Tick((index + 0.5) * WIDTH / count, str(index + 1)) for index in range(0, len(region.layers), every)
    )


def _rows(top: int) -> tuple[Tick, ...]:
    return tuple(_row(value, top) for value in linear_ticks(top, 5))


def _row(value: int, top: int) -> Tick:
    return Tick(HEIGHT * (1 - value / top), size_label(value))
