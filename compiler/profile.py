"""Measured timelines: what core 0 and L3 did when, from a run's log (runtime/platform/pulp_open/profile.h).

The log knows when core 0 waits, when it programs a transfer and when it takes a tile away; a step computes from
the last of these before its tile is taken away until then. Nobody is told when the DMA is done, unless core 0
waits for it, hence the timelines have no lanes of the DMA.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from tvm_pulp.codegen.plan import Plan, turns
from tvm_pulp.codegen.plan_json import plan_from_json
from tvm_pulp.codegen.timeline import L3_WORK, Event, Lane, LayerSpan, Timeline, Work
from tvm_pulp.codegen.timeline_json import timeline_to_trace

from .errors import ToolError
from .package import Package, plan_file

LANES = (Lane.CORES, Lane.L3)


class Kind(IntEnum):
    """What a record of the log is about; from LAYER on, layers by their place among the counters."""

    LOAD = 0
    STORE = 1
    DMA_WAIT = 2
    L3_ASK = 3
    L3_WAIT = 4
    L3_DONE = 5
    REGION = 6
    INFERENCE = 7
    LAYER = 16


_WAITS = {Kind.DMA_WAIT: Work.WAIT_DMA, Kind.L3_WAIT: Work.WAIT_L3}


@dataclass(frozen=True)
class Record:
    """A record of the log, in cycles since the inference began."""

    kind: int
    start: int
    end: int


@dataclass
class _Region:
    """What a region's records tell, as they are read."""

    spans: list[LayerSpan] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)


def read_records(log: bytes) -> list[Record]:
    """The records of profile.bin. Raises ToolError if the log isn't whole."""
    words = np.frombuffer(log, dtype="<u4") if len(log) % 12 == 0 else np.empty(0, dtype="<u4")
    rows = words.reshape(-1, 3)
    if not len(rows) or rows[-1, 0] != Kind.INFERENCE:
        raise ToolError("the log of the run is not whole", where="profile.bin")
    begin = rows[-1, 1]
    times = rows[:, 1:] - begin  # mod 2^32, as the timer counts
    return [
        Record(int(kind), int(start), int(end)) for kind, (start, end) in zip(rows[:, 0], times, strict=True)
    ]


def measured_timelines(
    records: Sequence[Record], layers: Sequence[str], plans: Sequence[Plan]
) -> tuple[Timeline, ...]:
    """A timeline for each region, in the order in which they ran; 0 is the begin of the inference.

    `layers` are the names among the counters, `plans` those of the regions. Raises ToolError if the log is not
    that of these plans.
    """
    left = list(plans)
    timelines = []
    region, pending = _Region(), list[Record]()
    for record in records:
        if record.kind >= Kind.LAYER:
            _add_layer(region, layers[record.kind - Kind.LAYER], record, pending)
            pending = []
        elif record.kind == Kind.L3_DONE:
            region.done.append(record.end)
        elif record.kind == Kind.REGION:
            plan = _plan_of(region, left)
            left.remove(plan)
            events = [*region.events, *_l3_events(region, plan)]
            events.sort(key=lambda event: event.layer)
            timelines.append(Timeline(plan.region, tuple(region.spans), tuple(events)))
            region, pending = _Region(), []
        else:
            pending.append(record)
    return tuple(timelines)


def _add_layer(region: _Region, name: str, layer: Record, records: Sequence[Record]) -> None:
    index = len(region.spans)
    last_step = sum(record.kind == Kind.STORE for record in records) - 1
    steps: list[int] = []
    now = layer.start
    for record in records:
        step = max(0, min(len(steps), last_step))
        if record.kind == Kind.STORE:
            region.events.append(Event(Work.COMPUTE, index, step, now, record.start - now))
            steps.append(now)
        elif record.kind in _WAITS:
            work = _WAITS[Kind(record.kind)]
            region.events.append(Event(work, index, step, record.start, record.end - record.start))
        elif record.kind == Kind.L3_ASK:
            region.asked.append(record.end)
        now = record.end
    if not steps:  # what stays in L1 isn't taken away: where its steps end is not known
        steps.append(now)
        region.events.append(Event(Work.COMPUTE, index, 0, now, layer.end - now))
    waits = sum(record.end - record.start for record in records if record.kind == Kind.L3_WAIT)
    region.spans.append(LayerSpan(name, layer.start, layer.end - layer.start, tuple(steps), waits))


def _plan_of(region: _Region, plans: Sequence[Plan]) -> Plan:
    names = [span.layer for span in region.spans]
    for plan in plans:
        begun = [plan.layers[turn.start].layer for turn in turns(plan.layers)]  # one of two is counted
        if names == begun and len(region.done) == len(plan.transfers):
            return plan
    raise ToolError("the log of the run is not that of the package's plans", where="profile.bin")


def _l3_events(region: _Region, plan: Plan) -> Iterator[Event]:
    """Transfers are done one after another, in the plan's order."""
    ends = pairwise([0, *region.done])
    for transfer, asked, (free, done) in zip(plan.transfers, region.asked, ends, strict=True):
        start = max(asked, free)
        yield Event(L3_WORK[transfer.kind], transfer.layer, transfer.first_step, start, done - start)


def trace_of(package: Package, log: bytes, stats: Mapping[str, Any]) -> str:
    """The trace (Chrome's format) of a run with its log and its counters. Raises ToolError."""
    symbols = [region["symbol"] for region in package.metadata["pulp"]["regions"]]
    plans = [plan_from_json(package.read(plan_file(symbol)).decode()) for symbol in symbols]
    names = [layer["name"] for layer in stats["layers"]]
    return timeline_to_trace(
        measured_timelines(read_records(log), names, plans), lanes=LANES, cycles="measured"
    )
