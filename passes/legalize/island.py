"""An island: one float operator between dequantized inputs and a quantized output, with its activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import relay

from ..expressions import as_call
from ..numerics import MAX_BYTE, Quantization, Range
from .read import scalar
from .values import Quantized


@dataclass(frozen=True)
class Refusal:
    """Why an island is not written in canonical form, for the user."""

    reason: str


Values = Callable[[relay.Expr], "Quantized | None"]
"""The quantized value behind a dequantized expression, if there is one."""


@dataclass(frozen=True)
class Island:
    """What an operator's rule sees.

    `core` is the float operator, activations stripped into `bounds`; `out`, `shape` and `dtype` describe the
    quantized result in the user's form. `value` gives the quantized value behind a dequantized input, or None.
    `operators` are the float operators of the island from the first on.
    """

    core: relay.Call
    out: Quantization
    bounds: Range
    shape: tuple[int, ...]
    dtype: str
    operators: tuple[relay.Call, ...]
    value: Values


Rule = Callable[[Island], "Quantized | Refusal"]


def _narrow(bounds: Range, low: float | None, high: float | None, out: Quantization) -> Range:
    lo = bounds.lo if low is None else max(bounds.lo, out.nearest_byte(low))
    hi = bounds.hi if high is None else min(bounds.hi, out.nearest_byte(high))
    return Range(min(lo, hi), hi)


def _activation_limits(call: relay.Call) -> tuple[relay.Expr, float | None, float | None] | None:
    """Input, lower and upper limit of an activation that only clips; None for any other operator."""
    if call.op.name == "nn.relu":
        return call.args[0], 0.0, None
    if call.op.name == "clip":
        return call.args[0], float(call.attrs.a_min), float(call.attrs.a_max)
    limit = scalar(call.args[1])
    if limit is None:
        return None
    return (call.args[0], limit, None) if call.op.name == "maximum" else (call.args[0], None, limit)


def strip_activations(expr: relay.Expr, out: Quantization) -> tuple[relay.Expr, Range, tuple[relay.Call, ...]]:
    """The operator below Relu, Clip, maximum and minimum; their bounds in output bytes; the operators stripped.

    Rounding is monotone, so clipping after it gives the same bytes as clipping before.
    """
    bounds, stripped = Range(0, MAX_BYTE), []
    while (call := as_call(expr, "nn.relu", "clip", "maximum", "minimum")) is not None:
        limits = _activation_limits(call)
        if limits is None:
            break
        expr, low, high = limits
        bounds = _narrow(bounds, low, high, out)
        stripped.append(call)
    return expr, bounds, tuple(reversed(stripped))
