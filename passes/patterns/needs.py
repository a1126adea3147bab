"""What has to be in a module for a pattern to match."""

from __future__ import annotations

from tvm.ir import Op
from tvm.relay.dataflow_pattern import AltPattern, AttrPattern, CallPattern, DFPattern, ExprPattern


def needed_operators(pattern: DFPattern) -> frozenset[str]:
    """Names of the operators of Relay that are in each of its matches; not all of them, where it has parts of
    another kind than calls, attributes and alternatives."""
    if isinstance(pattern, AltPattern):
        return needed_operators(pattern.left) & needed_operators(pattern.right)
    if isinstance(pattern, AttrPattern):
        return needed_operators(pattern.pattern)
    if isinstance(pattern, ExprPattern) and isinstance(pattern.expr, Op):
        return frozenset([str(pattern.expr.name)])
    if isinstance(pattern, CallPattern):
        return frozenset().union(*map(needed_operators, (pattern.op, *(pattern.args or ()))))
    return frozenset()
