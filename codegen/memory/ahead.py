"""What of a layer's first step may be loaded during the last step of the layer before.

At the begin of that step the layer before has loaded all that it loads. Only the slots that the step uses are
in use then, and output tiles, which may still be on their way to L2. An engine beside the cores is given the
last step while it is at the one before: the loads are started when it has ended that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tvm_pulp.codegen.graph import LayerGraph, Tensor
from tvm_pulp.codegen.plan import Box, L1Buffer, LayerPlan, Operand
from tvm_pulp.codegen.tiles.input_parts import finishing


def in_use_at_last(plan: LayerPlan) -> list[L1Buffer]:
    """The buffers that must not be overwritten during a layer's last step."""
    last = plan.steps[-1]
    slots = {Operand.X: last.x_slot, Operand.X2: plan.second_slot(last), Operand.PARAMS: last.params_slot}
    return [one for one in plan.buffers if slots.get(one.operand, one.slot) == one.slot]


def loadable_ahead(graph: LayerGraph, plans: Sequence[LayerPlan], index: int) -> tuple[Operand, ...]:
    """What the layer with this index loads for its first step that may come during the layer before: X, which
    stands for X2 too, PARAMS. Nothing for or during one of two layers that run at the same time."""
    if index == 0 or any(plan.with_next for plan in plans[max(0, index - 2) : index + 1]):
        return ()
    first, found = plans[index].steps[0], []
    if first.load_x and not plans[index].pad_in_l1 and _inputs_are_stored(graph, plans, index):
        found.append(Operand.X)
    if first.load_params and first.params_size:
        found.append(Operand.PARAMS)
    return tuple(found)


def first_step_alone(plan: LayerPlan) -> LayerPlan:
    """The plan of the first step only, which loads its operands itself."""
    stages = tuple(replace(stage, steps=stage.steps[:1]) for stage in plan.stages)
    shares = tuple(replace(share, steps=share.steps[:1]) for share in plan.shares)
    return replace(plan, steps=plan.steps[:1], stages=stages, shares=shares, params_ahead=False, x_ahead=False)


def _inputs_are_stored(graph: LayerGraph, plans: Sequence[LayerPlan], index: int) -> bool:
    """True if all that the first step loads is in L2 when the last step of the layer before begins."""
    before, layer = graph.layers[index - 1], graph.layers[index]
    made = graph.tensors[before.output]
    first = plans[index].steps[0]
    for number, name in enumerate(layer.inputs):
        if name in plans[index].in_l1 or graph.tensors[name].base != made.base:
            continue
        own_box = bool(layer.parts and number)
        if name != before.output or not (own_box or graph.tensors[name] == graph.tensors[layer.inputs[0]]):
            return False
        if not _stored_before_last(plans[index - 1], first.y if own_box else first.x, made):
            return False
    return True


def _stored_before_last(before: LayerPlan, read: Box, made: Tensor) -> bool:
    """True if the steps of the layer before whose output buffer has been used again, or is about to be, made
    what is read."""
    last = len(before.steps) - 1
    slots = {step.y_slot: number for number, step in enumerate(before.steps)}  # who uses a slot last
    finished = finishing(before.steps)
    there = np.zeros((made.height, made.width, made.channels), np.bool_)
    for number, step in enumerate(before.steps):
        if finished[number] and number < slots[step.y_slot] and number < last:
            y = step.y
            there[y.h0 : y.h0 + y.h, y.w0 : y.w0 + y.w, y.c0 : y.c0 + y.c] = True
    rows, columns = slice(read.h0, read.h0 + read.h), slice(read.w0, read.w0 + read.w)
    return bool(there[rows, columns, read.c0 : read.c0 + read.c].all())
