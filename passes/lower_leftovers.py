"""Quantized islands that have no canonical form are lowered the way TVM does it."""

from __future__ import annotations

import tvm
from tvm import relay

from .expressions import as_call, post_order
from .lower_quantize import LowerQuantize
from .relay_pass import RelayPass, run


def _has_islands(func: relay.Function) -> bool:
    """Whether some float operator still stands in front of a quantization."""
    quantizes = (call for expr in post_order(func.body) if (call := as_call(expr, "qnn.quantize")) is not None)
    return any(not isinstance(call.args[0], relay.Var) for call in quantizes)


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
            LowerQuantize(),
            relay.qnn.transform.CanonicalizeOps(),
            relay.transform.InferType(),
        ]
        return run(mod, *passes)
