"""Composite functions that touch are gathered into regions: one external function each."""

from __future__ import annotations

import tvm
from tvm import relay

from .relay_pass import RelayPass, run


class PartitionRegions(RelayPass):
    """Composites become external functions `Compiler="pulp"`, as large as data flow allows."""

    name = "partition-regions"
    description = "gather neighbouring composite functions into external functions"

    def __init__(self, mod_name: str = "default") -> None:
        self._mod_name = mod_name

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        return run(
            mod,
            relay.transform.AnnotateTarget(["pulp"], include_non_call_ops=False),
            relay.transform.MergeCompilerRegions(),
            relay.transform.PartitionGraph(self._mod_name),
            relay.transform.InferType(),
        )
