"""The part of the independent check that is about fused groups: which layers they are made of, and that every
layer of a group finds in L1 what it reads.

A group's layers are looked at one by one, as `checker.py` looks at a layer; here is what they look like alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.im2col import with_planned_products
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, L1Buffer, LayerPlan, Operand, Plan, TileStep
from tvm_pulp.errors import PlanError

ALIGNMENT = 8
_NOT_FUSED = (
    LayerKind.LINEAR,
    LayerKind.ADD,
    LayerKind.MUL,
    LayerKind.COPY,
    LayerKind.DEQUANTIZE,
    LayerKind.SOFTMAX,
    LayerKind.FUSED,
)
_MOST = 3


@dataclass(frozen=True)
class CheckedStage:
    """One layer of a group as a layer by itself."""

    layer: Layer
    plan: LayerPlan


def grouped(graph: LayerGraph, plan: Plan) -> LayerGraph:
    """The graph as the plan runs it: with the layers of each group as one, of which a convolution may be two.
    Raises PlanError if a group isn't made of the graph's layers in their order, or one of its maps is needed
    outside."""
    graph = with_planned_products(graph, plan)
    waiting = list(graph.layers)
    layers: list[Layer] = []
    for layer_plan in plan.layers:
        names = [stage.layer for stage in layer_plan.stages] or [layer_plan.layer]
        parts, waiting = waiting[: len(names)], waiting[len(names) :]
        if [part.name for part in parts] != names:
            raise _fail("the layers aren't the graph's layers in their order", "header")
        layers.append(_group(graph, layer_plan, parts) if layer_plan.stages else parts[0])
    if waiting:
        raise _fail("the layers aren't the graph's layers in their order", "header")
    return LayerGraph(graph.name, graph.tensors, graph.inputs, graph.outputs, tuple(layers), graph.placed)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def _group(graph: LayerGraph, plan: LayerPlan, parts: Sequence[Layer]) -> Layer:
    where = f"layer {plan.layer}"
    if plan.layer != "_and_".join(part.name for part in parts):
        raise _fail("isn't called as its layers are together", where)
    if not 2 <= len(parts) <= _MOST:
        raise _fail(f"a group is 2 or {_MOST} layers", where)
    if plan.engine != CLUSTER_NAME and (len(plan.steps) < 2 or any(one.load_params for one in plan.steps[1:])):
        raise _fail(f"engine {plan.engine} takes several steps of a group, with the same parameters", where)
    for part in parts:
        if part.kind in _NOT_FUSED or part.makes_sums:
            raise _fail(f"a {part.kind.value} layer can't be fused", where)
    for before, after in pairwise(parts):
        _check_inner(graph, before, after, where)
    if graph.tensors[parts[-1].output].planar:
        raise _fail(f"{parts[-1].output} isn't in HWC order", where)
    sources = tuple(source for part in parts for source in part.sources)
    first, last = parts[0], parts[-1]
    return Layer(plan.layer, LayerKind.FUSED, first.inputs, last.output, sources=sources, parts=tuple(parts))


def _check_inner(graph: LayerGraph, before: Layer, after: Layer, where: str) -> None:
    """What `before` makes is read by `after` alone, byte by byte."""
    tensor = graph.tensors[before.output]
    if after.inputs != (tensor.name,):
        raise _fail(f"{after.name} doesn't read what {before.name} makes, or more than that", where)
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
    for index, part in enumerate(layer.parts):
        yield CheckedStage(part, _alone(plan, index))


def _alone(plan: LayerPlan, index: int) -> LayerPlan:
    stage, last = plan.stages[index], len(plan.stages) - 1
    steps = []
    for number, step in enumerate(plan.steps):
        own = stage.steps[number]
        source = step.x if index == 0 else plan.stages[index - 1].steps[number].y
        x_slot = step.x_slot if index == 0 else number % _mid_buffers(plan, index - 1)
        y_slot = step.y_slot if index == last else number % _mid_buffers(plan, index)
        steps.append(
            TileStep(own.y, source, own.padding, x_slot, step.params_slot, y_slot, params_size=own.params_size)
        )
    buffers = [*_role(plan, index - 1, Operand.X), *_role(plan, index, Operand.Y)]
    buffers += [one for one in plan.buffers if one.operand in (Operand.PARAMS, Operand.SCRATCH)]
    buffers += [one for one in plan.buffers if one.operand is Operand.SUMS and index == last]
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
    slots = range(mid, mid + _mid_buffers(plan, mid))
    here = [one for one in plan.buffers if one.operand is Operand.MID and one.slot in slots]
    return [L1Buffer(role, one.slot - mid, one.offset, one.size) for one in here]


def _mid_buffers(plan: LayerPlan, mid: int) -> int:
    """The cores write one while an engine reads the other."""
    return 1 + (plan.engine != CLUSTER_NAME and mid == len(plan.stages) - 2)


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
