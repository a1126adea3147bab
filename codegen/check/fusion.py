"""The part of the independent check that is about fused groups: which layers they are made of, and that every
layer of a group finds in L1 what it reads.

A group's layers are looked at one by one, as `check/plan.py` looks at a layer; here is what they look like
alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tvm_pulp.codegen.fusion.im2col import with_planned_products
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, L1Buffer, LayerPlan, Operand, Plan, TileStep
from tvm_pulp.errors import PlanError

ALIGNMENT = 8
_NOT_FUSED = (
    LayerKind.LINEAR,
    LayerKind.COPY,
    LayerKind.DEQUANTIZE,
    LayerKind.SOFTMAX,
    LayerKind.FUSED,
)
_LAST_ONLY = (LayerKind.ADD, LayerKind.MUL)
_MOST = 3


@dataclass(frozen=True)
class CheckedStage:
    """One layer of a group as a layer by itself."""

    layer: Layer
    plan: LayerPlan


def grouped(graph: LayerGraph, plan: Plan) -> LayerGraph:
    """The graph as the plan runs it: in its order, with the layers of each group as one, of which a convolution
    may be two. Raises PlanError if these aren't the graph's layers, or one of a group's maps is needed
    outside."""
    graph = with_planned_products(graph, plan)
    waiting = {layer.name: layer for layer in graph.layers}
    layers: list[Layer] = []
    for layer_plan in plan.layers:
        names = [stage.layer for stage in layer_plan.stages] or [layer_plan.layer]
        if not set(names) <= set(waiting) or len(names) > len(set(names)):
            raise _fail("the layers aren't the graph's layers", "header")
        parts = [waiting.pop(name) for name in names]
        layers.append(_group(graph, layer_plan, parts) if layer_plan.stages else parts[0])
    if waiting:
        raise _fail("the layers aren't the graph's layers", "header")
    return LayerGraph(graph.name, graph.tensors, graph.inputs, graph.outputs, tuple(layers), graph.placed)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def _group(graph: LayerGraph, plan: LayerPlan, parts: Sequence[Layer]) -> Layer:
    where = f"layer {plan.layer}"
    if plan.layer != "_and_".join(part.name for part in parts):
        raise _fail("isn't called as its layers are together", where)
    if not 2 <= len(parts) <= _MOST:
        raise _fail(f"a group is 2 or {_MOST} layers", where)
    _check_engines(plan, where)
    for number, part in enumerate(parts, start=1):
        if part.kind in _NOT_FUSED or part.makes_sums or (part.kind in _LAST_ONLY and number < len(parts)):
            raise _fail(f"a {part.kind.value} layer can't be fused", where)
    for before, after in pairwise(parts):
        _check_inner(graph, before, after, where)
    if graph.tensors[parts[-1].output].planar:
        raise _fail(f"{parts[-1].output} isn't in HWC order", where)
    sources = tuple(source for part in parts for source in part.sources)
    first, last = parts[0], parts[-1]
    inputs = (*first.inputs, *(name for name in last.inputs if name != parts[-2].output))
    return Layer(plan.layer, LayerKind.FUSED, inputs, last.output, sources=sources, parts=tuple(parts))


def _check_engines(plan: LayerPlan, where: str) -> None:
    """One layer is the engine's, if it isn't the cluster. Behind other layers its parameters are loaded once:
    it still reads them when those of the next step would come."""
    if plan.engine == CLUSTER_NAME:
        wanted = [CLUSTER_NAME] * len(plan.stages)
    else:
        wanted = [*[CLUSTER_NAME] * (len(plan.stages) - 1), plan.engine]
        first = plan.stages[0].engine != CLUSTER_NAME
        if len(plan.steps) < 2 or (not first and any(one.load_params for one in plan.steps[1:])):
            raise _fail(f"engine {plan.engine} takes several steps of a group, with the same parameters", where)
    if sorted(stage.engine for stage in plan.stages) != sorted(wanted):
        raise _fail(f"{plan.engine} doesn't compute one layer of the group, and the cores the others", where)


def _check_inner(graph: LayerGraph, before: Layer, after: Layer, where: str) -> None:
    """What `before` makes is read by `after` alone, byte by byte; `after` may read a map of the same size
    beside it."""
    tensor = graph.tensors[before.output]
    others = [graph.tensors[name] for name in after.inputs if name != tensor.name]
    if tensor.name not in after.inputs or (others and after.kind not in _LAST_ONLY):
        raise _fail(f"{after.name} doesn't read what {before.name} makes, or more than that", where)
    if any((one.height, one.width) != (tensor.height, tensor.width) or one.planar for one in others):
        raise _fail(f"{after.name} doesn't read the same part of both inputs", where)
    if tensor.name in graph.outputs or sum(tensor.name in layer.inputs for layer in graph.layers) > 1:
        raise _fail(f"{tensor.name} is needed outside of the group", where)
    views = [one for one in graph.tensors.values() if one.view is not None]
    if tensor in views or any(one.view is not None and one.view.base == tensor.name for one in views):
        raise _fail(f"{tensor.name} is a view, or has views", where)
    if tensor.dtype is not Dtype.UINT8:
        raise _fail(f"{tensor.name} is no map of bytes", where)
    if tensor.planar:
        raise _fail(f"{tensor.name} isn't in HWC order", where)


def stages_of(layer: Layer, plan: LayerPlan) -> Iterator[CheckedStage]:
    """The layers of a group, each with the boxes and buffers that it works on. Raises PlanError if these don't
    fit together."""
    where = f"layer {layer.name}"
    if any(len(stage.steps) != len(plan.steps) for stage in plan.stages):
        raise _fail("a fused layer has more or fewer steps than its group", where)
    if plan.kernel != " + ".join(stage.kernel for stage in plan.stages):
        raise _fail("the kernels aren't those of the fused layers", where)
    if plan.channels_first or plan.clip or plan.in_l1 or plan.pad_in_l1 != plan.stages[0].pad_in_l1:
        raise _fail("a group's operands are prepared as its first layer's, and loaded and stored", where)
    if any(stage.pad_in_l1 for stage in plan.stages[1:]):
        raise _fail("nothing pads a map that is made in L1", where)
    for number, step in enumerate(plan.steps):
        first, last = plan.stages[0].steps[number], plan.stages[-1].steps[number]
        if (step.y, step.padding) != (last.y, first.padding):
            raise _fail("the group's boxes aren't those of its layers", f"{where}, step {number}")
    _check_second_input(layer, plan, where)
    sources = (layer.inputs[0], *(part.output for part in layer.parts))
    for index, part in enumerate(layer.parts):
        yield CheckedStage(replace(part, inputs=(sources[index],)), _alone(plan, index))


def _check_second_input(layer: Layer, plan: LayerPlan, where: str) -> None:
    """A step's part of the second input has room, and isn't loaded over what is still read: while a step
    computes, that of the next one comes. Behind an engine cores are at the step before."""
    sizes = {buffer.slot: buffer.size for buffer in plan.buffers if buffer.operand is Operand.X2}
    if len(layer.inputs) == 1:
        if sizes:
            raise _fail("has buffers of a second input, which there isn't", where)
        return
    still_read = 1 if plan.engine == CLUSTER_NAME else 2
    for number, step in enumerate(plan.steps):
        here = f"{where}, step {number}"
        size = step.y.h * step.y.w * step.y.c
        if sizes.get(step.x2_slot, 0) < size:
            raise _fail(f"buffer x2[{step.x2_slot}] needs {size} bytes", here)
        before = plan.steps[max(0, number - still_read) : number]
        if step.x2_slot in [one.x2_slot for one in before]:
            raise _fail("loads x2 into a slot that is still read", here)


def _alone(plan: LayerPlan, index: int) -> LayerPlan:
    stage, last = plan.stages[index], len(plan.stages) - 1
    steps = []
    for number, step in enumerate(plan.steps):
        own = stage.steps[number]
        source = step.x if index == 0 else plan.stages[index - 1].steps[number].y
        x_slot = step.x_slot if index == 0 else number % len(_mid_slots(plan, index - 1))
        y_slot = step.y_slot if index == last else number % len(_mid_slots(plan, index))
        steps.append(
            TileStep(own.y, source, own.padding, x_slot, step.params_slot, y_slot, params_size=own.params_size)
        )
    buffers = [*_role(plan, index - 1, Operand.X), *_role(plan, index, Operand.Y)]
    buffers += [one for one in plan.buffers if one.operand in (Operand.PARAMS, Operand.SCRATCH)]
    beside = stage.engine != CLUSTER_NAME
    buffers += [one for one in plan.buffers if one.operand is Operand.SUMS and beside]
    return LayerPlan(
        layer=stage.layer,
        kernel=stage.kernel,
        tile=Box(0, 0, 0, 0, 0, 0),
        order=plan.order,
        buffers=tuple(buffers),
        steps=tuple(steps),
        pad_in_l1=stage.pad_in_l1,
        clip=stage.clip,
    )


def _role(plan: LayerPlan, mid: int, role: Operand) -> list[L1Buffer]:
    """The buffers of the map number `mid` in between, or of the group's own input or output."""
    if mid in (-1, len(plan.stages) - 1):
        return [one for one in plan.buffers if one.operand is role]
    slots = _mid_slots(plan, mid)
    here = [one for one in plan.buffers if one.operand is Operand.MID and one.slot in slots]
    return [L1Buffer(role, slots.index(one.slot), one.offset, one.size) for one in here]


def _mid_slots(plan: LayerPlan, mid: int) -> list[int]:
    """The slots of MID of map number `mid`: two where the cores are at one while an engine is at the other."""
    engines = [stage.engine for stage in plan.stages]
    maps = [
        number
        for number, pair in enumerate(pairwise(engines))
        for _ in range(1 if set(pair) == {CLUSTER_NAME} else 2)
    ]
    return [slot for slot, number in enumerate(maps) if number == mid]


def check_no_stages(plan: LayerPlan) -> None:
    """Raises PlanError if a layer that isn't a group has what only groups have."""
    if any(buffer.operand is Operand.MID for buffer in plan.buffers):
        raise _fail("has a buffer between layers and is no group", f"layer {plan.layer}")


def stage_blocks(plan: LayerPlan, sizes: Sequence[Sequence[int]], where: str) -> list[int]:
    """The size of the group's block in each step; `sizes` are those of the layers' blocks. Raises PlanError if
    the layers' blocks don't follow one another in it, each at a multiple of 8 bytes."""
    totals = []
    for number in range(len(plan.steps)):
        at = 0
        for stage, own in zip(plan.stages, sizes, strict=True):
            step, size = stage.steps[number], own[number]
            if (step.params_offset, step.params_size) != (at, size):
                raise _fail(
                    f"the parameters of {stage.layer} should be {size} bytes at {at} of the block, not"
                    f" {step.params_size} at {step.params_offset}",
                    f"{where}, step {number}",
                )
            at += -(-size // ALIGNMENT) * ALIGNMENT
        totals.append(at)
    return totals
