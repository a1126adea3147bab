"""A TIR pass against a loss in TVM's C, which prints float constants with 7 digits where 9 are needed.

A constant that would change is written as a quotient or product of integers, which the C compiler folds:
254.99998f becomes `(float)16711679 / (float)65536`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tvm
from tvm import tir

_LARGEST_FACTOR = 62  # a power of two that is a positive int64


def exact_floats() -> tvm.transform.Pass:
    """The pass; for `tir.add_lower_pass` in its last phase, since simplification would undo it."""

    def transform(function: Any, _module: Any, _context: Any) -> Any:
        body = tir.stmt_functor.ir_transform(function.body, None, _exact, ["FloatImm"])
        return function.with_body(body)

    return tir.transform.prim_func_pass(transform, opt_level=0, name="ExactFloats")


def _exact(constant: Any) -> Any:
    """What prints to exactly this constant; None to leave it as it is."""
    dtype = str(constant.dtype)
    if dtype not in ("float32", "float64"):
        return None
    value = np.dtype(dtype).type(constant.value)
    if not np.isfinite(value) or np.dtype(dtype).type(f"{value:.6e}") == value:
        return None
    return _as_integers(value, dtype)


def _as_integers(value: Any, dtype: str) -> Any:
    """`value` = mantissa * 2^exponent, each factor an exact integer of that float type."""
    digits = 24 if dtype == "float32" else 53
    fraction, exponent = math.frexp(float(value))
    mantissa, exponent = int(math.ldexp(fraction, digits)), exponent - digits
    while mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    result = _float_of(mantissa, dtype)
    combine = tir.Div if exponent < 0 else tir.Mul
    for factor in range(abs(exponent), 0, -_LARGEST_FACTOR):
        result = combine(result, _float_of(1 << min(factor, _LARGEST_FACTOR), dtype))
    return result


def _float_of(integer: int, dtype: str) -> Any:
    kind = "int32" if abs(integer) < 2**31 else "int64"
    return tir.Cast(dtype, tir.IntImm(kind, integer))
