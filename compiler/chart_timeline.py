"""The timeline as SVG paths: one for each kind of work, a box for each event, in cycles from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.timeline import Event, Lane, LayerSpan, Timeline, Work
from tvm_pulp.codegen.timeline_json import LANE_NAMES, WORK_NAMES

from .charts import Tick, linear_ticks

LAYERS_HEIGHT, LANE_HEIGHT, BAR = 24, 28, 18  # in pixels
MOST_BOXES = 12_000  # of more events, neighbours are drawn as one box


@dataclass(frozen=True)
class LaneLabel:
    """A lane's name and the place of its middle, in pixels from the top."""

    name: str
    middle: float


@dataclass(frozen=True)
class WorkPath:
    """All boxes of one kind of work as a path; `style` is its CSS class."""

    path: str
    style: str
    name: str


@dataclass(frozen=True)
class LayerBand:
    """A layer's time; bands of neighbours differ in `style`."""

    start: int
    cycles: int
    style: str
    title: str


@dataclass(frozen=True)
class TimelineChart:
    """`ticks` are in cycles; `layers` is what the page's script must know of each layer: its name, start and
    cycles, and the starts of its steps from the layer's."""

    cycles: int
    height: float
    lanes: tuple[LaneLabel, ...]
    bands: tuple[LayerBand, ...]
    paths: tuple[WorkPath, ...]
    ticks: tuple[Tick, ...]
    layers: tuple[tuple[str, int, int, tuple[int, ...]], ...]
    merged: bool


def timeline_chart(timeline: Timeline) -> TimelineChart:
    """The chart of a region; only lanes that do anything are in it."""
    used = {work.lane for work in {event.work for event in timeline.events}}
    lanes = [lane for lane in Lane if lane in used]
    merged = len(timeline.events) > MOST_BOXES
    gap = timeline.cycles // MOST_BOXES if merged else 0
    events: dict[Work, list[Event]] = {work: [] for work in Work}
    for event in sorted(timeline.events, key=lambda event: event.start):
        events[event.work].append(event)
    paths = tuple(
        WorkPath(_path(_boxes(events[work], gap), _top(lanes.index(work.lane))), work.value, WORK_NAMES[work])
        for work in Work
        if events[work]
    )
    return TimelineChart(
        cycles=max(1, timeline.cycles),
        height=LAYERS_HEIGHT + LANE_HEIGHT * len(lanes),
        lanes=(
            LaneLabel("layers", LAYERS_HEIGHT / 2),
            *(LaneLabel(LANE_NAMES[lane], _top(index) + BAR / 2) for index, lane in enumerate(lanes)),
        ),
        bands=tuple(_band(index, span) for index, span in enumerate(timeline.layers)),
        paths=paths,
        ticks=tuple(Tick(cycle, f"{cycle:,}") for cycle in linear_ticks(timeline.cycles, 8)),
        layers=tuple(
            (span.layer, span.start, span.cycles, tuple(step - span.start for step in span.steps))
            for span in timeline.layers
        ),
        merged=merged,
    )


def _top(lane: int) -> int:
    return LAYERS_HEIGHT + LANE_HEIGHT * lane + (LANE_HEIGHT - BAR) // 2


def _band(index: int, span: LayerSpan) -> LayerBand:
    steps = f"{len(span.steps)} step" + ("s" if len(span.steps) > 1 else "")
    waits = f", {span.l3_waits:,} of them waiting for L3" if span.l3_waits else ""
    title = f"{index + 1} {span.layer}: {span.cycles:,} cycles{waits}, {steps}"
    return LayerBand(span.start, span.cycles, "odd" if index % 2 else "even", title)


def _boxes(events: Iterable[Event], gap: int) -> list[tuple[int, int]]:
    """Start and cycles of the boxes to draw; what lies at most `gap` cycles apart is one box."""
    boxes: list[tuple[int, int]] = []
    first, end = 0, -1
    for event in events:  # those of one kind follow each other
        if end >= 0 and gap and event.start - end <= gap:
            end = event.start + event.cycles
            continue
        if end >= 0:
            boxes.append((first, end - first))
        first, end = event.start, event.start + event.cycles
    if end >= 0:
        boxes.append((first, end - first))
    return boxes


def _path(boxes: Sequence[tuple[int, int]], top: int) -> str:
    """Closed boxes; each is reached by a relative move, which keeps the numbers short."""
    parts: list[str] = []
    last = 0
    for start, cycles in boxes:
        move = f"m{start - last} 0" if parts else f"M{start} {top}"
        parts.append(f"{move}h{cycles}v{BAR}h-{cycles}z")
        last = start
    return "".join(parts)
