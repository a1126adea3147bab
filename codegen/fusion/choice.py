"""Which layers run as groups: the division of a region into groups and single layers that costs the fewest
cycles, counting what it takes to move those maps to L3 and back that have no room in L2.

What has no room depends on the choice. So it is made for the maps that a plan moves, a plan is made for the
choice, and if that moves other maps, the choice is made again; of all plans, the one without groups among
them, the fastest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from tvm_pulp.codegen.fusion.groups import MOST_STAGES, may_fuse
from tvm_pulp.codegen.fusion.im2col import with_im2col
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.l3_schedule import transfer_cycles
from tvm_pulp.codegen.plan import Plan

MOST_ROUNDS = 4

LEAST_GAIN = 0.01
"""Layers that wait less, as a share of their cycles, aren't fused for the sake of the DMA."""

Groups = tuple[range, ...]
"""Ranges of layers' indices that don't overlap."""


def possible_groups(graph: LayerGraph, products: Collection[str] = frozenset()) -> Iterator[range]:
    """Consecutive layers that may be fused; one of `products`, convolutions, is two layers where a group ends
    with it."""
    for stop in range(1, len(graph.layers) + 1):
        last = graph.layers[stop - 1].name
        flat = with_im2col(graph, {last}) if last in products else graph
        end = stop + len(flat.layers) - len(graph.layers)
        for start in range(max(0, end - MOST_STAGES), stop):
            if may_fuse(flat, flat.layers[start:end]):
                yield range(start, stop)


def may_pay(
    graph: LayerGraph, group: range, alone: tuple[Sequence[int], Sequence[int]], moved: Collection[str]
) -> bool:
    """True if a map inside of a group is moved, or its layers, whose cycles and cycles of waiting for the DMA
    are given, wait so long that there is something to gain."""
    cycles, waiting = (sum(values[index] for index in group) for values in alone)
    inside = any(graph.layers[index].output in moved for index in group[:-1])
    return inside or waiting > LEAST_GAIN * cycles


def cheapest_groups(
    graph: LayerGraph, single: Sequence[int], groups: Mapping[range, int], moves: Mapping[str, int]
) -> Groups:
    """The choice with the fewest cycles: `single` are those of each layer, `groups` of the possible groups,
    `moves` of bringing tensors to L3 and back, unless they are inside of a group."""
    best: list[tuple[int, Groups]] = [(0, ())]
    by_stop: dict[int, list[range]] = {}
    for group in groups:
        by_stop.setdefault(group.stop, []).append(group)
    for stop in range(1, len(graph.layers) + 1):
        moved = moves.get(graph.layers[stop - 1].output, 0)
        before, chosen = best[stop - 1]
        options = [(before + single[stop - 1] + moved, chosen)]
        for group in by_stop.get(stop, []):
            before, chosen = best[group.start]
            options.append((before + groups[group] + moved, (*chosen, group)))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def move_cycles(graph: LayerGraph, tensors: Collection[str], model: L3Model) -> dict[str, int]:
    """Cycles of bringing each tensor to L3, and back for each layer that reads it."""
    found = {}
    for name in tensors:
        times = 1 + sum(name in layer.inputs for layer in graph.layers)
        found[name] = times * transfer_cycles(model, graph.tensors[name].size_bytes)
    return found


def fastest_plan(
    plain: Plan | None,
    choose: Callable[[frozenset[str]], Groups],
    plan: Callable[[Groups], Plan | None],
    takes: Callable[[Plan], int],
) -> Plan | None:
    """The fastest of the plans that are found; `plain` is the one without groups, if there is one. `choose`
    makes the choice where these tensors are moved, `plan` the plan for a choice, if there is one, and `takes`
    says what cycles it takes."""
    best = plain
    moved = frozenset[str]() if plain is None else _moved(plain)
    tried: set[Groups] = {()}
    for _ in range(MOST_ROUNDS):
        groups = choose(moved)
        if groups in tried:
            break
        tried.add(groups)
        found = plan(groups)
        if found is None:
            break
        moved |= _moved(found)
        if best is None or takes(found) < takes(best):
            best = found
    return best


def _moved(plan: Plan) -> frozenset[str]:
    return frozenset(one.tensor for one in plan.l3_buffers)
