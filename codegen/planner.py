"""From a layer graph to a plan: tiles, schedule and addresses of every layer for one machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm_pulp.codegen.cost.layer import layer_cycles
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Window
from tvm_pulp.codegen.l2_allocator import allocate_l2
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import block_bytes
from tvm_pulp.codegen.plan import Box, LayerPlan, Plan
from tvm_pulp.codegen.schedule import schedule_layer
from tvm_pulp.codegen.tile_candidates import align, candidates, least_traffic_tile, smallest_l1, worth_trying
from tvm_pulp.codegen.tile_objective import DoryHeuristic, TileObjective
from tvm_pulp.codegen.tile_solver import TileSize, solve_tile
from tvm_pulp.errors import PlanError


def plan_region(graph: LayerGraph, machine: Machine, objective: TileObjective | None = None) -> Plan:
    """The plan of a region. Raises PlanError if a layer has no tile that fits L1, or the region's activations
    and parameters don't fit L2; the error says how much would do."""
    sizes = _TileSizes(machine, objective or DoryHeuristic())
    layers = tuple(_plan_layer(graph, layer, machine, sizes) for layer in graph.layers)
    arena = allocate_l2(graph, layers, machine)
    return Plan(
        region=graph.name,
        soc=machine.soc,
        cores=machine.cores,
        l1_bytes=machine.l1_bytes,
        l2_bytes=machine.l2_bytes,
        l1_used=max((_l1_top(layer) for layer in layers), default=0),
        l2_used=arena.l2_used,
        l2_arena=arena.arena_bytes,
        layers=layers,
        l2_buffers=arena.buffers,
    )


def _plan_layer(graph: LayerGraph, layer: Layer, machine: Machine, sizes: _TileSizes) -> LayerPlan:
    _check_window(layer)
    size = sizes.of(graph, layer)
    plan = schedule_layer(graph, layer, Box(0, size.h, 0, size.w, 0, size.c), machine.cores)
    return replace(plan, cycles=layer_cycles(layer, plan, machine))


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
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    padded_value: bool
    wide: bool
    block: int  # bytes of one channel's parameters


class _TileSizes:
    """Tile sizes for one machine; layers of equal shape are solved once."""

    def __init__(self, machine: Machine, objective: TileObjective) -> None:
        self._machine = machine
        self._objective = objective
        self._solved: dict[_Signature, TileSize] = {}

    def of(self, graph: LayerGraph, layer: Layer) -> TileSize:
        """The largest tile of a layer. Raises PlanError if none fits."""
        signature = _signature(graph, layer)
        if signature not in self._solved:
            self._solved[signature] = self._solve(graph, layer)
        return self._solved[signature]

    def _solve(self, graph: LayerGraph, layer: Layer) -> TileSize:
        out = graph.tensors[layer.output]
        whole = schedule_layer(
            graph, layer, Box(0, out.height, 0, out.width, 0, out.channels), self._machine.cores
        )
        if _l1_top(whole) <= self._machine.l1_bytes:
            return TileSize(out.height, out.width, out.channels)
        options = candidates(graph, layer, self._machine.cores)
        limit = self._machine.l1_bytes
        start = least_traffic_tile(worth_trying(options, limit), limit)
        if start is None:
            raise _l1_error(layer, smallest_l1(options), self._machine)
        return solve_tile(layer, worth_trying(options, limit), start, limit, self._objective)


def _signature(graph: LayerGraph, layer: Layer) -> _Signature:
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    return _Signature(
        kind=layer.kind,
        window=layer.window,
        in_shape=(source.height, source.width, source.channels),
        out_shape=(out.height, out.width, out.channels),
        padded_value=source.zero_point != 0,
        wide=layer.requant is not None and layer.requant.wide,
        block=block_bytes(layer, 1),
    )


def _l1_error(layer: Layer, needed: int, machine: Machine) -> PlanError:
    return PlanError(
        f"no tile fits the {machine.l1_bytes} bytes of L1 memory, the smallest needs {needed} bytes"
        f" on {machine.cores} cores",
        where=_layer_words(layer),
        fix=f"choose a SoC or -l1= with at least {needed} bytes",
    )
