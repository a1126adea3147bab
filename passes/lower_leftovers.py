"""Quantized islands that have no canonical form are lowered the way TVM does it."""

from __future__ import annotations

import tvm
from tvm import relay

from .legalize.read import as_call
from .relay_pass import RelayPass, run


def _has_islands(func: relay.Function) -> bool:
    """Whether some float operator still stands in front of a quantization."""
    found: list[relay.Expr] = []

    def visit(expr: relay.Expr) -> None:
        call = as_call(expr, "qnn.quantize")
        if call is not None and not isinstance(call.args[0], relay.Var):
            found.append(call)

    relay.analysis.post_order_visit(func.body, visit)
    return bool(found)


class LowerLeftovers(RelayPass):
    """Runs TVM's `FakeQuantizationToInteger` where islands are left, then expands every `qnn` operator.

    After it the module is plain Relay whose meaning depends on no target.
    """

    name = "lower-leftovers"
    description = "lower the quantized operators that have no canonical form as TVM does"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        passes = [relay.transform.FakeQuantizationToInteger()] if _has_islands(mod["main"]) else []
        passes += [
            relay.transform.InferType(),
            relay.qnn.transform.CanonicalizeOps(),
            relay.transform.InferType(),
        ]
        return run(mod, *passes)
