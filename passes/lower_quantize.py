"""Quantization and dequantization of whole tensors in the one form that means the same to every target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from tvm import relay

from .expressions import as_call, dtype_of, operator_name, post_order, with_main
from .legalize import build
from .legalize.read import scalar
from .legalize.spans import named
from .relay_pass import RelayPass


def _quantization(call: relay.Call, data: relay.Expr) -> relay.Expr | None:
    """`clip(round(x * (1 / scale)) + zero_point)` as uint8.

    The reciprocal is a constant of its own: where TVM divides by a constant, its back ends differ in whether
    they multiply by the reciprocal.
    """
    scale, zero_point = scalar(call.args[1]), scalar(call.args[2])
    if scale is None or zero_point is None or (dtype_of(call.args[0]), dtype_of(call)) != ("float32", "uint8"):
        return None
    with np.errstate(all="ignore"):
        factor = np.float32(1) / np.float32(scale)
    if not np.isfinite(factor) or factor <= 0:
        return None
    return build.quantization(data, float(factor), int(zero_point))


def _dequantization(call: relay.Call, data: relay.Expr) -> relay.Expr | None:
    """`(x - zero_point) * scale` of a uint8 tensor."""
    scale, zero_point = scalar(call.args[1]), scalar(call.args[2])
    if scale is None or zero_point is None or (dtype_of(call.args[0]), dtype_of(call)) != ("uint8", "float32"):
        return None
    return build.dequantization(data, scale, int(zero_point))


_FORMS: dict[str, Callable[[relay.Call, relay.Expr], relay.Expr | None]] = {
    "qnn.quantize": _quantization,
    "qnn.dequantize": _dequantization,
}


class _Rewriter(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    def function(self, func: relay.Function) -> relay.Function:
        for expr in post_order(func.body):  # operands first, so that no recursion is deep
            self.visit(expr)
        return relay.Function(func.params, self.visit(func.body), None, func.type_params, func.attrs)

    def visit_call(self, call: relay.Call) -> relay.Expr:
        """The canonical form of a quantization or dequantization that has one."""
        args = [self.visit(arg) for arg in call.args]
        form = _FORMS[call.op.name](call, args[0]) if as_call(call, *_FORMS) is not None else None
        if form is not None:
            return named(form, operator_name(call), args[:1])
        return relay.Call(call.op, args, call.attrs, call.type_args, call.span)


class LowerQuantize(RelayPass):
    """Expects a type-inferred module; what is quantized per channel, or to or from another type, stays."""

    name = "lower-quantize"
    description = "write quantization and dequantization as arithmetic that every target understands alike"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        return relay.transform.InferType()(with_main(mod, _Rewriter().function(mod["main"])))
