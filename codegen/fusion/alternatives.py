"""The groups that a layer could have been fused into, and what the cost model predicts for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.cost.layer import layer_cycles
from tvm_pulp.codegen.engines.registry import able_engines
from tvm_pulp.codegen.fusion.choice import possible_groups
from tvm_pulp.codegen.fusion.groups import fused_graph
from tvm_pulp.codegen.fusion.search import GroupSearch
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.tiles.search import NothingFits, TileSearch


@dataclass(frozen=True)
class GroupAlternative:
    """A group of layers, with the cycles and the L1 that it takes, both None where no tile fits L1; `alone` are
    the cycles of its layers one after the other, each as it is best, `inside` the bytes of the maps that the
    group keeps out of L2."""

    layers: tuple[str, ...]
    alone: int
    inside: int
    cycles: int | None = None
    l1_bytes: int | None = None
    chosen: bool = False


def group_alternatives(
    graph: LayerGraph, layers: Sequence[str], machine: Machine, plan: Plan, *, teams: bool = True
) -> tuple[GroupAlternative, ...]:
    """The groups that any of these layers can be in; `graph` is without groups, `plan` the one that is
    explained. `teams` says that two engines may compute a layer together."""
    chosen = {tuple(stage.layer for stage in one.stages): one for one in plan.layers}
    found = []
    for group in possible_groups(graph):
        parts = graph.layers[group.start : group.stop]
        names = tuple(part.name for part in parts)
        if not set(names) & set(layers):
            continue
        alone = sum(_alone(graph, part, machine, teams) for part in parts)
        inside = sum(graph.tensors[part.output].size_bytes for part in parts[:-1])
        cycles, l1_bytes = _best(graph, group, machine)
        if names in chosen:
            taken = fused_graph(graph, [group]).layers[group.start]
            cycles = layer_cycles(graph, taken, chosen[names], machine)
            l1_bytes = sum(buffer.size for buffer in chosen[names].buffers)
        found.append(GroupAlternative(names, alone, inside, cycles, l1_bytes, names in chosen))
    return tuple(found)


def _alone(graph: LayerGraph, layer: Layer, machine: Machine, teams: bool) -> int:
    engines = able_engines(graph, layer, machine, teams=teams)
    searches = [TileSearch(graph, layer, machine, engine=engine).best() for engine in engines]
    return min((one.best.cycles for one in searches if not isinstance(one, NothingFits)), default=0)


def _best(graph: LayerGraph, group: range, machine: Machine) -> tuple[int | None, int | None]:
    grouped = fused_graph(graph, [group])
    layer = grouped.layers[group.start]
    engines = able_engines(grouped, layer, machine, teams=False)
    searches = [GroupSearch(grouped, layer, machine, engine=engine).best() for engine in engines]
    fitting = [one.best for one in searches if not isinstance(one, NothingFits)]
    best = min(fitting, key=lambda one: one.cycles, default=None)
    return (None, None) if best is None else (best.cycles, best.l1_bytes)
