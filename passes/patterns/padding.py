"""Explicit padding: the border of an operator's input, or a map with a border of its own."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import as_call, shape_of
from ..legalize.build import border_of
from .operator import Border, Exactness, Operands, OperatorPattern, check_map


def border_pattern() -> DFPattern:
    """Pattern of a constant border."""
    return is_op("nn.pad")(wildcard(), is_constant()).has_attr({"pad_mode": "constant"})


def maybe_padded() -> DFPattern:
    """Pattern of any tensor, or of any tensor with a constant border."""
    return border_pattern() | wildcard()


def read_border(expr: relay.Expr) -> Border:
    """Takes a match of `maybe_padded` apart; only heights and widths are padded in canonical form."""
    padding = border_of(expr)
    if padding is None:
        return Border(expr, (0, 0, 0, 0), None)
    return Border(expr.args[0], padding, int(expr.args[1].data.numpy()))


def check_border(expr: relay.Expr) -> str | None:
    """A match of `maybe_padded` whose border, if it has one, is one in height and width."""
    call = as_call(expr, "nn.pad")
    if call is not None and call.attrs.pad_mode == "constant" and border_of(call) is None:
        return "it pads other axes than height and width, or crops"
    return None


def read_pad(call: relay.Call) -> Operands:
    """Takes a match of `border_pattern` apart."""
    border = read_border(call)
    return Operands(LayerKind.TABLE, (border.data,), Window(), None, None, border=border)


def check_pad(call: relay.Call) -> str | None:
    """A map with a border that is nowhere larger than the map: its bytes are made of the map's."""
    border = read_border(call)
    reason = check_border(call)
    if reason is not None:
        return reason
    if isinstance(border.data, relay.Constant):
        return "its input is a constant"
    reason = check_map(border.data) or check_map(call)
    if reason is not None:
        return reason
    _, height, width, _ = shape_of(border.data)
    top, left, bottom, right = border.padding
    if max(top, bottom) > height or max(left, right) > width:
        return "its border is larger than the map"
    return None


PAD = OperatorPattern(
    name="pulp.pad",
    description="a border of one value around a map",
    pattern=border_pattern,
    check=check_pad,
    read=read_pad,
    kinds=(LayerKind.TABLE, LayerKind.COPY),
    onnx=("Pad",),
    conditions=(
        "height and width, a constant that is a multiple of the scale; free where a convolution or average pool"
        " behind it takes the border",
    ),
    exactness=Exactness.COPY,
)
