"""Looking into imported Relay: operands, constants as NumPy arrays, quantization parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relay

from ..expressions import as_call, shape_of
from ..numerics import Quantization
from .values import flipped_zero_point

Array = npt.NDArray[np.generic]


def behind_item(expr: relay.Expr) -> relay.Expr:
    """The operator whose tuple an item is taken of; any other expression as it is."""
    return expr.tuple_value if isinstance(expr, relay.TupleGetItem) else expr


def operands_of(expr: relay.Expr) -> list[relay.Expr]:
    """The operands of an operator, those in tuples one by one."""
    call = behind_item(expr)
    return [x for arg in call.args for x in (arg.fields if isinstance(arg, relay.Tuple) else (arg,))]


def scalar(expr: relay.Expr) -> float | None:
    """The value of a constant that holds one number (or the same one many times)."""
    values = evaluate(expr)
    if values is None or values.size == 0 or np.any(values != values.flat[0]):
        return None
    return float(values.flat[0])


@dataclass(frozen=True)
class QuantizedConstant:
    """Integers with real = scale * (values - zero_point); scale and zero point broadcast along `axis`."""

    values: Array
    scale: npt.NDArray[np.float64]
    zero_point: npt.NDArray[np.int64]
    axis: int

    def real(self) -> npt.NDArray[np.float64]:
        """The real numbers, float64."""
        shape = [1] * self.values.ndim
        if self.scale.size > 1:
            shape[self.axis] = -1
        zero_point = self.zero_point.reshape(shape if self.zero_point.size > 1 else [1] * len(shape))
        return (self.values.astype(np.int64) - zero_point) * self.scale.reshape(shape)


def quantized_constant(expr: relay.Expr) -> QuantizedConstant | None:
    """A dequantized constant, seen through transpositions; None if it is anything else."""
    if (call := as_call(expr, "transpose")) is not None:
        inner = quantized_constant(call.args[0])
        if inner is None:
            return None
        axes = [int(a) for a in call.attrs.axes] if call.attrs.axes else range(inner.values.ndim)[::-1]
        axis = list(axes).index(inner.axis % inner.values.ndim)
        return QuantizedConstant(inner.values.transpose(axes), inner.scale, inner.zero_point, axis)
    call = as_call(expr, "qnn.dequantize")
    if call is None:
        return None
    values, scale, zero_point = (evaluate(arg) for arg in call.args)
    if values is None or scale is None or zero_point is None:
        return None
    axis = int(call.attrs.axis) % max(values.ndim, 1)
    return QuantizedConstant(
        values, scale.astype(np.float64).ravel(), zero_point.astype(np.int64).ravel(), axis
    )


def evaluate(expr: relay.Expr) -> Array | None:
    """The value of a constant expression of the few operators that importers put around constants."""
    if isinstance(expr, relay.Constant):
        return np.asarray(expr.data.numpy())
    if (found := quantized_constant(expr)) is not None:
        return found.real()
    if not isinstance(expr, relay.Call) or not isinstance(expr.op, tvm.ir.Op):
        return None
    rule = _CONSTANT_RULES.get(expr.op.name)
    args = [evaluate(arg) for arg in expr.args] if rule is not None else []
    if rule is None or any(arg is None for arg in args):
        return None
    return rule(expr, *args)


_CONSTANT_RULES: dict[str, Callable[..., Array]] = {
    "cast": lambda call, x: x.astype(call.attrs.dtype),
    "multiply": lambda call, a, b: a * b,
    "expand_dims": lambda call, x: x.reshape(shape_of(call)),
    "reshape": lambda call, x: x.reshape(shape_of(call)),
    "squeeze": lambda call, x: x.reshape(shape_of(call)),
    "transpose": lambda call, x: x.transpose([int(a) for a in call.attrs.axes] if call.attrs.axes else None),
}


def activation_quantization(call: relay.Call, dtype: str) -> Quantization | None:
    """Canonical quantization of a per-tensor `qnn.quantize` or `qnn.dequantize` of 8-bit data."""
    scale, zero_point = scalar(call.args[1]), scalar(call.args[2])
    if scale is None or zero_point is None or dtype not in ("int8", "uint8"):
        return None
    return Quantization(scale, flipped_zero_point(int(zero_point), dtype))
