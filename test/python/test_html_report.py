"""report.html: one file with the right figures in it, small, and nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import planned_region
import pytest
from machines import machine
from tvm_pulp.chart_memory import HEIGHT, WIDTH, l1_map, l2_bar, l2_map
from tvm_pulp.chart_roofline import roofline
from tvm_pulp.chart_timeline import MOST_BOXES, timeline_chart
from tvm_pulp.charts import decade_ticks, linear_ticks, size_label
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.timeline import Event, LayerSpan, Timeline, Work, simulate
from tvm_pulp.html_report import About, html_report
from tvm_pulp.report import (
    Bound,
    CompilationReport,
    LayerReport,
    OperatorReport,
    peak_macs_per_cycle,
    region_report,
    report_from_json,
)

MACHINE: Machine = machine()
TIMELINE = simulate(planned_region.graph(), planned_region.plan(), MACHINE)
PREDICTED = tuple(
    replace(layer, cycles=span.cycles)
    for layer, span in zip(planned_region.plan().layers, TIMELINE.layers, strict=True)
)
REGION = region_report(planned_region.graph(), replace(planned_region.plan(), layers=PREDICTED), TIMELINE)
REPORT = CompilationReport(
    soc="gap8",
    cores=8,
    operators=(
        OperatorReport("Conv_1", "Conv", offloaded=True, layer="conv_1", macs=512),
        OperatorReport("</script><b>", "Softmax", offloaded=False, reason="a <b> & c"),
    ),
    regions=(REGION,),
    peak_macs_per_cycle=peak_macs_per_cycle(MACHINE),
    dma_bytes_per_cycle=MACHINE.dma.bytes_per_cycle,
)
ABOUT = About("net", {"tvm-pulp": "0.1.0"}, {"soc": "gap8", "l1": None})


class Page(HTMLParser):
    """Texts by tag, and attributes; tags must nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.setdefault(self.open[-1], []).append(data.strip())


@pytest.fixture(scope="module")
def text() -> str:
    return html_report(REPORT, {TIMELINE.region: TIMELINE}, ABOUT)


def test_figures(text: str) -> None:
    texts = Page(text).texts
    total = TIMELINE.cycles
    assert texts["b"][0] == f"{total:,}" == f"{sum(span.cycles for span in TIMELINE.layers):,}"
    assert texts["b"][1] == f"{640 / total:.2f}"
    assert {"conv_1", "add_2", "all layers"} <= set(texts["th"])
    assert "2 steps, tile 2×4×8" in texts["small"]
    assert {"4×4×4 → 4×4×8", "2 · 4×4×8 → 4×4×8"} <= set(texts["td"])
    assert "a <b> & c" in texts["td"]
    assert "from the SoC file" in texts["td"]
    assert any(title.startswith("conv_1: parameters, 96 bytes at 64") for title in texts["title"])
    assert any(title == "t: 128 bytes at 0, from conv_1 to add_2" for title in texts["title"])


def test_nothing_from_elsewhere(text: str) -> None:
    page = Page(text)
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert not re.search(r"https?:|url\(|@import", text)
    assert "</script><b>" not in text
    assert len(text.encode()) < 100_000


def test_without_timeline_or_regions() -> None:
    assert "<h2>Timeline</h2>" not in html_report(REPORT, {}, ABOUT)
    empty = replace(REPORT, regions=(), operators=())
    assert Page(html_report(empty, {}, ABOUT)).texts["b"] == ["0", "–", "–", "0 B", "0 B", "0 B", "0 of 0"]


def test_report_knows_its_bounds() -> None:
    conv, add = REGION.layers
    # a core has 4 channels of 2 pixels: a word of each, and 8 outputs; contiguous transfers
    assert (conv.compute_cycles, conv.dma_cycles) == (2 * (300 + 79), 2 * 34 + 42 + 2 * 38)
    assert (conv.bound, conv.waiting_cycles) == (Bound.COMPUTE, TIMELINE.layers[0].cycles - 758)
    assert replace(add, dma_cycles=add.compute_cycles + 1).bound is Bound.DMA
    assert (conv.params_bytes, add.params_bytes) == (96, 0)
    assert report_from_json(REPORT.to_json(), file="report.json") == REPORT


def test_l1_map() -> None:
    chart = l1_map(REGION)
    first = chart.rects[0]
    assert first.style == "x"
    assert first.y + first.height == pytest.approx(HEIGHT)
    assert first.height == pytest.approx(HEIGHT * 32 / 1000)
    assert [tick.label for tick in chart.columns] == ["1", "2"]
    assert chart.rects[-1].x == pytest.approx(WIDTH / 2 + 0.06 * WIDTH / 2)


def test_l2_map_and_bar() -> None:
    (rect,) = l2_map(REGION).rects
    assert (rect.x, rect.width, rect.y, rect.height) == (0, WIDTH, 0, HEIGHT)
    bar = l2_bar(REGION)
    assert [part.style for part in bar] == ["activation", "params", "scratch", "free"]
    assert [part.percent for part in bar] == pytest.approx([6.4, 4.8, 2.4, 86.4])


def test_roofline_is_above_every_point() -> None:
    plot = roofline(REPORT, REGION)
    assert plot is not None
    assert [point.style for point in plot.points] == ["pointwise", "add"]
    for point in plot.points:
        if point.x >= plot.ridge_x:
            assert point.y >= plot.peak_y
        else:  # SVG counts from the top
            slope = (plot.peak_y - plot.slope_y) / (plot.ridge_x - plot.slope_x)
            assert point.y >= plot.slope_y + slope * (point.x - plot.slope_x)
    assert roofline(replace(REPORT, peak_macs_per_cycle=0.0), REGION) is None


def test_roofline_labels_do_not_meet() -> None:
    layer: LayerReport = REGION.layers[0]
    plot = roofline(REPORT, replace(REGION, layers=(layer, layer, REGION.layers[1])))
    assert plot is not None
    assert [point.label for point in plot.points] == ["1", "", "3"]


def test_timeline_paths() -> None:
    chart = timeline_chart(TIMELINE)
    assert [path.style for path in chart.paths] == ["compute", "load_x", "load_params", "store_y"]
    starts = [span.start for span in TIMELINE.layers]
    assert [(band.start, band.style) for band in chart.bands] == [(starts[0], "even"), (starts[1], "odd")]
    first, second, third = (event for event in TIMELINE.events if event.work is Work.COMPUTE)
    assert chart.paths[0].path == (
        f"M{first.start} 29h{first.cycles}v18h-{first.cycles}z"
        f"m{second.start - first.start} 0h{second.cycles}v18h-{second.cycles}z"
        f"m{third.start - second.start} 0h{third.cycles}v18h-{third.cycles}z"
    )
    assert not chart.merged


def test_many_events_are_merged() -> None:
    count = 4 * MOST_BOXES
    events = tuple(Event(Work.COMPUTE, 0, step, 10 * step, 9) for step in range(count))
    span = LayerSpan("l0", 0, 10 * count, tuple(10 * step for step in range(count)))
    chart = timeline_chart(Timeline("r", (span,), events))
    assert chart.merged
    assert chart.paths[0].path == f"M0 29h{10 * count - 1}v18h-{10 * count - 1}z"


def test_ticks() -> None:
    assert linear_ticks(38_000, 5) == [0, 10_000, 20_000, 30_000]
    assert linear_ticks(0, 5) == [0]
    assert linear_ticks(3, 8) == [0, 1, 2, 3]
    assert list(decade_ticks(0.4, 12)) == pytest.approx([0.5, 1, 2, 5, 10])
    assert [size_label(size) for size in (0, 500, 1500, 20_000, 2_500_000)] == [
        "0 B",
        "500 B",
        "1.5 kB",
        "20 kB",
        "2.5 MB",
    ]
