"""The part of the independent check that is about L1 beyond one layer: tensors that stay there, and operands
that are loaded during the layer before.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from tvm_pulp.codegen.check.parts import last_parts
from tvm_pulp.codegen.graph import Dtype, LayerGraph, LayerKind, Tensor
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, L1Buffer, L1Tensor, L3Kind, LayerPlan, Mark, Operand, Plan
from tvm_pulp.errors import PlanError

ALIGNMENT = 8
WORD = 4


def check_l1(graph: LayerGraph, plan: Plan) -> None:
    """Raises PlanError unless tensors in L1 have bytes of their own while they live, every step finds its part
    in one piece, and what is loaded ahead goes where nothing is used."""
    for one in plan.l1_tensors:
        _check_tensor(graph, plan, one)
    for one, other in combinations(plan.l1_tensors, 2):
        if one.first <= other.last and other.first <= one.last and _overlap(one, other):
            raise _fail(f"shares bytes with {other.tensor} while both live", f"L1 tensor {one.tensor}")
    for index, layer in enumerate(plan.layers):
        _check_operands(graph, plan, index)
        for one in _alive(plan, index):
            for buffer in layer.buffers:
                if _overlap(one, buffer):
                    name = f"{buffer.operand.value}[{buffer.slot}]"
                    raise _fail(f"buffer {name} shares bytes with {one.tensor}", f"layer {layer.layer}")
        if layer.params_ahead or layer.x_ahead:
            _check_ahead(graph, plan, index)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def _overlap(one: L1Tensor | L1Buffer, other: L1Tensor | L1Buffer) -> bool:
    return one.offset < other.offset + other.size and other.offset < one.offset + one.size


def _alive(plan: Plan, index: int) -> Iterator[L1Tensor]:
    return (one for one in plan.l1_tensors if one.first <= index <= one.last)


def _check_tensor(graph: LayerGraph, plan: Plan, one: L1Tensor) -> None:
    where = f"L1 tensor {one.tensor}"
    tensor = graph.tensors.get(one.tensor)
    if tensor is None or one.tensor in (*graph.inputs, *graph.outputs):
        raise _fail("is no tensor between layers", where)
    viewed = any(other.view is not None and other.view.base == one.tensor for other in graph.tensors.values())
    if tensor.dtype is not Dtype.UINT8 or tensor.planar:
        raise _fail("is no map of bytes in HWC order", where)
    if tensor.view is not None or viewed:
        raise _fail("is a view, or has views", where)
    if one.size != tensor.height * tensor.width * tensor.channels:
        raise _fail(f"{one.size} bytes aren't the tensor's size", where)
    if one.offset % ALIGNMENT or one.offset < 0 or one.offset + one.size > plan.l1_used:
        raise _fail(f"at {one.offset} isn't aligned, or ends beyond the L1 in use", where)
    uses = [i for i, layer in enumerate(graph.layers) if one.tensor in (*layer.inputs, layer.output)]
    if one.first > uses[0] or one.last < uses[-1]:
        raise _fail(f"lives from layer {uses[0]} to {uses[-1]}, not {one.first} to {one.last}", where)


def _check_operands(graph: LayerGraph, plan: Plan, index: int) -> None:
    """The layer knows which of its operands lie in L1, and its kernel can use them there."""
    layer, layer_plan = graph.layers[index], plan.layers[index]
    where = f"layer {layer.name}"
    there = {one.tensor for one in plan.l1_tensors}
    if set(layer_plan.in_l1) != there & {*layer.inputs, layer.output}:
        raise _fail("its operands in L1 aren't the plan's tensors in L1", where)
    if layer_plan.in_l1 and layer_plan.engine != CLUSTER_NAME and not layer_plan.shares:
        raise _fail(f"engine {layer_plan.engine} can't use operands where they lie in L1", where)
    if there & set(layer.inputs):
        if layer_plan.pad_in_l1 or layer_plan.channels_first or layer_plan.kernel == "pulp_nn_maxpool":
            raise _fail("its kernel changes an input that others read, or needs it in another form", where)
        shapes = {graph.tensors[name] for name in layer.inputs}
        if len({(one.height, one.width, one.channels) for one in shapes}) > 1:
            raise _fail("an input in L1 isn't read like the other input", where)
    for number, step in enumerate(layer_plan.steps):
        boxes = [(name, step.x) for name in layer.inputs] if layer.kind is not LayerKind.LINEAR else []
        for name, box in [*boxes, (layer.output, step.y)]:
            if name in there and not _in_one_piece(graph, name, box):
                raise _fail(f"its part of {name} isn't in one piece", f"{where}, step {number}")


def _in_one_piece(graph: LayerGraph, name: str, box: Box) -> bool:
    """True if the bytes of a box follow one another, from a whole word on."""
    tensor = graph.tensors[name]
    begin = (box.h0 * tensor.width + box.w0) * tensor.channels + box.c0
    end = ((box.h0 + box.h - 1) * tensor.width + box.w0 + box.w - 1) * tensor.channels + box.c0 + box.c
    return begin % WORD == 0 and end - begin == box.h * box.w * box.c


def _check_ahead(graph: LayerGraph, plan: Plan, index: int) -> None:
    """What comes during the last step of the layer before goes where that step uses nothing, and is in L2 when
    the step begins."""
    layer = plan.layers[index]
    where = f"layer {layer.layer}"
    if index == 0:
        raise _fail("there is no layer before it to load its operands ahead", where)
    first = layer.steps[0]
    if layer.params_ahead:
        _check_params_ahead(plan, index, where)
        _check_target(plan, index, (Operand.PARAMS, first.params_slot))
    if layer.x_ahead:
        _check_input_ahead(graph, plan, index, where)
        for operand, name in zip((Operand.X, Operand.X2), graph.layers[index].inputs, strict=False):
            slot = first.x2_slot if layer.stages and operand is Operand.X2 else first.x_slot
            if name not in layer.in_l1:
                _check_target(plan, index, (operand, slot))


def _check_params_ahead(plan: Plan, index: int, where: str) -> None:
    first = plan.layers[index].steps[0]
    if not first.load_params:
        raise _fail("has no parameters to load ahead", where)
    last = Mark(index - 1, len(plan.layers[index - 1].steps) - 1)
    for one in plan.transfers:
        holds = one.l3_offset <= first.params_offset < one.l3_offset + one.size
        serves = holds and one.first <= 0 <= one.last
        if (one.kind, one.layer) == (L3Kind.PARAMS, index) and serves and one.wait > last:
            raise _fail("its parameters are loaded ahead before they have come from L3", where)


def _check_input_ahead(graph: LayerGraph, plan: Plan, index: int, where: str) -> None:
    layer, node = plan.layers[index], graph.layers[index]
    loaded = [name for name in node.inputs if name not in layer.in_l1]
    if not (layer.steps[0].load_x and loaded):
        raise _fail("has no input to load ahead", where)
    if layer.pad_in_l1:
        raise _fail("its input is loaded ahead, but padded in L1", where)
    in_l3 = {buffer.tensor for buffer in plan.l3_buffers}
    made = graph.tensors[graph.layers[index - 1].output]
    first = layer.steps[0]
    for number, name in enumerate(node.inputs):
        if name not in loaded:
            continue
        if name in in_l3:
            raise _fail(f"{name} comes from L3 and can't be loaded ahead", where)
        if graph.tensors[name].base != made.base:
            continue
        second = bool(node.parts) and number == 1
        known_box = second or graph.tensors[name] == graph.tensors[node.inputs[0]]
        stored = _is_stored(plan.layers[index - 1], first.y if second else first.x, made)
        if name != made.name or not known_box or not stored:
            raise _fail(f"{name} is loaded ahead before it is stored", where)


def _is_stored(before: LayerPlan, x: Box, made: Tensor) -> bool:
    """True if each element of a box was stored by a step of the layer before whose buffer another step, at the
    latest the last, writes again: which waits for the store."""
    steps, whole = before.steps, set(last_parts(before))
    missing = np.zeros((made.height, made.width, made.channels), np.bool_)
    missing[x.h0 : x.h0 + x.h, x.w0 : x.w0 + x.w, x.c0 : x.c0 + x.c] = True
    for number, step in enumerate(steps):
        if number in whole and any(later.y_slot == step.y_slot for later in steps[number + 1 :]):
            y = step.y
            missing[y.h0 : y.h0 + y.h, y.w0 : y.w0 + y.w, y.c0 : y.c0 + y.c] = False
    return not missing.any()


def _check_target(plan: Plan, index: int, slot: tuple[Operand, int]) -> None:
    layer, before = plan.layers[index], plan.layers[index - 1]
    where, what = f"layer {layer.layer}", slot[0].value
    target = next(iter(_slot(layer, *slot)), None)
    if target is None:
        raise _fail(f"has no buffer for the {what} that is loaded ahead", where)
    last = before.steps[-1]
    x2_slot = last.x2_slot if before.stages else last.x_slot
    reads = {(Operand.X, last.x_slot), (Operand.X2, x2_slot), (Operand.PARAMS, last.params_slot)}
    for buffer in before.buffers:
        read_only = buffer.operand in (Operand.X, Operand.X2, Operand.PARAMS)
        if read_only and (buffer.operand, buffer.slot) not in reads:
            continue
        if _overlap(target, buffer):
            over = f"{buffer.operand.value}[{buffer.slot}]"
            raise _fail(f"its {what} is loaded ahead over {over} of the layer before", where)
    for one in _alive(plan, index - 1):
        if _overlap(target, one):
            raise _fail(f"its {what} is loaded ahead over {one.tensor}", where)


def _slot(layer: LayerPlan, operand: Operand, slot: int) -> Iterator[L1Buffer]:
    return (buffer for buffer in layer.buffers if (buffer.operand, buffer.slot) == (operand, slot))
