"""Operators that the cluster can run are wrapped into composite functions."""

from __future__ import annotations

import tvm
from tvm import relay

from .expressions import operator_name
from .patterns.table import pattern_table
from .refusals import add_refusals
from .relay_pass import RelayPass


class MergePatterns(RelayPass):
    """Each match of a pattern that passes its check becomes a function `Composite="pulp.<operator>"`.

    The reasons of the checks that fail are added to the module's refusals.
    """

    name = "merge-patterns"
    description = "wrap every operator that the cluster can run into a composite function"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        refusals: dict[str, str] = {}

        def refuse(match: relay.Call, reason: str) -> None:
            refusals[operator_name(match)] = reason

        table = pattern_table(refuse, relay.analysis.list_op_freqs(mod))
        merged = relay.transform.MergeComposite(table)(mod)
        return add_refusals(merged, refusals)
