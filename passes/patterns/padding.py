"""Explicit padding in front of an operator: the border is the input's zero point."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ..expressions import as_call


def border_pattern() -> DFPattern:
    """Pattern of a constant border."""
    return is_op("nn.pad")(wildcard(), is_constant())


def maybe_padded() -> DFPattern:
    """Pattern of any tensor, or of any tensor with a constant border."""
    return border_pattern() | wildcard()


@dataclass(frozen=True)
class Border:
    """A tensor without its border, the border's sizes (top, left, bottom, right) and its value."""

    data: relay.Expr
    padding: tuple[int, int, int, int]
    value: int | None


def read_border(expr: relay.Expr) -> Border:
    """Takes a match of `maybe_padded` apart; only heights and widths are padded in canonical form."""
    if as_call(expr, "nn.pad") is None:
        return Border(expr, (0, 0, 0, 0), None)
    (top, bottom), (left, right) = ([int(p) for p in expr.attrs.pad_width[axis]] for axis in (1, 2))
    return Border(expr.args[0], (top, left, bottom, right), int(expr.args[1].data.numpy()))
