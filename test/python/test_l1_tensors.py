"""Activations that stay in L1, and parameters loaded ahead: plans, what the checker refuses, and the C."""

from __future__ import annotations

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
from layers import NetworkBuilder, resnet8, wide_network
from machines import machine, with_l3
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import region_costs
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph, LayerKind
from tvm_pulp.codegen.plan import L1Buffer, L1Tensor, LayerPlan, Mark, Operand, Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.timeline import Work, simulate
from tvm_pulp.codegen.traffic import region_traffic
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
GRAPH, TARGET = wide_network(), machine(38_000)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def right() -> Plan:
    plan = plan_region(GRAPH, TARGET)
    check_plan(GRAPH, TARGET, plan)
    return plan


def assert_exact(runtime: HostRuntime, graph: LayerGraph, plan: Plan, cores: int = 8) -> None:
    """Every output byte, whenever transfers happen; and the traffic is the plan's."""
    inputs = random_inputs(graph, 1)
    model = run_model(graph, {name: data[0] for name, data in inputs.items()})
    costs = region_costs(as_planned(graph, plan), plan.layers, machine(cores=cores))
    traffic = region_traffic(graph, plan)
    with tempfile.TemporaryDirectory() as folder:
        program = compile_graph(runtime, graph, plan, Path(folder))
        for dma in Dma:
            run = run_program(program, graph, inputs, dma)
            for name in graph.outputs:
                assert (run.outputs[name][0] == model[name]).all(), f"{name}, DMA {dma.value}"
            total = run.stats["total"]
            assert total["commands_in"] == sum(int(cost.load_commands.sum()) for cost in costs)
            assert total["commands_out"] == sum(int(cost.store_commands.sum()) for cost in costs)
            assert (total["bytes_in"], total["bytes_out"]) == (traffic.bytes_in, traffic.bytes_out)


def test_a_network_that_fits_l1_moves_its_input_parameters_and_output_only(right: Plan) -> None:
    assert [one.tensor for one in right.l1_tensors] == [layer.output for layer in GRAPH.layers[:-1]]
    assert right.l2_buffers == ()
    traffic = region_traffic(GRAPH, right)
    assert (traffic.inputs, traffic.outputs) == (16 * 16 * 8, 10)
    assert all(layer.params_ahead for layer in right.layers[1:] if layer.steps[0].params_size)


def test_l1_in_use_is_what_some_layer_needs(right: Plan) -> None:
    """Tensors lie at the end of what is used, not of the memory."""
    needed = [
        sum(align(one.size) for one in layer.buffers)
        + sum(align(one.size) for one in right.l1_tensors if one.first <= index <= one.last)
        for index, layer in enumerate(right.layers)
    ]
    assert max(needed) <= right.l1_used < TARGET.l1_bytes
    assert right.l1_used == max(one.offset + align(one.size) for one in right.l1_tensors)


def test_nothing_gets_slower() -> None:
    """Against plans of the same layers without any tensor in L1."""
    for l1_bytes in (6_000, 12_000, 38_000):
        kept = plan_region(GRAPH, machine(l1_bytes))
        costs = region_costs(
            GRAPH, [replace(one, params_ahead=False, x_ahead=False) for one in kept.layers], machine(l1_bytes)
        )
        assert kept.prediction.layers <= sum(cost.cycles for cost in costs)


def test_prologue_of_a_layer_whose_operands_are_there(right: Plan) -> None:
    """It begins to compute at once, and the layer before shows the transfer."""
    timeline = simulate(GRAPH, right, TARGET)
    ahead = [index for index, layer in enumerate(right.layers) if layer.params_ahead]
    assert ahead
    for index in ahead:
        span = timeline.layers[index]
        assert span.steps[0] == span.start
        (load,) = [
            e for e in timeline.events if e.layer == index and e.work is Work.LOAD_PARAMS and e.step == 0
        ]
        assert timeline.layers[index - 1].start <= load.start < load.start + load.cycles <= span.start
    assert timeline.cycles == right.prediction.cycles


def test_json_and_back(right: Plan) -> None:
    assert plan_from_json(plan_to_json(right)) == right


@needs_compiler
@pytest.mark.parametrize("l1_bytes", [5_000, 9_000, 16_000, 22_000, 38_000])
def test_exact(runtime: HostRuntime, l1_bytes: int) -> None:
    for graph in (wide_network(), *([resnet8()] if l1_bytes > 16_000 else [])):
        target = machine(l1_bytes)
        plan = plan_region(graph, target)
        check_plan(graph, target, plan)
        assert_exact(runtime, graph, plan)


@needs_compiler
def test_with_parameters_from_l3(runtime: HostRuntime) -> None:
    target = with_l3(38_000, 4_000)
    plan = plan_region(GRAPH, target)
    check_plan(GRAPH, target, plan)
    assert plan.transfers
    assert plan.l1_tensors
    assert_exact(runtime, GRAPH, plan)


@needs_compiler
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_network(runtime: HostRuntime, data: st.DataObject) -> None:
    graph = data.draw(networks(max_layers=7))
    cores = data.draw(st.sampled_from([1, 4, 8]))
    l1_bytes = data.draw(st.integers(1_500, 20_000))
    target = machine(l1_bytes, cores=cores)
    try:
        plan = plan_region(graph, target)
    except PlanError:
        return
    check_plan(graph, target, plan)
    assert_exact(runtime, graph, plan, cores)


# ---- Broken plans --------------------------------------------------------------------------------------------


def _tensor(plan: Plan, index: int, change: Callable[[L1Tensor], L1Tensor]) -> Plan:
    tensors = list(plan.l1_tensors)
    tensors[index] = change(tensors[index])
    return replace(plan, l1_tensors=tuple(tensors))


def _layer(plan: Plan, index: int, change: Callable[[LayerPlan], LayerPlan]) -> Plan:
    layers = list(plan.layers)
    layers[index] = change(layers[index])
    return replace(plan, layers=tuple(layers))


def _params_at(offset: int) -> Callable[[LayerPlan], LayerPlan]:
    def change(layer: LayerPlan) -> LayerPlan:
        buffers = (
            replace(one, offset=offset) if one.operand is Operand.PARAMS else one for one in layer.buffers
        )
        return replace(layer, buffers=tuple(buffers))

    return change


DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (lambda p: _tensor(p, 1, lambda t: replace(t, offset=p.l1_tensors[0].offset)), "shares bytes with"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, offset=t.offset + 4)), "isn't aligned, or ends beyond"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, offset=p.l1_used)), "isn't aligned, or ends beyond"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, size=t.size - 8)), "bytes aren't the tensor's size"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, last=t.last - 1)), "lives from layer 0 to 3, not 0 to 2"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, tensor="x")), "is no tensor between layers"),
    (lambda p: _tensor(p, 0, lambda t: replace(t, tensor="nothing")), "is no tensor between layers"),
    (lambda p: replace(p, l1_tensors=p.l1_tensors[1:]), "operands in L1 aren't the plan's tensors in L1"),
    (lambda p: _layer(p, 1, lambda one: replace(one, in_l1=one.in_l1[1:])), "buffer x|buffer y"),
    (lambda p: _layer(p, 1, lambda one: replace(one, pad_in_l1=True)), "needs it in another form|pad"),
    (lambda p: _layer(p, 2, _params_at(p.l1_tensors[1].offset)), "shares bytes with t1"),
    (lambda p: _layer(p, 0, lambda one: replace(one, params_ahead=True)), "there is no layer before it"),
    (lambda p: _layer(p, 3, lambda one: replace(one, params_ahead=True)), "no parameters to load ahead"),
    (lambda p: _layer(p, 2, _params_at(p.layers[1].buffers[0].offset)), "shares bytes with|overlap"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), DEFECTS)
def test_broken_plan(right: Plan, change: Callable[[Plan], Plan], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        check_plan(GRAPH, TARGET, change(right))


def test_ahead_of_parameters_from_l3() -> None:
    """What is loaded ahead must have come from L3 before the layer before begins its last step."""
    target = with_l3(38_000, 4_000)
    plan = plan_region(GRAPH, target)
    number, one = next(
        (number, one)
        for number, one in enumerate(plan.transfers)
        if plan.layers[one.layer].params_ahead and one.l3_offset == 0
    )
    assert one.wait <= Mark(one.layer - 1, len(plan.layers[one.layer - 1].steps) - 1)
    transfers = [*plan.transfers]
    transfers[number:] = [
        replace(later, wait=max(later.wait, Mark(one.layer, -1))) for later in transfers[number:]
    ]
    with pytest.raises(PlanError, match="loaded ahead before they have come from L3"):
        check_plan(GRAPH, target, replace(plan, transfers=tuple(transfers)))


CHAIN_TARGET = machine(9_000)


def chain() -> tuple[LayerGraph, Plan]:
    """Two pointwise layers whose maps lie in L2; while the first computes its last tile, the first tile of the
    second comes."""
    builder = NetworkBuilder(16, 16, 32)
    builder.add(LayerKind.POINTWISE, 32)
    builder.add(LayerKind.POINTWISE, 32)
    graph = builder.graph()
    plan = plan_region(graph, CHAIN_TARGET)
    check_plan(graph, CHAIN_TARGET, plan)
    return graph, plan


def test_an_input_that_is_loaded_ahead() -> None:
    graph, plan = chain()
    first, second = plan.layers
    assert second.x_ahead
    assert second.params_ahead
    timeline = simulate(graph, plan, CHAIN_TARGET)
    assert timeline.layers[1].steps[0] == timeline.layers[1].start
    (load,) = [e for e in timeline.events if (e.layer, e.work, e.step) == (1, Work.LOAD_X, 0)]
    assert timeline.layers[0].steps[-1] <= load.start < load.start + load.cycles <= timeline.layers[1].start
    later = [replace(one, x_ahead=False, params_ahead=False) for one in (first, second)]
    assert plan.prediction.layers < sum(one.cycles for one in region_costs(graph, later, CHAIN_TARGET))


@needs_compiler
def test_an_input_that_is_loaded_ahead_is_exact(runtime: HostRuntime) -> None:
    assert_exact(runtime, *chain())


@needs_compiler
def test_an_input_that_is_only_loaded_ahead(runtime: HostRuntime) -> None:
    """The region's input, read again by the second layer in one step: its own loads are of parameters only."""
    builder = NetworkBuilder(8, 8, 16)
    builder.add(LayerKind.POINTWISE, 16)
    builder.add(LayerKind.POINTWISE, 16, inputs=("x",))
    graph = builder.graph("t0")
    plan = plan_region(graph, CHAIN_TARGET)
    check_plan(graph, CHAIN_TARGET, plan)
    assert plan.layers[1].x_ahead
    assert not any(step.load_x for step in plan.layers[1].steps[1:])
    assert_exact(runtime, graph, plan)


def _first_at(operand: Operand, before: L1Buffer) -> Callable[[LayerPlan], LayerPlan]:
    """Puts an operand of the first step where the layer before has a buffer."""

    def change(one: LayerPlan) -> LayerPlan:
        slot = one.steps[0].x_slot if operand is Operand.X else one.steps[0].params_slot
        buffers = tuple(
            replace(b, offset=before.offset if (b.operand, b.slot) == (operand, slot) else b.offset + 16_000)
            for b in one.buffers
        )
        return replace(one, buffers=buffers)

    return change


def _used(plan: LayerPlan, operand: Operand) -> L1Buffer:
    """The buffer that the last step uses."""
    last = plan.steps[-1]
    slots = {Operand.X: last.x_slot, Operand.PARAMS: last.params_slot, Operand.Y: last.y_slot}
    return next(one for one in plan.buffers if (one.operand, one.slot) == (operand, slots[operand]))


CHAIN_DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (lambda p: _layer(p, 0, lambda one: replace(one, x_ahead=True)), "there is no layer before it"),
    (
        lambda p: _layer(p, 1, lambda one: replace(one, steps=one.steps[::-1])),
        "t0 is loaded ahead before it is stored",
    ),
    (
        lambda p: _layer(p, 1, _first_at(Operand.X, _used(p.layers[0], Operand.X))),
        r"its x is loaded ahead over x\[[01]\] of the layer before",
    ),
    (
        lambda p: _layer(p, 1, _first_at(Operand.PARAMS, _used(p.layers[0], Operand.Y))),
        r"its params is loaded ahead over y\[[01]\] of the layer before",
    ),
]


@pytest.mark.parametrize(("change", "message"), CHAIN_DEFECTS)
def test_broken_input_ahead(change: Callable[[Plan], Plan], message: str) -> None:
    graph, plan = chain()
    broken = replace(change(plan), l1_used=40_000)
    steps = tuple(
        replace(step, load_x=True, x_slot=number % 2, load_params=number == 0, params_slot=0, y_slot=number % 2)
        for number, step in enumerate(broken.layers[1].steps)
    )
    broken = _layer(broken, 1, lambda one: replace(one, steps=steps))
    with pytest.raises(PlanError, match=message):
        check_plan(graph, machine(40_000), broken)


def test_tiles_that_are_not_in_one_piece() -> None:
    """A plan whose tiles are narrower than the map can't have its output in L1."""
    target = machine(5_000)
    plan = plan_region(GRAPH, target)
    index = next(
        i
        for i, one in enumerate(plan.layers[:-1])
        if len({step.y.c0 for step in one.steps}) > 1 and not one.in_l1
    )
    name = GRAPH.layers[index].output
    buffer = next(one for one in plan.l2_buffers if one.tensor == name)
    tensor = L1Tensor(name, 5_000, buffer.size, buffer.first, buffer.last)
    layers = [
        replace(
            one,
            in_l1=(name,),
            buffers=tuple(
                b for b in one.buffers
                if (b.operand is Operand.Y) != (layer.output == name) or b.operand not in (Operand.X, Operand.Y)
            ),
        )
        if name in (layer.output, *layer.inputs)
        else one
        for layer, one in zip(GRAPH.layers, plan.layers, strict=True)
    ]  # fmt: skip
    used = 5_000 + buffer.size
    broken = replace(
        plan,
        layers=tuple(layers),
        l1_used=used,
        l1_tensors=(*plan.l1_tensors, tensor),
        l2_buffers=tuple(one for one in plan.l2_buffers if one.tensor != name),
    )
    with pytest.raises(PlanError, match=r"isn't in one piece|loads an input that lies in L1|has a buffer too"):
        check_plan(GRAPH, machine(used), broken)
