"""The order of layers: what has to come after what, and orders in which two layers run at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from tvm_pulp.codegen.graph import Layer, LayerGraph

Units = tuple[tuple[int, ...], ...]
"""Indices of layers that run at the same time, one unit after the other."""


def predecessors(graph: LayerGraph) -> list[set[int]]:
    """For each layer (index) those that it has to come after: of two one of which reads the memory that the
    other one writes, the one that is first in the graph. All bytes are written once."""
    found: list[set[int]] = [set() for _ in graph.layers]
    for (one, before), (other, after) in combinations(enumerate(graph.layers), 2):
        if _meet(graph, before, after):
            found[other] |= {one} | found[one]
    return found


def _meet(graph: LayerGraph, before: Layer, after: Layer) -> bool:
    """True if one of two layers writes memory that the other one reads."""
    return any(
        graph.tensors[one.output].base in {graph.tensors[name].base for name in other.inputs}
        for one, other in ((before, after), (after, before))
    )


def list_order(after: Sequence[set[int]], pairs: Sequence[tuple[int, int]]) -> Units | None:
    """The layers with each of the pairs as a unit, in an order that is near to theirs; None if there is
    none."""
    paired = {index for pair in pairs for index in pair}
    waiting: list[tuple[int, ...]] = [*pairs, *((one,) for one in range(len(after)) if one not in paired)]
    waiting.sort(key=min)
    units: list[tuple[int, ...]] = []
    done: set[int] = set()
    while waiting:
        ready = next((unit for unit in waiting if all(after[one] <= done for one in unit)), None)
        if ready is None:
            return None
        waiting.remove(ready)
        units.append(ready)
        done.update(ready)
    return tuple(units)


def reordered(graph: LayerGraph, names: Sequence[str]) -> LayerGraph | None:
    """The graph with its layers in this order; None if these aren't its layers, or one comes too early."""
    given = {layer.name: index for index, layer in enumerate(graph.layers)}
    if len(names) != len(given) or set(names) != set(given):
        return None
    order = [given[name] for name in names]
    if order != sorted(order):
        after, done = predecessors(graph), set[int]()
        for index in order:
            if not after[index] <= done:
                return None
            done.add(index)
    return replace(graph, layers=tuple(graph.layers[index] for index in order))
