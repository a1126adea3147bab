"""The search for a layer's tile and loop order: every tile size that fits L1 is estimated, the
most promising are scheduled and costed step by step.

The best candidate is not the fastest at any price: of those that the model can't tell from it (TOLERANCE) the
one that keeps the DMA busy for the shortest time is taken: few bytes in few commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, zip_longest
from typing import Protocol, TypeVar

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import LayerPlan
from tvm_pulp.codegen.tiles.estimates import (
    ANY_TILE,
    FINALISTS,
    TOLERANCE,
    Estimate,
    LayerEstimates,
    LayerTarget,
    Limits,
)
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.codegen.traffic import layer_traffic


@dataclass(frozen=True)
class Candidate:
    """One way to run a layer, with its cost: cycles, bytes of L1, bytes and commands between L2 and L1, and the
    cycles that the DMA is busy."""

    plan: LayerPlan
    cycles: int
    l1_bytes: int
    traffic_bytes: int
    commands: int
    dma_cycles: int


@dataclass(frozen=True)
class Search:
    """What a search found: the chosen candidate, and the others that are on the Pareto front over cycles, L1
    and traffic."""

    best: Candidate
    front: tuple[Candidate, ...]


@dataclass(frozen=True)
class NothingFits:
    """No tile fits L1; the smallest needs so many bytes."""

    l1_bytes: int


class TileSearch:
    """The searches for the best way to run a layer on an engine within the machine's L1, with different limits.
    Tensors `in_l1` take none of the machine's L1: they lie beside it."""

    def __init__(
        self,
        graph: LayerGraph,
        layer: Layer,
        machine: Machine,
        *,
        engine: Engine = CLUSTER,
        effort: Effort | None = None,
        in_l1: frozenset[str] = frozenset(),
    ) -> None:
        self._target = LayerTarget(graph, layer, machine, engine, in_l1)
        self._effort = effort or Effort()
        self._estimates = LayerEstimates(self._target)
        self._candidates: dict[Estimate, Candidate] = {}

    def best(self, limits: Limits = ANY_TILE) -> Search | NothingFits:
        """The best way within limits, or how much L1 it would take."""
        estimates = self._estimates.most_promising(limits)
        if not estimates:
            return NothingFits(self._estimates.least_l1)
        return chosen([self._candidate(one) for one in affordable(_finalists(estimates), self._effort)])

    def _candidate(self, estimate: Estimate) -> Candidate:
        if estimate not in self._candidates:
            self._candidates[estimate] = _scheduled(self._target, estimate)
        return self._candidates[estimate]


def chosen(candidates: Sequence[Candidate]) -> Search:
    """What a search makes of the candidates that fit L1."""
    return Search(_best(candidates), _pareto_front(candidates))


def _best(candidates: Sequence[Candidate]) -> Candidate:
    limit = min(candidate.cycles for candidate in candidates) * (1 + TOLERANCE)
    near = [candidate for candidate in candidates if candidate.cycles <= limit]
    return min(near, key=lambda one: (one.dma_cycles, one.commands, one.cycles, one.l1_bytes))


def _pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that no other beats, or equals, in everything; by cycles."""
    ordered = sorted(candidates, key=lambda one: (one.cycles, one.l1_bytes, one.traffic_bytes))
    front: list[Candidate] = []
    for one in ordered:
        if not any(
            other.l1_bytes <= one.l1_bytes and other.traffic_bytes <= one.traffic_bytes for other in front
        ):
            front.append(one)
    return tuple(front)


def _finalists(estimates: Sequence[Estimate]) -> list[Estimate]:
    limit = min(estimate.cycles for estimate in estimates) * (1 + TOLERANCE)
    by_dma = sorted(estimates, key=lambda one: (one.cycles > limit, one.dma_cycles, one.cycles))
    by_cycles = sorted(estimates, key=lambda one: (one.cycles, one.dma_cycles))
    turns = zip_longest(by_dma[:FINALISTS], by_cycles[:FINALISTS])
    return [one for one in dict.fromkeys(chain.from_iterable(turns)) if one is not None]


class HasSteps(Protocol):
    """A way to run a layer, of which the number of steps is known."""

    @property
    def steps(self) -> int: ...


E = TypeVar("E", bound=HasSteps)


def affordable(finalists: Sequence[E], effort: Effort) -> list[E]:
    """As many of the first as may be scheduled in reasonable time, at least one."""
    steps = list(accumulate(finalist.steps for finalist in finalists))
    return [
        one
        for one, total in zip(finalists, steps, strict=True)
        if total <= max(effort.scheduled_steps, steps[0])
    ]


def _scheduled(target: LayerTarget, estimate: Estimate) -> Candidate:
    plan = schedule_on(
        target.graph,
        target.layer,
        target.machine,
        estimate.tile,
        estimate.order,
        engine=target.engine,
        in_l1=target.in_l1,
        late=estimate.late,
        c_in=estimate.c_in,
    )
    return candidate(target.graph, target.layer, target.machine, plan)


def candidate(graph: LayerGraph, layer: Layer, machine: Machine, plan: LayerPlan) -> Candidate:
    """A plan of a layer with its cost."""
    costs = step_costs(graph, layer, plan, machine)
    traffic = layer_traffic(graph, layer, plan)
    return Candidate(
        plan=plan,
        cycles=costs.cycles,
        l1_bytes=max((buffer.offset + align(buffer.size) for buffer in plan.buffers), default=0),
        traffic_bytes=traffic.bytes_in + traffic.bytes_out,
        commands=costs.commands,
        dma_cycles=int(costs.load.sum() + costs.store.sum()),
    )
