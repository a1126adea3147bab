"""From a layer graph to a plan: tiles, schedule and addresses of every layer for one machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engines_of
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window
from tvm_pulp.codegen.l2_plan import L2Task, plan_l2
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import LayerPlan, Plan
from tvm_pulp.codegen.schedule import schedule_layer
from tvm_pulp.codegen.tile_search import NothingFits, Search, search_tiles
from tvm_pulp.errors import PlanError


def plan_region(graph: LayerGraph, machine: Machine, effort: Effort | None = None) -> Plan:
    """The plan of a region. Raises PlanError if a layer has no tile that fits L1, or the region's activations
    and parameters don't fit L2; the error says how much would do."""
    effort = effort or Effort()
    searches = _Searches(machine, effort)
    for layer in graph.layers:
        _check_window(layer)
    l2 = plan_l2(
        L2Task(
            graph=graph,
            best=tuple(_plan_layer(graph, layer, machine, searches) for layer in graph.layers),
            by_rows=lambda index: _plans_by_rows(graph, graph.layers[index], machine, searches),
            cost=lambda index, plan: step_costs(graph, graph.layers[index], plan, machine),
            machine=machine,
            effort=effort,
        )
    )
    return Plan(
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
    engine, search = searches.of(graph, layer, most_rows)
    tile, order = search.best.plan.tile, search.best.plan.order
    plan = schedule_layer(graph, layer, tile, machine.cores, order, engine=engine)
    return replace(plan, cycles=search.best.cycles)


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

    engine: str
    kind: LayerKind
    window: Window
    inputs: tuple[tuple[object, ...], ...]
    output: tuple[object, ...]
    weights: tuple[int, ...]
    padded_value: bool
    wide: bool
    block: int  # bytes of one channel's parameters


class _Searches:
    """Searches for one machine; layers of equal shape are searched once."""

    def __init__(self, machine: Machine, effort: Effort) -> None:
        self._machine = machine
        self._effort = effort
        self._done: dict[tuple[_Signature, int | None], Search | NothingFits] = {}

    def of(self, graph: LayerGraph, layer: Layer, most_rows: int | None) -> tuple[Engine, Search]:
        """The fastest engine for a layer, and the ways to run it there. Raises PlanError if none fits L1."""
        engines = [one for one in engines_of(self._machine) if one.refusal(graph, layer) is None]
        searches = [(one, self._on(graph, layer, most_rows, one)) for one in engines]
        fitting = [(one, found) for one, found in searches if isinstance(found, Search)]
        if not fitting:
            least = min(found.l1_bytes for _, found in searches if isinstance(found, NothingFits))
            raise _l1_error(layer, least, self._machine)
        return min(fitting, key=lambda found: found[1].best.cycles)

    def _on(
        self, graph: LayerGraph, layer: Layer, most_rows: int | None, engine: Engine
    ) -> Search | NothingFits:
        key = (_signature(graph, layer, engine), most_rows)
        if key not in self._done:
            self._done[key] = search_tiles(
                graph, layer, self._machine, most_rows=most_rows, engine=engine, effort=self._effort
            )
        return self._done[key]


def _signature(graph: LayerGraph, layer: Layer, engine: Engine) -> _Signature:
    return _Signature(
        engine=engine.name,
        kind=layer.kind,
        window=layer.window,
        inputs=tuple(_layout(graph.tensors[name]) for name in layer.inputs),
        output=_layout(graph.tensors[layer.output]),
        weights=() if layer.weights is None else layer.weights.shape,
        padded_value=graph.tensors[layer.inputs[0]].zero_point != 0,
        wide=layer.requant is not None and layer.requant.wide,
        block=engine.block_bytes(layer, 1),
    )


def _layout(tensor: Tensor) -> tuple[object, ...]:
    shape = (tensor.height, tensor.width, tensor.channels)
    return (*shape, tensor.row_bytes, tensor.pixel_bytes, tensor.dtype, tensor.planar)


def _l1_error(layer: Layer, needed: int, machine: Machine) -> PlanError:
    return PlanError(
        f"no tile fits the {machine.l1_bytes} bytes of L1 memory, the smallest needs {needed} bytes"
        f" on {machine.cores} cores",
        where=_layer_words(layer),
        fix=f"choose a SoC or -l1= with at least {needed} bytes",
    )
