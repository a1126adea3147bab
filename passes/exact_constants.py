"""Float scalars become one-element tensors: TVM's C code prints scalars with six decimals, tensors exactly."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relay

from .legalize.read import as_call, dtype_of, shape_of
from .relay_pass import RelayPass


def survives_printing(value: float) -> bool:
    """Whether a float32 is the same after it was printed with six decimals, as TVM's C code does."""
    return np.float32(f"{value:e}") == np.float32(value)


def _as_tensor(expr: relay.Expr, *, divisor: bool) -> relay.Expr:
    """A float scalar that would lose digits, as a tensor of shape (1,); anything else as it is.

    TVM multiplies by the reciprocal of a scalar divisor, and prints that.
    """
    if not isinstance(expr, relay.Constant) or str(expr.data.dtype) != "float32" or expr.data.shape != ():
        return expr
    value = np.float32(expr.data.numpy())
    printed = [value, np.float32(1) / value] if divisor and value else [value]
    if all(survives_printing(float(number)) for number in printed):
        return expr
    return relay.const(np.array([value], np.float32), "float32")


class _Rewriter(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    """Only where the result has a dimension: there a tensor of one element broadcasts like a scalar."""

    def visit_call(self, call: relay.Call) -> relay.Expr:
        args = [self.visit(arg) for arg in call.args]
        if isinstance(call.checked_type, relay.TensorType) and shape_of(call):
            division = as_call(call, "divide") is not None
            args = [_as_tensor(arg, divisor=division) for arg in args]
        if as_call(call, "clip") is not None and dtype_of(call) == "float32":
            return self._clip(call, args[0])
        return relay.Call(call.op, args, call.attrs, call.type_args, call.span)

    def _clip(self, call: relay.Call, data: relay.Expr) -> relay.Expr:
        """Limits are attributes of `clip`; as operands of maximum and minimum they can be tensors."""
        low, high = float(call.attrs.a_min), float(call.attrs.a_max)
        if not shape_of(call) or (survives_printing(low) and survives_printing(high)):
            return relay.Call(call.op, [data], call.attrs, call.type_args, call.span)
        limits = [relay.const(np.array([limit], np.float32), "float32") for limit in (low, high)]
        return relay.minimum(relay.maximum(data, limits[0]), limits[1])


class ExactConstants(RelayPass):
    """Keeps every float constant exact in generated C, so that it computes what any other back end computes."""

    name = "exact-constants"
    description = "turn float scalars that TVM's C code would print inexactly into tensors"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        functions = {var: _Rewriter().visit(func) for var, func in mod.functions.items()}
        return relay.transform.InferType()(tvm.IRModule(functions, attrs=mod.attrs))
