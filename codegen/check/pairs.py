"""The part of the independent check that is about the order of layers, and about two that run at the same time:
that each finds what it reads, on an engine and in L1 of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided
from tvm_pulp.codegen.graph import LayerGraph, Tensor
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan, Operand, Plan
from tvm_pulp.errors import PlanError

IntArray = npt.NDArray[np.int64]

MOST_STEPS = 255
"""Of the second of two layers, in a byte."""


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def begin_and_end(plan: Plan, index: int) -> tuple[int, int]:
    """The first and the last of the layers that run when this one does."""
    paired = index > 0 and plan.layers[index - 1].with_next
    return index - paired, index + plan.layers[index].with_next


def check_order(graph: LayerGraph, plan: Plan) -> None:
    """Raises PlanError unless all that a layer reads is written when it begins. `graph` is in the plan's
    order."""
    last_writer = {
        tensor.name: np.full(tensor.span_bytes, -1) for tensor in graph.tensors.values() if tensor.view is None
    }
    for index, layer in enumerate(graph.layers):
        written = _places(graph.tensors[layer.output], last_writer)
        written[:] = np.maximum(written, begin_and_end(plan, index)[1])
    for index, layer in enumerate(graph.layers):
        for name in layer.inputs:
            if _places(graph.tensors[name], last_writer).max() >= begin_and_end(plan, index)[0]:
                raise _fail(f"reads {name} before all of it is written", f"layer {layer.name}")


def _places(tensor: Tensor, of_bytes: dict[str, IntArray]) -> IntArray:
    """The entries of a tensor's bytes, in arrays with an entry for each byte of what has memory: [rows, pixels,
    bytes of a pixel]."""
    array, map_of_bytes = of_bytes[tensor.base], tensor.as_bytes
    offset = 0 if tensor.view is None else tensor.view.offset
    strides = (map_of_bytes.row_bytes, map_of_bytes.pixel_bytes, 1)
    shape = (map_of_bytes.height, map_of_bytes.width, map_of_bytes.channels)
    each = array.itemsize
    return as_strided(array[offset:], shape, tuple(each * stride for stride in strides))


def check_pairs(plan: Plan) -> None:
    """Raises PlanError unless layers that run at the same time can."""
    if plan.layers and plan.layers[-1].with_next:
        raise _fail("there is no next layer to run beside", f"layer {plan.layers[-1].layer}")
    for index, (one, other) in enumerate(pairwise(plan.layers)):
        if one.with_next:
            for what in _faults(one, other):
                raise _fail(what, f"layers {one.layer} and {other.layer}")
            if any(layer.params_ahead or layer.x_ahead for layer in plan.layers[index : index + 3]):
                raise _fail(
                    "nothing is loaded ahead for, or during, layers at the same time", f"layer {one.layer}"
                )
            if plan.transfers:
                raise _fail("two layers at the same time, and transfers from L3", "header")


def _faults(one: LayerPlan, other: LayerPlan) -> Iterator[str]:
    if other.with_next:
        yield "three layers at the same time"
    if one.engine in (CLUSTER_NAME, other.engine):
        yield "the first of two layers runs on an engine beside the cores, the second elsewhere"
    done = (0, *one.next_steps)
    if len(other.steps) > MOST_STEPS:
        yield f"the second of two layers has more than {MOST_STEPS} steps"
    if other.engine != CLUSTER_NAME and any(buffer.operand is Operand.SUMS for buffer in other.buffers):
        yield "the second of two layers leaves sums to the cores"
    if len(one.next_steps) != len(one.steps) or done[-1] != len(other.steps) or list(done) != sorted(done):
        yield f"the {len(other.steps)} steps of the second of two layers aren't done beside the first's"
    if any(layer.shares or layer.stages for layer in (one, other)):
        yield "two layers at the same time that aren't each a layer on an engine"
    if any(layer.c_in for layer in (one, other)):
        yield "two layers at the same time, one of which reads its input channels in parts"
    if any(layer.late or layer.in_l1 for layer in (one, other)):
        yield "operands of layers at the same time come while the step before is computed"
    for mine in one.buffers:
        for its in other.buffers:
            if mine.offset < its.offset + its.size and its.offset < mine.offset + mine.size:
                yield f"buffers {mine.operand.value}[{mine.slot}] and {its.operand.value}[{its.slot}] overlap"
