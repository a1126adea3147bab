"""Convolutions as a pixel of each window and a product of matrices, for an engine beside the cores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness import HostRuntime, build_runtime, c_compiler, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_model import run_model
from layers import NetworkBuilder, Shape, layer_graphs, single_layer, window3
from machines import machine, with_ne16
from test_ne16_engine import assert_exact
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.fusion.choice import possible_groups
from tvm_pulp.codegen.fusion.groups import as_planned, fused_graph
from tvm_pulp.codegen.fusion.im2col import may_be_product, with_im2col
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window, macs
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

KERNELS = ["pulp_im2col", "ne16_1x1"]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def first_layers(zero_point: int = 0) -> LayerGraph:
    """Of a network for images: 3 channels and stride 2, then 3x3 on 64 channels."""
    net = NetworkBuilder(33, 47, 3, zero_point)
    net.add(LayerKind.CONV2D, 64, Window(3, 3, 2, 2, 0, 1, 1, 1))
    net.add(LayerKind.CONV2D, 64, window3())
    return net.graph()


def kernels(plan: Plan) -> list[list[str]]:
    return [[stage.kernel for stage in one.stages] or [one.kernel] for one in plan.layers]


@settings(max_examples=60, deadline=None)
@given(graph=layer_graphs((LayerKind.CONV2D,)))
def test_two_layers_compute_the_same(graph: LayerGraph) -> None:
    two = with_im2col(graph, {"layer"})
    assert [layer.kind for layer in two.layers] == [LayerKind.IM2COL, LayerKind.POINTWISE]
    assert sum(macs(two, layer) for layer in two.layers) == macs(graph, graph.layers[0])
    (x,) = random_inputs(graph, 1).values()
    np.testing.assert_array_equal(run_model(two, {"x": x[0]})["y"], run_model(graph, {"x": x[0]})["y"])


def test_others_stay() -> None:
    for kind in (LayerKind.POINTWISE, LayerKind.DEPTHWISE, LayerKind.CONV_DIRECT, LayerKind.MAXPOOL):
        assert not may_be_product(single_layer(Shape(kind)).layers[0])
    sums = replace(single_layer(Shape(LayerKind.CONV2D)).layers[0], requant=None)
    assert not may_be_product(sums)


@pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
@pytest.mark.parametrize("zero_point", [0, 77])
def test_the_first_layer_is_one(runtime: HostRuntime, zero_point: int) -> None:
    graph, target = first_layers(zero_point), with_ne16(44_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert kernels(plan)[0] == KERNELS
    if zero_point == 0:
        assert kernels(plan)[1] == ["ne16_3x3"]
    assert plan.layers[0].engine == "ne16"
    assert plan_from_json(plan_to_json(plan)) == plan
    whole = plan_region(graph, target, Effort(fuses=False))
    assert plan.layers[0].cycles < whole.layers[0].cycles
    assert_exact(runtime, graph, plan)


@pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_window(runtime: HostRuntime, data: st.DataObject) -> None:
    """Those of odd maps, filters and paddings, where the engine takes them."""
    size, channels = st.integers(9, 40), st.integers(1, 5)
    kernel = [data.draw(st.integers(2, 6)) for _ in range(2)]
    pads = [data.draw(st.integers(0, one - 1)) for one in kernel for _ in range(2)]
    window = Window(*kernel, *(data.draw(st.integers(1, 3)) for _ in range(2)), *pads)
    net = NetworkBuilder(
        data.draw(size), data.draw(size), data.draw(channels), data.draw(st.sampled_from([0, 9]))
    )
    net.add(LayerKind.CONV2D, data.draw(st.integers(1, 70)), window)
    graph, target = net.graph(), with_ne16(30_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert_exact(runtime, graph, plan)


def test_cores_make_no_windows_in_a_layer_of_their_own() -> None:
    plan = plan_region(first_layers(), machine(44_000))
    assert all("pulp_im2col" not in names for names in kernels(plan))


def test_groups_that_end_with_a_product() -> None:
    net = NetworkBuilder(9, 9, 4)
    for _ in range(3):
        net.add(LayerKind.CONV2D, 4, window3())
    graph = net.graph()
    assert set(possible_groups(graph, {"l1"})) == {range(1, 2), range(2), range(1, 3), range(3)}
    fused = fused_graph(graph, [range(2), range(2, 3)], {"l0", "l1", "l2"})
    assert [[part.name for part in one.parts] for one in fused.layers] == [
        ["l0", "l1_im2col", "l1"],
        ["l2_im2col", "l2"],
    ]
    assert fused_graph(graph, [range(3)], {"l1"}) == fused_graph(graph, [range(3)])


def test_the_checker_reads_the_graph_so() -> None:
    graph, target = first_layers(), with_ne16(44_000)
    plan = plan_region(graph, target)
    assert [layer.name for layer in as_planned(graph, plan).layers] == ["l0_im2col_and_l0", "l1"]
    first = plan.layers[0]
    swapped = replace(plan, layers=(replace(first, stages=first.stages[::-1]), *plan.layers[1:]))
    with pytest.raises(PlanError, match="l0_im2col_and_l0: isn't called as its layers are together"):
        check_plan(graph, target, swapped)
