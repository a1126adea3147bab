"""Any function of one quantized tensor, element by element, as a table of the 256 bytes that it gives.

The function is what stands between dequantize and quantize: one operator or the several that an importer
writes for one. It is computed in float64 for each byte and rounded once, as every layer rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call
from ..numerics import MAX_BYTE, Quantization
from . import build
from .island import Island, Refusal
from .read import scalar
from .values import Quantized

Reals = npt.NDArray[np.float64]
Function = Callable[..., Reals]

_ERF = np.vectorize(math.erf, otypes=[np.float64])

FUNCTIONS: dict[str, Function] = {
    "abs": lambda attrs, x: np.abs(x),
    "add": lambda attrs, x, y: x + y,
    "ceil": lambda attrs, x: np.ceil(x),
    "clip": lambda attrs, x: np.clip(x, float(attrs.a_min), float(attrs.a_max)),
    "divide": lambda attrs, x, y: x / y,
    "erf": lambda attrs, x: _ERF(x),
    "exp": lambda attrs, x: np.exp(x),
    "floor": lambda attrs, x: np.floor(x),
    "log": lambda attrs, x: np.log(x),
    "maximum": lambda attrs, x, y: np.maximum(x, y),
    "minimum": lambda attrs, x, y: np.minimum(x, y),
    "multiply": lambda attrs, x, y: x * y,
    "negative": lambda attrs, x: -x,
    "nn.leaky_relu": lambda attrs, x: np.where(x < 0, float(attrs.alpha) * x, x),
    "nn.relu": lambda attrs, x: np.maximum(x, 0.0),
    "power": lambda attrs, x, y: np.power(x, y),
    "rsqrt": lambda attrs, x: 1.0 / np.sqrt(x),
    "sigmoid": lambda attrs, x: 1.0 / (1.0 + np.exp(-x)),
    "sqrt": lambda attrs, x: np.sqrt(x),
    "subtract": lambda attrs, x, y: x - y,
    "tanh": lambda attrs, x: np.tanh(x),
}


class _Function:
    """The real numbers that an expression takes where its one quantized input has the bytes 0 to 255."""

    def __init__(self, island: Island) -> None:
        self._island = island
        self.source: Quantized | None = None
        self.operators: dict[relay.Call, None] = {}
        self._known: dict[relay.Expr, Reals | None] = {}

    def reals(self, expr: relay.Expr) -> Reals | None:
        """256 numbers, or one for a constant; None if the expression is more than a function of one tensor."""
        if expr not in self._known:
            self._known[expr] = self._compute(expr)
        return self._known[expr]

    def _compute(self, expr: relay.Expr) -> Reals | None:
        value = self._island.value(expr)
        if value is not None:
            return self._input(value)
        call = as_call(expr, *FUNCTIONS)
        if call is None:
            constant = scalar(expr)
            return None if constant is None else np.array([constant])
        operands = [self.reals(arg) for arg in call.args]
        if any(operand is None for operand in operands):
            return None
        self.operators[call] = None
        return FUNCTIONS[call.op.name](call.attrs, *operands)

    def _input(self, value: Quantized) -> Reals | None:
        source = self.source or value
        if source.expr is not value.expr or source.quantization != value.quantization:
            return None
        self.source = source
        meaning = value.quantization
        return (np.arange(MAX_BYTE + 1, dtype=np.float64) - meaning.zero_point) * np.float64(meaning.scale)


def _bytes(reals: Reals, out: Quantization) -> npt.NDArray[np.uint8] | None:
    """The nearest bytes, half a unit rounding up; None if a number is none."""
    if np.isnan(reals).any():
        return None
    units = np.floor(reals / out.scale + out.zero_point + 0.5)
    return np.clip(units, 0, MAX_BYTE).astype(np.uint8)


@dataclass(frozen=True)
class Table:
    """A value made by a table, the operators it stands for and the bytes it is applied to."""

    value: Quantized
    operators: tuple[relay.Call, ...]
    source: relay.Expr


def legalize_table(island: Island) -> Table | None:
    """The island's whole expression as one table; None where it is no function of one tensor alone."""
    function = _Function(island)
    with np.errstate(all="ignore"):  # an infinite result is clipped
        reals = function.reals(island.core)
    x = function.source
    if reals is None or x is None or x.shape != island.shape:
        return None
    table = _bytes(np.broadcast_to(reals, (MAX_BYTE + 1,)), island.out)
    if table is None:
        return None
    expr = build.table(x.expr, table)
    value = replace(x, expr=expr, quantization=island.out, dtype=island.dtype)
    return Table(value, tuple(function.operators), x.expr)


def refuse_scalar() -> Refusal:
    """What a rule answers where a table is the better form."""
    return Refusal("it is a function of one tensor that has no table")
