"""The tiles that a layer could have had, and what the cost model predicts for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tvm_pulp.codegen.cost.layer import layer_cycles
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box, LayerPlan
from tvm_pulp.codegen.schedule import schedule_layer
from tvm_pulp.codegen.tile_candidates import candidates, l1_bytes
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
    """The ways that were tried, the fastest first, and how many tiles fit L1 (those of few steps are tried)."""

    tried: tuple[Alternative, ...]
    fitting: int

    @property
    def chosen(self) -> Alternative:
        """The one that the plan took."""
        return next(alternative for alternative in self.tried if alternative.chosen)

    @property
    def rank(self) -> int:
        """The place of the one that the plan took; 1 is the fastest."""
        return 1 + self.tried.index(self.chosen)


def layer_alternatives(graph: LayerGraph, layer: Layer, machine: Machine, chosen: LayerPlan) -> Alternatives:
    """The tiles of a layer that fit L1; `chosen` is the layer's part of the plan."""
    boxes = list(_fitting_tiles(graph, layer, machine))
    tried = [_alternative(layer, chosen, machine, chosen=True)]
    steps = 0
    for count, box in boxes:
        steps += count
        if steps > MOST_STEPS and len(tried) > 1:
            break
        plan = schedule_layer(graph, layer, box, machine.cores)
        if (plan.tile, plan.order) != (chosen.tile, chosen.order):
            tried.append(_alternative(layer, plan, machine))
    tried.sort(key=lambda one: (one.cycles, not one.chosen, one.l1_bytes))
    return Alternatives(tuple(tried), len({chosen.tile, *(box for _, box in boxes)}))


def _fitting_tiles(graph: LayerGraph, layer: Layer, machine: Machine) -> Iterator[tuple[int, Box]]:
    """Number of steps and tile, fewest steps first."""
    options = candidates(graph, layer, machine.cores)
    found = (
        (space.tiles * channel.ranges, Box(0, space.h, 0, space.w, 0, channel.c))
        for space in options.space
        for channel in options.channels
        if l1_bytes(options, space, channel) <= machine.l1_bytes
    )
    yield from sorted(found, key=lambda item: (item[0], -item[1].c, -item[1].h))


def _alternative(layer: Layer, plan: LayerPlan, machine: Machine, chosen: bool = False) -> Alternative:
    traffic = layer_traffic(layer, plan)
    return Alternative(
        plan=plan,
        cycles=layer_cycles(layer, plan, machine),
        l1_bytes=sum(buffer.size for buffer in plan.buffers),
        dma_in=traffic.bytes_in,
        dma_out=traffic.bytes_out,
        chosen=chosen,
    )
