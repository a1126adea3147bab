"""Exponentials and their like by polynomials: those of C libraries differ in the last bit."""

from __future__ import annotations

import tvm
from tvm import relay

from .relay_pass import RelayPass, run


class PortableMath(RelayPass):
    """`exp`, `tanh`, `erf` and `softmax` become TVM's polynomial versions, the same arithmetic everywhere."""

    name = "portable-math"
    description = "replace functions of the C library by polynomials, so that all platforms give the same bytes"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        return run(mod, relay.transform.FastMath(), relay.transform.InferType())
