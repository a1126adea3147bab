"""The plan simulated with the cost model: what every core and every DMA channel does when, in predicted cycles.

The order within a step is the generated code's: the store of the step before is issued first, then the loads of
the next step; both run while the cores compute. Where core 0 waits for a transfer from or to L3 everything
after that is later. Regions' timelines begin at 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from tvm_pulp.codegen.cost.layer import StepCosts, region_costs
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.l3_schedule import Moment, replay
from tvm_pulp.codegen.memory.marks import MarkTimes, mark_times
from tvm_pulp.codegen.plan import L3Kind, Operand, Plan


class Lane(Enum):
    """What works at one thing at a time."""

    CORES = "cores"
    ENGINE = "engine"  # beside the cores, or beside another engine's layer
    DMA_IN = "dma_in"  # L2 -> L1
    DMA_OUT = "dma_out"  # L1 -> L2
    L3 = "l3"  # between L3 and L2


class Work(Enum):
    """What an event does."""

    COMPUTE = "compute"
    COMPUTE_BESIDE = "compute_beside"  # the first of two layers at the same time
    LOAD_X = "load_x"
    LOAD_PARAMS = "load_params"
    STORE_Y = "store_y"
    WAIT_DMA = "wait_dma"  # measured timelines only: for a transfer between L2 and L1; nothing is computed
    WAIT_L3 = "wait_l3"  # for a transfer from or to L3; nothing is computed
    L3_PARAMS = "l3_params"
    L3_LOAD = "l3_load"
    L3_STORE = "l3_store"
    L3_TABLES = "l3_tables"

    @property
    def lane(self) -> Lane:
        """Which lane does such work."""
        return _LANES[self]


_LANES = {
    Work.COMPUTE: Lane.CORES,
    Work.COMPUTE_BESIDE: Lane.ENGINE,
    Work.LOAD_X: Lane.DMA_IN,
    Work.LOAD_PARAMS: Lane.DMA_IN,
    Work.STORE_Y: Lane.DMA_OUT,
    Work.WAIT_DMA: Lane.CORES,
    Work.WAIT_L3: Lane.CORES,
    Work.L3_PARAMS: Lane.L3,
    Work.L3_LOAD: Lane.L3,
    Work.L3_STORE: Lane.L3,
    Work.L3_TABLES: Lane.L3,
}

L3_WORK = {
    L3Kind.PARAMS: Work.L3_PARAMS,
    L3Kind.LOAD: Work.L3_LOAD,
    L3Kind.STORE: Work.L3_STORE,
    L3Kind.STEPS: Work.L3_TABLES,
    L3Kind.ROWS: Work.L3_TABLES,
}


class Event(NamedTuple):
    """Work of `cycles` from cycle `start`, for a step of a layer (indices); there may be a hundred thousand.
    The step of a transfer between L3 and L2 is the first that it serves, and it may be long before its
    layer."""

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
    """A layer's time; `steps` are the cycles at which its steps begin to compute, `l3_waits` those of `cycles`
    in which L3 is waited for."""

    layer: str
    start: int
    cycles: int
    steps: tuple[int, ...]
    l3_waits: int = 0


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
        """For each layer, the cycles that every lane works for it; to wait is no work."""
        busy: tuple[Counter[Lane], ...] = tuple(Counter() for _ in self.layers)
        for event in self.events:
            if event.work not in (Work.WAIT_DMA, Work.WAIT_L3):
                busy[event.layer][event.lane] += event.cycles
        return busy


def simulate(graph: LayerGraph, plan: Plan, machine: Machine) -> Timeline:
    """The timeline of a region; a layer's span is as long as its `LayerPlan.cycles` and its waits for L3, and
    that of a layer beside the one before as long as that one's."""
    costs = region_costs(as_planned(graph, plan), plan.layers, machine)
    marks = mark_times(costs)
    l3 = _replay_l3(plan, marks, machine)
    spans: list[LayerSpan] = []
    events: list[Event] = []
    start = 0
    for index, layer_plan in enumerate(plan.layers):
        waits = _Waits(costs[index], l3, range(marks.begins[index], marks.begins[index + 1]))
        beside = spans[-1] if index and plan.layers[index - 1].with_next else None
        if beside is None:
            span = waits.span(layer_plan.layer, start)
        else:
            span = replace(waits.span(layer_plan.layer, beside.start), cycles=beside.cycles)
        spans.append(span)
        work = Work.COMPUTE_BESIDE if layer_plan.with_next else Work.COMPUTE
        events += (
            _events(index, waits, span) if waits.costs.pace is None else _paced(index, waits.costs, span, work)
        )
        events += _l3_events(plan, l3, index)
        start = span.start + span.cycles
    end = marks.begins[len(plan.layers)]
    if spans and l3.waits[end]:
        last = len(spans) - 1
        events.append(Event(Work.WAIT_L3, last, len(spans[last].steps) - 1, start, l3.waits[end]))
        waited = spans[last].l3_waits + l3.waits[end]
        spans[last] = replace(spans[last], cycles=spans[last].cycles + l3.waits[end], l3_waits=waited)
    events.sort(key=lambda event: event.layer)  # loads for the next layer are found with this one's
    return Timeline(plan.region, tuple(spans), tuple(events))


@dataclass(frozen=True)
class _L3:
    """Cycles of waiting at each mark, and begin and end of each transfer."""

    waits: Counter[int]
    spans: tuple[tuple[int, int], ...] = ()


def _replay_l3(plan: Plan, marks: MarkTimes, machine: Machine) -> _L3:
    if not plan.transfers or machine.l3 is None:
        return _L3(Counter())
    moments = [Moment(marks.number(one.start), marks.number(one.wait), one.size) for one in plan.transfers]
    played = replay(moments, marks, machine.l3)
    waits: Counter[int] = Counter()
    for moment, wait in zip(moments, played.waits, strict=True):
        waits[moment.need] += wait
    return _L3(waits, played.spans)


@dataclass(frozen=True)
class _Waits:
    """A layer's costs, and the waits at its marks, whose numbers are `marks`."""

    costs: StepCosts
    l3: _L3
    marks: range

    def at(self, step: int) -> int:
        """Cycles of waiting before a step computes; of step -1, before the layer's first loads."""
        return self.l3.waits[self.marks[step + 1]]

    def span(self, name: str, start: int) -> LayerSpan:
        """The layer's time."""
        waits = [self.at(step) for step in range(len(self.marks) - 1)]
        begins = accumulate(map(int, self.costs.intervals), initial=start + self.at(-1) + self.costs.lead)
        steps = tuple(begin + waited for begin, waited in zip(begins, accumulate(waits), strict=False))
        total = self.at(-1) + sum(waits)
        return LayerSpan(name, start, self.costs.cycles + total, steps, total)


def _events(layer: int, waits: _Waits, span: LayerSpan) -> Iterator[Event]:
    """What happens in a layer; work of no cycles is left out."""
    costs = waits.costs
    if waits.at(-1):
        yield Event(Work.WAIT_L3, layer, 0, span.start, waits.at(-1))
    yield from _in_turn(layer, span.start + waits.at(-1), _loads(costs, 0))
    for step, begin in enumerate(span.steps):
        if waits.at(step):
            yield Event(Work.WAIT_L3, layer, step, begin - waits.at(step), waits.at(step))
        if step:
            late = begin - waits.at(step) - int(costs.load_late[step])
            yield from _in_turn(layer, late, _loads(costs, step, late=True))
        yield Event(Work.COMPUTE, layer, step, begin, int(costs.compute[step]))
        store, loads = _store(costs, step - 1), _loads(costs, step + 1, late=False)
        yield from _in_turn(layer, begin, [*store, *loads])
    last = costs.compute.size - 1
    begin = span.steps[last] + sum(cycles for _, _, cycles in _store(costs, last - 1))
    ahead = [(Work.LOAD_X, 0, costs.ahead_x), (Work.LOAD_PARAMS, 0, costs.ahead_params)]
    yield from _in_turn(layer + 1, begin, ahead)
    yield from _in_turn(layer, span.start + span.cycles - int(costs.store[last]), _store(costs, last))


def _paced(layer: int, costs: StepCosts, span: LayerSpan, work: Work) -> Iterator[Event]:
    """What happens in one of two layers at the same time."""
    assert costs.pace is not None  # it is one of two
    pace, load, compute, store = costs.pace, costs.load, costs.compute, costs.store
    begins = (pace.loaded - load, pace.computed - compute, pace.stored - store)
    for step, (loaded, computed, stored) in enumerate(zip(*(span.start + one for one in begins), strict=True)):
        yield from _in_turn(layer, int(loaded), _loads(costs, step))
        yield Event(work, layer, step, int(computed), int(compute[step]))
        yield from _in_turn(layer, int(stored), _store(costs, step))


def _l3_events(plan: Plan, l3: _L3, layer: int) -> Iterator[Event]:
    for one, (begin, end) in zip(plan.transfers, l3.spans, strict=False):
        if one.layer == layer:
            yield Event(L3_WORK[one.kind], layer, one.first_step, begin, end - begin)


_Transfer = tuple[Work, int, int]  # what, step, cycles


def _loads(costs: StepCosts, step: int, *, late: bool | None = None) -> list[_Transfer]:
    """The loads of a step; only those that are late, or aren't, if `late` is given."""
    if step >= costs.compute.size:
        return []
    loads = [
        (Operand.X, (Work.LOAD_X, step, int(costs.load_x[step]))),
        (Operand.PARAMS, (Work.LOAD_PARAMS, step, int(costs.load_params[step]))),
    ]
    return [load for operand, load in loads if late is None or (operand in costs.late) == late]


def _store(costs: StepCosts, step: int) -> list[_Transfer]:
    return [(Work.STORE_Y, step, int(costs.store[step]))] if step >= 0 else []


def _in_turn(layer: int, start: int, transfers: Sequence[_Transfer]) -> Iterator[Event]:
    """Transfers one after the other: the DMA engine works at one at a time."""
    for work, step, cycles in transfers:
        if cycles:
            yield Event(work, layer, step, start, cycles)
        start += cycles
