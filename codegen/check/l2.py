"""The part of the independent check that is about L2 and L3: homes, lifetimes, transfers and their order.

Moments are compared as marks (`plan.Mark`). What shares bytes at the same time is found pair by pair; where an
output overwrites its layer's input, the layer is replayed byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import inf

import numpy as np
from tvm_pulp.codegen.check.pairs import begin_and_end
from tvm_pulp.codegen.check.parts import last_parts
from tvm_pulp.codegen.check.tables import check_tables, rows_begin
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, Tensor
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.plan import (
    ROW_BYTES,
    ROWS_IN_L2,
    Box,
    L2Buffer,
    L3Buffer,
    L3Kind,
    L3Transfer,
    LayerPlan,
    Mark,
    Plan,
)
from tvm_pulp.errors import PlanError

MOST_JOBS = 64
L3_WORD = 4


def check_l2(graph: LayerGraph, machine: Machine, plan: Plan) -> None:
    """Raises PlanError unless everything outside of L1 has a place, in time, that nothing else uses."""
    _check_views(graph)
    _check_homes(graph, plan)
    _check_order(plan)
    _check_params(plan)
    _check_bands(graph, plan)
    check_tables(graph, plan)
    _check_room(graph, machine, plan)
    for one, other in combinations(_uses(plan), 2):
        if _clash(one, other) and not _overwrites(graph, plan, one, other):
            raise _fail(f"shares bytes with {other.what} while both live", one.what)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


# ---- Activations ---------------------------------------------------------------------------------------------


def _check_homes(graph: LayerGraph, plan: Plan) -> None:
    lives = _lives(graph, plan)
    homes = [one.tensor for one in plan.l2_buffers]
    homes += [one.tensor for one in plan.l3_buffers] + [one.tensor for one in plan.l1_tensors]
    if sorted(homes) != sorted(lives):
        raise _fail("the tensors in L1, L2 and L3 aren't those between layers", "L2")
    _check_l3_homes(graph, plan, lives)
    for buffer in plan.l2_buffers:
        where = f"L2 buffer {buffer.tensor}"
        tensor = graph.tensors[buffer.tensor]
        if buffer.size != _bytes(tensor):
            raise _fail(f"{buffer.size} bytes aren't the tensor's size", where)
        if buffer.offset < 0 or buffer.offset + buffer.size > plan.l2_arena:
            raise _fail("lies outside of the arena", where)
        first, last = lives[buffer.tensor]
        if buffer.first > first or buffer.last < last:
            raise _fail(f"lives from layer {first} to {last}, not {buffer.first} to {buffer.last}", where)
        if buffer.last >= len(graph.layers):
            raise _fail(f"lives until layer {buffer.last}, the last is {len(graph.layers) - 1}", where)


def _check_l3_homes(graph: LayerGraph, plan: Plan, lives: dict[str, tuple[int, int]]) -> None:
    for buffer in plan.l3_buffers:
        where = f"L3 buffer {buffer.tensor}"
        if buffer.size != graph.tensors[buffer.tensor].size_bytes:
            raise _fail(f"{buffer.size} bytes aren't the tensor's size", where)
        if _has_views(graph, buffer.tensor):
            raise _fail("has views, which must be in L2", where)
        if buffer.offset < 0 or buffer.offset + buffer.size > plan.l3_arena:
            raise _fail("lies outside of the arena", where)
    for one, other in combinations(plan.l3_buffers, 2):
        (first, last), (other_first, other_last) = lives[one.tensor], lives[other.tensor]
        apart = one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
        if not apart and first <= other_last and other_first <= last:
            raise _fail(f"shares bytes with {other.tensor} while both live", f"L3 buffer {one.tensor}")


def _lives(graph: LayerGraph, plan: Plan) -> dict[str, tuple[int, int]]:
    """First and last layer of every tensor that the region itself keeps, views counted as what they are
    part of, and both layers of a pair where one of them needs it."""
    lives: dict[str, tuple[int, int]] = {}
    for index, layer in enumerate(graph.layers):
        begin, end = begin_and_end(plan, index)
        for name in (*layer.inputs, layer.output):
            kept = graph.tensors[name].base
            if kept in graph.inputs or kept in graph.outputs:
                continue
            first, _ = lives.get(kept, (begin, end))
            lives[kept] = (first, end)
    return lives


def _check_views(graph: LayerGraph) -> None:
    """Every view lies inside a tensor that is none."""
    for tensor in graph.tensors.values():
        if tensor.view is None:
            continue
        base = graph.tensors[tensor.view.base]
        if base.view is not None or tensor.view.offset < 0:
            raise _fail(f"isn't a part of a tensor with memory ({base.name})", f"view {tensor.name}")
        if tensor.view.offset + tensor.span_bytes > _bytes(base):
            raise _fail(f"ends beyond tensor {base.name}", f"view {tensor.name}")


def _bytes(tensor: Tensor) -> int:
    each = 1 if tensor.dtype in (Dtype.UINT8, Dtype.INT8) else 4
    return tensor.height * tensor.width * tensor.channels * each


def _shape(tensor: Tensor) -> tuple[object, ...]:
    return (tensor.height, tensor.width, tensor.channels, tensor.dtype, tensor.planar)


def _has_views(graph: LayerGraph, name: str) -> bool:
    return any(tensor.view is not None and tensor.view.base == name for tensor in graph.tensors.values())


# ---- Transfers -----------------------------------------------------------------------------------------------


def _transfer_words(index: int) -> str:
    return f"L3 transfer {index}"


def _check_order(plan: Plan) -> None:
    """Each transfer is started and awaited at marks that there are, after the one before it."""
    for index, one in enumerate(plan.transfers):
        where = _transfer_words(index)
        if not (_is_mark(plan, one.start) and _is_mark(plan, one.wait)):
            raise _fail("is started or awaited at a step that isn't there", where)
        if one.wait < one.start:
            raise _fail("is awaited before it is started", where)
        before = plan.transfers[index - 1] if index else one
        if one.start < before.start or one.wait < before.wait:
            raise _fail(f"is started or awaited before {_transfer_words(index - 1)}", where)
        if index >= MOST_JOBS and plan.transfers[index - MOST_JOBS].wait > one.start:
            raise _fail(f"more than {MOST_JOBS} transfers are under way", where)
        if one.size < 1 or one.size % L3_WORD or one.l2_offset % L3_WORD or one.l3_offset % L3_WORD:
            raise _fail("its size and places aren't whole words", where)
        if one.l2_offset < 0 or one.l2_offset + one.size > plan.l2_arena or one.l3_offset < 0:
            raise _fail("leaves the arena", where)


def _is_mark(plan: Plan, mark: Mark) -> bool:
    if mark.layer == len(plan.layers):
        return mark.step == -1
    return 0 <= mark.layer < len(plan.layers) and -1 <= mark.step < len(plan.layers[mark.layer].steps)


def _check_params(plan: Plan) -> None:
    """Every block of a layer with parameters in L3 is in L2 when a step fetches it; it may come more than once,
    for some steps each time."""
    for index, layer in enumerate(plan.layers):
        transfers = [one for one in plan.transfers if (one.kind, one.layer) == (L3Kind.PARAMS, index)]
        for number, step in enumerate(layer.steps):
            if not transfers or not step.load_params:
                continue
            where = f"layer {layer.layer}, step {number}"
            here = [one for one in transfers if _holds(one, step.params_offset, step.params_size)]
            serving = [one for one in here if one.first <= number <= one.last]
            if len(serving) != 1:
                raise _fail(
                    f"{len(serving)} transfers bring the parameters at {step.params_offset} from L3 for it",
                    where,
                )
            if serving[0].wait > Mark(index, number - 1):
                raise _fail("its parameters are fetched before their transfer from L3 is awaited", where)
    for index, one in enumerate(plan.transfers):
        if not 0 <= one.layer < len(plan.layers):
            raise _fail("serves a layer that isn't there", _transfer_words(index))
        if one.kind is L3Kind.PARAMS and one.l3_offset + one.size > _params_bytes(plan.layers[one.layer]):
            raise _fail("reads beyond the layer's parameters", _transfer_words(index))


def _holds(one: L3Transfer, offset: int, size: int) -> bool:
    return one.l3_offset <= offset and offset + size <= one.l3_offset + one.size


def _params_bytes(layer: LayerPlan) -> int:
    return max(step.params_offset + step.params_size for step in layer.steps)


def _check_bands(graph: LayerGraph, plan: Plan) -> None:
    """Every step of a layer with an input or its output in L3 has the rows that it reads or writes in L2, and
    they are read from L3 after they were written."""
    homes = {buffer.tensor: buffer for buffer in plan.l3_buffers}
    for index, layer in enumerate(graph.layers):
        for name in {layer.output, *layer.inputs} & set(homes):
            kind = L3Kind.STORE if name == layer.output else L3Kind.LOAD
            _check_band(graph, plan, index, homes[name], kind)
    for number, one in enumerate(plan.transfers):
        if one.kind not in (L3Kind.LOAD, L3Kind.STORE):
            continue
        if one.tensor not in homes:
            raise _fail(f"moves {one.tensor}, which isn't in L3", _transfer_words(number))
        home, layer = homes[one.tensor], graph.layers[one.layer]
        if one.tensor not in ((layer.output,) if one.kind is L3Kind.STORE else layer.inputs):
            raise _fail(f"moves {one.tensor}, which its layer doesn't touch", _transfer_words(number))
        if one.l3_offset < home.offset or one.l3_offset + one.size > home.offset + home.size:
            raise _fail(f"leaves the bytes of {one.tensor} in L3", _transfer_words(number))
        if one.kind is L3Kind.LOAD:
            _check_written(plan, home, number)


def _check_band(graph: LayerGraph, plan: Plan, index: int, home: L3Buffer, kind: L3Kind) -> None:
    tensor, layer = graph.tensors[home.tensor], plan.layers[index]
    if kind is L3Kind.LOAD and not _shaped_like_first(graph, graph.layers[index], home.tensor):
        raise _fail(f"{home.tensor} isn't read row by row, but lies in L3", f"layer {layer.layer}")
    row_bytes = tensor.width * tensor.channels
    transfers = [
        one for one in plan.transfers if (one.kind, one.layer, one.tensor) == (kind, index, home.tensor)
    ]
    for number, step in enumerate(layer.steps):
        where = f"layer {layer.layer}, step {number}"
        if kind is L3Kind.LOAD and not step.load_x:
            continue
        serving = [one for one in transfers if one.first <= number <= one.last]
        if len(serving) != 1:
            raise _fail(f"{len(serving)} transfers serve it with {home.tensor}", where)
        one, box = serving[0], step.x if kind is L3Kind.LOAD else step.y
        begin = home.offset + box.h0 * row_bytes
        if not _holds(one, begin, box.h * row_bytes):
            raise _fail(f"its rows of {home.tensor} aren't in the transfer that serves it", where)
        if kind is L3Kind.LOAD and one.wait > Mark(index, number - 1):
            raise _fail("its input is fetched before its transfer from L3 is awaited", where)
        if kind is L3Kind.STORE and one.start < _stored(layer, index, number):
            raise _fail("its output leaves for L3 before it is stored in L2", where)


def _shaped_like_first(graph: LayerGraph, layer: Layer, name: str) -> bool:
    """True if a step's input box is a box of this input, and all of it that the step reads."""
    if layer.parts and name in layer.inputs[1:]:
        return False
    one, first = graph.tensors[name], graph.tensors[layer.inputs[0]]
    return _shape(one) == _shape(first) and not one.planar


def _stored(layer: LayerPlan, index: int, number: int) -> Mark:
    """When the store of a step's output has been awaited: before the next step that uses its buffer, or at the
    end."""
    number = next(last for last in last_parts(layer) if last >= number)
    for later in range(number + 1, len(layer.steps)):
        if layer.steps[later].y_slot == layer.steps[number].y_slot:
            return Mark(index, later)
    return Mark(index + 1, -1)


def _check_written(plan: Plan, home: L3Buffer, number: int) -> None:
    """All bytes that a transfer brings were written by transfers before it."""
    one = plan.transfers[number]
    written = np.zeros(home.size, np.bool_)
    for before in plan.transfers[:number]:
        if before.kind is L3Kind.STORE and before.tensor == home.tensor:
            begin = before.l3_offset - home.offset
            written[begin : begin + before.size] = True
    begin = one.l3_offset - home.offset
    if not written[begin : begin + one.size].all():
        raise _fail(f"reads rows of {home.tensor} that aren't in L3 yet", _transfer_words(number))


def _check_room(graph: LayerGraph, machine: Machine, plan: Plan) -> None:
    in_l3 = {one.layer for one in plan.transfers if one.kind is L3Kind.PARAMS}
    sizes = [_params_bytes(layer) for layer in plan.layers]
    kept = sum(size for index, size in enumerate(sizes) if index not in in_l3)
    tables = tables_bytes(graph, plan)
    if plan.l2_tables < tables:
        raise _fail(f"the tables need {tables} bytes, not {plan.l2_tables}", "L2")
    used = plan.l2_arena + kept + plan.l2_tables
    if plan.l2_used < used:
        raise _fail(f"arena, parameters and tables need {used} bytes, not {plan.l2_used}", "L2")
    if plan.transfers and machine.l3 is None:
        raise _fail("there is no L3", "header")
    needed = plan.l3_arena + sum(size for index, size in enumerate(sizes) if index in in_l3)
    needed += sum(one.size for one in plan.transfers if one.kind in (L3Kind.STEPS, L3Kind.ROWS))
    if machine.l3 is not None and needed > machine.l3.size:
        raise _fail(f"uses {needed} bytes of L3, there are {machine.l3.size}", "header")


# ---- Bytes at the same time ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Use:
    """Bytes of the arena in use from one moment up to, not including, another. At a mark come first the ends of
    what tensors and steps use, then transfer after transfer is started, each after the waits for those before
    it, then tensors and steps begin to use bytes."""

    what: str
    offset: int
    size: int
    start: tuple[Mark, float]
    end: tuple[Mark, float]
    buffer: L2Buffer | None = None


def _uses(plan: Plan) -> Iterator[_Use]:
    for buffer in plan.l2_buffers:
        start, end = (Mark(buffer.first, -1), inf), (Mark(buffer.last + 1, -1), -inf)
        yield _Use(f"L2 buffer {buffer.tensor}", buffer.offset, buffer.size, start, end, buffer)
    rows = rows_begin(plan)
    if rows is not None:
        start, end = (Mark(0, -1), -inf), (Mark(len(plan.layers), -1), inf)
        yield _Use("the table of transfers", rows, ROW_BYTES * ROWS_IN_L2, start, end)
    for index, one in enumerate(plan.transfers):
        if one.kind is L3Kind.ROWS:
            continue
        start, end = (one.start, float(index)), (Mark(one.layer, _last_fetch(plan, one)), -inf)
        if one.kind is L3Kind.STORE:
            start, end = (Mark(one.layer, one.first), inf), (one.wait, index + 0.5)
        yield _Use(_transfer_words(index), one.l2_offset, one.size, start, end)


def _last_fetch(plan: Plan, one: L3Transfer) -> int:
    """The last step that fetches what a transfer brings: when it has its operands, the bytes are free. A step
    table is read for the last time before the last step has them."""
    if one.kind is L3Kind.STEPS:
        return one.last
    steps = plan.layers[one.layer].steps[: one.last + 1]
    params = one.kind is L3Kind.PARAMS
    fetching = [i for i, step in enumerate(steps) if (step.load_params if params else step.load_x)]
    return max(fetching, default=one.last)


def _clash(one: _Use, other: _Use) -> bool:
    together = one.start < other.end and other.start < one.end
    return together and one.offset < other.offset + other.size and other.offset < one.offset + one.size


def _overwrites(graph: LayerGraph, plan: Plan, one: _Use, other: _Use) -> bool:
    """True if the two are the output and an input of the only layer during which both live, and the output's
    bytes reach only what has been read."""
    if one.buffer is None or other.buffer is None:
        return False
    source, out = (
        (one.buffer, other.buffer) if one.buffer.first < other.buffer.first else (other.buffer, one.buffer)
    )
    layer = graph.layers[out.first]
    if source.last != out.first or layer.output != out.tensor or source.tensor not in layer.inputs:
        return False
    if any(_has_views(graph, buffer.tensor) for buffer in (source, out)):
        return False
    if not _shaped_like_first(graph, layer, source.tensor):
        return False
    return _replay(graph, layer, plan.layers[out.first], source, out)


def _replay(graph: LayerGraph, layer: Layer, plan: LayerPlan, source: L2Buffer, out: L2Buffer) -> bool:
    """Goes through the steps backwards: what a step stores must not be what later steps load."""
    bottom = min(source.offset, out.offset)
    top = max(source.offset + source.size, out.offset + out.size)
    read_later = np.zeros(top - bottom, np.bool_)

    def part(buffer: L2Buffer, box: Box) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        tensor = graph.tensors[buffer.tensor]
        start = buffer.offset - bottom
        whole = read_later[start : start + buffer.size].reshape(tensor.height, tensor.width, tensor.channels)
        return whole[box.h0 : box.h0 + box.h, box.w0 : box.w0 + box.w, box.c0 : box.c0 + box.c]

    for step in reversed(plan.steps):
        if part(out, step.y).any():
            return False
        if step.load_x:
            part(source, step.x)[...] = True
    return True
