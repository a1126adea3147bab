"""The tail that every requantized operator ends with: `cast(clip((x * k + offset) >> shift))`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op

from ...codegen.graph import Requant


def requantized(sums: DFPattern) -> DFPattern:
    """Pattern of sums brought back to bytes."""
    return shifted(is_op("multiply")(sums, is_constant()))


def shifted(scaled: DFPattern) -> DFPattern:
    """Pattern of an offset, a shift, a clip and a cast behind `scaled`."""
    total = is_op("add")(scaled, is_constant())
    return is_op("cast")(is_op("clip")(is_op("right_shift")(total, is_constant())))


@dataclass(frozen=True)
class Tail:
    """The parts of `shifted`: what is below it, the offset constant, the shift and the bounds."""

    scaled: relay.Call
    offset: npt.NDArray[np.int64]
    shift: int
    lo: int
    hi: int
    dtype: str


def integers(expr: relay.Constant) -> npt.NDArray[np.int64]:
    """A constant's numbers, in its own shape."""
    return np.asarray(expr.data.numpy()).astype(np.int64)


def read_tail(cast: relay.Call) -> Tail:
    """Takes a match of `shifted` apart."""
    clip = cast.args[0]
    shift = clip.args[0]
    total = shift.args[0]
    return Tail(
        scaled=total.args[0],
        offset=integers(total.args[1]),
        shift=int(shift.args[1].data.numpy()),
        lo=int(clip.attrs.a_min),
        hi=int(clip.attrs.a_max),
        dtype=str(total.args[1].data.dtype),
    )


def read_requant(cast: relay.Call) -> tuple[relay.Call, Requant]:
    """Takes a match of `requantized` apart: the sums and how they are requantized; arrays keep their shape."""
    tail = read_tail(cast)
    sums, multiplier = tail.scaled.args[0], integers(tail.scaled.args[1])
    wide = tail.dtype == "int64"
    return sums, Requant(multiplier, tail.offset, tail.shift, wide, tail.lo, tail.hi)
