"""The schedule of a layer's steps: what is loaded into which buffer."""

from __future__ import annotations

from layers import Shape, single_layer
from tvm_pulp.codegen.graph import LayerKind, Window
from tvm_pulp.codegen.plan import Box, LoopOrder, Operand
from tvm_pulp.codegen.tiles.schedule import schedule_layer

ONE_COLUMN = Box(0, 1, 0, 1, 0, 1)


def test_a_tile_padded_in_l1_is_loaded_again_for_other_padding() -> None:
    # Both tiles read the only column of the input, the first padded on the left, the second on the right.
    graph = single_layer(
        Shape(LayerKind.CONV2D, 1, 1, 1, 1, Window(1, 2, pad_left=1, pad_right=1), zero_point=9)
    )
    plan = schedule_layer(graph, graph.layers[0], ONE_COLUMN, cores=1)
    assert plan.pad_in_l1
    assert [(step.load_x, step.x_slot) for step in plan.steps] == [(True, 0), (True, 1)]


def test_a_tile_that_the_kernel_pads_is_reused_for_other_padding() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, 1, 1, 1, 1, Window(1, 3, pad_left=2, pad_right=2)))
    plan = schedule_layer(graph, graph.layers[0], ONE_COLUMN, cores=1)
    assert not plan.pad_in_l1
    assert [(step.load_x, step.x_slot) for step in plan.steps] == [(True, 0), (False, 0), (False, 0)]


def test_late_operands_have_one_buffer() -> None:
    graph = single_layer(Shape(LayerKind.POINTWISE, 4, 4, 8, 12))
    halves, order = Box(0, 2, 0, 4, 0, 4), LoopOrder.SPACE_OUTER
    plan = schedule_layer(graph, graph.layers[0], halves, 8, order, late=(Operand.X, Operand.PARAMS))
    assert plan.late == (Operand.X, Operand.PARAMS)
    assert [(buffer.operand, buffer.slot) for buffer in plan.buffers] == [
        (Operand.X, 0), (Operand.PARAMS, 0), (Operand.Y, 0), (Operand.Y, 1),
    ]  # fmt: skip
    assert [step.load_x for step in plan.steps] == [True, False, False, True, False, False]
    # The last range of the first half is the first of the second.
    assert [step.load_params for step in plan.steps] == [True, True, True, False, True, True]


def test_what_is_loaded_once_is_not_late() -> None:
    graph = single_layer(Shape(LayerKind.POINTWISE, 4, 4, 8, 12))
    rows = Box(0, 2, 0, 4, 0, 12)
    plan = schedule_layer(graph, graph.layers[0], rows, 8, late=(Operand.X, Operand.PARAMS))
    assert plan.late == (Operand.X,)
