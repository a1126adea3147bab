"""Fused groups, one layer of which NE16 computes while the cores are at the others for other tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fused_chains import LIGHT_WINDOWS, chains, light_ends
from harness import HostRuntime, build_runtime, c_compiler
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layers import NetworkBuilder, window3
from machines import NE16, machine, with_ne16
from naive_plan import Wish, naive_plan
from test_ne16_engine import assert_exact
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import StepCosts
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.fusion.alternatives import group_alternatives
from tvm_pulp.codegen.fusion.engines import engines_beside
from tvm_pulp.codegen.fusion.geometry import Group
from tvm_pulp.codegen.fusion.groups import OF_TWO_MAPS, fused_graph
from tvm_pulp.codegen.fusion.schedule import runs_fused
from tvm_pulp.codegen.fusion.search import GroupSearch
from tvm_pulp.codegen.graph import LayerGraph, LayerKind
from tvm_pulp.codegen.plan import LoopOrder, Operand, Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.search import NothingFits
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SOME = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def separable(channels: int = 64) -> LayerGraph:
    """Depthwise and pointwise, as a network for keywords has them."""
    net = NetworkBuilder(25, 5, channels)
    net.add(LayerKind.DEPTHWISE, window=window3())
    net.add(LayerKind.POINTWISE, channels)
    return net.graph()


HEAVY = (LayerKind.CONV2D, LayerKind.POINTWISE)


@st.composite
def groups_on_ne16(draw: st.DrawFn, graphs: st.SearchStrategy[LayerGraph]) -> tuple[LayerGraph, Plan]:
    """Chains as one group of several steps, in tiles of any size."""
    graph = draw(graphs)
    assume(engines_beside(graph, graph.layers, (NE16,)))
    fused = fused_graph(graph, [range(len(graph.layers))])
    assume(runs_fused(Group(fused, fused.layers[0], NE16), 8))
    out = graph.tensors[graph.outputs[0]]
    channels = draw(st.sampled_from([out.channels, 16, 3]))
    order = draw(st.sampled_from(LoopOrder))
    wish = Wish(draw(st.integers(1, 9)), draw(st.integers(1, 9)), channels, order, engine=NE16)
    plan = naive_plan(fused, [wish], draw(st.sampled_from([1, 2, 8])))
    assume(len(plan.layers[0].steps) > 1)
    target = replace(with_ne16(plan.l1_bytes, plan.l2_bytes), cores=plan.cores)
    check_plan(graph, target, plan)
    return graph, plan


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


@needs_compiler
@SOME
@given(case=groups_on_ne16(chains(HEAVY)))
def test_generated_code(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


@needs_compiler
@SOME
@given(case=groups_on_ne16(light_ends(OF_TWO_MAPS, HEAVY)))
def test_sums_behind_ne16(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


@needs_compiler
@SOME
@given(case=groups_on_ne16(light_ends(LIGHT_WINDOWS, HEAVY)))
def test_windows_behind_ne16(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


@needs_compiler
@SOME
@given(case=groups_on_ne16(light_ends((LayerKind.DEPTHWISE,), HEAVY)))
def test_depthwise_behind_ne16(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


def expanded() -> LayerGraph:
    """A pointwise layer that makes many channels of few, and depthwise, as an inverted residual begins."""
    net = NetworkBuilder(28, 28, 24)
    net.add(LayerKind.POINTWISE, 144)
    net.add(LayerKind.DEPTHWISE, window=window3())
    return net.graph()


def test_cores_are_at_depthwise_behind_ne16() -> None:
    graph, target = expanded(), with_ne16(44_000)
    plan = plan_region(graph, target, Effort(shares=False))  # else the engines divide the depthwise layer
    check_plan(graph, target, plan)
    (group,) = plan.layers
    assert [stage.kernel for stage in group.stages] == ["ne16_1x1", "pulp_depthwise"]
    assert [one.slot for one in group.buffers if one.operand is Operand.MID] == [0, 1]
    assert group.tile.h == 4  # of which NE16 makes six rows, two whole subtiles
    assert group.cycles < plan_region(graph, target, Effort(fuses=False, shares=False)).prediction.cycles
    assert simulate(graph, plan, target).cycles == plan.prediction.cycles


def test_the_planner_makes_such_groups() -> None:
    graph, target = separable(), with_ne16(44_000)
    plan = plan_region(graph, target, Effort(shares=False))  # else the engines divide the depthwise layer
    check_plan(graph, target, plan)
    (group,) = plan.layers
    assert (group.engine, [stage.kernel for stage in group.stages]) == ("ne16", ["pulp_depthwise", "ne16_1x1"])
    assert [one.slot for one in group.buffers if one.operand is Operand.MID] == [0, 1]
    assert group.cycles < plan_region(graph, target, Effort(fuses=False, shares=False)).prediction.cycles
    (alternative,) = group_alternatives(graph, [graph.layers[0].name], target, plan, teams=False)
    assert (alternative.cycles, alternative.chosen) == (group.cycles, True)
    assert alternative.cycles < alternative.alone


def test_a_map_of_one_row_is_one_tile() -> None:
    net = NetworkBuilder(1, 1, 32)
    net.add(LayerKind.POINTWISE, 32)
    net.add(LayerKind.POINTWISE, 48)
    graph, target = net.graph(), with_ne16(44_000)
    assert engines_beside(graph, graph.layers, target.engines) == ()
    check_plan(graph, target, plan_region(graph, target))


def planned() -> tuple[LayerGraph, Plan]:
    """A right plan of one group, on NE16, in five steps."""
    graph = separable(16)
    fused = fused_graph(graph, [range(2)])
    return graph, naive_plan(fused, [Wish(5, 5, 16, engine=NE16)], 8)


def residual(channels: int = 16) -> LayerGraph:
    """Two convolutions and the sum with what they read, as a residual network has them."""
    net = NetworkBuilder(16, 16, channels)
    start = net.add(LayerKind.POINTWISE, channels)
    net.add(LayerKind.CONV2D, channels, window3())
    branch = net.add(LayerKind.CONV2D, channels, window3())
    net.add(LayerKind.ADD, inputs=(start, branch))
    return net.graph()


def test_cores_add_what_ne16_makes() -> None:
    graph, target = residual(), with_ne16(44_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    group = plan.layers[-1]
    assert [stage.kernel for stage in group.stages] == ["ne16_3x3", "pulp_add"]
    assert [stage.engine for stage in group.stages] == ["ne16", "cluster"]
    assert (group.engine, group.engine_stage) == ("ne16", 0)
    slots = [(one.operand, one.slot) for one in group.buffers if one.operand in (Operand.MID, Operand.X2)]
    seconds = [(Operand.X2, slot) for slot in range(min(3, len(group.steps)))]
    assert slots == [*seconds, (Operand.MID, 0), (Operand.MID, 1)]
    assert plan.prediction.cycles < plan_region(graph, target, Effort(fuses=False)).prediction.cycles
    assert simulate(graph, plan, target).cycles == plan.prediction.cycles
    assert plan_from_json(plan_to_json(plan)) == plan


def test_the_checker_knows_what_is_behind_an_engine() -> None:
    graph = residual()
    fused = fused_graph(graph, [range(2, 4)])
    wishes = [Wish(16, 16, 16), Wish(16, 16, 16), Wish(4, 16, 16, engine=NE16)]
    plan = naive_plan(fused, wishes, 8)
    target = with_ne16(plan.l1_bytes, plan.l2_bytes)
    check_plan(graph, target, plan)
    layer = plan.layers[-1]
    assert [step.x2_slot for step in layer.steps] == [0, 1, 2, 0]
    broken = {
        "loads x2 into a slot that is still read": {
            "steps": tuple(replace(one, x2_slot=number % 2) for number, one in enumerate(layer.steps))
        },
        r"l2, step 1: buffer y\[1\] needs 1024 bytes and has 0": {
            "buffers": tuple(one for one in layer.buffers if (one.operand, one.slot) != (Operand.MID, 1))
        },
        "ne16 doesn't compute one layer of the group, and the cores the others": {
            "stages": tuple(replace(one, engine="cluster") for one in layer.stages)
        },
        "engine ne16 can't compute it": {
            "stages": tuple(
                replace(one, engine=name) for one, name in zip(layer.stages, ("cluster", "ne16"), strict=True)
            )
        },
    }
    for message, changes in broken.items():
        with pytest.raises(PlanError, match=message):
            check_plan(graph, target, replace(plan, layers=(*plan.layers[:-1], replace(layer, **changes))))


def edited(plan: Plan, **changes: object) -> Plan:
    return replace(plan, layers=(replace(plan.layers[0], **changes),))  # type: ignore[arg-type]


def test_the_checker_knows_such_groups() -> None:
    graph, plan = planned()
    target = with_ne16(plan.l1_bytes, plan.l2_bytes)
    check_plan(graph, target, plan)
    layer = plan.layers[0]
    with pytest.raises(PlanError, match="there is no engine ne16"):
        check_plan(graph, machine(plan.l1_bytes, plan.l2_bytes), plan)
    without = tuple(one for one in layer.buffers if (one.operand, one.slot) != (Operand.MID, 1))
    with pytest.raises(PlanError, match=r"buffer y\[1\] needs 400 bytes and has 0"):
        check_plan(graph, target, edited(plan, buffers=without))
    again = (*layer.steps[:1], *(replace(one, load_params=True) for one in layer.steps[1:]))
    with pytest.raises(PlanError, match="takes several steps of a group, with the same parameters"):
        check_plan(graph, target, edited(plan, steps=again))


def test_no_groups_where_core_0_is_busy() -> None:
    net = NetworkBuilder(9, 9, 16)
    net.add(LayerKind.DEPTHWISE, window=window3())
    net.add(LayerKind.CONV2D, 16, window3(2))
    graph = net.graph()
    assert NE16.refusal(graph, graph.layers[1]) is None
    assert engines_beside(graph, graph.layers, (NE16,)) == ()


def test_no_group_of_one_row() -> None:
    net = NetworkBuilder(1, 12, 16)
    net.add(LayerKind.POINTWISE, 16)
    net.add(LayerKind.POINTWISE, 16)
    fused = fused_graph(net.graph(), [range(2)])
    assert GroupSearch(fused, fused.layers[0], with_ne16(), engine=NE16).best() == NothingFits(0)


def test_no_groups_for_layers_that_mix_no_channels() -> None:
    net = NetworkBuilder(9, 9, 16)
    net.add(LayerKind.DEPTHWISE, window=window3())
    net.add(LayerKind.DEPTHWISE, window=window3())
    graph = net.graph()
    assert engines_beside(graph, graph.layers, (NE16,)) == ()


def test_cycles_of_a_group() -> None:
    """Steps take as long as cores, engine, or transfers; the last job has nothing beside it."""
    column = np.array([100, 100, 100])
    none = np.zeros(3, np.int64)
    costs = StepCosts(
        compute=column, load_x=np.array([10, 10, 10]), load_params=np.array([5, 0, 0]), store=column // 5,
        load_commands=none, store_commands=none, finish=none, job=np.array([70, 150, 30]),
    )  # fmt: skip
    assert costs.intervals.tolist() == [100, 100, 150 + 30]
    assert costs.cycles == 15 + 100 + 100 + 180 + 20
    assert replace(costs, finish=np.array([40, 60, 7])).intervals.tolist() == [100, 140, 160 + 30]
