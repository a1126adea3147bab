"""Searches for one machine: the plans of layers of equal shape are looked for once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache

from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import able_engines
from tvm_pulp.codegen.fusion.engines import engines_beside
from tvm_pulp.codegen.fusion.geometry import Group
from tvm_pulp.codegen.fusion.groups import fused_graph
from tvm_pulp.codegen.fusion.im2col import may_be_product
from tvm_pulp.codegen.fusion.schedule import schedule_group
from tvm_pulp.codegen.fusion.search import GroupSearch
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.pairs import PlansBeside
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import LayerPlan
from tvm_pulp.codegen.tiles.estimates import ANY_TILE, Limits
from tvm_pulp.codegen.tiles.input_parts import part_size
from tvm_pulp.codegen.tiles.search import Candidate, NothingFits, Search, TileSearch
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.errors import PlanError


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
    kernel: str  # that would compute it as one tile
    block: int  # bytes of one channel's parameters
    parts: tuple[_Signature, ...]


class Searches:
    """Searches for one machine; layers of equal shape are searched once. `from_l3` says that parameters come
    from L3, where it takes time that two engines of a team may each have theirs."""

    def __init__(self, machine: Machine, effort: Effort, *, from_l3: bool = False) -> None:
        self._machine = machine
        self._effort = effort
        self._from_l3 = from_l3
        self._less: dict[float, Searches] = {}
        self._tiles: dict[_Signature, TileSearch | GroupSearch] = {}
        self._done: dict[tuple[_Signature, Limits], Search | NothingFits] = {}
        self._within: dict[tuple[_Signature, int, tuple[bool, ...]], Search | NothingFits] = {}

    @property
    def machine(self) -> Machine:
        """What is searched for."""
        return self._machine

    def in_less(self, share: float) -> Searches:
        """The searches for the same machine with a share of its L1."""
        if share == 1:
            return self
        if share not in self._less:
            machine = replace(self._machine, l1_bytes=int(share * self._machine.l1_bytes))
            self._less[share] = Searches(machine, self._effort, from_l3=self._from_l3)
        return self._less[share]

    def within(self, graph: LayerGraph) -> Callable[[int, int, frozenset[str]], LayerPlan | None]:
        """The search for a layer's plan in part of L1 beside some of its operands, on the cores, or on a team;
        see `l1_tensors.Search`."""

        def search(index: int, l1_bytes: int, in_l1: frozenset[str]) -> LayerPlan | None:
            layer = graph.layers[index]
            if layer.parts and in_l1:
                return None
            units = [one for one in self._engines(graph, layer) if one.on_cores]
            searches = [(one, self._inside(graph, layer, l1_bytes, in_l1, one)) for one in units]
            fitting = [(one, found.best) for one, found in searches if isinstance(found, Search)]
            if not fitting:
                return None
            engine, best = min(fitting, key=lambda found: found[1].cycles)
            return scheduled(graph, layer, self._machine, engine, best, in_l1=in_l1)

        return search

    def _inside(
        self, graph: LayerGraph, layer: Layer, l1_bytes: int, in_l1: frozenset[str], engine: Engine
    ) -> Search | NothingFits:
        whole = tuple(name in in_l1 for name in (*layer.inputs, layer.output))
        key = (_signature(graph, layer, engine, self._machine.cores), l1_bytes, whole)
        if key not in self._within:
            machine, effort = replace(self._machine, l1_bytes=l1_bytes), self._effort
            self._within[key] = (
                GroupSearch(graph, layer, machine, engine=engine, effort=effort).best()
                if layer.parts
                else TileSearch(graph, layer, machine, engine=engine, effort=effort, in_l1=in_l1).best()
            )
        return self._within[key]

    def pairing(self, graph: LayerGraph) -> PlansBeside:
        """The plans of a layer beside another one; see `pairs.PlansBeside`."""

        @cache
        def ways(index: int, l1_bytes: int, engine: Engine) -> list[LayerPlan]:
            layer = graph.layers[index]
            found = self._inside(graph, layer, l1_bytes, frozenset(), engine)
            candidates = dict.fromkeys((found.best, *found.front)) if isinstance(found, Search) else {}
            return [scheduled(graph, layer, self._machine, engine, one) for one in candidates]

        return ways

    def of(self, graph: LayerGraph, layer: Layer, limits: Limits = ANY_TILE) -> tuple[Engine, Search]:
        """The fastest engine for a layer, and the ways to run it there. Raises PlanError if none fits L1."""
        searches = [(one, self._on(graph, layer, limits, one)) for one in self._engines(graph, layer)]
        fitting = [(one, found) for one, found in searches if isinstance(found, Search)]
        if not fitting:
            least = min(found.l1_bytes for _, found in searches if isinstance(found, NothingFits))
            raise _l1_error(layer, least, self._machine)
        return min(fitting, key=lambda found: self._cycles(found[1].best))

    def _cycles(self, found: Candidate) -> float:
        """Cycles of a layer, and those of its parameters' way from L3."""
        l3 = self._machine.l3
        return found.cycles + (pack_size(found.plan) / l3.bytes_per_cycle if self._from_l3 and l3 else 0.0)

    def _engines(self, graph: LayerGraph, layer: Layer) -> list[Engine]:
        return able_engines(graph, layer, self._machine, teams=self._effort.shares)

    def _on(self, graph: LayerGraph, layer: Layer, limits: Limits, engine: Engine) -> Search | NothingFits:
        """The search for a layer or a group."""
        signature = _signature(graph, layer, engine, self._machine.cores)
        if signature not in self._tiles:
            search = GroupSearch if layer.parts else TileSearch
            self._tiles[signature] = search(graph, layer, self._machine, engine=engine, effort=self._effort)
        if (signature, limits) not in self._done:
            self._done[signature, limits] = self._tiles[signature].best(limits)
        return self._done[signature, limits]

    def products(self, graph: LayerGraph, single: Sequence[int]) -> frozenset[str]:
        """The convolutions that take less than they do in one, their cycles in `single`, as a product of
        matrices (`codegen/fusion/im2col.py`) that an engine computes beside the cores."""
        found = set[str]()
        for index, layer in enumerate(graph.layers):
            group, name = range(index, index + 1), {layer.name}
            if may_be_product(layer) and self.overlaps(graph, group, name):
                cycles = self.group_cycles(graph, group, name)
                found |= name if cycles is not None and cycles < single[index] else set()
        return frozenset(found)

    def overlaps(self, graph: LayerGraph, group: range, products: Collection[str]) -> bool:
        """True if an engine may compute a layer of a group beside the cores."""
        if not self._machine.engines:
            return False
        grouped = fused_graph(graph, [group], products)
        return bool(engines_beside(grouped, grouped.layers[group.start].parts, self._machine.engines))

    def group_cycles(self, graph: LayerGraph, group: range, products: Collection[str]) -> int | None:
        """Cycles of layers as a group; None if no tile fits L1."""
        grouped = fused_graph(graph, [group], products)
        layer = grouped.layers[group.start]
        searches = [self._on(grouped, layer, ANY_TILE, one) for one in self._engines(grouped, layer)]
        return min((one.best.cycles for one in searches if isinstance(one, Search)), default=None)


def scheduled(
    graph: LayerGraph,
    layer: Layer,
    machine: Machine,
    engine: Engine,
    found: Candidate,
    *,
    in_l1: frozenset[str] = frozenset(),
) -> LayerPlan:
    """The plan of a layer, or a group, like the one found for a layer of the same shape."""
    best, tile, order = found.plan, found.plan.tile, found.plan.order
    plan = (
        schedule_group(graph, layer, tile, machine.cores, order, engine=engine)
        if layer.parts
        else schedule_on(
            graph,
            layer,
            machine,
            tile,
            order,
            engine=engine,
            in_l1=in_l1,
            late=best.late,
            c_in=part_size(graph, layer, best),
        )
    )
    return replace(plan, cycles=found.cycles)


def _signature(graph: LayerGraph, layer: Layer, engine: Engine, cores: int) -> _Signature:
    return _Signature(
        engine=engine.name,
        kind=layer.kind,
        window=layer.window,
        inputs=tuple(_layout(graph.tensors[name]) for name in layer.inputs),
        output=_layout(graph.tensors[layer.output]),
        weights=() if layer.weights is None else layer.weights.shape,
        padded_value=graph.tensors[layer.inputs[0]].zero_point != 0,
        wide=layer.requant is not None and layer.requant.wide,
        kernel="" if layer.parts else engine.choose_kernel(graph, layer, None, cores).name,
        block=0 if layer.parts else engine.block_bytes(layer, 1),
        parts=() if not layer.parts else _part_signatures(graph, layer, engine, cores),
    )


def _part_signatures(graph: LayerGraph, layer: Layer, engine: Engine, cores: int) -> tuple[_Signature, ...]:
    engines = Group(graph, layer, engine).engines
    return tuple(_signature(graph, part, own, cores) for part, own in zip(layer.parts, engines, strict=True))


def _layout(tensor: Tensor) -> tuple[object, ...]:
    shape = (tensor.height, tensor.width, tensor.channels)
    return (*shape, tensor.row_bytes, tensor.pixel_bytes, tensor.dtype, tensor.planar)


def _l1_error(layer: Layer, needed: int, machine: Machine) -> PlanError:
    return PlanError(
        f"no tile fits the {machine.l1_bytes} bytes of L1 memory, the smallest needs {needed} bytes"
        f" on {machine.cores} cores",
        where=layer_words(layer),
        fix=f"choose a SoC or -l1= with at least {needed} bytes",
    )


def layer_words(layer: Layer) -> str:
    """A layer's name, and those of the user's operators, for errors."""
    return f"layer {layer.name} ({', '.join(layer.sources)})" if layer.sources else f"layer {layer.name}"
