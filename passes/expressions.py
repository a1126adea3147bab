"""Looking at Relay expressions: operators by name, types, order, the user's names; and exchanging `main`."""

from __future__ import annotations

import tvm
from tvm import relay


def as_call(expr: relay.Expr, *names: str) -> relay.Call | None:
    """`expr` if it is a call of one of these operators."""
    if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name in names:
        return expr
    return None


def shape_of(expr: relay.Expr) -> tuple[int, ...]:
    """The static shape of a typed expression."""
    return tuple(int(size) for size in expr.checked_type.shape)


def dtype_of(expr: relay.Expr) -> str:
    """The dtype of a typed expression."""
    return str(expr.checked_type.dtype)


def operator_name(expr: relay.Expr) -> str:
    """The user's name of the operator that `expr` came from; empty if unknown."""
    return str(expr.span.source_name.name) if expr.span is not None else ""


def post_order(body: relay.Expr) -> list[relay.Expr]:
    """Every expression of `body` once, operands before what reads them."""
    order: list[relay.Expr] = []
    relay.analysis.post_order_visit(body, order.append)
    return order


def with_main(mod: tvm.IRModule, main: relay.Function) -> tvm.IRModule:
    """The module with another `main`; functions beside it and attributes stay."""
    return tvm.IRModule({**dict(mod.functions.items()), mod.get_global_var("main"): main}, attrs=mod.attrs)
