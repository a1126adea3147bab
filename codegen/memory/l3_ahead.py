"""Loads ahead in plans whose parameters come from L3: those that have come before the layer before ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.l1_tensors import place_layers
from tvm_pulp.codegen.memory.l2_plan import L2Plan, L2Task
from tvm_pulp.codegen.memory.l3_places import streams_params_of
from tvm_pulp.codegen.memory.l3_schedule import Moment, Replay, replay
from tvm_pulp.codegen.memory.marks import MarkTimes, mark_times
from tvm_pulp.codegen.plan import L1Tensor, L3Kind, L3Transfer, LayerPlan, Mark, Operand


def with_loads_ahead(task: L2Task, plan: L2Plan, tensors: Sequence[L1Tensor]) -> L2Plan:
    """The plan with operands loaded ahead where that makes it faster, else as it is."""
    l3 = task.machine.l3
    if l3 is None or not plan.transfers:
        return plan
    marks = mark_times(task.costs(plan.layers))
    base = _Timing(plan.transfers, marks, replay(_moments(plan.transfers, marks), marks, l3))
    forbidden = frozenset(_forbidden(task, plan, base))
    layers = place_layers(task.graph, plan.layers, tensors, task.machine.l1_bytes, forbidden)
    if layers is None:
        return plan
    return _faster(task, plan, layers, l3)


def _faster(task: L2Task, plan: L2Plan, layers: tuple[LayerPlan, ...], l3: L3Model) -> L2Plan:
    transfers = tuple(_awaited(one, layers) for one in plan.transfers)
    marks = mark_times(task.costs(layers))
    waits = sum(replay(_moments(transfers, marks), marks, l3).waits)
    old = plan.prediction
    saved = old.layers - marks.total
    if marks.total + waits >= old.cycles:
        return plan
    # No part of the bound is made of more than all layers.
    prediction = replace(old, layers=marks.total, l3_waits=waits, bound=max(0, old.bound - max(0, saved)))
    return replace(plan, layers=layers, transfers=transfers, prediction=prediction)


@dataclass(frozen=True)
class _Timing:
    """Transfers with their times in a region."""

    transfers: Sequence[L3Transfer]
    marks: MarkTimes
    played: Replay

    def done_by(self, number: int, mark: Mark) -> bool:
        """True if a transfer, started and all before it awaited by then, is complete at a mark."""
        one = self.transfers[number]
        before = self.transfers[number - 1].wait if number else one.start
        if one.start > mark or before > mark:
            return False
        at = self.marks.number(mark)
        pairs = zip(self.transfers, self.played.waits, strict=True)
        waited = sum(wait for other, wait in pairs if other.wait <= mark)
        return self.played.spans[number][1] <= self.marks.cycles[at] + waited


def _moments(transfers: Sequence[L3Transfer], marks: MarkTimes) -> list[Moment]:
    return [Moment(marks.number(one.start), marks.number(one.wait), one.size) for one in transfers]


def _forbidden(task: L2Task, plan: L2Plan, timing: _Timing) -> list[tuple[int, Operand]]:
    """Layers and those of their first operands that come from L3 too late."""
    in_l3 = {buffer.tensor for buffer in plan.l3_buffers}
    found: list[tuple[int, Operand]] = []
    for index in range(1, len(plan.layers)):
        if in_l3 & set(task.graph.layers[index].inputs):
            found.append((index, Operand.X))
        if streams_params_of(plan.transfers, index):
            number = _first_params(plan.transfers, plan.layers, index)
            if number is None or not timing.done_by(number, _last_mark(plan.layers, index)):
                found.append((index, Operand.PARAMS))
    return found


def _first_params(transfers: Sequence[L3Transfer], layers: Sequence[LayerPlan], index: int) -> int | None:
    """The transfer that brings the parameters of a layer's first step."""
    for number, one in enumerate(transfers):
        if one.layer == index and _serves_first(one, layers):
            return number
    return None


def _serves_first(one: L3Transfer, layers: Sequence[LayerPlan]) -> bool:
    """True if a transfer brings the parameters of its layer's first step for it."""
    wanted = layers[one.layer].steps[0].params_offset
    holds = one.l3_offset <= wanted < one.l3_offset + one.size
    return one.kind is L3Kind.PARAMS and one.first == 0 and holds


def _last_mark(layers: Sequence[LayerPlan], index: int) -> Mark:
    """When loads for a layer are started ahead."""
    return Mark(index - 1, len(layers[index - 1].steps) - 1)


def _awaited(one: L3Transfer, layers: Sequence[LayerPlan]) -> L3Transfer:
    """The transfer, awaited when its parameters are loaded ahead."""
    if not (layers[one.layer].params_ahead and _serves_first(one, layers)):
        return one
    return replace(one, wait=min(one.wait, _last_mark(layers, one.layer)))
