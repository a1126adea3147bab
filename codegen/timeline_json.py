"""Timelines as text: a compact form for packages, and the trace format of Chrome and Perfetto."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tvm_pulp.codegen.timeline import Event, Lane, LayerSpan, Timeline, Work
from tvm_pulp.errors import PlanError

VERSION = 2

LANE_NAMES = {
    Lane.CORES: "cores",
    Lane.ENGINE: "engine beside",
    Lane.DMA_IN: "DMA L2 → L1",
    Lane.DMA_OUT: "DMA L1 → L2",
    Lane.L3: "L3 ↔ L2",
}
WORK_NAMES = {
    Work.COMPUTE: "compute",
    Work.COMPUTE_BESIDE: "compute beside the next layer",
    Work.LOAD_X: "load input",
    Work.LOAD_PARAMS: "load parameters",
    Work.STORE_Y: "store output",
    Work.WAIT_DMA: "wait for DMA",
    Work.WAIT_L3: "wait for L3",
    Work.L3_PARAMS: "parameters from L3",
    Work.L3_LOAD: "input from L3",
    Work.L3_STORE: "output to L3",
    Work.L3_TABLES: "tables from L3",
}


def timeline_to_json(timeline: Timeline) -> str:
    """The timeline's text; a layer is an object with its events, each `[work, step, start, cycles]` where
    `start` counts from the layer's, and is negative for what begins before it."""
    events: dict[int, list[list[Any]]] = {index: [] for index in range(len(timeline.layers))}
    for event in timeline.events:
        start = event.start - timeline.layers[event.layer].start
        events[event.layer].append([event.work.value, event.step, start, event.cycles])
    layers = [
        {
            "layer": span.layer,
            "start": span.start,
            "cycles": span.cycles,
            "l3_waits": span.l3_waits,
            "steps": [step - span.start for step in span.steps],
            "events": events[index],
        }
        for index, span in enumerate(timeline.layers)
    ]
    lines = ",\n  ".join(json.dumps(layer, separators=(",", ":")) for layer in layers)
    header = f'"version": {VERSION},\n "region": {json.dumps(timeline.region)}'
    return f'{{{header},\n "layers": [\n  {lines}\n ]}}\n'


def timeline_from_json(text: str) -> Timeline:
    """The timeline of a text that `timeline_to_json` wrote. Raises PlanError if it is anything else."""
    try:
        body = json.loads(text)
        if body["version"] != VERSION:
            raise PlanError(f"version {body['version']} of the format, expected {VERSION}", where="timeline")
        layers = body["layers"]
        spans = tuple(_read_span(layer) for layer in layers)
        events = tuple(
            event for index, layer in enumerate(layers) for event in _read_events(index, layer, spans[index])
        )
        return Timeline(str(body["region"]), spans, events)
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"not what was written ({error!r})", where="timeline") from error


def _read_span(layer: Any) -> LayerSpan:
    start = int(layer["start"])
    steps = tuple(start + int(step) for step in layer["steps"])
    return LayerSpan(str(layer["layer"]), start, int(layer["cycles"]), steps, int(layer["l3_waits"]))


def _read_events(index: int, layer: Any, span: LayerSpan) -> Iterator[Event]:
    for work, step, start, cycles in layer["events"]:
        yield Event(Work(work), index, int(step), span.start + int(start), int(cycles))


def timeline_to_trace(
    timelines: Sequence[Timeline], *, lanes: Sequence[Lane] = (), cycles: str = "predicted"
) -> str:
    """Chrome's trace event format, which chrome://tracing and Perfetto open: a process for each region, a
    thread for its layers and one for each of `lanes`, outside of which nothing happens; by default that is each
    lane, that of engines only if it is used. A cycle, of the kind that `cycles` names, is shown as a
    microsecond."""
    lanes = lanes or _lanes(timelines)
    events = [event for pid, timeline in enumerate(timelines) for event in _trace_events(pid, timeline, lanes)]
    lines = ",\n".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events)
    other = f'"otherData": {{"unit": "1 us is 1 {cycles} cycle"}}'
    return f'{{"displayTimeUnit": "ns", {other}, "traceEvents": [\n{lines}\n]}}\n'


def _lanes(timelines: Sequence[Timeline]) -> tuple[Lane, ...]:
    used = {event.lane for timeline in timelines for event in timeline.events}
    return tuple(lane for lane in Lane if lane is not Lane.ENGINE or lane in used)


def _trace_events(pid: int, timeline: Timeline, lanes: Sequence[Lane]) -> Iterator[dict[str, Any]]:
    yield _meta(pid, "process_name", timeline.region)
    threads = {lane: tid for tid, lane in enumerate(lanes, start=1)}
    for tid, name in enumerate(["layers", *(LANE_NAMES[lane] for lane in lanes)]):
        yield {**_meta(pid, "thread_name", name), "tid": tid}
        yield {**_meta(pid, "thread_sort_index", tid, key="sort_index"), "tid": tid}
    for span in timeline.layers:
        place = {"pid": pid, "tid": 0}
        yield {**place, **_slice(span.layer, span.start, span.cycles), "args": {"steps": len(span.steps)}}
    for event in timeline.events:
        place = {"pid": pid, "tid": threads[event.lane]}
        step: dict[str, Any] = {"layer": timeline.layers[event.layer].layer, "step": event.step}
        yield {**place, **_slice(WORK_NAMES[event.work], event.start, event.cycles), "args": step}


def _meta(pid: int, kind: str, value: Any, key: str = "name") -> dict[str, Any]:
    return {"ph": "M", "pid": pid, "name": kind, "args": {key: value}}


def _slice(name: str, start: int, cycles: int) -> dict[str, Any]:
    return {"ph": "X", "name": name, "ts": start, "dur": cycles}
