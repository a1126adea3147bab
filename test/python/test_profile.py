"""Measured timelines from a run's log."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import planned_region
import pytest
from tvm_pulp.codegen.plan import L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.codegen.timeline import Event, LayerSpan, Work
from tvm_pulp.codegen.timeline_json import timeline_to_trace
from tvm_pulp.errors import ToolError
from tvm_pulp.profile import LANES, Kind, Record, measured_timelines, read_records

WRAP = 2**32
BEGIN = WRAP - 40  # the timer wraps during the run
CONV, ADD = Kind.LAYER + 0, Kind.LAYER + 1
# Of an inference from 0 to 1000: conv_1 in two steps, add_2 in one.
ROWS = [
    (Kind.L3_ASK, 100, 110),
    (Kind.L3_ASK, 110, 120),
    (Kind.LOAD, 120, 130),
    (Kind.DMA_WAIT, 130, 150),
    (Kind.L3_WAIT, 150, 190),
    (Kind.LOAD, 190, 200),
    (Kind.STORE, 300, 310),
    (Kind.DMA_WAIT, 315, 320),
    (Kind.STORE, 420, 425),
    (Kind.DMA_WAIT, 430, 440),
    (CONV, 95, 445),
    (Kind.LOAD, 460, 470),
    (Kind.DMA_WAIT, 470, 480),
    (Kind.STORE, 500, 505),
    (ADD, 450, 520),
    (Kind.L3_DONE, 140, 140),
    (Kind.L3_DONE, 189, 189),
    (Kind.REGION, 90, 530),
    (Kind.INFERENCE, 0, 1000),
]


def log(rows: list[tuple[int, int, int]]) -> bytes:
    return np.array([[kind, BEGIN + start, BEGIN + end] for kind, start, end in rows]).astype("<u4").tobytes()


def plan() -> Plan:
    """Two transfers bring parameters of the first layer."""
    one = L3Transfer(L3Kind.PARAMS, 0, "", 0, 0, 0, 0, 96, Mark(0, -1), Mark(0, -1))
    return replace(planned_region.plan(), transfers=(one, replace(one, first=1, last=1, wait=Mark(0, 0))))


def test_records_count_from_the_begin_of_the_inference() -> None:
    assert read_records(log(ROWS)) == [Record(*row) for row in ROWS]


@pytest.mark.parametrize("rows", [[], ROWS[:-1]])
def test_a_log_that_is_not_whole(rows: list[tuple[int, int, int]]) -> None:
    with pytest.raises(ToolError, match=r"^profile\.bin: the log of the run is not whole$"):
        read_records(log(rows))


def test_timeline() -> None:
    (timeline,) = measured_timelines(read_records(log(ROWS)), ["conv_1", "add_2"], [plan()])
    assert timeline.region == planned_region.plan().region
    assert timeline.layers == (
        LayerSpan("conv_1", 95, 350, (200, 320), 40),
        LayerSpan("add_2", 450, 70, (480,), 0),
    )
    assert timeline.events == (
        Event(Work.WAIT_DMA, 0, 0, 130, 20),
        Event(Work.WAIT_L3, 0, 0, 150, 40),
        Event(Work.COMPUTE, 0, 0, 200, 100),
        Event(Work.WAIT_DMA, 0, 1, 315, 5),
        Event(Work.COMPUTE, 0, 1, 320, 100),
        Event(Work.WAIT_DMA, 0, 1, 430, 10),
        Event(Work.L3_PARAMS, 0, 0, 110, 30),  # from when it was asked for
        Event(Work.L3_PARAMS, 0, 1, 140, 49),  # from when the one before was done
        Event(Work.WAIT_DMA, 1, 0, 470, 10),
        Event(Work.COMPUTE, 1, 0, 480, 20),
    )


def test_log_of_another_plan() -> None:
    with pytest.raises(ToolError, match="not that of the package's plans"):
        measured_timelines(read_records(log(ROWS)), ["conv_1", "add_2"], [planned_region.plan()])


def test_trace_has_lanes_of_what_is_measured() -> None:
    timelines = measured_timelines(read_records(log(ROWS)), ["conv_1", "add_2"], [plan()])
    trace = json.loads(timeline_to_trace(timelines, lanes=LANES, cycles="measured"))
    assert trace["otherData"] == {"unit": "1 us is 1 measured cycle"}
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["layers", "cores", "L3 ↔ L2"]
    waits = [(e["ts"], e["dur"], e["tid"]) for e in trace["traceEvents"] if e["name"] == "wait for L3"]
    assert waits == [(150, 40, 1)]


def test_a_layer_whose_output_stays_in_l1_computes_as_a_whole() -> None:
    rows = [row for row in ROWS if row != (Kind.STORE, 500, 505)]
    (timeline,) = measured_timelines(read_records(log(rows)), ["conv_1", "add_2"], [plan()])
    assert timeline.layers[1] == LayerSpan("add_2", 450, 70, (480,), 0)
    assert timeline.events[-1] == Event(Work.COMPUTE, 1, 0, 480, 40)
