"""The schedule of a layer's steps: what is loaded into which buffer."""

from __future__ import annotations

from layers import Shape, single_layer
from tvm_pulp.codegen.graph import LayerKind, Window
from tvm_pulp.codegen.plan import Box
from tvm_pulp.codegen.schedule import schedule_layer

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
