"""Loops, and branches on what the network computes, have no form in C that TVM plans ahead."""

from __future__ import annotations

from tvm_pulp.errors import ModelError

from .graph import Graph

_FIX = "export the network without it, for instance by tracing"


def check_control_flow(graph: Graph) -> None:
    """ModelError for loops and for an If whose condition is no constant."""
    for node in graph.of_type("Loop", "Scan"):
        raise ModelError("loops can't be compiled", where=node.name, fix=_FIX)
    for node in graph.of_type("If"):
        if graph.constant(node.input[0]) is None:
            raise ModelError("its condition is computed at run time", where=node.name, fix=_FIX)
