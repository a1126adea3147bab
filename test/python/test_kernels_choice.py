"""The kernel of every layer, and that no call of it is one of those the library gets wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import Shape, shapes, single_layer, window3
from tvm_pulp.codegen.check.kernel_limits import violations
from tvm_pulp.codegen.graph import LayerKind, Window
from tvm_pulp.codegen.kernels import KernelChoice, choose_kernel, input_slack_bytes, scratch_bytes
from tvm_pulp.codegen.plan import Box, LayerPlan
from tvm_pulp.codegen.tiles.schedule import schedule_layer

K = LayerKind
ROW = Window(1, 3, 1, 2, 0, 0, 1, 1)
RIGHT_ONLY = Window(3, 3, 1, 1, 0, 0, 0, 1)
COLUMN = Window(5, 1, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("shape", "tile", "name", "pad_in_l1"),
    [
        (Shape(K.CONV2D, window=window3()), None, "pulp_nn_conv_Ho_parallel", False),
        (Shape(K.CONV2D, 12, 8, window=window3()), None, "pulp_nn_conv_HoWo_parallel", False),
        (Shape(K.CONV2D, 1, 1, 8, 32, Window(1, 1, 2, 2)), None, "pulp_nn_conv_Co_parallel", False),
        (Shape(K.CONV2D, window=window3(), zero_point=3), None, "pulp_nn_conv_Ho_parallel", True),
        (Shape(K.CONV2D, window=Window(2, 2, 2, 2, 1, 1, 1, 1)), None, "pulp_nn_conv_Ho_parallel", True),
        (Shape(K.CONV2D, window=Window(2, 2, 2, 2)), (2, 2, 8), "pulp_nn_conv_Ho_parallel", False),
        (Shape(K.CONV2D, window=window3(), wide=True), None, "pulp_conv_wide", False),
        (Shape(K.CONV2D, window=window3(), split=True), None, "pulp_conv_split", False),
        (Shape(K.POINTWISE), None, "pulp_nn_pointwise_Ho_parallel", False),
        (Shape(K.POINTWISE, 1, 4, 8, 64), None, "pulp_nn_pointwise_Co_parallel", False),
        (Shape(K.POINTWISE, 1, 5, 8, 64), None, "pulp_nn_pointwise_HoWo_parallel", False),  # odd columns
        (Shape(K.POINTWISE, wide=True), None, "pulp_conv_wide", False),
        (Shape(K.POINTWISE, split=True), None, "pulp_conv_split", False),
        (Shape(K.DEPTHWISE, window=window3()), None, "pulp_depthwise", False),
        (Shape(K.DEPTHWISE, window=window3(), zero_point=9), None, "pulp_depthwise", True),
        (Shape(K.DEPTHWISE, window=window3()), (8, 4, 8), "pulp_depthwise", False),
        (Shape(K.DEPTHWISE, window=Window(4, 4, 1, 1, 1, 2, 1, 2)), None, "pulp_depthwise", False),
        (Shape(K.DEPTHWISE, 8, 9, window=ROW), None, "pulp_depthwise", False),
        (Shape(K.DEPTHWISE, window=COLUMN), None, "pulp_depthwise", False),
        (Shape(K.DEPTHWISE, window=window3(), wide=True), None, "pulp_depthwise_wide", False),
        (Shape(K.DEPTHWISE, window=window3(), split=True), None, "pulp_depthwise_split", False),
        (Shape(K.LINEAR), None, "pulp_nn_linear", False),
        (Shape(K.LINEAR, wide=True), None, "pulp_linear_wide", False),
        (Shape(K.LINEAR, split=True), None, "pulp_linear_split", False),
        (Shape(K.ADD), None, "pulp_add", False),
        (Shape(K.AVGPOOL, window=Window(2, 2, 2, 2, 1, 1, 1, 1)), None, "pulp_avgpool", False),
        (Shape(K.AVGPOOL, window=window3(), zero_point=4), None, "pulp_avgpool", True),
        (Shape(K.MAXPOOL, window=Window(2, 2, 2, 2)), None, "pulp_nn_maxpool", False),
        (Shape(K.MAXPOOL, window=window3(2), zero_point=4), None, "pulp_nn_maxpool", False),
        (Shape(K.MAXPOOL, window=window3(1)), None, "pulp_maxpool", False),
    ],
)
def test_choice(shape: Shape, tile: tuple[int, int, int] | None, name: str, pad_in_l1: bool) -> None:
    graph = single_layer(shape)
    box = None if tile is None else Box(0, tile[0], 0, tile[1], 0, tile[2])
    choice = choose_kernel(graph, graph.layers[0], box, 8)
    assert choice == KernelChoice(name, name.startswith("pulp_nn_depthwise"), pad_in_l1, False)


def test_bounds_other_than_a_bytes_are_clipped_afterwards() -> None:
    graph = single_layer(Shape(K.POINTWISE, lo=3, hi=200))
    assert choose_kernel(graph, graph.layers[0], None, 8).clip


@pytest.mark.parametrize(
    ("shape", "cores", "scratch"),
    [
        (Shape(K.CONV2D, channels=8, window=window3()), 8, 2 * 8 * 8 * 9),
        (
            Shape(K.CONV2D, channels=5, window=window3()),
            8,
            8 * 8 * (5 * 9 + 3),
        ),  # no whole words: 8 pixels a core
        (Shape(K.CONV2D, channels=3, window=window3()), 8, 8 * 16 * (3 * 9 + 1)),
        (Shape(K.POINTWISE), 8, 0),
        (Shape(K.DEPTHWISE, window=window3()), 4, 0),
        (Shape(K.LINEAR), 8, 0),
    ],
)
def test_scratch_of_ten_rows(shape: Shape, cores: int, scratch: int) -> None:
    graph = single_layer(shape)
    choice = choose_kernel(graph, graph.layers[0], None, cores)
    assert scratch_bytes(choice, graph.layers[0], 10, shape.channels, cores) == scratch


def test_slack() -> None:
    """PULP-NN's depthwise reads whole words; ours reads what it uses."""
    for window, slack in ((window3(), 4), (Window(5, 5, 1, 1, 2, 2, 2, 2), 5)):
        layer = single_layer(Shape(K.DEPTHWISE, window=window)).layers[0]
        assert input_slack_bytes(KernelChoice("pulp_nn_depthwise_generic", channels_first=True), layer) == slack
        assert input_slack_bytes(KernelChoice("pulp_depthwise"), layer) == 0


@settings(max_examples=200, deadline=None)
@given(shape=shapes(), data=st.data(), cores=st.sampled_from([1, 2, 4, 8]))
def test_no_call_is_beyond_a_limit(shape: Shape, data: st.DataObject, cores: int) -> None:
    graph = single_layer(shape)
    out = graph.tensors["y"]
    h, w, c = (data.draw(st.integers(1, size)) for size in (out.height, out.width, out.channels))
    plan = schedule_layer(graph, graph.layers[0], Box(0, h, 0, w, 0, c), cores)
    assert [violations(graph, graph.layers[0], plan, step) for step in plan.steps] == [[]] * len(plan.steps)


@pytest.mark.parametrize(
    ("shape", "tile", "kernel", "pad_in_l1", "message"),
    [
        (Shape(K.CONV2D, window=window3(), zero_point=3), (8, 8, 8), "pulp_nn_conv_Ho_parallel", False,
         "the kernel pads with 0, which isn't the input's zero point"),
        (Shape(K.CONV2D, window=Window(2, 2, 2, 2, 1, 1, 1, 1)), (5, 5, 8), "pulp_nn_conv_Ho_parallel", False,
         "an even kernel with padding"),
        (Shape(K.CONV2D, 3, 3, 7300, 1, window3()), (3, 3, 1), "pulp_nn_conv_Ho_parallel", False,
         "more than 65535 weights for an output channel"),
        (Shape(K.CONV2D, window=Window(1, 1, 2, 2)), (4, 4, 8), "pulp_nn_pointwise_Ho_parallel", False,
         "pulp_nn_pointwise_Ho_parallel isn't a kernel for this conv2d layer"),
        (Shape(K.POINTWISE, 8, 7), (8, 7, 8), "pulp_nn_pointwise_Co_parallel", False,
         "pointwise_Co with an odd number of output columns"),
        (Shape(K.POINTWISE, wide=True), (8, 8, 8), "pulp_nn_pointwise_Ho_parallel", False,
         "pulp_nn_pointwise_Ho_parallel isn't a kernel for this pointwise layer"),
        (Shape(K.DEPTHWISE, window=RIGHT_ONLY), (6, 7, 8), "pulp_nn_depthwise_generic", False,
         "padding left 0, right 1: right padding needs a centred kernel"),
        (Shape(K.DEPTHWISE, 8, 1, window=window3()), (8, 1, 8), "pulp_nn_depthwise_generic", False,
         "no window lies between left and right padding"),
        (Shape(K.DEPTHWISE, window=Window(1, 3)), (8, 6, 8), "pulp_nn_depthwise_generic", False,
         "fewer than 4 kernel elements"),
        (Shape(K.DEPTHWISE, window=window3()), (8, 8, 8), "pulp_nn_depthwise_generic_less_4_weights", False,
         "4 or more kernel elements"),
        (Shape(K.DEPTHWISE, 8, 9, window=ROW), (8, 5, 8), "pulp_nn_depthwise_generic_less_4_weights", False,
         "right padding with a stride"),
        (Shape(K.DEPTHWISE, window=COLUMN), (8, 8, 8), "pulp_nn_depthwise_generic", False,
         "a column kernel overruns its core's buffer"),
        (Shape(K.LINEAR, 1, 1, 65_536, 1), (1, 1, 1), "pulp_nn_linear", False, "more than 65535 inputs"),
        (Shape(K.MAXPOOL, window=window3()), (8, 8, 8), "pulp_nn_maxpool", False,
         "left padding that isn't smaller than the stride"),
        (Shape(K.MAXPOOL, window=window3()), (8, 8, 8), "pulp_maxpool", True,
         "a padded value can't take part in a maximum"),
    ],
)  # fmt: skip
def test_limits(shape: Shape, tile: tuple[int, int, int], kernel: str, pad_in_l1: bool, message: str) -> None:
    graph = single_layer(shape)
    right = schedule_layer(graph, graph.layers[0], Box(0, tile[0], 0, tile[1], 0, tile[2]), 8)
    wrong: LayerPlan = replace(right, kernel=kernel, pad_in_l1=pad_in_l1)
    assert message in violations(graph, graph.layers[0], wrong, wrong.steps[0])
