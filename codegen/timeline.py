"""The plan simulated with the cost model: what every core and every DMA channel does when, in predicted cycles.

The order within a step is the generated code's: the store of the step before is issued first, then the loads of
the next step; both run while the cores compute. Regions' timelines begin at 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from tvm_pulp.codegen.cost.layer import StepCosts, step_costs
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Plan


class Lane(Enum):
    """What works at one thing at a time."""

    CORES = "cores"
    DMA_IN = "dma_in"  # L2 -> L1
    DMA_OUT = "dma_out"  # L1 -> L2


class Work(Enum):
    """What an event does."""

    COMPUTE = "compute"
    LOAD_X = "load_x"
    LOAD_PARAMS = "load_params"
    STORE_Y = "store_y"

    @property
    def lane(self) -> Lane:
        """Which lane does such work."""
        return _LANES[self]


_LANES = {
    Work.COMPUTE: Lane.CORES,
    Work.LOAD_X: Lane.DMA_IN,
    Work.LOAD_PARAMS: Lane.DMA_IN,
    Work.STORE_Y: Lane.DMA_OUT,
}


class Event(NamedTuple):
    """Work of `cycles` from cycle `start`, for a step of a layer (indices); there may be a hundred thousand."""

    work: Work
    layer: int
    step: int
    start: int
    cycles: int

    @property
    def lane(self) -> Lane:
        """Where the work is done."""
        return self.work.lane


@dataclass(frozen=True)
class LayerSpan:
    """A layer's time; `steps` are the cycles at which its steps begin to compute."""

    layer: str
    start: int
    cycles: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """A region's events, layer after layer, those of a layer in the order of its steps."""

    region: str
    layers: tuple[LayerSpan, ...]
    events: tuple[Event, ...]

    @property
    def cycles(self) -> int:
        """Predicted cycles of the whole region."""
        return self.layers[-1].start + self.layers[-1].cycles if self.layers else 0

    def busy_cycles(self) -> tuple[Counter[Lane], ...]:
        """For each layer, the cycles that every lane works for it."""
        busy: tuple[Counter[Lane], ...] = tuple(Counter() for _ in self.layers)
        for event in self.events:
            busy[event.layer][event.lane] += event.cycles
        return busy


def simulate(graph: LayerGraph, plan: Plan, machine: Machine) -> Timeline:
    """The timeline of a region; a layer's span is as long as its `LayerPlan.cycles`."""
    layers = {layer.name: layer for layer in graph.layers}
    spans: list[LayerSpan] = []
    events: list[Event] = []
    start = 0
    for index, layer_plan in enumerate(plan.layers):
        costs = step_costs(graph, layers[layer_plan.layer], layer_plan, machine)
        span = _span(layer_plan.layer, costs, start)
        spans.append(span)
        events += _events(index, costs, span)
        start += span.cycles
    return Timeline(plan.region, tuple(spans), tuple(events))


def _span(name: str, costs: StepCosts, start: int) -> LayerSpan:
    *steps, _ = accumulate(map(int, costs.intervals), initial=start + int(costs.load[0]))
    return LayerSpan(name, start, costs.cycles, tuple(steps))


def _events(layer: int, costs: StepCosts, span: LayerSpan) -> Iterator[Event]:
    """What happens in a layer; work of no cycles is left out."""
    yield from _in_turn(layer, span.start, _loads(costs, 0))
    for step, begin in enumerate(span.steps):
        yield Event(Work.COMPUTE, layer, step, begin, int(costs.compute[step]))
        yield from _in_turn(layer, begin, [*_store(costs, step - 1), *_loads(costs, step + 1)])
    last = costs.compute.size - 1
    yield from _in_turn(layer, span.start + span.cycles - int(costs.store[last]), _store(costs, last))


_Transfer = tuple[Work, int, int]  # what, step, cycles


def _loads(costs: StepCosts, step: int) -> list[_Transfer]:
    if step >= costs.compute.size:
        return []
    return [
        (Work.LOAD_X, step, int(costs.load_x[step])),
        (Work.LOAD_PARAMS, step, int(costs.load_params[step])),
    ]


def _store(costs: StepCosts, step: int) -> list[_Transfer]:
    return [(Work.STORE_Y, step, int(costs.store[step]))] if step >= 0 else []


def _in_turn(layer: int, start: int, transfers: Sequence[_Transfer]) -> Iterator[Event]:
    """Transfers one after the other: the DMA engine works at one at a time."""
    for work, step, cycles in transfers:
        if cycles:
            yield Event(work, layer, step, start, cycles)
        start += cycles
