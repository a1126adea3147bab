"""Groups of consecutive layers that run as one: tile by tile through all of them, depth first.

What one layer of a group makes and the next one reads is in L1 only, and only as much of it as a tile needs;
what two tiles need of it is computed twice. For everything beyond L1 a group is one layer with the input of its
first and the output of its last: `fused_graph` makes a graph of it, and `as_planned` the one that a plan is
for.

The last layer may add, or multiply, what the one before makes and a map from outside, of which each tile's part
is loaded.

One layer of a group may run on an engine beside the cores, which compute the layers before it for the next tile
meanwhile, and those behind it for the tile before: what the engine reads and makes has two buffers then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from tvm_pulp.codegen.fusion.im2col import with_im2col, with_planned_products
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.order import reordered
from tvm_pulp.codegen.plan import Box, L1Buffer, LayerPlan, Operand, Plan, TileStep
from tvm_pulp.errors import PlanError

FUSIBLE = (
    LayerKind.CONV2D,
    LayerKind.POINTWISE,
    LayerKind.DEPTHWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
    LayerKind.TABLE,
    LayerKind.QUANTIZE,
    LayerKind.TRANSPOSE,
    LayerKind.IM2COL,
)
"""Kinds of layers that read one map, a window at a time."""

OF_TWO_MAPS = (LayerKind.ADD, LayerKind.MUL)
"""Kinds of layers that may be the last of a group."""

MOST_STAGES = 3
SEPARATOR = "_and_"


def group_name(names: Sequence[str]) -> str:
    """The name of a group of layers, a C identifier."""
    return SEPARATOR.join(names)


def fused(parts: Sequence[Layer]) -> Layer:
    """The layers as one."""
    last = _with_map_first(parts[-1], parts[-2].output)
    return Layer(
        name=group_name([part.name for part in parts]),
        kind=LayerKind.FUSED,
        inputs=(*parts[0].inputs, *(name for name in last.inputs[1:] if name != last.inputs[0])),
        output=last.output,
        sources=tuple(source for part in parts for source in part.sources),
        parts=(*parts[:-1], last),
    )


def _with_map_first(layer: Layer, made: str) -> Layer:
    """The layer with the map that the group makes as its first input; sums and products don't change."""
    if layer.inputs[0] == made or layer.requant is None:
        return layer
    requant = replace(layer.requant, multiplier=layer.requant.multiplier[::-1])
    return replace(layer, inputs=layer.inputs[::-1], requant=requant)


def may_fuse(graph: LayerGraph, parts: Sequence[Layer]) -> bool:
    """True if consecutive layers can be a group: each reads a map that the one before makes and that is needed
    nowhere else, in HWC order."""
    if not 2 <= len(parts) <= MOST_STAGES or not all(map(_may_take_part, parts[:-1])):
        return False
    if not (_may_take_part(parts[-1]) or parts[-1].kind in OF_TWO_MAPS):
        return False
    return not graph.tensors[parts[-1].output].planar and all(
        _reads(graph, before, after)
        and is_inner(graph, before.output)
        and not graph.tensors[before.output].planar
        for before, after in pairwise(parts)
    )


def _may_take_part(layer: Layer) -> bool:
    return layer.kind in FUSIBLE and not layer.makes_sums


def _reads(graph: LayerGraph, before: Layer, after: Layer) -> bool:
    """True if a layer reads what the one before makes, and nothing else but a map of the same shape."""
    made = graph.tensors[before.output]
    others = [graph.tensors[name] for name in after.inputs if name != made.name]
    alike = all((one.height, one.width) == (made.height, made.width) and not one.planar for one in others)
    return made.name in after.inputs and alike


def is_inner(graph: LayerGraph, name: str) -> bool:
    """True if a tensor is bytes, no part of another, that one layer reads and nobody sees."""
    tensor = graph.tensors[name]
    readers = sum(name in layer.inputs for layer in graph.layers)
    viewed = any(other.view is not None and other.base == name for other in graph.tensors.values())
    plain = tensor.view is None and not viewed and tensor.dtype is Dtype.UINT8
    return readers == 1 and name not in graph.outputs and plain


def fused_graph(
    graph: LayerGraph, groups: Sequence[range], products: Collection[str] = frozenset()
) -> LayerGraph:
    """The graph with groups of layers, ranges of their indices that don't overlap, each as one layer. One of
    `products`, convolutions, is two layers (`codegen/fusion/im2col.py`) where a group ends with it."""
    if not groups:
        return graph
    last = {graph.layers[group.stop - 1].name: group for group in groups}
    two = last.keys() & set(products)
    if two:
        before = [0, *accumulate(layer.name in two for layer in graph.layers)]
        moved = [range(group.start + before[group.start], group.stop + before[group.stop]) for group in groups]
        return fused_graph(with_im2col(graph, two), moved)
    starts = {group.start: group for group in groups}
    inside = {index for group in groups for index in group}
    layers: list[Layer] = []
    for index, layer in enumerate(graph.layers):
        if index in starts:
            layers.append(fused([graph.layers[part] for part in starts[index]]))
        elif index not in inside:
            layers.append(layer)
    return replace(graph, layers=tuple(layers))


def as_planned(graph: LayerGraph, plan: Plan) -> LayerGraph:
    """The graph with the groups and the order of a plan. Raises PlanError if the plan's layers aren't the
    graph's, one comes before another that it needs, or a group is none that can be fused."""
    graph = with_planned_products(graph, plan)
    if [layer.layer for layer in plan.layers] == [layer.name for layer in graph.layers]:
        return graph
    names = [[stage.layer for stage in one.stages] or [one.layer] for one in plan.layers]
    ordered = reordered(graph, [name for group in names for name in group])
    if ordered is None:
        raise PlanError(
            "the layers aren't the graph's layers in an order that they can have", where="plan, header"
        )
    groups: list[range] = []
    at = 0
    for layer_plan, parts in zip(plan.layers, names, strict=True):
        if layer_plan.stages:
            groups.append(range(at, at + len(parts)))
            _check_group(graph, layer_plan, ordered.layers[at : at + len(parts)])
        at += len(parts)
    return fused_graph(ordered, groups)


def _check_group(graph: LayerGraph, layer_plan: LayerPlan, parts: Sequence[Layer]) -> None:
    where = f"plan, layer {layer_plan.layer}"
    if layer_plan.layer != group_name([part.name for part in parts]):
        raise PlanError("a group is called as its layers are together", where=where)
    if not may_fuse(graph, parts):
        raise PlanError("these layers can't be fused", where=where)


def stage_plans(plan: LayerPlan) -> tuple[LayerPlan, ...]:
    """Each layer of a group as if it ran alone, on what lies in the group's buffers. Its blocks of parameters
    count from the begin of the step's block."""
    return tuple(_stage_plan(plan, index) for index in range(len(plan.stages)))


def mid_slots(plan: LayerPlan, index: int) -> range:
    """The slots of MID for what layer number `index` of a group makes for the next; steps take turns. An engine
    reads and writes one while the cores are at another."""
    first = index + sum(_alternates(plan, before) for before in range(index))
    return range(first, first + 1 + _alternates(plan, index))


def _alternates(plan: LayerPlan, index: int) -> bool:
    return plan.engine_stage in (index, index + 1)


def second_input_buffers(*, overlaps: bool) -> int:
    """The number of buffers for a group's second input: while one is loaded another one is read, which is that
    of the step before if an engine `overlaps` with the cores."""
    return 3 if overlaps else 2


def _stage_plan(plan: LayerPlan, index: int) -> LayerPlan:
    stage = plan.stages[index]
    steps = tuple(_stage_step(plan, index, number) for number in range(len(plan.steps)))
    return LayerPlan(
        layer=stage.layer,
        kernel=stage.kernel,
        tile=largest_box([step.y for step in steps]),
        order=plan.order,
        buffers=tuple(_stage_buffers(plan, index)),
        steps=steps,
        pad_in_l1=stage.pad_in_l1,
        clip=stage.clip,
        engine=stage.engine,
    )


def largest_box(boxes: Sequence[Box]) -> Box:
    """At the origin, as large as the largest on every axis."""
    return Box(0, max(box.h for box in boxes), 0, max(box.w for box in boxes), 0, max(box.c for box in boxes))


def _stage_step(plan: LayerPlan, index: int, number: int) -> TileStep:
    step, own = plan.steps[number], plan.stages[index].steps[number]
    first, last = index == 0, index == len(plan.stages) - 1
    return TileStep(
        y=own.y,
        x=step.x if first else plan.stages[index - 1].steps[number].y,
        padding=own.padding,
        x_slot=step.x_slot if first else number % len(mid_slots(plan, index - 1)),
        params_slot=step.params_slot,
        y_slot=step.y_slot if last else number % len(mid_slots(plan, index)),
        load_x=step.load_x if first else True,
        load_params=step.load_params,
        params_offset=own.params_offset,
        params_size=own.params_size,
        x2_slot=step.x2_slot,
    )


def _stage_buffers(plan: LayerPlan, index: int) -> list[L1Buffer]:
    """Its inputs and output among the group's buffers, and those that all stages use."""
    shared = [Operand.PARAMS, Operand.SCRATCH]
    shared += [Operand.SUMS] if index == plan.engine_stage else []
    shared += [Operand.X2] if index == len(plan.stages) - 1 else []
    found = [buffer for buffer in plan.buffers if buffer.operand in shared]
    return [*found, *_in_role(plan, index - 1, Operand.X), *_in_role(plan, index, Operand.Y)]


def _in_role(plan: LayerPlan, index: int, role: Operand) -> list[L1Buffer]:
    """The buffers of what layer number `index` of a group makes, or of the group's own input or output, as a
    layer's input or output."""
    if index in (-1, len(plan.stages) - 1):
        return [buffer for buffer in plan.buffers if buffer.operand is role]
    slots = mid_slots(plan, index)
    mids = [one for one in plan.buffers if one.operand is Operand.MID and one.slot in slots]
    return [replace(one, operand=role, slot=one.slot - slots.start) for one in mids]
