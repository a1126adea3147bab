"""Operators that only move bytes: they cost nothing where a tensor can lie inside another, else a copy."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_op, is_tuple, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import shape_of
from .operator import Exactness, Moves, Operands, OperatorPattern, Place, check_map, check_rank

_HEIGHT, _WIDTH = 1, 2  # axes of NHWC


def _moves(inputs: tuple[relay.Expr, ...], moves: Moves) -> Operands:
    return Operands(LayerKind.COPY, inputs, Window(), None, None, moves=moves)


# ---- Concatenation -------------------------------------------------------------------------------------------


def concatenate_pattern() -> DFPattern:
    """`concatenate` of any number of tensors."""
    return is_op("concatenate")(is_tuple(None))


def _concatenated_axis(call: relay.Call) -> tuple[int, int]:
    """The axis and the rank."""
    rank = len(shape_of(call))
    return int(call.attrs.axis) % rank, rank


def read_concatenate(call: relay.Call) -> Operands:
    """Takes a match apart: each input has a place in the output."""
    fields = tuple(call.args[0].fields)
    axis, rank = _concatenated_axis(call)
    places, start = [], 0
    for field in fields:
        if rank == 4 and axis == _HEIGHT:
            places.append(Place(h0=start))
        elif rank == 4 and axis == _WIDTH:
            places.append(Place(w0=start))
        else:
            places.append(Place(c0=start))
        start += shape_of(field)[axis]
    return _moves(fields, Moves(tuple(places), into_output=True))


def check_concatenate(call: relay.Call) -> str | None:
    """Maps or rows, joined along any axis but the batch."""
    if any(isinstance(field, relay.Constant) for field in call.args[0].fields):
        return "one of its inputs is a constant"
    if _concatenated_axis(call)[0] == 0:
        return "it joins batches"
    return check_rank(call) or check_map(call)


# ---- Slices --------------------------------------------------------------------------------------------------


def slice_pattern() -> DFPattern:
    """`strided_slice`."""
    return is_op("strided_slice")(wildcard())


def _steps(call: relay.Call) -> list[int]:
    return [int(step) for step in call.attrs.strides]


def read_slice(call: relay.Call) -> Operands:
    """Takes a match apart: the output has a place in the input; bounds are given for every axis."""
    begin, steps = [int(at) for at in call.attrs.begin], _steps(call)
    if len(begin) != 4:
        place = Place(c0=begin[-1])
    else:
        _, h0, w0, c0 = begin
        place = Place(h0, w0, c0, step_h=steps[_HEIGHT], step_w=steps[_WIDTH])
    return _moves((call.args[0],), Moves((place,), into_output=False))


def check_slice(call: relay.Call) -> str | None:
    """A map or a row, channels without a step."""
    if isinstance(call.args[0], relay.Constant):
        return "its input is a constant"
    rank = len(shape_of(call))
    if call.attrs.axes is not None or len(call.attrs.begin) != rank or len(_steps(call)) != rank:
        return "its bounds are not given for every axis"
    if _steps(call)[-1] != 1:
        return "it takes every other channel"
    return check_rank(call) or check_map(call.args[0]) or check_map(call)


# ---- Enlargement ---------------------------------------------------------------------------------------------


def resize_pattern() -> DFPattern:
    """`repeat` of rows, then of columns."""
    return is_op("repeat")(is_op("repeat")(wildcard()))


def read_resize(columns: relay.Call) -> Operands:
    """Takes a match apart: the input has as many places in the output as a pixel is repeated."""
    rows = columns.args[0]
    step_h, step_w = int(rows.attrs.repeats), int(columns.attrs.repeats)
    places = tuple(Place(h0, w0, step_h=step_h, step_w=step_w) for h0 in range(step_h) for w0 in range(step_w))
    return _moves((rows.args[0],) * len(places), Moves(places, into_output=True))


def check_resize(columns: relay.Call) -> str | None:
    """A map whose rows, then columns are repeated."""
    if (int(columns.args[0].attrs.axis), int(columns.attrs.axis)) != (_HEIGHT, _WIDTH):
        return "it repeats other axes than height and width"
    return check_rank(columns) or check_map(columns)


CONCATENATE = OperatorPattern(
    name="pulp.concatenate",
    description="tensors side by side, each brought to the output's scale first",
    pattern=concatenate_pattern,
    check=check_concatenate,
    read=read_concatenate,
    kinds=(LayerKind.COPY,),
    onnx=("Concat",),
    conditions=("any axis but the batch",),
    exactness=Exactness.COPY,
)

SLICE = OperatorPattern(
    name="pulp.slice",
    description="a part of a tensor",
    pattern=slice_pattern,
    check=check_slice,
    read=read_slice,
    kinds=(LayerKind.COPY,),
    onnx=("Slice", "Split"),
    conditions=("steps forward, and none along the channels",),
    exactness=Exactness.COPY,
)

RESIZE = OperatorPattern(
    name="pulp.resize",
    description="nearest-neighbour enlargement",
    pattern=resize_pattern,
    check=check_resize,
    read=read_resize,
    kinds=(LayerKind.COPY,),
    onnx=("Resize", "Upsample"),
    conditions=("whole factors, every pixel repeated",),
    exactness=Exactness.COPY,
)
