"""Layers on NE16: which it takes, and the generated C, byte by byte."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from chains import networks
from exactness import assert_exact_with
from harness import HostRuntime, build_runtime, c_compiler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers import NetworkBuilder, Shape, residual_network, resnet8, single_layer, window3
from machines import NE16, machine, with_l3, with_ne16
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.arrays import Tiles
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Window, macs
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Operand, Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SOME = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = 2


def reluctant(target: Machine) -> Machine:
    """A machine whose cluster is slow, so that NE16 gets whatever it can do."""
    return replace(target, cluster=replace(target.cluster, call_cycles=1_000_000))


FORMS: list[dict[str, int]] = [{}, {"wide": True}, {"split": True}, {"lo": 3, "hi": 200}]


@st.composite
def ne16_shapes(draw: st.DrawFn) -> Shape:
    kind = draw(st.sampled_from([LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.POINTWISE, LayerKind.LINEAR]))
    window = Window()
    if kind in (LayerKind.CONV2D, LayerKind.DEPTHWISE):
        kernel = 1 if kind is LayerKind.CONV2D and draw(st.integers(0, 3)) == 0 else 3
        stride = draw(st.sampled_from([1, 2])) if kernel == 3 else 2
        pads = [draw(st.integers(0, 1)) if kernel == 3 else 0 for _ in range(4)]
        window = Window(kernel, kernel, stride, stride, *pads)
    channels, out_channels = draw(st.integers(1, 60)), draw(st.integers(1, 80))
    strided = kind is not LayerKind.POINTWISE and window.kernel_h == 3 and window.stride_h == 2
    even = 2 if window.stride_h == 2 else 1
    return Shape(
        kind=kind,
        height=draw(st.integers(3, 14)),
        width=draw(st.integers(3, 14)),
        channels=channels * (even if kind is LayerKind.DEPTHWISE else 1),
        out_channels=out_channels * even,
        window=window,
        zero_point=draw(st.sampled_from([0, 7])),
        seed=draw(st.integers(0, 999)),
        **({} if strided else draw(st.sampled_from(FORMS))),
    )


@st.composite
def ne16_layers(draw: st.DrawFn) -> LayerGraph:
    shape = draw(ne16_shapes())
    graph = single_layer(shape)
    if NE16.refusal(graph, graph.layers[0]) is not None:  # because of its zero point
        graph = single_layer(replace(shape, zero_point=0))
    if draw(st.integers(0, 3)) == 0:
        layer = graph.layers[0]
        assert layer.requant is not None
        if layer.requant.wide:
            return graph
        small = np.maximum(1, layer.requant.multiplier % 256)
        requant = replace(layer.requant, multiplier=small)
        graph = replace(graph, layers=(replace(layer, requant=requant),))
    return graph


@st.composite
def planned(draw: st.DrawFn) -> tuple[LayerGraph, Plan]:
    graph, l1_bytes = draw(ne16_layers()), draw(st.integers(500, 12_000))
    while True:
        target = reluctant(with_ne16(l1_bytes, 1 << 20))
        l1_bytes += l1_bytes // 2
        try:
            plan = plan_region(graph, target)
        except PlanError:
            continue
        if plan.layers[0].engine == "ne16":  # whose tiles need more L1 than the cores'
            check_plan(graph, target, plan)
            return graph, plan


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def assert_exact(runtime: HostRuntime, graph: LayerGraph, plan: Plan) -> None:
    environments = (
        dict(zip(("PULP_NE16", "PULP_DMA"), when, strict=True)) for when in product(("late", "early"), repeat=2)
    )
    assert_exact_with(runtime, graph, plan, (NE16,), environments)


@needs_compiler
@SOME
@given(case=planned())
def test_generated_code(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


@needs_compiler
@pytest.mark.parametrize(
    "changes", [{"wide": True}, {"split": True}, {"lo": 3}], ids=["wide", "split", "bounds"]
)
def test_sums_of_many_ranges(runtime: HostRuntime, changes: dict[str, bool]) -> None:
    """Parameters are not loaded over those that the cores still need."""
    graph = single_layer(Shape(LayerKind.POINTWISE, 6, 6, 128, 128, **changes))  # type: ignore[arg-type]
    target = reluctant(with_ne16(20_000 if "wide" in changes else 26_000))
    plan = plan_region(graph, target)
    assert sum(step.load_params for step in plan.layers[0].steps) > 3
    check_plan(graph, target, plan)
    assert_exact(runtime, graph, plan)


@needs_compiler
@pytest.mark.parametrize("l1_bytes", [16_000, 38_000])
@pytest.mark.parametrize("graph", [residual_network(), resnet8()], ids=["residual", "resnet8"])
def test_networks_on_both(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int) -> None:
    target = with_ne16(l1_bytes)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert {name for layer in plan.layers for name in layer.engines} == {"cluster", "ne16"}
    assert_exact(runtime, graph, plan)


@st.composite
def planned_networks(draw: st.DrawFn) -> tuple[LayerGraph, Plan]:
    """Networks whose layers are on both, with loads ahead and groups where the planner likes them."""
    graph, l1_bytes = draw(networks()), draw(st.integers(1_000, 12_000))
    slow = draw(st.booleans())
    while True:
        target = with_ne16(l1_bytes, 1 << 20)
        target = reluctant(target) if slow else target
        l1_bytes += l1_bytes // 2
        with suppress(PlanError):
            plan = plan_region(graph, target)
            check_plan(graph, target, plan)
            return graph, plan


@needs_compiler
@SOME
@given(case=planned_networks())
def test_drawn_networks(runtime: HostRuntime, case: tuple[LayerGraph, Plan]) -> None:
    assert_exact(runtime, *case)


@needs_compiler
def test_loads_ahead_between_engines(runtime: HostRuntime) -> None:
    """Parameters come during the layer before, whichever engine that is on, sums or not."""
    net = NetworkBuilder(12, 12, 32)
    for channels in (32, 64, 16):
        net.add(LayerKind.CONV2D, channels, window3())
    net.add(LayerKind.MAXPOOL, window=Window(2, 2, 2, 2))
    net.add(LayerKind.CONV2D, 32, window3())
    net.add(LayerKind.LINEAR, 10)
    graph = net.graph()
    layers = (graph.layers[0], with_sums(graph.layers[1]), *graph.layers[2:])
    graph, target = replace(graph, layers=layers), with_ne16(60_000)
    plan = plan_region(graph, target, Effort(fuses=False))
    check_plan(graph, target, plan)
    kernels = ["ne16_3x3", "ne16_3x3_sums", "ne16_3x3", "pulp_nn_maxpool", "ne16_3x3", "pulp_nn_linear"]
    assert [layer.kernel for layer in plan.layers] == kernels
    assert [layer.params_ahead for layer in plan.layers] == [False, True, True, False, True, True]
    assert_exact(runtime, graph, plan)


def with_sums(layer: Layer) -> Layer:
    """A layer whose requantization NE16 doesn't have."""
    assert layer.requant is not None
    return replace(layer, requant=replace(layer.requant, lo=3))


@needs_compiler
@pytest.mark.parametrize("form", FORMS, ids=["bytes", "wide", "split", "bounds"])
@pytest.mark.parametrize("streamed", [False, True], ids=["", "from L3"])
def test_parameters_late_on_ne16(runtime: HostRuntime, form: dict[str, int], *, streamed: bool) -> None:
    """Weights so large that two blocks leave little room: one comes when NE16 and the cores are done with the
    other."""
    shape = Shape(LayerKind.CONV2D, 9, 8, 128, 70, window3(), **form)  # type: ignore[arg-type]
    graph = single_layer(shape)
    target = reluctant(replace(with_l3(34_000, 70_000 if streamed else 512_000), engines=(NE16,)))
    plan = plan_region(graph, target, Effort(shares=False))
    check_plan(graph, target, plan)
    (layer,) = plan.layers
    assert (layer.engine, layer.late, bool(plan.transfers)) == ("ne16", (Operand.PARAMS,), streamed)
    assert {one.slot for one in layer.buffers if one.operand is Operand.PARAMS} == {0}
    assert simulate(graph, plan, target).cycles == plan.prediction.cycles
    assert_exact(runtime, graph, plan)


def test_the_checker_knows_what_is_late_on_ne16() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, 9, 8, 128, 70, window3()))
    target = reluctant(with_ne16(34_000))
    plan = plan_region(graph, target, Effort(shares=False))
    (layer,) = plan.layers
    assert layer.late == (Operand.PARAMS,)
    with pytest.raises(PlanError, match="engine ne16 can load only parameters late"):
        check_plan(graph, target, replace(plan, layers=(replace(layer, late=(Operand.X,)),)))
    with pytest.raises(PlanError, match=r"loads params into the slot that step \d+ reads"):
        check_plan(graph, target, replace(plan, layers=(replace(layer, late=()),)))


def test_the_faster_engine() -> None:
    """A 3x3 convolution is for NE16, a depthwise one and an addition are for the cores."""
    plan = plan_region(residual_network(), with_ne16(), Effort(shares=False))
    engines = {layer.layer: layer.engine for layer in plan.layers}
    assert engines["l0"] == engines["l2"] == "ne16"
    assert engines["l3"] == engines["l4"] == engines["l5"] == "cluster"
    alone = plan_region(residual_network(), machine())
    assert plan.prediction.cycles <= alone.prediction.cycles


CONV = Shape(LayerKind.CONV2D, 8, 8, 16, 32, window3())


def with_requant(**changes: object) -> LayerGraph:
    graph = single_layer(CONV)
    layer = graph.layers[0]
    assert layer.requant is not None
    return replace(graph, layers=(replace(layer, requant=replace(layer.requant, **changes)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (single_layer(CONV), None),
        (
            single_layer(replace(CONV, zero_point=5)),
            "NE16 pads behind the last row and column with 0, which isn't the input's zero point",
        ),
        (single_layer(replace(CONV, zero_point=5, window=Window(3, 3, pad_top=1, pad_left=1))), None),
        (single_layer(replace(CONV, zero_point=5, window=window3(2))), None),
        (
            single_layer(replace(CONV, zero_point=5, height=3, window=window3(2))),
            "NE16 pads behind the last row and column with 0, which isn't the input's zero point",
        ),
        (single_layer(replace(CONV, wide=True)), None),
        (single_layer(replace(CONV, lo=3)), None),
        (with_requant(shift=32), None),
        (
            single_layer(replace(CONV, wide=True, window=window3(2))),
            "stride 2 and a requantization that NE16 doesn't have",
        ),
        (single_layer(replace(CONV, window=Window(5, 5))), "NE16 has 1x1, 3x3 and depthwise 3x3 convolutions"),
        (
            single_layer(replace(CONV, window=Window(3, 3, 1, 1, 2, 2, 2, 2))),
            "more padding than one row or column of a 3x3 filter",
        ),
        (
            single_layer(replace(CONV, window=Window(3, 3, 3, 3))),
            "strides are 1 or 2, the same in both directions",
        ),
        (
            single_layer(replace(CONV, out_channels=31, window=window3(2))),
            "stride 2 with an odd number of output channels",
        ),
        (single_layer(Shape(LayerKind.ADD)), "NE16 has 1x1, 3x3 and depthwise 3x3 convolutions"),
    ],
)
def test_what_it_takes(graph: LayerGraph, reason: str | None) -> None:
    assert NE16.refusal(graph, graph.layers[0]) == reason


def edited(plan: Plan, **changes: object) -> Plan:
    return replace(plan, layers=(replace(plan.layers[0], **changes),))  # type: ignore[arg-type]


def test_the_checker_knows_engines() -> None:
    graph, target = single_layer(CONV), reluctant(with_ne16())
    plan = plan_region(graph, target)
    assert plan_from_json(plan_to_json(plan)) == plan
    check_plan(graph, target, plan)
    with pytest.raises(PlanError, match="there is no engine ne16"):
        check_plan(graph, machine(), plan)
    with pytest.raises(PlanError, match="NE16 computes this layer as ne16_3x3"):
        check_plan(graph, target, edited(plan, kernel="ne16_1x1"))
    with pytest.raises(PlanError, match="engine ne16 can't compute it: stride 2 with an odd number of output"):
        check_plan(single_layer(replace(CONV, out_channels=31, window=window3(2))), target, plan)
    with pytest.raises(PlanError, match=r"buffer sums\[0\] needs 8192 bytes and has 0"):
        check_plan(single_layer(replace(CONV, wide=True)), target, plan)


@pytest.mark.parametrize(
    ("graph", "sums"),
    [
        (single_layer(CONV), False),
        (single_layer(replace(CONV, wide=True)), True),
        (single_layer(replace(CONV, split=True)), True),
        (single_layer(replace(CONV, lo=3)), True),
        (with_requant(multiplier=np.full(32, -1, np.int64)), True),
    ],
)
def test_what_it_leaves_to_the_cores(graph: LayerGraph, *, sums: bool) -> None:
    """Sums of 32 bits, where it can't requantize."""
    target = reluctant(with_ne16())
    (layer,) = plan_region(graph, target).layers
    assert layer.kernel == ("ne16_3x3_sums" if sums else "ne16_3x3")
    sizes = [buffer.size for buffer in layer.buffers if buffer.operand is Operand.SUMS]
    assert sizes == ([4 * layer.tile.size_bytes] * min(2, len(layer.steps)) if sums else [])


def macs_per_cycle(shape: Shape) -> float:
    """Predicted rate of a layer as one tile."""
    graph = single_layer(shape)
    layer, out = graph.layers[0], graph.tensors["y"]
    size = [np.array([size], np.int64) for size in (out.height, out.width, out.channels)]
    tiles = Tiles(*size, *size[:2], np.array([shape.channels]), np.array([0]))
    return macs(graph, layer) / int(NE16.cycles(with_ne16(), layer, "", tiles)[0])


def test_rates_of_the_cost_model() -> None:
    """Published are about 137 MAC a cycle for 3x3, 70 for 1x1, 5.5 to 5.8 for depthwise 3x3; GVSoC is a little
    slower."""
    shape = Shape(LayerKind.CONV2D, 60, 60, 128, 128, window3())
    assert macs_per_cycle(shape) == pytest.approx(135, rel=0.02)
    assert macs_per_cycle(replace(shape, kind=LayerKind.POINTWISE, window=Window())) == pytest.approx(
        63, rel=0.05
    )
    assert macs_per_cycle(replace(shape, kind=LayerKind.DEPTHWISE)) == pytest.approx(5.2, rel=0.05)
    assert macs_per_cycle(replace(shape, window=window3(2))) == pytest.approx(137 * 4 / 9, rel=0.05)
