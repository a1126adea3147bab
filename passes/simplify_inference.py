"""Replace operators that only matter in training."""

from __future__ import annotations

from tvm import relay
from tvm.ir import IRModule

from .relay_pass import RelayPass


class SimplifyInference(RelayPass):
    """TVM's simplification, for pipelines of `tvm-pulp opt`."""

    name = "simplify-inference"
    description = (
        "replace batch normalization and dropout by what they are in inference (TVM's SimplifyInference)"
    )

    def __call__(self, mod: IRModule) -> IRModule:
        return relay.transform.SimplifyInference()(mod)
