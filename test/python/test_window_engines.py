"""The engines of Darkside and DIANA: which layers they take, what they cost, and the generated C."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exactness import assert_exact_with
from harness import HostRuntime, RunFailed, build_runtime, c_compiler, compile_graph, random_inputs, run_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers import Shape, single_layer, window3
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.arrays import Tiles
from tvm_pulp.codegen.engines.diana_analog import DianaAnalog
from tvm_pulp.codegen.engines.diana_digital import DianaDigital
from tvm_pulp.codegen.engines.window_engine import WindowEngine
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine
from window_layers import analog_graphs, depthwise_graphs, digital_graphs, shifting

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SOME = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = 2


def engine(name: str) -> WindowEngine:
    machine = load_machine(PulpOptions(soc=name.split("_", 1)[0]))
    (found,) = (one for one in machine.engines if one.name == name)
    assert isinstance(found, WindowEngine)
    return found


DEPTHWISE, DIGITAL, ANALOG = (engine(name) for name in ("darkside_depthwise", "diana_digital", "diana_analog"))


def machine_with(one: WindowEngine, l1_bytes: int = 60_000) -> Machine:
    """A machine whose cluster is slow, so that the engine gets whatever it can do."""
    machine = load_machine(PulpOptions(soc=one.name.split("_", 1)[0], l1=l1_bytes))
    return replace(machine, engines=(one,), cluster=replace(machine.cluster, call_cycles=1_000_000))


def planned(graph: LayerGraph, one: WindowEngine, l1_bytes: int) -> Plan:
    """A plan in which the engine computes the last layer, with more L1 if it takes more."""
    while True:
        machine = machine_with(one, l1_bytes)
        l1_bytes += l1_bytes // 2
        try:
            plan = plan_region(graph, machine)
        except PlanError:
            continue
        if plan.layers[-1].engine == one.name:  # whose tiles need more L1 than the cores'
            check_plan(graph, machine, plan)
            return plan


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def assert_exact(runtime: HostRuntime, graph: LayerGraph, one: WindowEngine, plan: Plan) -> None:
    assert_exact_with(runtime, graph, plan, (one,))


@needs_compiler
@SOME
@given(graph=depthwise_graphs(), l1_bytes=st.integers(1_000, 12_000))
def test_depthwise_code(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int) -> None:
    assert_exact(runtime, graph, DEPTHWISE, planned(graph, DEPTHWISE, l1_bytes))


@needs_compiler
@SOME
@given(graph=digital_graphs(), l1_bytes=st.integers(1_000, 12_000))
def test_digital_code(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int) -> None:
    assert_exact(runtime, graph, DIGITAL, planned(graph, DIGITAL, l1_bytes))


@needs_compiler
@SOME
@given(graph=analog_graphs(), l1_bytes=st.integers(2_000, 12_000))
def test_analog_code(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int) -> None:
    assert_exact(runtime, graph, ANALOG, planned(graph, ANALOG, l1_bytes))


@needs_compiler
def test_the_model_knows_the_bounds_of_outputs(runtime: HostRuntime, tmp_path: Path) -> None:
    graph = ternary(CONV, 63)
    plan = planned(graph, DIGITAL, 12_000)
    requant = graph.layers[0].requant
    assert requant is not None
    other = replace(graph, layers=(replace(graph.layers[0], requant=replace(requant, hi=127)),))
    program = compile_graph(runtime, other, plan, tmp_path, (DIGITAL,))
    with pytest.raises(RunFailed, match="another bound of its outputs"):
        run_program(program, other, random_inputs(other, 1))


@needs_compiler
def test_the_model_refuses_what_the_engine_has_not(runtime: HostRuntime, tmp_path: Path) -> None:
    graph = single_layer(Shape(LayerKind.POINTWISE))
    graph = replace(graph, layers=(shifting(graph.layers[0], 128, 255),))
    plan = planned(graph, DIGITAL, 12_000)
    program = compile_graph(runtime, graph, plan, tmp_path, (DIGITAL,))
    source = tmp_path / "net.c"
    assert "diana_digital_start(job);" in source.read_text()
    with pytest.raises(RunFailed, match="PULP_ENGINES is 'soon'; it may be 'late' or 'early'"):
        run_program(program, graph, random_inputs(graph, 1), variables={"PULP_ENGINES": "soon"})


CONV = Shape(LayerKind.CONV2D, 8, 8, 16, 32, window3())
FILTER = Shape(LayerKind.DEPTHWISE, 8, 8, 16, window=window3())


def ternary(shape: Shape, largest: int = 63) -> LayerGraph:
    graph = single_layer(shape)
    return replace(graph, layers=(shifting(graph.layers[0], 1, largest),))


@pytest.mark.parametrize(
    ("one", "graph", "reason"),
    [
        (DEPTHWISE, single_layer(FILTER), None),
        (DEPTHWISE, single_layer(Shape(LayerKind.ADD)), "darkside_depthwise computes convolutions"),
        (DEPTHWISE, single_layer(CONV), "the depthwise engine has 3x3 depthwise filters"),
        (
            DEPTHWISE,
            single_layer(replace(FILTER, window=Window(5, 5))),
            "the depthwise engine has 3x3 depthwise filters",
        ),
        (
            DEPTHWISE,
            single_layer(replace(FILTER, window=Window(3, 3, 1, 2))),
            "strides are 1 or 2, the same in both directions",
        ),
        (
            DEPTHWISE,
            single_layer(replace(FILTER, wide=True)),
            "its requantization needs 64 bits, or shifts by more than 31",
        ),
        (DEPTHWISE, single_layer(replace(FILTER, lo=3)), "darkside_depthwise clips to 0..255 only"),
        (
            DEPTHWISE,
            single_layer(replace(FILTER, zero_point=5)),
            "darkside_depthwise pads with 0, which isn't the input's zero point",
        ),
        (DIGITAL, single_layer(CONV), "it only shifts, and the multipliers aren't one power of two"),
        (DIGITAL, ternary(CONV, 255), None),
        (DIGITAL, ternary(CONV, 63), None),
        (DIGITAL, ternary(CONV, 127), "diana_digital clips to 0..255 or 0..63 only"),
        (DIGITAL, single_layer(FILTER), "the digital array computes convolutions, not depthwise ones"),
        (ANALOG, single_layer(CONV), "the analog array has weights -1, 0 and 1"),
        (ANALOG, ternary(CONV), "the analog array takes inputs up to 127"),
        (ANALOG, single_layer(FILTER), "the analog array computes convolutions, not depthwise ones"),
    ],
)
def test_what_they_take(one: WindowEngine, graph: LayerGraph, reason: str | None) -> None:
    assert one.refusal(graph, graph.layers[0]) == reason


def tile(height: int, width: int, channels_out: int, channels_in: int) -> Tiles:
    y = [np.array([size], np.int64) for size in (height, width, channels_out)]
    return Tiles(*y, *y[:2], np.array([channels_in]), np.array([0]))


def test_published_cycles() -> None:
    """By hand, from the formulas that ODiMO gives."""
    conv = single_layer(replace(CONV, channels=64, out_channels=32)).layers[0]
    depthwise = single_layer(replace(FILTER, channels=40)).layers[0]
    assert DEPTHWISE.work_cycles(depthwise, tile(8, 8, 40, 40)) == 3 * (9 + 9 * 8 + 4 * 64)
    assert DIGITAL.work_cycles(conv, tile(8, 8, 32, 64)) == 2 * 64 * 8 * 9 + 64 * 96 // 8
    # (u + 2) * 64 * 3 <= 1152 and u * 32 <= 512 for u = 4
    assert ANALOG.work_cycles(conv, tile(8, 8, 32, 64)) == 64 // 4 * 18 + 8 * 64 * 9


def test_the_digital_array_holds_64_kib_of_weights() -> None:
    shape = Shape(LayerKind.CONV2D, 4, 4, 128, 128, window3())
    graph = ternary(shape, 255)
    machine = machine_with(DIGITAL, 200_000)
    plan = plan_region(graph, machine)
    assert {step.y.c for step in plan.layers[0].steps} != {128}
    check_plan(graph, machine, plan)
    small = replace(machine, engines=(replace(DIGITAL, weight_bytes=1_000),))  # type: ignore[type-var]
    with pytest.raises(PlanError, match="more than the 1000 bytes of weights that the digital array holds"):
        check_plan(graph, small, plan)


def test_types() -> None:
    assert isinstance(DIGITAL, DianaDigital)
    assert isinstance(ANALOG, DianaAnalog)
