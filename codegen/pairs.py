"""Pairs: layers that run at the same time, one on an engine beside the cores, one on the cores or another
engine.

Which are worth it is a question of cycles: each two layers of which neither needs the other one are tried where
even the longer one alone takes less than both do now, and of those that are faster the best are taken, as long
as there is an order of layers with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from tvm_pulp.codegen.cost.layer import StepCosts, paced, paced_steps, step_costs
from tvm_pulp.codegen.cost.pair import list_schedule
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.order import list_order, predecessors
from tvm_pulp.codegen.plan import LayerPlan

L1_SHARES = (0.25, 0.4, 0.55, 0.7, 0.85)
"""Parts of L1 that are tried for the first of two layers."""

MOST_SEARCHED = 32
"""Pairs of layers that are searched for tiles: those that may save most."""

MOST_STEPS = 64
"""Of a layer of a pair: its rounds are replayed one by one."""

LEAST_GAIN = 0.1
"""Of the cycles of two layers. What is less may be none: kernels that only the one plan calls come from L2
first, and that isn't predicted (3,700 cycles of a convolution on GVSoC)."""

PlansBeside = Callable[[int, int, Engine], Sequence[LayerPlan]]
"""Plans of the layer with this index in so many bytes of L1, on an engine, with their cycles alone."""


@dataclass(frozen=True)
class Pair:
    """Two layers (indices) at the same time, with plans that fit L1 together, and the cycles that it saves."""

    layers: tuple[int, int]
    plans: tuple[LayerPlan, LayerPlan]
    gain: int


@dataclass(frozen=True)
class _Chance:
    """Two layers on two engines, and the most that it could save."""

    layers: tuple[int, int]
    engines: tuple[Engine, Engine]
    gain: int


def choose_pairs(graph: LayerGraph, single: Sequence[int], machine: Machine, ways: PlansBeside) -> list[Pair]:
    """The pairs that save cycles, the best first; `single` are the cycles of layers one after the other."""
    after = predecessors(graph)
    chances = sorted(_chances(graph, single, machine, (after, ways)), key=lambda one: -one.gain)
    found = [_best_plans(graph, single, machine, one, ways) for one in chances[:MOST_SEARCHED]]
    chosen: list[Pair] = []
    for pair in sorted((one for one in found if one is not None), key=lambda one: -one.gain):
        taken = {index for one in chosen for index in one.layers}
        apart = not taken & set(pair.layers)
        if apart and list_order(after, [one.layers for one in (*chosen, pair)]) is not None:
            chosen.append(pair)
    return chosen


def _chances(
    graph: LayerGraph, single: Sequence[int], machine: Machine, known: tuple[list[set[int]], PlansBeside]
) -> Iterator[_Chance]:
    after, ways = known
    for one, other in combinations(range(len(graph.layers)), 2):
        if one in after[other]:
            continue
        both = single[one] + single[other]
        for layers, engines in product(((one, other), (other, one)), _engines(machine)):
            units = list(zip(layers, engines, strict=True))
            if engines[1] is not CLUSTER and engines[1].sums_bytes(graph.layers[layers[1]]):
                continue  # which only the first one's are finished for
            if not all(_may_pair(graph, graph.layers[index], engine) for index, engine in units):
                continue
            alone = [ways(index, machine.l1_bytes, engine) for index, engine in units]
            gain = both - max(min((plan.cycles for plan in plans), default=both) for plans in alone)
            if gain > LEAST_GAIN * both:
                yield _Chance(layers, engines, gain)


def _engines(machine: Machine) -> list[tuple[Engine, Engine]]:
    """All that two layers can run on: each two engines, one of which is beside the cores, in one order."""
    return list(combinations((*machine.engines, CLUSTER), 2))


def _may_pair(graph: LayerGraph, layer: Layer, engine: Engine) -> bool:
    """True if an engine computes a layer without keeping core 0 from the other one's."""
    return not layer.parts and engine.refusal(graph, layer) is None and not engine.occupies_core_0(layer)


def _best_plans(
    graph: LayerGraph, single: Sequence[int], machine: Machine, chance: _Chance, ways: PlansBeside
) -> Pair | None:
    """The fastest plans for two layers that fit L1 together; None if they don't save cycles."""
    both = sum(single[index] for index in chance.layers)
    options: list[Pair] = []
    for share in L1_SHARES:
        first = int(share * machine.l1_bytes)
        rooms = (first, machine.l1_bytes - first)
        searched = map(ways, chance.layers, rooms, chance.engines)
        costed = [
            [(plan, step_costs(graph, graph.layers[index], plan, machine)) for plan in plans if _fits(plan)]
            for index, plans in zip(chance.layers, searched, strict=True)
        ]
        options += [_pair(chance.layers, both, pair, machine) for pair in product(*costed)]
    best = max(options, key=lambda pair: pair.gain, default=None)
    return best if best is not None and best.gain > LEAST_GAIN * both else None


def _fits(plan: LayerPlan) -> bool:
    """True if a layer with this plan can run beside another one."""
    return not (plan.late or plan.c_in) and len(plan.steps) <= MOST_STEPS


def _pair(
    layers: tuple[int, int], cycles: int, pair: Sequence[tuple[LayerPlan, StepCosts]], machine: Machine
) -> Pair:
    """Two layers, which take so many cycles one after the other, at the same time."""
    (first, _), (second, _) = pair
    next_steps = list_schedule(*(paced_steps(costs, plan, machine) for plan, costs in pair))
    first = replace(first, next_steps=next_steps)
    together = paced([costs for _, costs in pair], (first, second), machine)[0].cycles
    return Pair(layers, (replace(first, cycles=together), replace(second, cycles=0)), cycles - together)
