"""Quantized islands that have no canonical form are lowered the way TVM does it."""

from __future__ import annotations

import tvm
from tvm import relay

from .expressions import as_call, post_order
from .lower_quantize import LowerQuantize
from .relay_pass import RelayPass, run

_EXACT = frozenset(
    [
        "nn.conv1d",
        "nn.conv2d",
        "nn.conv2d_transpose",
        "nn.dense",
        "nn.bias_add",
        "nn.relu",
        "clip",
        "max",
        "min",
        "nn.max_pool1d",
        "nn.max_pool2d",
        "nn.global_max_pool2d",
        "nn.pad",
        "reshape",
        "transpose",
        "squeeze",
        "expand_dims",
        "nn.batch_flatten",
        "strided_slice",
        "image.resize2d",
        "nn.depth_to_space",
        "broadcast_to",
        "split",
    ]
)
"""Operators in whose integers TVM rounds once or not at all. In a sum it rounds each operand, in a mean twice;
a float constant takes the scale of the result and saturates."""


def _islands(func: relay.Function) -> list[list[relay.Call]]:
    """The float operators in front of each quantization, down to what is dequantized. Floats that the network
    is given are no island."""
    found = []
    for expr in post_order(func.body):
        quantize = as_call(expr, "qnn.quantize")
        if quantize is not None and not isinstance(quantize.args[0], relay.Var):
            found.append(_float_operators(quantize.args[0]))
    return found


def _float_operators(result: relay.Expr) -> list[relay.Call]:
    pending, seen = [result], dict[relay.Call, None]()
    while pending:
        call = pending.pop()
        if isinstance(call, relay.TupleGetItem):
            pending.append(call.tuple_value)
        elif isinstance(call, relay.Tuple):
            pending.extend(call.fields)
        elif isinstance(call, relay.Call) and call not in seen and not call.op.name.startswith("qnn."):
            seen[call] = None
            pending.extend(call.args)
    return list(seen)


def _is_exact(call: relay.Call) -> bool:
    interpolates = as_call(call, "image.resize2d") is not None and call.attrs.method != "nearest_neighbor"
    return call.op.name in _EXACT and not interpolates


def _in_integers(mod: tvm.IRModule) -> tvm.IRModule:
    """The module with TVM's integers where those are exact in all islands; else islands stay float, which is
    what the user's file says."""
    islands = _islands(mod["main"])
    if not islands or not all(_is_exact(call) for island in islands for call in island):
        return mod
    try:
        return run(mod, relay.transform.FakeQuantizationToInteger(), relay.transform.InferType())
    except tvm.TVMError:
        return mod


class LowerLeftovers(RelayPass):
    """Runs TVM's `FakeQuantizationToInteger` where islands are left for which it is exact, then expands every
    `qnn` operator.

    After it the module is plain Relay whose meaning depends on no target.
    """

    name = "lower-leftovers"
    description = "lower the quantized operators that have no canonical form as TVM does"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        return run(
            _in_integers(mod),
            relay.transform.InferType(),
            LowerQuantize(),
            relay.qnn.transform.CanonicalizeOps(),
            relay.transform.InferType(),
        )
