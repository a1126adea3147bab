"""The part of the independent check that is about tiles that read their input channels in parts: every sum is
made of all channels, and bytes are made of whole sums only."""

from __future__ import annotations

from itertools import groupby

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, LayerPlan, TileStep
from tvm_pulp.errors import PlanError

_KINDS = (LayerKind.CONV2D, LayerKind.POINTWISE, LayerKind.LINEAR)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def last_parts(plan: LayerPlan) -> list[int]:
    """The steps behind which their output boxes are whole."""
    if not plan.c_in:
        return list(range(len(plan.steps)))
    runs = groupby(range(len(plan.steps)), lambda index: plan.steps[index].y)
    return [max(run) for _, run in runs]


def check_parts(graph: LayerGraph, layer: Layer, plan: LayerPlan, where: str) -> None:
    """Raises PlanError unless the parts of each tile are all of its input, and the layer can be computed so."""
    if not plan.c_in:
        return
    if layer.kind not in _KINDS or layer.requant is None:
        raise _fail("its input channels can't be read in parts", where)
    if plan.engine != CLUSTER_NAME or plan.stages or plan.shares:
        raise _fail("only the cores read input channels in parts", where)
    if plan.c_in != max(step.x.c for step in plan.steps):
        raise _fail("c_in isn't the largest number of input channels of a step", where)
    if set(layer.inputs) & set(plan.in_l1):
        raise _fail("parts of an input aren't read where it lies in L1", where)
    channels = graph.tensors[layer.inputs[0]].channels
    begin = 0
    for end in last_parts(plan):
        _check_tile(plan.steps[begin : end + 1], channels, f"{where}, step {begin}")
        begin = end + 1


def _check_tile(steps: tuple[TileStep, ...], channels: int, where: str) -> None:
    at = 0
    for x in sorted((step.x for step in steps), key=lambda box: box.c0):
        if x.c0 != at or _place(x) != _place(steps[0].x):
            raise _fail("the parts of its tile aren't the input channels, each once", where)
        at += x.c
    if at != channels:
        raise _fail("the parts of its tile aren't the input channels, each once", where)


def _place(box: Box) -> tuple[int, ...]:
    return box.h0, box.h, box.w0, box.w
