"""Predicted cycles of a layer: its tile loop as a software pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.cost.cluster import kernel_cycles
from tvm_pulp.codegen.cost.dma import box_cycles, gather_cycles, linear_cycles
from tvm_pulp.codegen.graph import Layer
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import LayerPlan, TileStep


@dataclass(frozen=True)
class StepCost:
    """Cycles of one step's parts, each on its own; a transfer that doesn't happen costs nothing.

    `load_x` is of all inputs together.
    """

    load_x: int
    load_params: int
    compute: int
    store: int

    @property
    def load(self) -> int:
        """All transfers to L1."""
        return self.load_x + self.load_params


def layer_cycles(layer: Layer, plan: LayerPlan, machine: Machine) -> int:
    """Prologue (the first loads), then every step's interval, then the last store."""
    costs = step_costs(layer, plan, machine)
    return costs[0].load + sum(interval_cycles(costs, step) for step in range(len(costs))) + costs[-1].store


def step_costs(layer: Layer, plan: LayerPlan, machine: Machine) -> tuple[StepCost, ...]:
    """The parts of every step."""
    return tuple(_step_cost(layer, plan, step, machine) for step in plan.steps)


def interval_cycles(costs: Sequence[StepCost], step: int) -> int:
    """The longer of a step's computation and of the transfers beside it: the store of the step before and the
    loads of the next."""
    beside = costs[step - 1].store if step > 0 else 0
    beside += costs[step + 1].load if step + 1 < len(costs) else 0
    return max(costs[step].compute, beside)


def _step_cost(layer: Layer, plan: LayerPlan, step: TileStep, machine: Machine) -> StepCost:
    one = gather_cycles if plan.channels_first else box_cycles
    return StepCost(
        load_x=len(layer.inputs) * one(machine.dma, step.x) if step.load_x else 0,
        load_params=linear_cycles(machine.dma, step.params_size) if step.load_params else 0,
        compute=kernel_cycles(machine, layer, step.y),
        store=box_cycles(machine.dma, step.y),
    )
