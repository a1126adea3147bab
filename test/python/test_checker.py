"""The checker finds every kind of defect: a right plan is broken in one place, and the message says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from layers import Shape, residual_network, single_layer, window3
from machines import machine
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.plan import Box, L1Buffer, L2Buffer, LayerPlan, Operand, Padding, Plan, TileStep
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.schedule import schedule_layer
from tvm_pulp.errors import PlanError

TARGET = machine(64_000)


def tiled(shape: Shape, tile: Box) -> tuple[LayerGraph, Plan]:
    """A right plan of one layer with the tile that the test wants."""
    graph = single_layer(shape)
    layer = schedule_layer(graph, graph.layers[0], tile, TARGET.cores)
    plan = replace(plan_region(graph, TARGET), layers=(layer,), l1_used=16_000)
    plan = replace(plan, l2_used=16_000, l2_tables=tables_bytes(graph, plan))
    check_plan(graph, TARGET, plan)
    return graph, plan


def conv() -> tuple[LayerGraph, Plan]:
    """12 steps: 3 channel ranges x 4 row ranges, both operands double-buffered."""
    return tiled(Shape(LayerKind.CONV2D, 8, 6, 5, 10, window3()), Box(0, 2, 0, 6, 0, 4))


def with_layer(plan: Plan, layer: LayerPlan) -> Plan:
    return replace(plan, layers=(layer,))


def with_step(plan: Plan, index: int, change: Callable[[TileStep], TileStep]) -> Plan:
    steps = list(plan.layers[0].steps)
    steps[index] = change(steps[index])
    return with_layer(plan, replace(plan.layers[0], steps=tuple(steps)))


def with_buffer(plan: Plan, operand: Operand, change: Callable[[L1Buffer], L1Buffer]) -> Plan:
    """Changes the last slot of an operand."""
    buffers = list(plan.layers[0].buffers)
    index = max(i for i, buffer in enumerate(buffers) if buffer.operand is operand)
    buffers[index] = change(buffers[index])
    return with_layer(plan, replace(plan.layers[0], buffers=tuple(buffers)))


def refuse(graph: LayerGraph, plan: Plan, message: str) -> None:
    with pytest.raises(PlanError) as error:
        check_plan(graph, TARGET, plan)
    assert message in str(error.value)


STEP_DEFECTS: list[tuple[int, Callable[[TileStep], TileStep], str]] = [
    (1, lambda s: replace(s, y=replace(s.y, h=1)), "step 1, rows: box and padding span 4, the windows 3"),
    (0, lambda s: replace(s, x=replace(s.x, h=2)), "step 0, rows: box and padding span 3, the windows 4"),
    (1, lambda s: replace(s, x=replace(s.x, h0=2)), "step 1, rows: box and padding aren't where"),
    (0, lambda s: replace(s, padding=Padding(0, 1, 1, 1)), "step 0, rows: box and padding aren't where"),
    (0, lambda s: replace(s, padding=Padding(1, 0, 1, 0)), "step 0, columns: box and padding span 7"),
    (3, lambda s: replace(s, x=replace(s.x, h0=6)), "step 3: box x isn't inside tensor x"),
    (0, lambda s: replace(s, y=replace(s.y, c0=8)), "step 0: box y isn't inside tensor y"),
    (0, lambda s: replace(s, x=replace(s.x, c=4)), "step 0: the input box has the wrong channels"),
    (0, lambda s: replace(s, load_x=False), "step 0: slot 0 doesn't hold the x of this step"),
    (2, lambda s: replace(s, load_x=False), "step 2: slot 0 doesn't hold the x of this step"),
    (1, lambda s: replace(s, x_slot=0), "step 1: loads x into the slot that step 0 reads"),
    (0, lambda s: replace(s, load_params=False), "step 0: slot 0 doesn't hold the params of this step"),
    (1, lambda s: replace(s, load_params=True), "step 1: loads params into the slot that step 0 reads"),
    (1, lambda s: replace(s, y_slot=0), "step 1: writes the output slot that is still being stored"),
    (1, lambda s: replace(s, x_slot=2), "step 1: buffer x[2] needs"),
    (1, lambda s: replace(s, params_offset=4), "step 1: two parameter blocks for channels (0, 4)"),
    (1, lambda s: replace(s, params_size=4), "step 1: two parameter blocks for channels (0, 4)"),
]  # fmt: skip


@pytest.mark.parametrize(("index", "change", "message"), STEP_DEFECTS)
def test_step(index: int, change: Callable[[TileStep], TileStep], message: str) -> None:
    graph, plan = conv()
    broken = with_step(plan, index, change)
    if "windows 3" in message:  # the box is under test, so the coverage must stay right
        broken = _cover_rest(broken, index)
    refuse(graph, broken, message)


def _cover_rest(plan: Plan, index: int) -> Plan:
    """Adds a step for the rows that a shortened step leaves out."""
    layer = plan.layers[0]
    short = layer.steps[index]
    rest = replace(short, y=replace(short.y, h0=short.y.h0 + short.y.h))
    return with_layer(plan, replace(layer, steps=(*layer.steps, rest)))


BUFFER_DEFECTS: list[tuple[Operand, Callable[[L1Buffer], L1Buffer], str]] = [
    (Operand.X, lambda b: replace(b, size=b.size - 1), "buffer x[1] needs 120 bytes and has 119"),
    (Operand.PARAMS, lambda b: replace(b, size=b.size - 1), "buffer params[1] needs 216 bytes and has 215"),
    (Operand.Y, lambda b: replace(b, size=b.size - 1), "buffer y[1] needs 48 bytes and has 47"),
    (Operand.SCRATCH, lambda b: replace(b, size=b.size - 1), "buffer scratch[0] needs 3072 bytes and has 3071"),
    (Operand.Y, lambda b: replace(b, offset=b.offset - 8), "buffers y[0] and y[1] overlap"),
    (Operand.Y, lambda b: replace(b, offset=b.offset + 4), "isn't aligned to 8 bytes"),
    (Operand.SCRATCH, lambda b: replace(b, offset=15_992), "buffer scratch[0] ends at 19064, beyond the L1"),
    (Operand.X, lambda b: replace(b, slot=0), "buffer x[0] is there twice"),
    (Operand.Y, lambda b: replace(b, operand=Operand.X2), "the second input's buffers don't match the first's"),
]  # fmt: skip


@pytest.mark.parametrize(("operand", "change", "message"), BUFFER_DEFECTS)
def test_buffer(operand: Operand, change: Callable[[L1Buffer], L1Buffer], message: str) -> None:
    graph, plan = conv()
    refuse(graph, with_buffer(plan, operand, change), message)


LAYER_DEFECTS: list[tuple[Callable[[LayerPlan], LayerPlan], str]] = [
    (lambda p: replace(p, steps=p.steps[:-1]), "output element (6, 0, 8) is computed never"),
    (lambda p: replace(p, steps=(*p.steps, p.steps[0])), "output element (0, 0, 0) is computed more than once"),
    (lambda p: replace(p, steps=()), "layer layer: no steps"),
    (lambda p: replace(p, tile=replace(p.tile, h=1)), "the tile isn't the largest step's output box"),
    (lambda p: replace(p, kernel="pulp_nn_linear"), "pulp_nn_linear isn't a kernel for this conv2d layer"),
    (lambda p: replace(p, clip=True), "clip is True for the bounds (0, 255)"),
    (lambda p: replace(p, channels_first=True), "with channels_first True"),
    (lambda p: replace(p, pad_in_l1=True), "buffer x[0] needs 160 bytes and has 120"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), LAYER_DEFECTS)
def test_layer(change: Callable[[LayerPlan], LayerPlan], message: str) -> None:
    graph, plan = conv()
    refuse(graph, with_layer(plan, change(plan.layers[0])), message)


def test_parameter_blocks_must_lie_one_after_the_other() -> None:
    graph, plan = conv()
    layer = plan.layers[0]
    moved = tuple(
        replace(step, params_offset=step.params_offset + (4 if step.y.c0 else 0)) for step in layer.steps
    )
    refuse(
        graph,
        with_layer(plan, replace(layer, steps=moved)),
        "the parameters of channels 4..7 should be 216 bytes at 216, not 216 at 220",
    )


def late_conv() -> tuple[LayerGraph, Plan]:
    """The same steps with one buffer for both operands."""
    graph, plan = conv()
    both = (Operand.X, Operand.PARAMS)
    layer = schedule_layer(graph, graph.layers[0], plan.layers[0].tile, TARGET.cores, late=both)
    plan = with_layer(plan, layer)
    check_plan(graph, TARGET, plan)
    return graph, plan


LATE_DEFECTS: list[tuple[tuple[Operand, ...], str]] = [
    ((), "step 1: loads x into the slot that step 0 reads"),
    ((Operand.PARAMS,), "step 1: loads x into the slot that step 0 reads"),
    ((Operand.X,), "step 4: loads params into the slot that step 3 reads"),
    ((Operand.X, Operand.PARAMS, Operand.Y), "only x and params can be late"),
]


@pytest.mark.parametrize(("late", "message"), LATE_DEFECTS)
def test_what_has_one_buffer_must_be_late(late: tuple[Operand, ...], message: str) -> None:
    graph, plan = late_conv()
    refuse(graph, with_layer(plan, replace(plan.layers[0], late=late)), message)


def test_what_is_loaded_once_is_not_late() -> None:
    graph, plan = tiled(Shape(LayerKind.POINTWISE, 4, 4, 8, 8), Box(0, 2, 0, 4, 0, 8))
    late = replace(plan.layers[0], late=(Operand.PARAMS,))
    refuse(graph, with_layer(plan, late), "params is late, but no step after the first loads it")


def test_a_late_operand_must_be_loaded() -> None:
    graph, plan = late_conv()
    broken = with_step(plan, 1, lambda step: replace(step, load_x=False))
    refuse(graph, broken, "step 1: slot 0 doesn't hold the x of this step")


def in_parts() -> tuple[LayerGraph, Plan]:
    """12 steps: 2 channel ranges x 2 row ranges x 3 parts of 4, 4 and 2 input channels."""
    graph = single_layer(Shape(LayerKind.CONV2D, 8, 6, 10, 8, window3()))
    layer = schedule_layer(graph, graph.layers[0], Box(0, 4, 0, 6, 0, 4), TARGET.cores, c_in=4)
    plan = replace(plan_region(graph, TARGET), layers=(layer,), l1_used=16_000)
    plan = replace(plan, l2_used=16_000, l2_tables=tables_bytes(graph, plan))
    check_plan(graph, TARGET, plan)
    return graph, plan


PARTS_DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (lambda p: with_layer(p, replace(p.layers[0], c_in=0)), "is computed more than once"),
    (lambda p: with_layer(p, replace(p.layers[0], c_in=5)), "c_in isn't the largest number of input channels"),
    (
        lambda p: with_step(p, 1, lambda s: replace(s, x=replace(s.x, c0=0))),
        "step 0: the parts of its tile aren't the input channels, each once",
    ),
    (
        lambda p: with_step(p, 2, lambda s: replace(s, x=replace(s.x, c=1))),
        "step 0: the parts of its tile aren't the input channels, each once",
    ),
    (
        lambda p: with_step(p, 4, lambda s: replace(s, x=replace(s.x, h0=2))),
        "step 3: the parts of its tile aren't the input channels, each once",
    ),
    (
        lambda p: with_layer(p, replace(p.layers[0], steps=p.layers[0].steps[:-1])),
        "step 9: the parts of its tile aren't the input channels, each once",
    ),
    (lambda p: with_step(p, 1, lambda s: replace(s, y=replace(s.y, h=3))), "the parts of its tile aren't"),
    (lambda p: with_step(p, 3, lambda s: replace(s, load_x=False)), "step 3: slot 1 doesn't hold the x"),
    (
        lambda p: with_step(p, 4, lambda s: replace(s, params_offset=0)),
        "step 4: two parameter blocks for channels (0, 4, 4, 4)",
    ),
    (
        lambda p: with_buffer(p, Operand.SUMS, lambda b: replace(b, size=4 * 4 * 6 * 4 - 4)),
        "step 0: buffer sums[0] needs 384 bytes and has 380",
    ),
    (
        lambda p: with_layer(p, replace(p.layers[0], kernel="pulp_conv_wide")),
        "step 0: pulp_conv_wide: pulp_conv_wide isn't a kernel for this conv2d layer",
    ),
]


@pytest.mark.parametrize(("change", "message"), PARTS_DEFECTS)
def test_input_channels_in_parts(change: Callable[[Plan], Plan], message: str) -> None:
    graph, plan = in_parts()
    refuse(graph, change(plan), message)


def test_what_reads_its_own_channels_has_no_parts() -> None:
    graph, plan = tiled(Shape(LayerKind.DEPTHWISE, 8, 6, 8, 8, window3()), Box(0, 8, 0, 6, 0, 8))
    refuse(graph, with_layer(plan, replace(plan.layers[0], c_in=8)), "input channels can't be read in parts")


def test_in_place_max_pool_must_load_again() -> None:
    graph, plan = tiled(
        Shape(LayerKind.MAXPOOL, 2, 8, 4, window=Window(3, 2, 1, 2, 1, 1)), Box(0, 1, 0, 4, 0, 4)
    )
    assert plan.layers[0].steps[0].x == plan.layers[0].steps[1].x
    broken = with_step(plan, 1, lambda step: replace(step, x_slot=0, load_x=False))
    refuse(graph, broken, "step 1: slot 0 doesn't hold the x of this step")


def test_explicit_padding_is_part_of_what_a_slot_holds() -> None:
    shape = Shape(LayerKind.CONV2D, 2, 6, 4, window=window3(), zero_point=3)
    graph, plan = tiled(shape, Box(0, 1, 0, 6, 0, 8))
    first, second = plan.layers[0].steps
    assert first.x == second.x
    assert (second.x_slot, second.load_x) == (1, True)
    broken = with_step(plan, 1, lambda step: replace(step, x_slot=0, load_x=False))
    refuse(graph, broken, "step 1: slot 0 doesn't hold the x of this step")


def test_add_must_have_both_inputs() -> None:
    graph, plan = tiled(Shape(LayerKind.ADD), Box(0, 8, 0, 8, 0, 8))
    broken = with_buffer(plan, Operand.X2, lambda buffer: replace(buffer, size=511))
    refuse(graph, broken, "buffer x2[0] needs 512 bytes and has 511")


PLAN_DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (lambda p: replace(p, region="other"), "made for region other, not net"),
    (lambda p: replace(p, layers=p.layers[1:]), "the layers aren't the graph's layers"),
    (lambda p: replace(p, layers=p.layers[::-1]), "layer l6: reads t5 before all of it is written"),
    (lambda p: replace(p, cores=4), "made for 4 cores, there are 8"),
    (lambda p: replace(p, l1_used=64_001), "uses 64001 bytes of L1, there are 64000"),
    (lambda p: replace(p, l2_used=380_001), "uses 380001 bytes of L2, there are 380000"),
    (lambda p: replace(p, l2_used=p.l2_used - 1), "arena, parameters and tables need"),
    (lambda p: replace(p, l2_tables=p.l2_tables - 8), "the tables need"),
    (lambda p: replace(p, l2_buffers=p.l2_buffers[1:]), "the tensors in L1, L2 and L3 aren't those"),
    (lambda p: _l2(p, 0, lambda b: replace(b, offset=p.l2_arena - 8)), "t0: lies outside of the arena"),
    (lambda p: _l2(p, 0, lambda b: replace(b, size=8)), "L2 buffer t0: 8 bytes aren't the tensor's size"),
    (lambda p: _l2(p, 0, lambda b: replace(b, last=2)), "L2 buffer t0: lives from layer 0 to 3, not 0 to 2"),
    (lambda p: _l2(p, 1, lambda b: replace(b, offset=p.l2_buffers[0].offset)), "t0: shares bytes with L2"),
]  # fmt: skip


def _l2(plan: Plan, index: int, change: Callable[[L2Buffer], L2Buffer]) -> Plan:
    buffers = list(plan.l2_buffers)
    buffers[index] = change(buffers[index])
    return replace(plan, l2_buffers=tuple(buffers))


@pytest.mark.parametrize(("change", "message"), PLAN_DEFECTS)
def test_plan(change: Callable[[Plan], Plan], message: str) -> None:
    graph = residual_network()
    plan = plan_region(graph, machine(4_000))  # so little L1 that tensors lie in L2
    check_plan(graph, TARGET, plan)
    refuse(graph, change(plan), message)
