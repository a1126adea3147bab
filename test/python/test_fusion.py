"""Fused groups: which are made and when they pay, what a plan says of them, and how broken ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness import Dma, build_runtime, c_compiler, compile_graph, random_inputs, run_program
from layer_model import run_model
from layers import NetworkBuilder, wide_network, window3
from machines import machine, with_l3
from tvm_pulp.codegen.alternatives import layer_alternatives
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import layer_cycles, step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.fusion.alternatives import group_alternatives
from tvm_pulp.codegen.fusion.choice import cheapest_groups, move_cycles, possible_groups
from tvm_pulp.codegen.fusion.geometry import Group
from tvm_pulp.codegen.fusion.groups import as_planned, fused_graph, may_fuse, stage_plans
from tvm_pulp.codegen.fusion.schedule import runs_fused, schedule_group
from tvm_pulp.codegen.fusion.search import GroupSearch
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window, macs
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.memory.spill import may_overwrite
from tvm_pulp.codegen.params import block_bytes, pack_size
from tvm_pulp.codegen.plan import Box, L1Buffer, LayerPlan, LoopOrder, Operand, Plan, Stage, StageStep
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.search import NothingFits, Search
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.codegen.traffic import region_traffic
from tvm_pulp.errors import PlanError

TARGET = machine(64_000)
needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")


def block() -> LayerGraph:
    """An inverted residual without the sum: 4 channels become 24, depthwise with stride 2, and 6."""
    net = NetworkBuilder(10, 12, 4)
    net.add(LayerKind.POINTWISE, 24)
    net.add(LayerKind.DEPTHWISE, window=window3(2))
    net.add(LayerKind.POINTWISE, 6)
    return net.graph()


def planned(graph: LayerGraph, group: range, tile: Box) -> Plan:
    """A right plan of a graph that is one group."""
    fused = fused_graph(graph, [group])
    layer = schedule_group(fused, fused.layers[0], tile, TARGET.cores, LoopOrder.SPACE_OUTER)
    plan = Plan(graph.name, "gap8", TARGET.cores, 64_000, 380_000, 64_000, 16_000, 0, (layer,), ())
    plan = replace(plan, l2_tables=tables_bytes(graph, plan))
    check_plan(graph, TARGET, plan)
    return plan


def triple() -> tuple[LayerGraph, Plan]:
    """Six steps of 2 x 3 pixels."""
    graph = block()
    return graph, planned(graph, range(3), Box(0, 2, 0, 3, 0, 6))


# ---- Geometry ------------------------------------------------------------------------------------------------


def test_a_tile_needs_halos_of_the_map_before() -> None:
    _, plan = triple()
    first, depthwise, last = plan.layers[0].stages
    assert last.steps[1].y == Box(0, 2, 3, 3, 0, 6)
    assert depthwise.steps[1].y == Box(0, 2, 3, 3, 0, 24)
    assert first.steps[1].y == Box(0, 4, 5, 7, 0, 24)  # rows -1 to 3, columns 5 to 11
    assert plan.layers[0].steps[1].x == Box(0, 4, 5, 7, 0, 4)
    assert (depthwise.steps[1].padding.top, depthwise.steps[1].padding.left) == (1, 0)


def test_parameters_of_all_layers_are_one_block() -> None:
    graph, plan = triple()
    sizes = [block_bytes(layer, channels) for layer, channels in zip(graph.layers, (24, 24, 6), strict=True)]
    offsets = [stage.steps[0].params_offset for stage in plan.layers[0].stages]
    assert offsets == [0, sizes[0], sizes[0] + -(-sizes[1] // 8) * 8]
    assert pack_size(plan.layers[0]) == plan.layers[0].steps[0].params_size
    assert [step.load_params for step in plan.layers[0].steps] == [True] + 5 * [False]


def test_channels_are_divided_where_only_the_first_layer_mixes_them() -> None:
    net = NetworkBuilder(6, 6, 4)
    net.add(LayerKind.POINTWISE, 20)
    net.add(LayerKind.DEPTHWISE, window=window3())
    plan = planned(net.graph(), range(2), Box(0, 3, 0, 6, 0, 8))
    steps = plan.layers[0].stages[0].steps
    assert sorted({(step.y.c0, step.y.c) for step in steps}) == [(0, 8), (8, 8), (16, 4)]
    assert [step.load_x for step in plan.layers[0].steps] == [True, False, False] * 2


def inverted_residual(*, first: bool = False) -> LayerGraph:
    """A pointwise and a depthwise layer, and the sum with their input, which may be its first operand."""
    net = NetworkBuilder(10, 12, 6)
    net.add(LayerKind.POINTWISE, 6)
    made = net.add(LayerKind.DEPTHWISE, window=window3())
    net.add(LayerKind.ADD, inputs=("x", made) if first else (made, "x"))
    return net.graph()


def with_sum() -> tuple[LayerGraph, Plan]:
    """Six steps of 5 x 4 pixels."""
    graph = inverted_residual()
    return graph, planned(graph, range(3), Box(0, 5, 0, 4, 0, 6))


def test_a_sum_reads_its_part_of_a_map_from_outside() -> None:
    graph, plan = with_sum()
    layer = plan.layers[0]
    assert fused_graph(graph, [range(3)]).layers[0].inputs == ("x", "x")
    assert layer.steps[1].x == Box(0, 6, 3, 6, 0, 6)
    assert layer.steps[1].y == layer.stages[1].steps[1].y == Box(0, 5, 4, 4, 0, 6)
    assert [step.x2_slot for step in layer.steps] == [0, 1] * 3
    assert [one.size for one in layer.buffers if one.operand is Operand.X2] == [5 * 4 * 6] * 2
    loaded = sum(step.x.size_bytes + step.y.size_bytes for step in layer.steps)
    assert region_traffic(graph, plan).inputs == loaded


def test_the_map_that_a_group_makes_is_the_first_operand_of_its_sum() -> None:
    graph = inverted_residual(first=True)
    before, after = graph.layers[2], fused_graph(graph, [range(3)]).layers[0].parts[2]
    assert (before.inputs, after.inputs) == (("x", "t1"), ("t1", "x"))
    assert before.requant is not None
    assert after.requant is not None
    assert after.requant.multiplier.tolist() == before.requant.multiplier.tolist()[::-1]


def test_a_map_that_is_added_to_itself_is_not_loaded() -> None:
    net = NetworkBuilder(10, 12, 6)
    made = net.add(LayerKind.POINTWISE, 6)
    net.add(LayerKind.ADD, inputs=(made, made))
    plan = planned(net.graph(), range(2), Box(0, 5, 0, 12, 0, 6))
    assert fused_graph(net.graph(), [range(2)]).layers[0].inputs == ("x",)
    assert not any(one.operand is Operand.X2 for one in plan.layers[0].buffers)


def test_a_map_that_is_added_is_in_l2_and_stays_whole() -> None:
    graph = wide_network()
    fused = fused_graph(graph, [range(2, 4)])
    layer = fused.layers[2]
    assert layer.inputs == ("t1", "t0")
    assert may_overwrite(graph, graph.layers[3], "t0")
    assert may_overwrite(fused, layer, "t1")
    assert not may_overwrite(fused, layer, "t0")
    plan = plan_region(fused, with_l3(6_000, 15_000), Effort(fuses=False))
    assert "t0" not in {one.tensor for one in plan.l3_buffers}


@needs_compiler
def test_operands_of_a_sum_are_loaded_during_the_layer_before(tmp_path: Path) -> None:
    graph, target = wide_network(), machine(10_000)
    plan = plan_region(fused_graph(graph, [range(2, 4)]), target, Effort(fuses=False))
    assert plan.layers[2].x_ahead
    check_plan(graph, target, plan)
    inputs = random_inputs(graph, 1)
    program = compile_graph(build_runtime(tmp_path / "runtime"), graph, plan, tmp_path / "net")
    expected = run_model(graph, {name: data[0] for name, data in inputs.items()})
    for dma in Dma:
        run = run_program(program, graph, inputs, dma)
        assert all((run.outputs[name][0] == expected[name]).all() for name in graph.outputs)
        assert run.stats["total"]["bytes_in"] == region_traffic(graph, plan).bytes_in


def test_work_is_that_of_all_layers() -> None:
    graph = block()
    fused = fused_graph(graph, [range(3)])
    assert macs(fused, fused.layers[0]) == sum(macs(graph, layer) for layer in graph.layers)
    assert fused.layers[0].name == "l0_and_l1_and_l2"
    assert fused.layers[0].sources == ("op0", "op1", "op2")


# ---- What can be fused ---------------------------------------------------------------------------------------


def test_a_map_that_is_needed_elsewhere_is_not_fused_away() -> None:
    graph = wide_network()  # layer 3 adds what layers 0 and 2 make
    assert list(possible_groups(graph)) == [
        *(range(1, 3), range(1, 4), range(2, 4)),
        *(range(4, 6), range(4, 7), range(5, 7)),
    ]
    seen = replace(block(), outputs=("t1", "t2"))
    assert not may_fuse(seen, seen.layers[1:])
    assert may_fuse(seen, seen.layers[:2])


def test_a_padded_value_that_is_not_0_keeps_layers_apart() -> None:
    graph = block()
    other = dict(graph.tensors, t0=replace(graph.tensors["t0"], zero_point=3))
    for tensors, possible in ((graph.tensors, True), (other, False)):
        fused = fused_graph(replace(graph, tensors=tensors), [range(3)])
        assert runs_fused(Group(fused, fused.layers[0]), 8) == possible
        found = GroupSearch(fused, fused.layers[0], TARGET).best()
        assert isinstance(found, Search if possible else NothingFits)


def test_too_little_l1_is_said() -> None:
    fused = fused_graph(block(), [range(3)])
    found = GroupSearch(fused, fused.layers[0], machine(500)).best()
    assert isinstance(found, NothingFits)
    assert found.l1_bytes > 500
    assert isinstance(GroupSearch(fused, fused.layers[0], machine(found.l1_bytes)).best(), Search)


# ---- The choice ----------------------------------------------------------------------------------------------


def test_the_cheapest_division_is_found() -> None:
    graph = block()
    groups = {range(2): 190, range(1, 3): 150, range(3): 330}
    assert cheapest_groups(graph, [100, 100, 100], groups, {}) == (range(1, 3),)
    assert cheapest_groups(graph, [100, 100, 100], groups, {"t0": 70}) == (range(2),)
    assert cheapest_groups(graph, [100, 100, 100], groups, {"t0": 100, "t1": 100}) == (range(3),)
    assert cheapest_groups(graph, [60, 60, 60], groups, {}) == ()


def test_a_map_in_l3_is_moved_for_every_reader() -> None:
    graph, l3 = wide_network(), L3Model(1 << 20, bytes_per_cycle=0.5, setup_cycles=500)
    size = graph.tensors["t0"].size_bytes
    assert move_cycles(graph, ["t0"], l3) == {"t0": 3 * (500 + 2 * size)}


def test_groups_are_made_where_the_region_becomes_faster() -> None:
    graph, target = wide_network(), with_l3(6_000, 14_500)
    plain = plan_region(graph, target, Effort(fuses=False))
    fused = plan_region(graph, target)
    check_plan(graph, target, fused)
    assert not any(layer.stages for layer in plain.layers)
    assert any(layer.stages for layer in fused.layers)
    assert fused.prediction.cycles < plain.prediction.cycles
    assert plan_region(graph, machine(64_000)) == plan_region(graph, machine(64_000), Effort(fuses=False))


def test_a_group_makes_room_where_there_is_no_l3() -> None:
    """The map of 24 channels is the largest by far."""
    net = NetworkBuilder(40, 40, 4)
    net.add(LayerKind.POINTWISE, 4)
    net.add(LayerKind.POINTWISE, 48)
    net.add(LayerKind.DEPTHWISE, window=window3(2))
    net.add(LayerKind.POINTWISE, 6)
    net.add(LayerKind.MAXPOOL, window=Window(2, 2, 2, 2))
    graph, target = net.graph(), machine(20_000, 40_000)
    with pytest.raises(PlanError, match="bytes of L2 memory"):
        plan_region(graph, target, Effort(fuses=False))
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert "t1" not in {buffer.tensor for buffer in plan.l2_buffers}


def test_what_lost_is_listed() -> None:
    graph, target = wide_network(), with_l3(6_000, 14_500)
    plan = plan_region(graph, target)
    index, chosen = next((i, one) for i, one in enumerate(plan.layers) if one.stages)
    names = [stage.layer for stage in chosen.stages]
    groups = group_alternatives(graph, names, target, plan)
    taken = next(one for one in groups if one.chosen)
    assert taken.layers == tuple(names)
    assert taken.cycles == layer_cycles(
        as_planned(graph, plan), as_planned(graph, plan).layers[index], chosen, target
    )
    assert taken.inside == sum(graph.tensors[f"t{name[1:]}"].size_bytes for name in names[:-1])
    assert all(set(one.layers) & set(names) for one in groups)
    tiles = layer_alternatives(as_planned(graph, plan), as_planned(graph, plan).layers[index], target, chosen)
    assert tiles.chosen.plan == chosen
    assert len(tiles.tried) > 1


# ---- The plan and the code -----------------------------------------------------------------------------------


def test_a_plan_is_read_back() -> None:
    _, plan = triple()
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_step_costs_the_calls_of_all_kernels() -> None:
    graph, plan = triple()
    fused = as_planned(graph, plan)
    costs = step_costs(fused, fused.layers[0], plan.layers[0], TARGET)
    alone = [
        step_costs(graph, layer, stage, TARGET).compute
        for layer, stage in zip(graph.layers, stage_plans(plan.layers[0]), strict=True)
    ]
    assert (costs.compute == np.sum(alone, axis=0)).all()
    assert simulate(graph, plan, TARGET).cycles == costs.cycles


def test_code_of_a_group() -> None:
    graph, plan = triple()
    files = emit_region(graph, plan)
    text = files["net.c"]
    assert "static void compute_l1(const step_l0_and_l1_and_l2_t *step, uint8_t *l1) {" in text
    body = text[text.index("static void compute_l0_and_l1_and_l2(") :].split("\n}", 1)[0]
    assert [line.strip() for line in body.splitlines()[1:]] == [
        "compute_l0(step, l1);",
        "compute_l1(step, l1);",
        "compute_l2(step, l1);",
    ]
    assert '{"mid[0]",' in text
    assert "t_t0" not in text  # the maps in between have no address
    assert "/* l1 */" in files["net_params.c"]


@needs_compiler
def test_traffic_is_that_of_the_plan(tmp_path: Path) -> None:
    graph, plan = triple()
    inputs = random_inputs(graph, 1)
    program = compile_graph(build_runtime(tmp_path / "runtime"), graph, plan, tmp_path / "net")
    run = run_program(program, graph, inputs)
    expected = run_model(graph, {name: data[0] for name, data in inputs.items()})
    assert (run.outputs["t2"][0] == expected["t2"]).all()
    traffic = region_traffic(graph, plan)
    assert run.stats["layers"][0]["name"] == "l0_and_l1_and_l2"
    assert run.stats["total"]["bytes_in"] == traffic.bytes_in
    assert run.stats["total"]["bytes_out"] == traffic.bytes_out == graph.tensors["t2"].size_bytes


# ---- Broken plans --------------------------------------------------------------------------------------------


def with_stage_step(
    index: int, number: int, change: Callable[[StageStep], StageStep]
) -> Callable[[Plan], Plan]:
    def changed(stage: Stage) -> Stage:
        steps = list(stage.steps)
        steps[number] = change(steps[number])
        return replace(stage, steps=tuple(steps))

    return with_stage(index, changed)


def with_stage(index: int, change: Callable[[Stage], Stage]) -> Callable[[Plan], Plan]:
    def changed(layer: LayerPlan) -> LayerPlan:
        stages = list(layer.stages)
        stages[index] = change(stages[index])
        return replace(layer, stages=tuple(stages))

    return with_layer(changed)


def with_layer(change: Callable[[LayerPlan], LayerPlan]) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, layers=(change(plan.layers[0]),))


def with_buffer(operand: Operand, slot: int, change: Callable[[L1Buffer], L1Buffer]) -> Callable[[Plan], Plan]:
    return with_layer(
        lambda layer: replace(
            layer,
            buffers=tuple(
                change(one) if (one.operand, one.slot) == (operand, slot) else one for one in layer.buffers
            ),
        )
    )


DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (
        with_stage_step(0, 1, lambda s: replace(s, y=replace(s.y, h=3))),
        "layer l0, step 1, rows: box and padding span 4, the windows 3",
    ),
    (
        with_stage_step(0, 2, lambda s: replace(s, y=replace(s.y, h0=s.y.h0 - 1))),
        "layer l0, step 2, rows: box and padding aren't where the windows read",
    ),
    (
        with_stage_step(1, 1, lambda s: replace(s, y=replace(s.y, w0=2))),
        "layer l1, step 1, columns: box and padding aren't where the windows read",
    ),
    (
        with_stage_step(1, 0, lambda s: replace(s, padding=replace(s.padding, top=0))),
        "layer l1, step 0, rows: box and padding span 4, the windows 5",
    ),
    (with_stage_step(0, 5, lambda s: replace(s, y=replace(s.y, h0=9))), "layer l0, step 5: box y isn't inside"),
    (
        with_stage_step(1, 0, lambda s: replace(s, y=replace(s.y, c=12))),
        "layer l1, step 0: the input box has the wrong channels",
    ),
    (
        with_stage_step(2, 3, lambda s: replace(s, y=replace(s.y, h=1))),
        "step 3: the group's boxes aren't those of its layers",
    ),
    (
        with_stage_step(1, 4, lambda s: replace(s, params_offset=s.params_offset + 8)),
        "step 4: the parameters of l1 should be",
    ),
    (with_stage_step(2, 0, lambda s: replace(s, params_size=4)), "step 0: the parameters of l2 should be"),
    (with_stage(1, lambda s: replace(s, steps=s.steps[1:])), "a fused layer has more or fewer steps"),
    (with_stage(1, lambda s: replace(s, kernel="pulp_copy")), "the kernels aren't those of the fused layers"),
    (with_stage(1, lambda s: replace(s, pad_in_l1=True)), "nothing pads a map that is made in L1"),
    (with_stage(2, lambda s: replace(s, clip=True)), "clip is True for the bounds (0, 255)"),
    (with_stage(0, lambda s: replace(s, layer="l1")), "the layers aren't the graph's layers"),
    (with_layer(lambda one: replace(one, stages=one.stages[:2])), "isn't called as its layers are together"),
    (
        with_layer(lambda one: replace(one, stages=one.stages[:2], layer="l0_and_l1")),
        "the layers aren't the graph's layers",
    ),
    (with_layer(lambda one: replace(one, layer="l0")), "isn't called as its layers are together"),
    (
        with_layer(lambda one: replace(one, stages=one.stages[:1], layer="l0")),
        "a group is 2 or 3 layers",
    ),
    (with_layer(lambda one: replace(one, clip=True)), "loaded and stored"),
    (with_layer(lambda one: replace(one, in_l1=("x",))), "x lies in L1 and has a buffer too"),
    (with_layer(lambda one: replace(one, steps=one.steps[:-1])), "is computed never"),
    (
        with_buffer(Operand.MID, 0, lambda one: replace(one, size=one.size - 8)),
        "layer l0, step 3: buffer y[0] needs 840 bytes",
    ),
    (with_buffer(Operand.MID, 1, lambda one: replace(one, size=8)), "layer l1, step 0: buffer y[0] needs"),
    (with_buffer(Operand.MID, 1, lambda one: replace(one, offset=0)), "buffers x[0] and mid[1] overlap"),
    (with_buffer(Operand.MID, 1, lambda one: replace(one, slot=0)), "buffer mid[0] is there twice"),
    (with_buffer(Operand.PARAMS, 0, lambda one: replace(one, size=64)), "buffer params[0] needs"),
]


@pytest.mark.parametrize(("change", "message"), DEFECTS, ids=[message for _, message in DEFECTS])
def test_a_broken_group_is_refused(change: Callable[[Plan], Plan], message: str) -> None:
    graph, plan = triple()
    with pytest.raises(PlanError) as error:
        check_plan(graph, TARGET, change(plan))
    assert message in str(error.value)


def with_x2_slots(*slots: int) -> Callable[[Plan], Plan]:
    return with_layer(
        lambda layer: replace(
            layer,
            steps=tuple(
                replace(step, x2_slot=slot) for step, slot in zip(layer.steps, slots * 6, strict=False)
            ),
        )
    )


SUM_DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (with_x2_slots(0), "step 1: loads x2 into a slot that is still read"),
    (with_x2_slots(0, 2), "step 1: buffer x2[2] needs 120 bytes"),
    (with_buffer(Operand.X2, 1, lambda one: replace(one, size=112)), "step 1: buffer x2[1] needs 120 bytes"),
    (with_buffer(Operand.X2, 1, lambda one: replace(one, offset=0)), "buffers x[0] and x2[1] overlap"),
    (
        with_stage_step(2, 1, lambda s: replace(s, y=replace(s.y, w0=3))),
        "step 1: the group's boxes aren't those of its layers",
    ),
    (with_stage(1, lambda s: replace(s, engine="ne16")), "cluster doesn't compute one layer of the group"),
]


@pytest.mark.parametrize(("change", "message"), SUM_DEFECTS, ids=[message for _, message in SUM_DEFECTS])
def test_a_broken_sum_is_refused(change: Callable[[Plan], Plan], message: str) -> None:
    graph, plan = with_sum()
    with pytest.raises(PlanError) as error:
        check_plan(graph, TARGET, change(plan))
    assert message in str(error.value)


def test_buffers_for_a_map_that_nobody_reads_are_refused() -> None:
    graph, plan = triple()
    extra = L1Buffer(Operand.X2, 0, 32_000, 8)
    with pytest.raises(PlanError, match="has buffers of a second input, which there isn't"):
        check_plan(graph, TARGET, with_layer(lambda one: replace(one, buffers=(*one.buffers, extra)))(plan))


def test_a_sum_that_others_read_from_is_the_end_of_its_group() -> None:
    net = NetworkBuilder(6, 6, 4)
    made = net.add(LayerKind.POINTWISE, 4)
    net.add(LayerKind.ADD, inputs=(made, "x"))
    net.add(LayerKind.POINTWISE, 4)
    graph = net.graph()
    assert list(possible_groups(graph)) == [range(2)]
    layer = planned(replace(graph, layers=graph.layers[:2], outputs=("t1",)), range(2), Box(0, 6, 0, 6, 0, 4))
    third = Stage("l2", "pulp_nn_pointwise_Ho_parallel", layer.layers[0].stages[0].steps)
    change = with_layer(lambda one: replace(one, layer="l0_and_l1_and_l2", stages=(*one.stages, third)))
    with pytest.raises(PlanError, match="a add layer can't be fused"):
        check_plan(graph, TARGET, change(layer))


def test_a_map_that_is_needed_outside_is_refused() -> None:
    graph, plan = triple()
    with pytest.raises(PlanError, match="t0 is needed outside of the group"):
        check_plan(replace(graph, outputs=("t0", "t2")), TARGET, plan)


def test_a_group_that_is_not_one_is_refused() -> None:
    net = NetworkBuilder(6, 6, 4)
    net.add(LayerKind.POINTWISE, 4)
    net.add(LayerKind.COPY)
    graph = net.graph()
    fused = fused_graph(graph, [range(2)])
    layer = schedule_group(fused, fused.layers[0], Box(0, 6, 0, 6, 0, 4), 8, LoopOrder.SPACE_OUTER)
    plan = Plan(graph.name, "gap8", 8, 64_000, 380_000, 64_000, 16_000, 0, (layer,), ())
    with pytest.raises(PlanError, match="a copy layer can't be fused"):
        check_plan(graph, TARGET, plan)
    with pytest.raises(PlanError, match="these layers can't be fused"):
        emit_region(graph, plan)


def test_a_layer_by_itself_has_no_map_in_between() -> None:
    graph = block()
    plan = plan_region(graph, TARGET)
    assert not any(layer.stages for layer in plan.layers)
    first = plan.layers[0]
    extra = L1Buffer(Operand.MID, 0, 32_000, 8)
    first = replace(first, buffers=(*first.buffers, extra))
    broken = replace(plan, layers=(first, *plan.layers[1:]), l1_used=extra.offset + extra.size)
    with pytest.raises(PlanError, match="has a buffer between layers and is no group"):
        check_plan(graph, TARGET, broken)
