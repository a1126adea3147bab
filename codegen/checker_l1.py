"""The part of the independent check that is about L1 beyond one layer: tensors that stay there, and parameters
that are loaded during the layer before.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tvm_pulp.codegen.graph import Dtype, LayerGraph, LayerKind
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, L1Buffer, L1Tensor, L3Kind, LayerPlan, Operand, Plan
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
        if layer.params_ahead:
            _check_ahead(plan, index)


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
    if layer_plan.in_l1 and layer_plan.engine != CLUSTER_NAME:
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


def _check_ahead(plan: Plan, index: int) -> None:
    layer = plan.layers[index]
    where = f"layer {layer.layer}"
    if index == 0:
        raise _fail("there is no layer before it to load its parameters ahead", where)
    if not layer.engine == plan.layers[index - 1].engine == CLUSTER_NAME:
        raise _fail("its parameters are loaded ahead, but not both layers run on the cores", where)
    if not layer.steps[0].load_params:
        raise _fail("has no parameters to load ahead", where)
    if any(one.kind is L3Kind.PARAMS and one.layer == index for one in plan.transfers):
        raise _fail("its parameters come from L3 and can't be loaded ahead", where)
    target = next(iter(_slot(layer, Operand.PARAMS, layer.steps[0].params_slot)), None)
    if target is None:
        raise _fail("has no buffer for the parameters that are loaded ahead", where)
    for buffer in plan.layers[index - 1].buffers:
        if _overlap(target, buffer):
            what = f"{buffer.operand.value}[{buffer.slot}]"
            raise _fail(f"its parameters are loaded ahead over {what} of the layer before", where)
    for one in _alive(plan, index - 1):
        if _overlap(target, one):
            raise _fail(f"its parameters are loaded ahead over {one.tensor}", where)


def _slot(layer: LayerPlan, operand: Operand, slot: int) -> Iterator[L1Buffer]:
    return (buffer for buffer in layer.buffers if (buffer.operand, buffer.slot) == (operand, slot))
