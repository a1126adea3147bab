"""Another order of a map's bytes, CHW to HWC and back, and another shape."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import shape_of
from .operator import Exactness, Operands, OperatorPattern, Transposition, check_map

_TO_HWC = ([0, 2, 3, 1], [0, 2, 1])
_TO_CHW = ([0, 3, 1, 2],)


def transpose_pattern() -> DFPattern:
    """`transpose`."""
    return is_op("transpose")(wildcard())


def _axes(call: relay.Call) -> list[int]:
    rank = len(shape_of(call))
    return [int(axis) % rank for axis in call.attrs.axes] if call.attrs.axes else list(range(rank))[::-1]


def read_transpose(call: relay.Call) -> Operands:
    """Takes a match apart; of three axes the last two change places, as columns and channels of one row."""
    data = call.args[0]
    to_planar = _axes(call) in _TO_CHW
    _, *sizes = shape_of(data if to_planar else call)
    height, width, channels = sizes if len(sizes) == 3 else (1, *sizes)
    transposition = Transposition((height, width, channels), to_planar)
    return Operands(LayerKind.TRANSPOSE, (data,), Window(), None, None, transposition=transposition)


def check_transpose(call: relay.Call) -> str | None:
    """Channels become the last axis, or the first behind the batch."""
    if _axes(call) not in (*_TO_HWC, *_TO_CHW):
        return "it is neither from CHW to HWC nor back"
    if isinstance(call.args[0], relay.Constant):
        return "its input is a constant"
    return check_map(call.args[0]) or check_map(call)


TRANSPOSE = OperatorPattern(
    name="pulp.transpose",
    description="channels last, or first",
    pattern=transpose_pattern,
    check=check_transpose,
    read=read_transpose,
    kinds=(LayerKind.TRANSPOSE,),
    onnx=("Transpose",),
    conditions=("channels last to channels first or back",),
    exactness=Exactness.COPY,
)


def reshape_pattern() -> DFPattern:
    """`reshape`."""
    return is_op("reshape")(wildcard())


def read_reshape(call: relay.Call) -> Operands:
    """Takes a match apart."""
    return Operands(LayerKind.COPY, (call.args[0],), Window(), None, None, reshapes=True)


def check_reshape(call: relay.Call) -> str | None:
    """Maps or rows of bytes."""
    if isinstance(call.args[0], relay.Constant):
        return "its input is a constant"
    return check_map(call.args[0]) or check_map(call)


RESHAPE = OperatorPattern(
    name="pulp.reshape",
    description="another shape for the same bytes",
    pattern=reshape_pattern,
    check=check_reshape,
    read=read_reshape,
    kinds=(LayerKind.COPY,),
    onnx=("Flatten", "Reshape", "Squeeze", "Unsqueeze"),
    conditions=("8 bits",),
    exactness=Exactness.COPY,
)
