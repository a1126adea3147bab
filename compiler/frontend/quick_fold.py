"""Constant folding for TVM's ONNX importer without a compiler run for each constant.

The importer folds after every node, and what it folds in a quantized network are casts of zero points: TVM
builds and runs a kernel for each, which takes longer than everything else in the import. Here NumPy casts
them, and TVM folds only where something else is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import relay
from tvm_pulp.passes.expressions import as_call


def _cast_constant(expr: relay.Expr) -> relay.Expr:
    """`cast(constant)` as a constant; anything else as it is."""
    call = as_call(expr, "cast")
    if call is None or not isinstance(call.args[0], relay.Constant):
        return expr
    dtype = str(call.attrs.dtype)
    return relay.const(call.args[0].data.numpy().astype(dtype), dtype)


def _has_work(expr: relay.Expr) -> bool:
    """Whether TVM's folding would find work: an operator, other than `qnn`, with only constant operands.

    Only the node's own expressions are looked at: the importer has given a span to all that it folded before.
    """
    new = [expr]
    while new:
        node = new.pop()
        if node.span is not None or isinstance(node, (relay.Var, relay.Constant)):
            continue
        if not isinstance(node, relay.Call) or not isinstance(node.op, tvm.ir.Op):
            return True  # nothing is known of it: let TVM look
        args = list(node.args)
        if not node.op.name.startswith("qnn.") and all(isinstance(arg, relay.Constant) for arg in args):
            return True
        new += args
    return False


def folding_less(fold: Callable[..., relay.Expr]) -> Callable[..., relay.Expr]:
    """The importer's `fold`, called only where it has something to do."""

    def quick_fold(expr: relay.Expr, *rest: Any) -> relay.Expr:
        if isinstance(expr, relay.Call):
            args = [_cast_constant(arg) for arg in expr.args]
            expr = relay.Call(expr.op, args, expr.attrs, expr.type_args, expr.span)
        return fold(expr, *rest) if _has_work(expr) else expr

    return quick_fold
