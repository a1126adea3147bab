"""Plans of random layers and of networks, judged by the independent checker."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import NetworkBuilder, Shape, layer_graphs, residual_network, resnet8, single_layer, window3
from machines import machine
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import layer_cycles
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window
from tvm_pulp.codegen.memory.l2_allocator import place
from tvm_pulp.codegen.memory.l2_space import Rect
from tvm_pulp.codegen.plan import Box, LoopOrder, Operand
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.estimates import Limits
from tvm_pulp.codegen.tiles.schedule import schedule_layer
from tvm_pulp.codegen.tiles.search import Search, TileSearch
from tvm_pulp.codegen.traffic import layer_traffic, region_traffic
from tvm_pulp.errors import PlanError

PLENTY = 10_000_000


def least_l1(error: PlanError) -> int:
    found = re.search(r"the smallest needs (\d+) bytes", str(error))
    assert found is not None
    return int(found[1])


@settings(max_examples=150, deadline=None)
@given(
    graph=layer_graphs(),
    l1_bytes=st.integers(100, 6000),
    cores=st.sampled_from([1, 2, 4, 8]),
)
def test_every_layer_gets_a_right_plan_or_the_size_that_would_do(
    graph: LayerGraph, l1_bytes: int, cores: int
) -> None:
    target = machine(l1_bytes, PLENTY, cores)
    try:
        plan = plan_region(graph, target)
    except PlanError as error:
        enough = machine(least_l1(error), PLENTY, cores)
        assert enough.l1_bytes > l1_bytes
        check_plan(graph, enough, plan_region(graph, enough))
        with pytest.raises(PlanError):
            plan_region(graph, machine(enough.l1_bytes - 1, PLENTY, cores))
    else:
        check_plan(graph, target, plan)


@pytest.mark.parametrize("l1_bytes", [4000, 5000, 64_000])
@pytest.mark.parametrize("zero_point", [0, 9])
def test_network(l1_bytes: int, zero_point: int) -> None:
    graph = residual_network(zero_point)
    plan = plan_region(graph, machine(l1_bytes))
    check_plan(graph, machine(l1_bytes), plan)
    assert plan.l1_used <= l1_bytes
    assert all(layer.cycles > 0 for layer in plan.layers)


def test_plan_is_deterministic() -> None:
    assert plan_region(resnet8(), machine(20_000)) == plan_region(resnet8(), machine(20_000))


@pytest.mark.parametrize(
    ("l1_bytes", "most_in", "most_out"),
    [(64_000, 242_048, 117_898), (32_000, 291_200, 117_898), (16_000, 829_568, 117_898)],
)
def test_resnet8_moves_no_more_bytes_than_a_peer(l1_bytes: int, most_in: int, most_out: int) -> None:
    """The bounds are what Deeploy 0.2.1 moves with the same L1."""
    graph = resnet8()
    plan = plan_region(graph, machine(l1_bytes))
    check_plan(graph, machine(l1_bytes), plan)
    traffic = region_traffic(graph, plan)
    assert traffic.bytes_in <= most_in
    assert traffic.bytes_out <= most_out


def test_layer_that_fits_is_one_step_with_single_buffers() -> None:
    plan = plan_region(single_layer(Shape(LayerKind.CONV2D, window=window3())), machine())
    assert len(plan.layers[0].steps) == 1
    assert [(buffer.operand, buffer.slot) for buffer in plan.layers[0].buffers] == [
        (Operand.X, 0), (Operand.PARAMS, 0), (Operand.Y, 0), (Operand.SCRATCH, 0),
    ]  # fmt: skip


def test_only_what_is_tiled_is_double_buffered() -> None:
    graph = single_layer(Shape(LayerKind.LINEAR, 1, 1, 500, 100))
    layer = plan_region(graph, machine(20_000)).layers[0]
    assert [(buffer.operand, buffer.slot) for buffer in layer.buffers] == [
        (Operand.X, 0), (Operand.PARAMS, 0), (Operand.PARAMS, 1), (Operand.Y, 0), (Operand.Y, 1),
    ]  # fmt: skip
    assert [step.load_x for step in layer.steps] == [True] + [False] * (len(layer.steps) - 1)


@pytest.mark.parametrize(("channels", "order"), [(8, LoopOrder.SPACE_OUTER), (256, LoopOrder.CHANNELS_OUTER)])
def test_what_is_larger_is_loaded_once(channels: int, order: LoopOrder) -> None:
    """A block of few channels is smaller than the tiles it is used for, one of many channels larger."""
    graph = single_layer(Shape(LayerKind.POINTWISE, 8, 8, channels, 4 * channels))
    plan = schedule_layer(graph, graph.layers[0], Box(0, 2, 0, 8, 0, channels // 2), 8)
    assert plan.order is order


def test_one_buffer_for_what_is_seldom_loaded() -> None:
    """With two of everything only tiles of 4 channels fit beside the whole map: 128 steps."""
    graph = single_layer(Shape(LayerKind.POINTWISE, 8, 8, 512, 512))
    target = machine(38_000)
    layer = plan_region(graph, target).layers[0]
    assert Operand.X in layer.late
    assert len(layer.steps) <= 64
    whole = schedule_layer(graph, graph.layers[0], Box(0, 8, 0, 8, 0, 4), 8)
    assert layer.cycles < layer_cycles(graph, graph.layers[0], whole, target)


def test_l1_too_small() -> None:
    graph = single_layer(Shape(LayerKind.LINEAR, 1, 1, 1000, 10, sums=True))
    with pytest.raises(PlanError) as error:
        plan_region(graph, machine(2000))
    assert str(error.value) == (
        "layer layer (user/operator): no tile fits the 2000 bytes of L1 memory, the smallest needs 2024 bytes"
        " on 8 cores; choose a SoC or -l1= with at least 2024 bytes"
    )


def test_input_channels_in_parts_where_no_tile_fits() -> None:
    """Another L1 of 10,000 bytes, in which a window's weights take 2,304 and im2col 18,432."""
    graph = single_layer(Shape(LayerKind.CONV2D, 28, 28, 128, 16, Window(3, 3, 1, 1, 1, 1, 1, 1)))
    target = machine(10_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    layer = plan.layers[0]
    assert layer.kernel == "pulp_conv_add"
    assert 0 < layer.c_in < 128
    assert layer_traffic(graph, graph.layers[0], layer).bytes_out == 28 * 28 * 16


def test_no_buffer_where_it_takes_most_of_l1() -> None:
    """PULP-NN's asks for 9,216 bytes of 16,000; with all of L1 it is called."""
    graph = single_layer(Shape(LayerKind.CONV2D, 16, 16, 64, 16, Window(3, 3, 1, 1, 1, 1, 1, 1)))
    layer = plan_region(graph, machine(16_000)).layers[0]
    assert (layer.kernel, layer.c_in) == ("pulp_conv", 0)
    assert not [one for one in layer.buffers if one.operand is Operand.SCRATCH]
    assert plan_region(graph, machine(64_000)).layers[0].kernel.startswith("pulp_nn_conv_")


def test_input_channels_in_parts_where_tiles_are_small() -> None:
    """All channels fit, but so few outputs that parts of the channels are faster."""
    graph = single_layer(Shape(LayerKind.LINEAR, 1, 1, 4000, 64))
    best = plan_region(graph, machine(10_000)).layers[0]
    assert (best.kernel, best.c_in > 0) == ("pulp_linear_add", True)


@pytest.mark.parametrize(("size", "once"), [(6, True), (24, False)])
def test_parts_that_load_no_parameters_twice(size: int, once: bool) -> None:
    """With more than two parts a tile is all of the map, unless that doesn't fit."""
    graph = single_layer(Shape(LayerKind.CONV2D, size, size, 128, 8, Window(3, 3, 1, 1, 1, 1, 1, 1)))
    found = TileSearch(graph, graph.layers[0], machine(1_200)).best(Limits(params_once=True))
    assert isinstance(found, Search)
    blocks = [step.params_offset for step in found.best.plan.steps if step.load_params]
    assert (len(set(blocks)) == len(blocks)) is once


def test_l2_too_small() -> None:
    with pytest.raises(PlanError) as error:
        plan_region(resnet8(), machine(64_000, 80_000))
    assert str(error.value) == (
        "region net: activations, parameters and step tables need 96652 bytes of L2 memory, there are 80000"
        " (largest: parameters of op9 37376 bytes; parameters of op8 18944 bytes; tensor op3_out 16384 bytes);"
        " choose a SoC or -l2= with at least 96652 bytes"
    )
    plan_region(resnet8(), machine(64_000, 96_652))


def test_window_in_the_padding_is_refused() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, window=Window(1, 1, 1, 1, 1, 1, 1, 1)))
    with pytest.raises(PlanError, match="the padding isn't smaller than the kernel"):
        plan_region(graph, machine())


def test_tensor_read_later_and_output_read_inside() -> None:
    net = NetworkBuilder(8, 8, 8)
    first = net.add(LayerKind.POINTWISE, 8)
    second = net.add(LayerKind.POINTWISE, 8)
    net.add(LayerKind.POINTWISE, 8)
    net.add(LayerKind.ADD, inputs=(net.last, first))
    graph = net.graph(second)
    for l1_bytes in (900, 38_000):
        plan = plan_region(graph, machine(l1_bytes))
        check_plan(graph, machine(l1_bytes), plan)
        kept = plan.l2_buffers if l1_bytes == 900 else plan.l1_tensors
        assert [(b.tensor, b.first, b.last) for b in kept] == [("t0", 0, 3), ("t2", 2, 3)]


def test_arena_is_the_least_possible_where_first_fit_is_not() -> None:
    lives = [("a", 32, 2, 4), ("b", 16, 2, 4), ("c", 32, 0, 2), ("d", 24, 0, 2), ("e", 40, 0, 1)]
    placed = place([Rect(name, first, last + 1, 0, size) for name, size, first, last in lives], 0.5)
    assert max(buffer.offset + buffer.size for buffer in placed) == 104  # first fit takes 112
    for one in placed:
        for other in placed:
            if one is not other and one.meets(other):
                assert one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
