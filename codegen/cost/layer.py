"""Predicted cycles of a layer: its tile loop as a software pipeline of transfers and kernel calls."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, held_up, tiles_of
from tvm_pulp.codegen.cost.cluster import (
    adding_cycles,
    begin_sums_cycles,
    end_sums_cycles,
    first_call_cycles,
    loads_cycles,
)
from tvm_pulp.codegen.cost.dma import (
    Boxes,
    box_commands,
    box_cycles,
    gather_commands,
    gather_cycles,
    line_commands,
    line_cycles,
)
from tvm_pulp.codegen.cost.pair import Pace, PacedSteps, paces
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.fusion.engines import engines_of_stages
from tvm_pulp.codegen.fusion.groups import stage_plans
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.ahead import first_step_alone
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan, Operand, turns
from tvm_pulp.codegen.tiles.input_parts import finishing, part_of
from tvm_pulp.codegen.tiles.shares import share_plans


@dataclass(frozen=True)
class StepCosts:
    """Cycles of each step: its kernel call, the loads of its inputs and of its parameters (0 where there are
    none), its store; and the DMA commands of loads and store. `late` are the operands that a step loads before
    it computes, the others come while the step before does. `finish` are the cycles in which the cores finish
    what an engine has computed in a step, beside the next step. `ahead_x` and `ahead_params` are cycles of
    loads for the next layer beside the last step, `fixed` those of the layer beside its steps, `turn` those of
    each step in which no transfer is under way though it might be. `job` are the cycles of a group's layer on
    an engine: they begin when the cores have computed the layers before it, which is `compute`; those behind it
    are part of `finish`; `lost` is the share of the time beside the cores that a job loses. `pace` says when
    steps begin that another layer's run beside."""

    compute: IntArray
    load_x: IntArray
    load_params: IntArray
    store: IntArray
    load_commands: IntArray
    store_commands: IntArray
    finish: IntArray
    ahead_x: int = 0
    ahead_params: int = 0
    fixed: int = 0
    turn: int = 0
    late: tuple[Operand, ...] = ()
    job: IntArray | None = None
    lost: float = 0.0
    pace: Pace | None = None

    @property
    def load(self) -> IntArray:
        """Cycles of all loads of a step."""
        return self.load_x + self.load_params

    @property
    def load_late(self) -> IntArray:
        """Cycles of those between the step before and the step."""
        late = np.zeros_like(self.load_x)
        for operand, cycles in ((Operand.X, self.load_x), (Operand.PARAMS, self.load_params)):
            late = late + cycles * (operand in self.late)
        return late

    @property
    def intervals(self) -> IntArray:
        """Cycles from each step's begin to the next one's."""
        if self.pace is not None:
            paced: IntArray = np.diff(self.pace.begins, append=self.pace.end)
            return paced
        if self.job is not None:
            return self._intervals_of_group(self.job)
        longer: IntArray = np.maximum(self.compute, self.beside + self.turn)
        drained = self.load_late[1:] > 0  # the step before is finished, too, before the load
        beside = np.where(drained, 0, self.finish[:-1])
        longer[1:] = np.maximum(longer[1:], beside + self._load_after_finish[1:])
        longer[:-1] += self.load_late[1:] + self.finish[:-1] - beside
        return longer

    def _intervals_of_group(self, job: IntArray) -> IntArray:
        """The same where the cores compute a part of each step, and finish that of the step before, while the
        engine is at the step before; behind the last one the engine is waited for."""
        intervals = self.compute.copy()
        on_cores = intervals[1:] + self.finish[:-1]
        beside = held_up(job[:-1], on_cores - self.turn, self.lost)
        intervals[1:] = np.maximum(on_cores + self._load_after_finish[1:], beside)
        intervals = np.maximum(intervals, self.beside + self.turn)
        intervals[-1] += job[-1]
        return intervals

    @property
    def _load_after_finish(self) -> IntArray:
        """Cycles of loads, while each step computes, that wait until the cores have finished the step before:
        they need its parameters."""
        loads = np.zeros_like(self.load)
        if self.finish.any() and self.load_params[1:].any() and Operand.PARAMS not in self.late:
            loads[:-1] = self.load[1:]
        return loads

    @property
    def beside(self) -> IntArray:
        """Cycles of the transfers that run while each step computes: the next step's loads that aren't late,
        the store of the step before."""
        beside = np.zeros_like(self.compute)
        beside[:-1] += (self.load - self.load_late)[1:]
        beside[1:] += self.store[:-1]
        beside[-1] += self.ahead_x + self.ahead_params
        return beside

    @property
    def lead(self) -> int:
        """Cycles until the first step begins."""
        return int(self.load[0] if self.pace is None else self.pace.begins[0])

    @property
    def cycles(self) -> int:
        """Cycles of the layer: the first loads, for every step the longer of its computation and of the
        transfers beside it, and late loads, what the cores finish at last, the last store. Of two layers that
        run at once the first has those of both."""
        if self.pace is not None:
            return self.pace.counted
        steps = self.load[0] + self.intervals.sum() + self.finish[-1] + self.store[-1]
        return int(steps) + self.fixed

    @property
    def commands(self) -> int:
        """DMA commands of the layer."""
        return int(self.load_commands.sum() + self.store_commands.sum())


def step_costs(graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine) -> StepCosts:
    """What each step of a layer costs."""
    tiles = tiles_of(plan)
    loads_x = np.array([step.load_x for step in plan.steps], np.int64)
    params = np.array([step.params_size if step.load_params else 0 for step in plan.steps], np.int64)
    x_cycles, x_commands = x_costs(
        graph, layer, machine, tiles, channels_first=plan.channels_first, in_l1=plan.in_l1
    )
    y_cycles, y_commands = y_costs(graph, layer, machine, tiles)
    stored = (layer.output not in plan.in_l1) * np.array(finishing(plan.steps), np.int64)
    load_params = line_cycles(machine.dma, params)
    x2_cycles, x2_commands = x2_costs(graph, layer, machine, tiles)
    load_x = loads_x * x_cycles + x2_cycles
    if plan.params_ahead:
        load_params[0] = 0
    if plan.x_ahead:
        load_x[0] = 0
    store = stored * y_cycles
    ends = sum(int(cycles > 0) for cycles in (load_x[0], load_params[0], store[-1]))
    engine = engine_named(plan.engine, machine.engines)
    compute, job, finish = _compute(graph, layer, plan, machine)
    return StepCosts(
        compute=compute,
        job=job,
        load_x=load_x,
        load_params=load_params,
        store=store,
        load_commands=loads_x * x_commands + x2_commands + line_commands(params),
        store_commands=stored * y_commands,
        finish=finish,
        fixed=engine.fixed_cycles(machine, layer, plan.kernel) + ends * machine.dma.end_cycles,
        turn=loads_cycles(machine) if engine is CLUSTER else engine.turn_cycles(),
        late=plan.late,
        lost=0.0 if plan.engine_stage is None else engine.lost_share(layer.parts[plan.engine_stage]),
    )


def _compute(
    graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine
) -> tuple[IntArray, IntArray | None, IntArray]:
    """Cycles of each step's kernel calls: one, or one for each layer of a group, or for each of two engines. If
    a group's layer is a job of an engine beside the cores, only those before it, then the job by itself. At
    last what the cores do behind the engine."""
    engine = engine_named(plan.engine, machine.engines)
    if plan.c_in:
        cycles = _compute_parts(graph, layer, plan, machine)
        return cycles, None, np.zeros_like(cycles)
    if isinstance(engine, Team):
        parts = zip(engine.members, share_plans(plan), strict=True)
        each = [one.cycles(machine, layer, share.kernel, tiles_of(share)) for one, share in parts]
        return engine.together(layer, each), None, np.zeros_like(each[0])
    if not layer.parts:
        tiles = tiles_of(plan)
        finish = engine.finish_cycles(machine, layer, tiles)
        return engine.cycles(machine, layer, plan.kernel, tiles), None, finish
    stages = list(zip(engines_of_stages(plan, engine), layer.parts, stage_plans(plan), strict=True))
    each = [own.cycles(machine, part, stage.kernel, tiles_of(stage)) for own, part, stage in stages]
    none, own = np.zeros_like(each[0]), plan.engine_stage
    if own is None:
        return sum(each, start=none), None, none
    finish = engine.finish_cycles(machine, layer.parts[own], tiles_of(stages[own][2]))
    return sum(each[:own], start=none + engine.turn_cycles()), each[own], sum(each[own + 1 :], start=finish)


def _compute_parts(graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine) -> IntArray:
    """Cycles of each step that adds the sums of some input channels; the first of a tile begins them, the last
    makes bytes of them."""
    tiles, last = tiles_of(plan), np.array(finishing(plan.steps), np.int64)
    first = np.concatenate(([1], last[:-1]))
    cycles = first * begin_sums_cycles(machine, tiles) + last * end_sums_cycles(machine, layer, tiles)
    for channels in set(tiles.x_c.tolist()):
        part = part_of(graph, layer, 0, channels)
        cycles = cycles + (tiles.x_c == channels) * adding_cycles(machine, part, plan.kernel, tiles)
    return cycles


def layer_cycles(graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine) -> int:
    """Predicted cycles of a planned layer."""
    return step_costs(graph, layer, plan, machine).cycles


def region_costs(graph: LayerGraph, plans: Sequence[LayerPlan], machine: Machine) -> list[StepCosts]:
    """What each step of each layer costs, loads for the next layer included, or beside another layer's."""
    costs = [
        _in_its_place(step_costs(graph, graph.layers[index], plan, machine), graph, plans, index, machine)
        for index, plan in enumerate(plans)
    ]
    for turn in turns(plans):
        if len(turn) > 1:
            pair = slice(turn.start, turn.stop)
            costs[pair] = paced(costs[pair], plans[pair], machine)
    for index, plan in enumerate(plans):
        if index and (plan.params_ahead or plan.x_ahead):
            first = step_costs(graph, graph.layers[index], first_step_alone(plan), machine)
            costs[index - 1] = replace(
                costs[index - 1],
                ahead_x=plan.x_ahead * int(first.load_x[0]),
                ahead_params=plan.params_ahead * int(first.load_params[0]),
            )
    return costs


def _in_its_place(
    alone: StepCosts, graph: LayerGraph, plans: Sequence[LayerPlan], index: int, machine: Machine
) -> StepCosts:
    """The costs of a layer between others. If it is the cores', its code is there where the layer before has
    the same kernel, and its last step asks for nothing unless that is for the next layer."""
    plan, compute, fixed = plans[index], alone.compute.copy(), alone.fixed
    if plan.engine != CLUSTER_NAME or plan.stages:
        return alone
    if index and plans[index - 1].kernel == plan.kernel:
        fixed -= first_call_cycles(machine, graph.layers[index], plan.kernel)
    if not any(one.params_ahead or one.x_ahead for one in plans[index + 1 : index + 2]):
        compute[-1] -= loads_cycles(machine)
    return replace(alone, compute=compute, fixed=fixed)


def paced_steps(costs: StepCosts, plan: LayerPlan, machine: Machine) -> PacedSteps:
    """The steps of one of two layers that run at the same time."""
    engine = engine_named(plan.engine, machine.engines)
    program = 0 if plan.on_cores else engine.program_cycles()
    return PacedSteps(costs.load, costs.compute, costs.finish, costs.store, program)


def paced(pair: Sequence[StepCosts], plans: Sequence[LayerPlan], machine: Machine) -> list[StepCosts]:
    """The costs of two layers that run at the same time."""
    first, second = (paced_steps(*one, machine) for one in zip(pair, plans, strict=True))
    own = paces(first, second, plans[0].next_steps, sum(one.fixed for one in pair))
    return [replace(one, pace=pace) for one, pace in zip(pair, own, strict=True)]


def x_costs(
    graph: LayerGraph,
    layer: Layer,
    machine: Machine,
    tiles: Tiles,
    *,
    channels_first: bool,
    in_l1: Collection[str] = (),
) -> tuple[IntArray, IntArray]:
    """Cycles and commands of loading the tiles of all inputs but those that are `in_l1`; of a group those of
    the first."""
    cycles, commands = np.zeros_like(tiles.x_h), np.zeros_like(tiles.x_h)
    first = graph.tensors[layer.inputs[0]]
    for name in layer.inputs[:1] if layer.parts else layer.inputs:
        if name in in_l1:
            continue
        tensor = graph.tensors[name]
        boxes = Boxes(tiles.x_h, tiles.x_w, tiles.x_c, tiles.x_beside)
        if (tensor.height, tensor.width) != (first.height, first.width):  # one pixel for all of the first's
            one = np.ones_like(tiles.x_h)
            boxes = Boxes(one, one, tiles.x_c, 0 * one)
        tensor, boxes = _as_bytes(tensor, boxes)
        if channels_first:
            cycles = cycles + gather_cycles(machine.dma, tensor, boxes)
            commands = commands + gather_commands(tensor, boxes)
        else:
            cycles = cycles + box_cycles(machine.dma, tensor, boxes)
            commands = commands + box_commands(tensor, boxes)
    return cycles, commands


def x2_costs(graph: LayerGraph, layer: Layer, machine: Machine, tiles: Tiles) -> tuple[IntArray, IntArray]:
    """Cycles and commands of loading the tiles of a group's second input, if there is one."""
    none = np.zeros_like(tiles.y_h)
    if not layer.parts or len(layer.inputs) == 1:
        return none, none
    boxes, tensor = Boxes(tiles.y_h, tiles.y_w, tiles.y_c, none), graph.tensors[layer.inputs[1]]
    return box_cycles(machine.dma, tensor, boxes), box_commands(tensor, boxes)


def _as_bytes(tensor: Tensor, boxes: Boxes) -> tuple[Tensor, Boxes]:
    """A tensor and boxes of it as a map of bytes, as transfers see them."""
    size = tensor.dtype.size
    if tensor.planar:
        return tensor.as_bytes, Boxes(boxes.c, boxes.h, boxes.w * size, boxes.beside)
    return tensor.as_bytes, Boxes(boxes.h, boxes.w, boxes.c * size, boxes.beside)


def y_costs(graph: LayerGraph, layer: Layer, machine: Machine, tiles: Tiles) -> tuple[IntArray, IntArray]:
    """Cycles and commands of storing output tiles."""
    boxes = Boxes(tiles.y_h, tiles.y_w, tiles.y_c, np.zeros_like(tiles.y_h))
    tensor, boxes = _as_bytes(graph.tensors[layer.output], boxes)
    return box_cycles(machine.dma, tensor, boxes), box_commands(tensor, boxes)
