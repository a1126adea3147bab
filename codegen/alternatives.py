"""The tiles that a layer could have had, and what the cost model predicts for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from tvm_pulp.codegen.cost.layer import layer_cycles
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.fusion.alternatives import GroupAlternative
from tvm_pulp.codegen.fusion.search import group_candidates
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder, Operand
from tvm_pulp.codegen.tiles.estimates import late_choices
from tvm_pulp.codegen.tiles.input_parts import part_sizes
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.codegen.tiles.sizes import tile_tables
from tvm_pulp.codegen.traffic import layer_traffic

MOST_STEPS = 20_000  # of all tiles that are tried together: half a second


@dataclass(frozen=True)
class Alternative:
    """One way to tile a layer; `cycles` are predicted, `dma_in` and `dma_out` bytes between L2 and L1."""

    plan: LayerPlan
    cycles: int
    l1_bytes: int
    dma_in: int
    dma_out: int
    chosen: bool = False


@dataclass(frozen=True)
class Alternatives:
    """The ways that were tried, the fastest first, and how many tiles fit L1 (those of few steps are tried);
    `groups` are those that the layer could be a part of."""

    tried: tuple[Alternative, ...]
    fitting: int
    groups: tuple[GroupAlternative, ...] = ()

    @property
    def chosen(self) -> Alternative:
        """The one that the plan took."""
        return next(alternative for alternative in self.tried if alternative.chosen)

    @property
    def rank(self) -> int:
        """The place of the one that the plan took; 1 is the fastest."""
        return 1 + self.tried.index(self.chosen)


def layer_alternatives(graph: LayerGraph, layer: Layer, machine: Machine, chosen: LayerPlan) -> Alternatives:
    """The tiles of a layer that fit L1, on its engine; `chosen` is the layer's part of the plan."""
    if layer.parts:
        return _group_tiles(graph, layer, machine, chosen)
    engine = engine_named(chosen.engine, machine.engines)
    ways = _fitting_tiles(graph, layer, machine, engine)
    tried = {_key(chosen): _alternative(graph, layer, chosen, machine, chosen=True)}
    steps = 0
    for count, box, late, c_in in ways:
        steps += count
        if steps > MOST_STEPS and len(tried) > 1:
            break
        for order in LoopOrder:
            plan = schedule_on(graph, layer, machine, box, order, engine=engine, late=late, c_in=c_in)
            if _key(plan) not in tried:
                tried[_key(plan)] = _alternative(graph, layer, plan, machine)
    ordered = sorted(tried.values(), key=lambda one: (one.cycles, not one.chosen, one.l1_bytes))
    return Alternatives(tuple(ordered), max(len(tried), len(LoopOrder) * len(ways)))


def _group_tiles(graph: LayerGraph, layer: Layer, machine: Machine, chosen: LayerPlan) -> Alternatives:
    """The tiles of a fused group that its search schedules."""
    tried = {_key(chosen): _alternative(graph, layer, chosen, machine, chosen=True)}
    engine = engine_named(chosen.engine, machine.engines)
    fitting, plans = group_candidates(graph, layer, machine, MOST_STEPS, engine)
    for plan in plans:
        tried.setdefault(_key(plan), _alternative(graph, layer, plan, machine))
    ordered = sorted(tried.values(), key=lambda one: (one.cycles, not one.chosen, one.l1_bytes))
    return Alternatives(tuple(ordered), max(len(tried), fitting))


def _key(plan: LayerPlan) -> tuple[Box, int, str, tuple[Box, ...]]:
    """What tells plans of a layer apart: loop orders may visit the tiles in the same order."""
    return plan.tile, plan.c_in, plan.kernel, tuple(step.y for step in plan.steps)


_Way: TypeAlias = tuple[int, Box, tuple[Operand, ...], int]
"""Number of steps, tile, what has to be late for it to fit, input channels of a part."""


def _fitting_tiles(graph: LayerGraph, layer: Layer, machine: Machine, engine: Engine) -> list[_Way]:
    """Fewest steps first."""
    found = list(_fitting_with(graph, layer, machine, engine, 0))
    for c_in in part_sizes(graph, layer) if engine is CLUSTER else ():
        found += _fitting_with(graph, layer, machine, engine, c_in)
    return sorted(found, key=lambda item: (item[0], -item[1].c, -item[1].h))


def _fitting_with(
    graph: LayerGraph, layer: Layer, machine: Machine, engine: Engine, c_in: int
) -> Iterator[_Way]:
    table = tile_tables(graph, layer, machine.cores, machine.l1_bytes, engine, c_in=c_in)
    left = np.ones_like(table.l1_bytes(), np.bool_)
    for late in late_choices(engine):
        fits = left & (table.l1_bytes(late) <= machine.l1_bytes)
        left &= ~fits
        for row, column in zip(*np.nonzero(fits), strict=True):
            h, w, nh, nw = (int(table.space[name][row]) for name in ("h", "w", "nh", "nw"))
            c, ranges = (int(table.channels[name][column]) for name in ("c", "ranges"))
            yield table.parts * nh * nw * ranges, Box(0, h, 0, w, 0, c), late, c_in


def _alternative(
    graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine, chosen: bool = False
) -> Alternative:
    traffic = layer_traffic(graph, layer, plan)
    return Alternative(
        plan=plan,
        cycles=layer_cycles(graph, layer, plan, machine),
        l1_bytes=sum(buffer.size for buffer in plan.buffers),
        dma_in=traffic.bytes_in,
        dma_out=traffic.bytes_out,
        chosen=chosen,
    )
