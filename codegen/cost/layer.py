"""Predicted cycles of a layer: its tile loop as a software pipeline."""

from __future__ import annotations

from tvm_pulp.codegen.cost.cluster import kernel_cycles
from tvm_pulp.codegen.cost.dma import box_cycles, gather_cycles, linear_cycles
from tvm_pulp.codegen.graph import Layer
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import LayerPlan, TileStep


def layer_cycles(layer: Layer, plan: LayerPlan, machine: Machine) -> int:
    """Prologue (the first loads), then for every step the longer of its computation and of the transfers beside
    it (the next step's loads, the previous step's store), then the last store."""
    loads = [_load_cycles(layer, plan, step, machine) for step in plan.steps]
    stores = [box_cycles(machine.dma, step.y) for step in plan.steps]
    total = loads[0] + stores[-1]
    for index, step in enumerate(plan.steps):
        beside = loads[index + 1] if index + 1 < len(loads) else 0
        beside += stores[index - 1] if index > 0 else 0
        total += max(kernel_cycles(machine, layer, step.y), beside)
    return total


def _load_cycles(layer: Layer, plan: LayerPlan, step: TileStep, machine: Machine) -> int:
    cycles = 0
    if step.load_x:
        one = gather_cycles if plan.channels_first else box_cycles
        cycles += len(layer.inputs) * one(machine.dma, step.x)
    if step.load_params:
        cycles += linear_cycles(machine.dma, step.params_size)
    return cycles
