"""The roofline plot, both axes logarithmic: what each layer reaches, and what traffic and cores allow.

S. Williams, A. Waterman, D. Patterson: Roofline, CACM 52 (4), 2009; here the memory is L2, seen from L1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .charts import Tick, decade_ticks
from .report import CompilationReport, LayerReport, RegionReport

WIDTH, HEIGHT = 1040.0, 340.0
LABELLED = 6  # layers with the most cycles get their number below the point, where there is room
LABEL_WIDTH, LABEL_HEIGHT = 18.0, 12.0


@dataclass(frozen=True)
class Point:
    """A layer in the plot; `style` is its CSS class, `title` its tooltip."""

    x: float
    y: float
    style: str
    title: str
    label: str = ""


@dataclass(frozen=True)
class Roofline:
    """The roof is the line from (0, `slope_y`) to (`ridge_x`, `peak_y`), and from there to the right."""

    points: tuple[Point, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    slope_x: float
    slope_y: float
    ridge_x: float
    peak_y: float
    width: float = WIDTH
    height: float = HEIGHT


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    length: float

    def at(self, value: float) -> float:
        return self.length * math.log(value / self.low) / math.log(self.high / self.low)


def roofline(report: CompilationReport, region: RegionReport) -> Roofline | None:
    """The plot of a region; None where no layer multiplies, or the report doesn't say what the roof is."""
    layers = [(index, layer) for index, layer in enumerate(region.layers) if _intensity(layer) and layer.cycles]
    peak, bandwidth = report.peak_macs_per_cycle, report.dma_bytes_per_cycle
    if not layers or not peak or not bandwidth:
        return None
    ridge = peak / bandwidth
    intensities = [_intensity(layer) for _, layer in layers]
    rates = [layer.macs / layer.cycles for _, layer in layers]
    x = _Scale(min(*intensities, ridge) / 1.5, max(*intensities, ridge) * 1.5, WIDTH)
    y = _Scale(min(rates) / 1.5, peak * 1.5, HEIGHT)
    start = max(x.low, y.low / bandwidth)  # where the slope enters the plot
    points = [
        Point(x.at(_intensity(layer)), HEIGHT - y.at(layer.macs / layer.cycles), layer.kind, _title(layer))
        for _, layer in layers
    ]
    slowest = sorted(range(len(layers)), key=lambda at: -layers[at][1].cycles)[:LABELLED]
    for at in _with_room(points, slowest):
        points[at] = replace(points[at], label=str(layers[at][0] + 1))
    return Roofline(
        points=tuple(points),
        columns=tuple(Tick(x.at(value), f"{value:g}") for value in decade_ticks(x.low, x.high)),
        rows=tuple(Tick(HEIGHT - y.at(value), f"{value:g}") for value in decade_ticks(y.low, y.high)),
        slope_x=x.at(start),
        slope_y=HEIGHT - y.at(start * bandwidth),
        ridge_x=x.at(ridge),
        peak_y=HEIGHT - y.at(peak),
    )


def _with_room(points: Sequence[Point], wanted: Sequence[int]) -> list[int]:
    """The points that can be labelled, in the order of `wanted`, without one label on another."""
    chosen: list[int] = []
    for at in wanted:
        near = (
            abs(points[at].x - points[other].x) < LABEL_WIDTH
            and abs(points[at].y - points[other].y) < LABEL_HEIGHT
            for other in chosen
        )
        if not any(near):
            chosen.append(at)
    return chosen


def _intensity(layer: LayerReport) -> float:
    """MAC per byte between L2 and L1."""
    return layer.macs / max(1, layer.dma_in + layer.dma_out)


def _title(layer: LayerReport) -> str:
    rate = layer.macs / layer.cycles
    return f"{layer.name} ({layer.kind}): {rate:.2f} MAC/cycle, {_intensity(layer):.1f} MAC per byte"
