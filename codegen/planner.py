"""From a layer graph to a plan: tiles, schedule and addresses of every layer for one machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window
from tvm_pulp.codegen.l2_errors import L2ShortageError, tables_error
from tvm_pulp.codegen.l2_plan import L2Task, plan_l2
from tvm_pulp.codegen.l2_tables import step_tables_bytes, tables_bytes
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import block_bytes, pack_size
from tvm_pulp.codegen.plan import LayerPlan, Plan
from tvm_pulp.codegen.schedule import schedule_layer
from tvm_pulp.codegen.tile_search import NothingFits, Search, search_tiles
from tvm_pulp.errors import PlanError

SIZE_STEP, SIZES = 256, 64
"""How finely the least L2 is looked for, in bytes and in parts of what everything takes."""

FEASIBILITY_SECONDS = 5
"""The effort for each size of L2 that is tried."""

MOST_ATTEMPTS = 4
"""Plans that are made anew because the last one's tables were larger than the room left for them."""


def plan_region(graph: LayerGraph, machine: Machine, effort: Effort | None = None) -> Plan:
    """The plan of a region. Raises PlanError if a layer has no tile that fits L1, or the region's activations
    and parameters don't fit L2; the error says how much would do."""
    effort = effort or Effort()
    searches = _Searches(machine, effort)
    for layer in graph.layers:
        _check_window(layer)
    task = L2Task(
        graph=graph,
        best=tuple(_plan_layer(graph, layer, machine, searches) for layer in graph.layers),
        by_rows=lambda index: _plans_by_rows(graph, graph.layers[index], machine, searches),
        cost=lambda index, plan: step_costs(graph, graph.layers[index], plan, machine),
        machine=machine,
        effort=effort,
    )
    try:
        return _fitting_plan(task)
    except L2ShortageError as shortage:
        plan = _any_plan(task)
        if plan is None:
            raise shortage.with_enough(_enough_l2(task) + machine.l2_outside) from shortage
        return plan


def _fitting_plan(task: L2Task) -> Plan:
    """A plan whose tables fit too."""
    task = replace(task, tables=step_tables_bytes(task.graph, task.best))
    for _ in range(MOST_ATTEMPTS):
        plan = _plan(task)
        if plan.l2_used <= task.machine.l2_bytes:
            return plan
        task = replace(task, tables=max(task.tables, plan.l2_tables))
    raise tables_error(task.graph, task.tables, task.machine)


def _enough_l2(task: L2Task) -> int:
    """The least L2, to a hundredth or so, with which a plan is found."""
    everything = sum(tensor.size_bytes for tensor in task.graph.tensors.values())
    everything += sum(map(pack_size, task.best)) + 2 * step_tables_bytes(task.graph, task.best)
    low, high = task.machine.l2_bytes, align(everything)
    step = max(SIZE_STEP, (high - low) // SIZES)
    while high - low > step:
        middle = align((low + high) // 2)
        if _any_plan(replace(task, machine=replace(task.machine, l2_bytes=middle))) is None:
            low = middle
        else:
            high = middle
    return high


def _any_plan(task: L2Task) -> Plan | None:
    """A plan that fits, with little effort for a good one; None if none is found."""
    try:
        return _fitting_plan(replace(task, thorough=False, effort=Effort(FEASIBILITY_SECONDS)))
    except PlanError:
        return None


def _plan(task: L2Task) -> Plan:
    """The region's plan; its tables may turn out larger than what the task leaves for them."""
    graph, machine = task.graph, task.machine
    l2 = plan_l2(task)
    plan = Plan(
        region=graph.name,
        soc=machine.soc,
        cores=machine.cores,
        l1_bytes=machine.l1_bytes,
        l2_bytes=machine.l2_bytes,
        l1_used=max((_l1_top(layer) for layer in l2.layers), default=0),
        l2_used=l2.used,
        l2_arena=l2.arena,
        layers=l2.layers,
        l2_buffers=l2.buffers,
        l3_arena=l2.l3_arena,
        l3_buffers=l2.l3_buffers,
        transfers=l2.transfers,
        prediction=l2.prediction,
    )
    tables = tables_bytes(graph, plan)
    return replace(plan, l2_tables=tables, l2_used=l2.used + tables)


def _plans_by_rows(
    graph: LayerGraph, layer: Layer, machine: Machine, searches: _Searches
) -> tuple[LayerPlan, ...]:
    """The best plans of a layer that works row by row, without and with limits to the rows of a tile."""
    height = graph.tensors[layer.output].height
    limits = dict.fromkeys((height, -(-height // 8), 1))
    return tuple(_plan_layer(graph, layer, machine, searches, limit) for limit in limits)


def _plan_layer(
    graph: LayerGraph, layer: Layer, machine: Machine, searches: _Searches, most_rows: int | None = None
) -> LayerPlan:
    best = searches.of(graph, layer, most_rows).best
    tile, order = best.plan.tile, best.plan.order
    plan = schedule_layer(graph, layer, tile, machine.cores, order)
    return replace(plan, cycles=best.cycles)


def _check_window(layer: Layer) -> None:
    """A window wholly in the padding has no input to bring into L1."""
    window = layer.window
    if (
        max(window.pad_top, window.pad_bottom) >= window.extent_h
        or max(window.pad_left, window.pad_right) >= window.extent_w
    ):
        raise PlanError("the padding isn't smaller than the kernel", where=_layer_words(layer))


def _layer_words(layer: Layer) -> str:
    return f"layer {layer.name} ({', '.join(layer.sources)})" if layer.sources else f"layer {layer.name}"


def _l1_top(plan: LayerPlan) -> int:
    return max(buffer.offset + align(buffer.size) for buffer in plan.buffers)


@dataclass(frozen=True)
class _Signature:
    """All that a tile depends on: layers with equal signatures get equal tiles."""

    kind: LayerKind
    window: Window
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    weights: tuple[int, ...]
    padded_value: bool
    wide: bool
    block: int  # bytes of one channel's parameters


class _Searches:
    """Searches for one machine; layers of equal shape are searched once."""

    def __init__(self, machine: Machine, effort: Effort) -> None:
        self._machine = machine
        self._effort = effort
        self._done: dict[tuple[_Signature, int | None], Search] = {}

    def of(self, graph: LayerGraph, layer: Layer, most_rows: int | None) -> Search:
        """The ways to run a layer. Raises PlanError if none fits L1."""
        signature = (_signature(graph, layer), most_rows)
        if signature not in self._done:
            found = search_tiles(graph, layer, self._machine, most_rows, self._effort)
            if isinstance(found, NothingFits):
                raise _l1_error(layer, found.l1_bytes, self._machine)
            self._done[signature] = found
        return self._done[signature]


def _signature(graph: LayerGraph, layer: Layer) -> _Signature:
    return _Signature(
        kind=layer.kind,
        window=layer.window,
        inputs=tuple(_layout(graph.tensors[name]) for name in layer.inputs),
        output=_layout(graph.tensors[layer.output]),
        weights=() if layer.weights is None else layer.weights.shape,
        padded_value=graph.tensors[layer.inputs[0]].zero_point != 0,
        wide=layer.requant is not None and layer.requant.wide,
        block=block_bytes(layer, 1),
    )


def _layout(tensor: Tensor) -> tuple[int, ...]:
    return (tensor.height, tensor.width, tensor.channels, tensor.row_bytes, tensor.pixel_bytes)


def _l1_error(layer: Layer, needed: int, machine: Machine) -> PlanError:
    return PlanError(
        f"no tile fits the {machine.l1_bytes} bytes of L1 memory, the smallest needs {needed} bytes"
        f" on {machine.cores} cores",
        where=_layer_words(layer),
        fix=f"choose a SoC or -l1= with at least {needed} bytes",
    )
