"""`report.html`: a report and its timelines as one page that needs nothing else, neither files nor network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from tvm_pulp.codegen.timeline import Timeline

from .chart_memory import MemoryMap, Segment, l1_map, l2_bar, l2_map
from .chart_roofline import Roofline, roofline
from .chart_timeline import TimelineChart, timeline_chart
from .report import Bound, CompilationReport, LayerReport, OperatorReport, RegionReport, Shape

BOUND_STYLES = {Bound.COMPUTE: "bound-compute", Bound.DMA: "bound-dma", Bound.L3: "bound-l3"}


@dataclass(frozen=True)
class About:
    """What the page says of the compilation: the network's name, versions by program, options by name."""

    name: str
    versions: Mapping[str, str]
    options: Mapping[str, Any]
    tvm_workspace_bytes: int = 0


def about_from_metadata(section: Mapping[str, Any]) -> About:
    """Read what the page says of the compilation from the section "pulp" of a package's metadata."""
    return About(
        name=str(section["name"]),
        versions=section["versions"],
        options=section["options"],
        tvm_workspace_bytes=int(section["tvm_workspace_bytes"]),
    )


@dataclass(frozen=True)
class Card:
    """A figure at the top of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class LayerRow:
    """A layer's line, as text; `bar` is the length of its bar in per cent of the longest."""

    number: str
    name: str
    macs: str
    cycles: str
    rate: str
    of_peak: str
    waiting: str
    dma_in: str
    dma_out: str
    l1_bytes: str
    sources: str = ""
    kernel: str = ""
    engine: str = ""
    shapes: str = ""
    tiling: str = ""
    share: str = ""
    bar: float = 0.0
    bound: str = ""
    bound_style: str = ""


@dataclass(frozen=True)
class RegionView:
    """A region's part of the page; no timeline where the package holds none."""

    name: str
    rows: tuple[LayerRow, ...]
    total: LayerRow
    kinds: tuple[str, ...]
    timeline: TimelineChart | None
    l1: MemoryMap
    l2: MemoryMap
    l2_bar: tuple[Segment, ...]
    l2_text: str
    l2_arena_holds: str
    roofline: Roofline | None


def html_report(report: CompilationReport, timelines: Mapping[str, Timeline], about: About) -> str:
    """The page; `timelines` are those of the regions, by their names."""
    environment = Environment(
        loader=PackageLoader("tvm_pulp"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        about=about,
        soc=report.soc,
        cores=_count(report.cores, "core"),
        peak=f"{report.peak_macs_per_cycle:g}",
        bandwidth=f"{report.dma_bytes_per_cycle:g}",
        cards=tuple(_cards(report)),
        regions=tuple(_region(report, region, timelines.get(region.name)) for region in report.regions),
        refused=report.refused,
        offloaded=report.offloaded,
        operator_macs=_operator_macs,
        options={
            name: "from the SoC file" if value is None else value for name, value in about.options.items()
        },
    )


def _cards(report: CompilationReport) -> Iterator[Card]:
    regions = report.regions
    macs = sum(region.macs for region in regions)
    layers = [layer for region in regions for layer in region.layers]
    waiting = sum(layer.waiting_cycles for layer in layers)
    yield Card("Predicted cycles", f"{report.cycles:,}", "offloaded layers, one inference")
    yield Card("MAC/cycle", _ratio(macs, report.cycles), _of_peak(report, macs, report.cycles) + " of the peak")
    yield Card("Cores wait", _percent(waiting, report.cycles), "of the time, for transfers")
    dma_in, dma_out = sum(r.dma_in for r in regions), sum(r.dma_out for r in regions)
    if any(region.l3_transfers for region in regions):
        waits, moved = sum(region.l3_waits for region in regions), sum(region.l3_bytes for region in regions)
        yield Card(
            "L3 ↔ L2 traffic", f"{moved:,} B", f"{_percent(waits, report.cycles)} of the time waited for"
        )
        bound = sum(region.bound_cycles for region in regions)
        gap = _percent(report.cycles - bound, report.cycles)
        yield Card("Gap to the bound", gap, f"{bound:,} cycles at least, with these tiles")
    yield Card("L2 ↔ L1 traffic", f"{dma_in + dma_out:,} B", f"{dma_in:,} in, {dma_out:,} out")
    l1_used = max((region.l1_used for region in regions), default=0)
    l1_limit = max((region.l1_limit for region in regions), default=0)
    yield Card("L1", f"{l1_used:,} B", f"{_percent(l1_used, l1_limit)} of {l1_limit:,}")
    l2_used = sum(region.l2_used for region in regions) + report.l2_outside
    l2_limit = max((region.l2_limit for region in regions), default=0) + report.l2_outside
    yield Card(
        "L2", f"{l2_used:,} B", f"{_percent(l2_used, l2_limit)} of {l2_limit:,}; {report.l2_outside:,} of TVM"
    )
    share = _percent(report.offloaded_macs, report.macs)
    yield Card(
        "Offloaded", f"{len(report.offloaded)} of {len(report.operators)}", f"operators, {share} of the MAC"
    )


def _region(report: CompilationReport, region: RegionReport, timeline: Timeline | None) -> RegionView:
    free = max(0, region.l2_limit - region.l2_used)
    return RegionView(
        name=region.name,
        rows=tuple(_row(report, region, index, layer) for index, layer in enumerate(region.layers)),
        total=_total(report, region),
        kinds=tuple(sorted({layer.kind for layer in region.layers})),
        timeline=None if timeline is None else timeline_chart(timeline),
        l1=l1_map(region),
        l2=l2_map(region),
        l2_bar=l2_bar(region),
        l2_text=f"{region.l2_arena:,} bytes of {region.l2_arena_holds}, {region.l2_params:,} of parameters,"
        f" {region.l2_tables:,} of tables, {free:,} free",
        l2_arena_holds=region.l2_arena_holds,
        roofline=roofline(report, region),
    )


def _row(report: CompilationReport, region: RegionReport, index: int, layer: LayerReport) -> LayerRow:
    inputs = ("2 · " if len(layer.inputs) == 2 else "") + _shape(layer.inputs[0])
    longest = max(1, *(other.cycles + other.l3_waits for other in region.layers))
    return LayerRow(
        number=str(index + 1),
        name=layer.name,
        sources=", ".join(layer.sources),
        kernel=layer.kernel,
        engine=layer.where + (", 64-bit requantization" if layer.wide else ""),
        shapes=f"{inputs} → {_shape(layer.output)}",
        tiling="one tile" if layer.steps == 1 else f"{layer.steps:,} steps, tile {_tile(layer)}",
        macs=f"{layer.macs:,}",
        cycles=f"{layer.cycles + layer.l3_waits:,}",
        share=_percent(layer.cycles + layer.l3_waits, region.cycles),
        bar=round(100 * (layer.cycles + layer.l3_waits) / longest, 1),
        rate=_ratio(layer.macs, layer.cycles + layer.l3_waits),
        of_peak=_of_peak(report, layer.macs, layer.cycles + layer.l3_waits),
        bound=layer.bound.value,
        bound_style=BOUND_STYLES[layer.bound],
        waiting=_percent(layer.waiting_cycles, layer.cycles + layer.l3_waits) + " waiting",
        dma_in=f"{layer.dma_in:,}",
        dma_out=f"{layer.dma_out:,}",
        l1_bytes=f"{layer.l1_bytes:,}",
    )


def _total(report: CompilationReport, region: RegionReport) -> LayerRow:
    waiting = sum(layer.waiting_cycles for layer in region.layers)
    return LayerRow(
        number="",
        name="all layers",
        tiling=_count(sum(layer.steps for layer in region.layers), "step"),
        macs=f"{region.macs:,}",
        cycles=f"{region.cycles:,}",
        rate=_ratio(region.macs, region.cycles),
        of_peak=_of_peak(report, region.macs, region.cycles),
        waiting=_percent(waiting, region.cycles) + " waiting",
        dma_in=f"{region.dma_in:,}",
        dma_out=f"{region.dma_out:,}",
        l1_bytes=f"{region.l1_used:,}",
    )


def _operator_macs(operator: OperatorReport) -> str:
    return f"{operator.macs:,}" if operator.macs else ""


def _of_peak(report: CompilationReport, macs: int, cycles: int) -> str:
    return _percent(macs, cycles * report.peak_macs_per_cycle)


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.2f}" if whole else "–"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _tile(layer: LayerReport) -> str:
    return _shape(layer.tile) + (f" of {layer.c_in} input channels" if layer.c_in else "")


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape))
