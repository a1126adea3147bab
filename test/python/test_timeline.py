"""The timeline: as long as the plan says, nothing at two places at once, nothing before what it needs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import planned_region
import pytest
from layers import residual_network, wide_network
from machines import machine, with_l3
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import ClusterModel, DmaModel, L3Model, Machine
from tvm_pulp.codegen.memory.l3_schedule import transfer_cycles
from tvm_pulp.codegen.plan import Operand, Plan
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.timeline import Event, Lane, LayerSpan, Timeline, Work, simulate
from tvm_pulp.codegen.timeline_json import timeline_from_json, timeline_to_json, timeline_to_trace
from tvm_pulp.errors import PlanError

SLOW_DMA = replace(machine(), dma=DmaModel(bytes_per_cycle=0.0625, setup_cycles=10, row_cycles=1.0))


@pytest.fixture(scope="module", params=[4000, 38_000])
def planned(request: pytest.FixtureRequest) -> tuple[LayerGraph, Plan, Machine, Timeline]:
    graph, target = residual_network(), machine(request.param)
    plan = plan_region(graph, target)
    return graph, plan, target, simulate(graph, plan, target)


Planned = tuple[LayerGraph, Plan, Machine, Timeline]


def test_layers_are_as_long_as_the_plan_says(planned: Planned) -> None:
    _, plan, _, timeline = planned
    assert [span.cycles for span in timeline.layers] == [layer.cycles for layer in plan.layers]
    assert timeline.cycles == sum(layer.cycles for layer in plan.layers)


def test_one_thing_at_a_time(planned: Planned) -> None:
    timeline = planned[3]
    for lanes in ((Lane.CORES,), (Lane.DMA_IN, Lane.DMA_OUT)):
        events = sorted((e for e in timeline.events if e.lane in lanes), key=lambda e: e.start)
        assert all(one.start + one.cycles <= other.start for one, other in pairwise(events))
        assert events[-1].start + events[-1].cycles <= timeline.cycles


def test_loads_before_computation_before_store(planned: Planned) -> None:
    graph, plan, _, timeline = planned
    for index, layer in enumerate(plan.layers):
        mine = [event for event in timeline.events if event.layer == index]
        for step in range(len(layer.steps)):
            (compute,) = [e for e in mine if e.step == step and e.work is Work.COMPUTE]
            loads = [e for e in mine if e.step == step and e.lane is Lane.DMA_IN]
            stores = [e for e in mine if e.step == step and e.lane is Lane.DMA_OUT]
            assert len(stores) == (graph.layers[index].output not in layer.in_l1)
            assert compute.start == timeline.layers[index].steps[step]
            assert all(load.start + load.cycles <= compute.start for load in loads)
            assert all(compute.start + compute.cycles <= store.start for store in stores)


def test_by_hand() -> None:
    """A pointwise layer of two steps and an add of one, with costs that can be computed in the head."""
    target = replace(
        machine(cores=8),
        dma=DmaModel(bytes_per_cycle=8, setup_cycles=10, row_cycles=1),
        cluster=ClusterModel(
            block_pixels=1,
            word_weights_cycles=0,
            word_pixel_cycles=16,
            output_cycles=0,
            elements_per_cycle=1,
            call_cycles=100,
        ),
    )
    timeline = simulate(planned_region.graph(), planned_region.plan(), target)
    # x: 10 + 32 / 8; parameters: 10 + 96 / 8; a step: 100 + 256 / 8; y: 10 + 64 / 8
    assert timeline.layers == (
        LayerSpan("conv_1", 0, 36 + 132 + 132 + 18, (36, 168)),
        LayerSpan("add_2", 318, 2 * 26 + 132 + 26, (370,)),
    )
    assert timeline.events == (
        Event(Work.LOAD_X, 0, 0, 0, 14),
        Event(Work.LOAD_PARAMS, 0, 0, 14, 22),
        Event(Work.COMPUTE, 0, 0, 36, 132),
        Event(Work.LOAD_X, 0, 1, 36, 14),
        Event(Work.COMPUTE, 0, 1, 168, 132),
        Event(Work.STORE_Y, 0, 0, 168, 18),
        Event(Work.STORE_Y, 0, 1, 300, 18),
        Event(Work.LOAD_X, 1, 0, 318, 52),
        Event(Work.COMPUTE, 1, 0, 370, 132),
        Event(Work.STORE_Y, 1, 0, 502, 26),
    )
    assert timeline.busy_cycles() == (
        {Lane.CORES: 264, Lane.DMA_IN: 50, Lane.DMA_OUT: 36},
        {Lane.CORES: 132, Lane.DMA_IN: 52, Lane.DMA_OUT: 26},
    )


def test_a_late_load_is_between_two_steps() -> None:
    """The layer by hand with one buffer for x: 32 bytes at 1/16 byte a cycle after the first step."""
    plan = planned_region.plan()
    first, second = plan.layers[0].steps
    late = replace(plan.layers[0], steps=(first, replace(second, x_slot=0)), late=(Operand.X,))
    target = replace(SLOW_DMA, cluster=replace(SLOW_DMA.cluster, call_cycles=100_000))
    timeline = simulate(planned_region.graph(), replace(plan, layers=(late, plan.layers[1])), target)
    (load,) = [one for one in timeline.events if (one.work, one.layer, one.step) == (Work.LOAD_X, 0, 1)]
    (before,) = [one for one in timeline.events if (one.work, one.layer, one.step) == (Work.COMPUTE, 0, 0)]
    assert load.cycles == 10 + 32 * 16
    assert load.start == before.start + before.cycles
    assert timeline.layers[0].steps[1] == load.start + load.cycles


def test_slow_transfers_make_the_cores_wait() -> None:
    """The second step's input arrives after the first step is computed."""
    timeline = simulate(planned_region.graph(), planned_region.plan(), SLOW_DMA)
    first, second = timeline.layers[0].steps
    assert second - first == 10 + 32 * 16 > timeline.events[2].cycles


@pytest.fixture(scope="module", params=[17_000, 15_500])
def streamed(request: pytest.FixtureRequest) -> tuple[LayerGraph, Plan, Machine, Timeline]:
    """With parameters from L3, and with activations there too."""
    graph, target = (
        wide_network(),
        replace(with_l3(6_000, request.param), l3=L3Model(1 << 23, bytes_per_cycle=0.2)),
    )
    plan = plan_region(graph, target)
    return graph, plan, target, simulate(graph, plan, target)


def test_l3_waits_are_in_the_timeline(streamed: Planned) -> None:
    _, plan, _, timeline = streamed
    assert timeline.cycles == plan.prediction.cycles
    assert sum(span.l3_waits for span in timeline.layers) == plan.prediction.l3_waits > 0
    waits = [event for event in timeline.events if event.work is Work.WAIT_L3]
    assert sum(event.cycles for event in waits) == plan.prediction.l3_waits
    for lane in Lane:
        events = sorted((e for e in timeline.events if e.lane is lane), key=lambda e: e.start)
        assert all(one.start + one.cycles <= other.start for one, other in pairwise(events)), lane


def test_l3_transfers_are_in_the_timeline(streamed: Planned) -> None:
    """One event each, as long as the machine says, which ends before the steps that it serves are computed."""
    _, plan, target, timeline = streamed
    assert target.l3 is not None
    events = sorted((e for e in timeline.events if e.lane is Lane.L3), key=lambda e: e.start)
    assert [(e.layer, e.step) for e in events] == [(one.layer, one.first) for one in plan.transfers]
    assert [e.cycles for e in events] == [transfer_cycles(target.l3, one.size) for one in plan.transfers]
    for event in events:
        if event.work is not Work.L3_STORE:
            assert event.start + event.cycles <= timeline.layers[event.layer].steps[event.step]


def test_json_and_back(planned: Planned) -> None:
    timeline = planned[3]
    assert timeline_from_json(timeline_to_json(timeline)) == timeline


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version": 2', '"version": 1', "timeline: version 1 of the format, expected 2"),
        ('"compute"', '"computer"', "timeline: not what was written (ValueError"),
        ('"region"', '"legion"', "timeline: not what was written (KeyError('region'))"),
        ("{", "", "timeline: not what was written (JSONDecodeError"),
    ],
)
def test_no_timeline(old: str, new: str, message: str) -> None:
    text = timeline_to_json(simulate(planned_region.graph(), planned_region.plan(), machine()))
    with pytest.raises(PlanError) as caught:
        timeline_from_json(text.replace(old, new, 1))
    assert str(caught.value).startswith(message)


def test_trace() -> None:
    timeline = simulate(planned_region.graph(), planned_region.plan(), machine())
    events = json.loads(timeline_to_trace([timeline, timeline]))["traceEvents"]
    names = {(e["pid"], e.get("tid")): e["args"]["name"] for e in events if e["name"].endswith("_name")}
    assert [names[1, tid] for tid in (None, 0, 1, 2, 3, 4)] == [
        "region_0",
        "layers",
        "cores",
        "DMA L2 → L1",
        "DMA L1 → L2",
        "L3 ↔ L2",
    ]
    slices = [event for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert [(e["name"], e["ts"], e["dur"]) for e in slices if e["tid"] == 0] == [
        (span.layer, span.start, span.cycles) for span in timeline.layers
    ]
    works = [(e["name"], e["args"]["layer"], e["args"]["step"]) for e in slices if e["tid"] == 1]
    assert works == [("compute", "conv_1", 0), ("compute", "conv_1", 1), ("compute", "add_2", 0)]
    assert sum(event["dur"] for event in slices if event["tid"] > 0) == sum(e.cycles for e in timeline.events)
