"""Compute the type of every expression."""

from __future__ import annotations

from tvm import relay
from tvm.ir import IRModule

from .relay_pass import RelayPass


class InferType(RelayPass):
    """TVM's type inference, for pipelines of `tvm-pulp opt`."""

    name = "infer-type"
    description = "compute the type of every expression (TVM's InferType)"

    def __call__(self, mod: IRModule) -> IRModule:
        return relay.transform.InferType()(mod)
