"""Regions that don't fit L2: plans with transfers to and from L3, checked, and executed as C."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from chains import networks
from harness import Dma, HostRuntime, build_runtime, c_compiler, compile_graph, random_inputs, run_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_model import run_model
from layers import heavy_network, resnet8, wide_network
from machines import machine, with_l3
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def assert_exact(runtime: HostRuntime, graph: LayerGraph, plan: Plan, cores: int = 8) -> None:
    """Every output byte, whenever transfers happen; and the traffic is the plan's."""
    inputs = random_inputs(graph, 1)
    model = run_model(graph, {name: data[0] for name, data in inputs.items()})
    costs = [
        step_costs(graph, layer, one, machine(cores=cores))
        for layer, one in zip(as_planned(graph, plan).layers, plan.layers, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        program = compile_graph(runtime, graph, plan, Path(folder))
        for dma in Dma:
            run = run_program(program, graph, inputs, dma)
            for name in graph.outputs:
                assert (run.outputs[name][0] == model[name]).all(), f"{name}, DMA {dma.value}"
            total = run.stats["total"]
            assert total["commands_in"] == sum(int(cost.load_commands.sum()) for cost in costs)
            assert total["commands_out"] == sum(int(cost.store_commands.sum()) for cost in costs)
            stored = [one for one in plan.transfers if one.kind is L3Kind.STORE]
            assert total.get("l3_commands_out", 0) == len(stored)
            assert total.get("l3_bytes_out", 0) == sum(one.size for one in stored)
            assert total.get("l3_commands_in", 0) == len(plan.transfers) - len(stored)


@needs_compiler
@pytest.mark.parametrize(
    ("l2_bytes", "fuses"), [(29_000, False), (23_500, False), (15_500, False), (14_500, True)]
)
def test_large_network(runtime: HostRuntime, l2_bytes: int, fuses: bool) -> None:
    """Parameters from L3; with activations that overwrite each other; with activations in L3, or in groups."""
    graph, target = wide_network(), with_l3(6_000, l2_bytes)
    plan = plan_region(graph, target, Effort(fuses=fuses))
    check_plan(graph, target, plan)
    assert plan.l2_used <= l2_bytes
    assert bool(plan.l3_buffers) == (l2_bytes <= 15_500)
    assert any(layer.stages for layer in plan.layers) == fuses
    assert plan.prediction.bound <= plan.prediction.cycles
    assert_exact(runtime, graph, plan)


@needs_compiler
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_network(runtime: HostRuntime, data: st.DataObject) -> None:
    graph = data.draw(networks(max_layers=7))
    cores = data.draw(st.sampled_from([1, 4, 8]))
    l1_bytes, l2_bytes = data.draw(st.integers(600, 3000)), data.draw(st.integers(300, 2500))
    plan = None
    while plan is None:
        target = with_l3(l1_bytes, l2_bytes, cores)
        try:
            plan = plan_region(graph, target)
        except PlanError as error:
            if "of L1" in str(error):
                l1_bytes += l1_bytes // 2
            else:
                l2_bytes += l2_bytes // 4
    check_plan(graph, target, plan)
    assert_exact(runtime, graph, plan, cores)


def test_without_l3_it_says_how_much_is_missing() -> None:
    with pytest.raises(PlanError, match=r"activations, parameters and step tables need \d+ bytes of L2 memory"):
        plan_region(resnet8(), machine(64_000, 90_000))


def test_what_fits_stays_in_l2() -> None:
    plan = plan_region(resnet8(), with_l3(64_000, 130_000))
    assert plan.transfers == ()
    assert plan.prediction.l3_waits == 0
    assert plan.prediction.gap == 0


def test_l3_too_small() -> None:
    target = replace(machine(64_000, 60_000), l3=L3Model(20_000))
    with pytest.raises(PlanError, match="bytes are to lie in L3 memory, there are 20000"):
        plan_region(resnet8(), target)


def test_plan_is_deterministic() -> None:
    target = with_l3(6_000, 15_500)
    assert plan_region(wide_network(), target) == plan_region(wide_network(), target)


def test_parameters_stay_in_l2_where_that_costs_nothing() -> None:
    graph = resnet8()
    plan = plan_region(graph, with_l3(64_000, 100_000))
    streamed = {one.layer for one in plan.transfers}
    kept = [pack_size(one) for index, one in enumerate(plan.layers) if index not in streamed]
    assert sum(kept) > 0
    assert plan.l2_used == plan.l2_arena + sum(kept) + plan.l2_tables


# ---- Broken plans --------------------------------------------------------------------------------------------

GRAPH, TARGET = wide_network(), with_l3(6_000, 15_500)
Change = Callable[[L3Transfer], L3Transfer]


@pytest.fixture(scope="module")
def right() -> Plan:
    plan = plan_region(GRAPH, TARGET, Effort(fuses=False))
    check_plan(GRAPH, TARGET, plan)
    return plan


def first(plan: Plan, kind: L3Kind) -> int:
    return next(index for index, one in enumerate(plan.transfers) if one.kind is kind)


def changed(plan: Plan, index: int, change: Change) -> Plan:
    transfers = list(plan.transfers)
    transfers[index] = change(transfers[index])
    return replace(plan, transfers=tuple(transfers))


DEFECTS: list[tuple[L3Kind, Change, str]] = [
    (L3Kind.PARAMS, lambda t: replace(t, wait=Mark(t.layer, 0)), "fetched before their transfer from L3"),
    (L3Kind.PARAMS, lambda t: replace(t, start=Mark(99, 0)), "at a step that isn't there"),
    (L3Kind.PARAMS, lambda t: replace(t, start=Mark(t.layer + 1, -1)), "is awaited before it is started"),
    (L3Kind.PARAMS, lambda t: replace(t, size=t.size - 4), "0 transfers bring the parameters at"),
    (L3Kind.PARAMS, lambda t: replace(t, l3_offset=4096), "bring the parameters at|beyond the layer's"),
    (L3Kind.PARAMS, lambda t: replace(t, l2_offset=1 << 20), "leaves the arena"),
    (L3Kind.PARAMS, lambda t: replace(t, size=t.size - 1), "aren't whole words"),
    (L3Kind.PARAMS, lambda t: replace(t, layer=99), "serves a layer that isn't there"),
    (L3Kind.LOAD, lambda t: replace(t, tensor="t99"), "transfers serve it with"),
    (L3Kind.LOAD, lambda t: replace(t, size=t.size - 4), "aren't in the transfer that serves it"),
    (L3Kind.LOAD, lambda t: replace(t, l3_offset=t.l3_offset + 4), "aren't in the transfer that serves it"),
    (L3Kind.LOAD, lambda t: replace(t, first=t.first + 1), "0 transfers serve it with"),
    (L3Kind.STORE, lambda t: replace(t, size=t.size - 4), "aren't in the transfer that serves it"),
    (L3Kind.STORE, lambda t: replace(t, start=Mark(t.layer, 0)), "before it is stored in L2"),
    (L3Kind.STORE, lambda t: replace(t, last=99), r"leaves for L3 before|serve it with"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "message"), DEFECTS)
def test_broken_transfer(right: Plan, kind: L3Kind, change: Change, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        check_plan(GRAPH, TARGET, changed(right, first(right, kind), change))


HEAVY, NARROW = heavy_network(), with_l3(6_000, 14_000)


@pytest.fixture(scope="module")
def again() -> Plan:
    return plan_region(HEAVY, NARROW, Effort(fuses=False))


def passes(plan: Plan, layer: int) -> list[int]:
    """The transfers that bring a layer's first parameters, which the plan has more than once."""
    found = [
        index
        for index, one in enumerate(plan.transfers)
        if (one.kind, one.layer, one.l3_offset) == (L3Kind.PARAMS, layer, 0)
    ]
    assert len(found) > 1
    return found


@needs_compiler
@pytest.mark.parametrize(("l1_bytes", "l2_bytes"), [(6_000, 14_000), (9_000, 12_000)])
def test_parameters_come_again_for_each_band_of_rows(
    runtime: HostRuntime, l1_bytes: int, l2_bytes: int
) -> None:
    """Parameters that fit L2 neither at once nor beside the rows."""
    plan = plan_region(HEAVY, with_l3(l1_bytes, l2_bytes), Effort(fuses=False))
    check_plan(HEAVY, with_l3(l1_bytes, l2_bytes), plan)
    assert passes(plan, 1)
    brought = sum(one.size for one in plan.transfers if (one.kind, one.layer) == (L3Kind.PARAMS, 1))
    assert brought > pack_size(plan.layers[1])
    assert_exact(runtime, HEAVY, plan)


def test_parameters_that_never_come_again(again: Plan) -> None:
    last = passes(again, 1)[-1]
    missing = tuple(one for index, one in enumerate(again.transfers) if index != last)
    with pytest.raises(PlanError, match="0 transfers bring the parameters at 0 from L3 for it"):
        check_plan(HEAVY, NARROW, replace(again, transfers=missing))


def test_parameters_that_come_twice_for_a_step(again: Plan) -> None:
    first_pass, second_pass = passes(again, 1)[:2]
    wider = changed(again, first_pass, lambda t: replace(t, last=again.transfers[second_pass].last))
    with pytest.raises(PlanError, match="2 transfers bring the parameters at 0 from L3 for it"):
        check_plan(HEAVY, NARROW, wider)


def test_parameters_that_come_again_too_late(again: Plan) -> None:
    number = passes(again, 1)[1]
    late = Mark(1, again.transfers[number].first)
    with pytest.raises(PlanError, match=r"fetched before their transfer|awaited before L3 transfer"):
        check_plan(HEAVY, NARROW, changed(again, number, lambda t: replace(t, wait=late)))


def test_transfers_that_share_bytes(right: Plan) -> None:
    index, buffer = next(
        (index, buffer)
        for index, one in enumerate(right.transfers)
        for buffer in right.l2_buffers
        if one.kind is L3Kind.PARAMS and buffer.first <= one.layer <= buffer.last
    )
    with pytest.raises(PlanError, match="shares bytes with"):
        check_plan(GRAPH, TARGET, changed(right, index, lambda t: replace(t, l2_offset=buffer.offset)))


def test_a_load_before_its_place_is_free(right: Plan) -> None:
    """Every transfer that waits for its place, started at the mark before."""
    checked = 0
    for index, one in enumerate(right.transfers):
        before = right.transfers[index - 1].start if index else Mark(0, -1)
        if one.kind is L3Kind.STORE or one.start.step <= 0 or before == one.start:
            continue
        earlier = Mark(one.start.layer, one.start.step - 1)
        with pytest.raises(PlanError, match=r"shares bytes with|more than 64|aren't in L3 yet|before it"):
            check_plan(GRAPH, TARGET, changed(right, index, lambda t, to=earlier: replace(t, start=to)))
        checked += 1
    assert checked > 0


def test_transfers_out_of_order(right: Plan) -> None:
    index = next(
        i for i, (a, b) in enumerate(zip(right.transfers, right.transfers[1:], strict=False)) if a.wait < b.wait
    )
    transfers = list(right.transfers)
    transfers[index], transfers[index + 1] = transfers[index + 1], transfers[index]
    with pytest.raises(PlanError, match="is started or awaited before L3 transfer"):
        check_plan(GRAPH, TARGET, replace(right, transfers=tuple(transfers)))


def test_rows_that_never_went_to_l3(right: Plan) -> None:
    store = first(right, L3Kind.STORE)
    transfers = (*right.transfers[:store], *right.transfers[store + 1 :])
    with pytest.raises(PlanError, match=r"transfers serve it with|aren't in L3 yet"):
        check_plan(GRAPH, TARGET, replace(right, transfers=transfers))


def test_tensor_without_a_home(right: Plan) -> None:
    with pytest.raises(PlanError, match="the tensors in L1, L2 and L3 aren't those between layers"):
        check_plan(GRAPH, TARGET, replace(right, l3_buffers=right.l3_buffers[1:]))


def test_l3_buffers_that_overlap(right: Plan) -> None:
    lives = {layer.output: index for index, layer in enumerate(GRAPH.layers)}
    neighbours = sorted(right.l3_buffers, key=lambda buffer: lives[buffer.tensor])[:2]
    buffers = tuple(
        replace(buffer, offset=neighbours[0].offset) if buffer == neighbours[1] else buffer
        for buffer in right.l3_buffers
    )
    with pytest.raises(PlanError, match=r"L3 buffer .* shares bytes with"):
        check_plan(GRAPH, TARGET, replace(right, l3_buffers=buffers))


def test_no_l3(right: Plan) -> None:
    with pytest.raises(PlanError, match="there is no L3"):
        check_plan(GRAPH, replace(TARGET, l3=None), right)


def test_l3_of_the_machine_is_too_small(right: Plan) -> None:
    with pytest.raises(PlanError, match="bytes of L3, there are 64"):
        check_plan(GRAPH, replace(TARGET, l3=L3Model(64)), right)


def test_output_that_overwrites_what_is_still_read() -> None:
    graph, target = wide_network(), with_l3(6_000, 23_500)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    above = next(
        source
        for out in plan.l2_buffers
        for source in plan.l2_buffers
        if out.first == source.last and out.offset < source.offset < out.offset + out.size
    )
    closer = tuple(replace(b, offset=b.offset - 8) if b == above else b for b in plan.l2_buffers)
    with pytest.raises(PlanError, match="shares bytes with"):
        check_plan(graph, target, replace(plan, l2_buffers=closer))


def test_the_error_names_a_size_that_works() -> None:
    """And that a little less doesn't."""
    graph = wide_network()
    with pytest.raises(PlanError, match="no choice of activations in L3") as caught:
        plan_region(graph, with_l3(6_000, 3_500))
    named = re.search(r"with at least (\d+) bytes", str(caught.value))
    assert named is not None
    least = int(named[1])
    target = with_l3(6_000, least)
    check_plan(graph, target, plan_region(graph, target))
    with pytest.raises(PlanError):
        plan_region(graph, with_l3(6_000, least - 2_000))


def test_what_is_outside_is_in_the_message() -> None:
    target = replace(with_l3(6_000, 3_500), l2_outside=5_000)
    with pytest.raises(PlanError, match=r"beside 5000 of the network's other parts.*at least 1\d{4} bytes"):
        plan_region(wide_network(), target)
