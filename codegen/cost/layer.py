"""Predicted cycles of a layer: its tile loop as a software pipeline of transfers and kernel calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, tiles_of
from tvm_pulp.codegen.cost.cluster import kernel_cycles
from tvm_pulp.codegen.cost.dma import (
    Boxes,
    box_commands,
    box_cycles,
    gather_commands,
    gather_cycles,
    line_commands,
    line_cycles,
)
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import LayerPlan


@dataclass(frozen=True)
class StepCosts:
    """Cycles of each step: its kernel call, the loads that it waits for, its store; and the DMA commands of
    the latter two."""

    compute: IntArray
    load: IntArray
    store: IntArray
    load_commands: IntArray
    store_commands: IntArray

    @property
    def beside(self) -> IntArray:
        """Cycles of the transfers that run while each step computes: the next step's loads, the store of the
        step before."""
        beside = np.zeros_like(self.compute)
        beside[:-1] += self.load[1:]
        beside[1:] += self.store[:-1]
        return beside

    @property
    def cycles(self) -> int:
        """Cycles of the layer: the first loads, for every step the longer of its computation and of the
        transfers beside it, the last store."""
        return int(self.load[0] + np.maximum(self.compute, self.beside).sum() + self.store[-1])

    @property
    def commands(self) -> int:
        """DMA commands of the layer."""
        return int(self.load_commands.sum() + self.store_commands.sum())


def step_costs(graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine) -> StepCosts:
    """What each step of a layer costs."""
    tiles = tiles_of(plan)
    load_x = np.array([step.load_x for step in plan.steps], np.int64) * len(layer.inputs)
    params = np.array([step.params_size if step.load_params else 0 for step in plan.steps], np.int64)
    x_cycles, x_commands = x_costs(graph, layer, machine, tiles, channels_first=plan.channels_first)
    y_cycles, y_commands = y_costs(graph, layer, machine, tiles)
    return StepCosts(
        compute=kernel_cycles(machine, layer, plan.kernel, tiles),
        load=load_x * x_cycles + line_cycles(machine.dma, params),
        store=y_cycles,
        load_commands=load_x * x_commands + line_commands(params),
        store_commands=y_commands,
    )


def layer_cycles(graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine) -> int:
    """Predicted cycles of a planned layer."""
    return step_costs(graph, layer, plan, machine).cycles


def x_costs(
    graph: LayerGraph, layer: Layer, machine: Machine, tiles: Tiles, *, channels_first: bool
) -> tuple[IntArray, IntArray]:
    """Cycles and commands of loading one input's tiles."""
    tensor = graph.tensors[layer.inputs[0]]
    boxes = Boxes(tiles.x_h, tiles.x_w, tiles.x_c, tiles.x_beside)
    if channels_first:
        return gather_cycles(machine.dma, tensor, boxes), gather_commands(tensor, boxes)
    return box_cycles(machine.dma, tensor, boxes), box_commands(tensor, boxes)


def y_costs(graph: LayerGraph, layer: Layer, machine: Machine, tiles: Tiles) -> tuple[IntArray, IntArray]:
    """Cycles and commands of storing output tiles."""
    tensor = graph.tensors[layer.output]
    boxes = Boxes(tiles.y_h, tiles.y_w, tiles.y_c, np.zeros_like(tiles.y_h))
    return box_cycles(machine.dma, tensor, boxes), box_commands(tensor, boxes)
