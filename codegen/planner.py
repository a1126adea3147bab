"""From a layer graph to a plan: tiles, schedule and addresses of every layer for one machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from math import isqrt

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import region_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import able_engines
from tvm_pulp.codegen.fusion import as_planned, fused_graph
from tvm_pulp.codegen.fusion_choice import (
    Groups,
    cheapest_groups,
    fastest_plan,
    may_pay,
    move_cycles,
    possible_groups,
)
from tvm_pulp.codegen.fusion_engines import engines_beside
from tvm_pulp.codegen.fusion_schedule import schedule_group
from tvm_pulp.codegen.fusion_search import search_group
from tvm_pulp.codegen.fusion_tiling import Group
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window
from tvm_pulp.codegen.im2col import may_be_product
from tvm_pulp.codegen.input_parts import part_size
from tvm_pulp.codegen.l1_tensors import L1Layout, keep_in_l1
from tvm_pulp.codegen.l2_errors import L2ShortageError
from tvm_pulp.codegen.l2_plan import L2Task, plan_l2
from tvm_pulp.codegen.l2_tables import step_tables_bytes, tables_bytes, transfers_table_bytes
from tvm_pulp.codegen.l3_ahead import with_loads_ahead
from tvm_pulp.codegen.machine import L3Model, Machine
from tvm_pulp.codegen.order import list_order, predecessors
from tvm_pulp.codegen.pairs import Pair, PlansBeside, choose_pairs
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L1Tensor, LayerPlan, Plan
from tvm_pulp.codegen.share_schedule import schedule_on
from tvm_pulp.codegen.spill import Ways, layer_ways, tensor_lives
from tvm_pulp.codegen.tile_search import Candidate, NothingFits, Search, search_tiles
from tvm_pulp.errors import PlanError

SIZE_STEP, SIZE_RATIO = 256, 1.1
"""How finely the least L2 is looked for: until what isn't enough and what is differ by so many bytes, or so
little."""

LESS_L1 = (0.6, 0.35)
"""Shares of L1 to try where L2 is too small for the tiles that all of it allows."""

ROW_PARTS = (1, 4, 8)
"""Into how many rows of tiles a layer that works row by row is to be cut at least, beside one for each row."""

ROW_SHARES = (1, 0.6)
"""Shares of L1 that it may use: smaller tiles mean smaller bands and blocks."""

FEASIBILITY_SECONDS = 5
"""The effort for each size of L2 that is tried."""

MOST_SINGLE_PAIRS = 3
"""Pairs of layers that run at the same time, each of which is tried as the only one where there are several."""

MOST_ATTEMPTS = 3
"""Plans that are made anew because the last one's tables were larger than the room left for them."""


def plan_region(graph: LayerGraph, machine: Machine, effort: Effort | None = None) -> Plan:
    """The plan of a region. Raises PlanError if a layer has no tile that fits L1, or the region's activations
    and parameters don't fit L2; the error says how much would do."""
    effort = effort or Effort()
    searches = _Searches(machine, effort)
    try:
        plan = _plan_region(graph, machine, effort, searches)
        return _with_pairs(graph, plan, machine, effort, searches)
    except L2ShortageError as shortage:
        for share in LESS_L1:  # smaller tiles mean smaller bands of what comes from L3
            with suppress(PlanError):
                less = replace(machine, l1_bytes=int(share * machine.l1_bytes))
                simple = replace(effort, fuses=False)
                plan = _plan_region(graph, less, simple, _Searches(less, simple))
                return replace(plan, l1_bytes=machine.l1_bytes)
        plain = _plain_task(graph, machine, effort, searches)
        raise shortage.with_enough(_enough_l2(plain) + machine.l2_outside) from shortage


def _plain_task(graph: LayerGraph, machine: Machine, effort: Effort, searches: _Searches) -> L2Task:
    """The region with every layer as is best for it alone."""
    for layer in graph.layers:
        _check_window(layer)
    best = tuple(_plan_layer(graph, layer, machine, searches) for layer in graph.layers)
    return L2Task(
        graph=graph,
        best=best,
        ways=cache(lambda index: _ways(graph, graph.layers[index], machine, searches)),
        costs=lambda plans: region_costs(graph, plans, machine),
        machine=machine,
        effort=effort,
    )


def _plan_region(graph: LayerGraph, machine: Machine, effort: Effort, searches: _Searches) -> Plan:
    task = _plain_task(graph, machine, effort, searches)
    if not effort.fuses:
        return _plan_layers(task, searches)
    try:
        plain = _plan_layers(task, searches)
    except PlanError:
        plan = _plan_groups(task, None, searches)
        if plan is None:
            raise
        return plan
    return _plan_groups(task, plain, searches) or plain


def _plan_groups(task: L2Task, plain: Plan | None, searches: _Searches) -> Plan | None:
    """The fastest plan with fused groups of layers, or `plain` if none is faster; None if there is none."""
    graph, machine, effort = task.graph, task.machine, task.effort
    everything = frozenset(life.tensor for life in task.lives)
    alone = task.best if plain is None or plain.transfers else plain.layers
    single = [one.cycles for one in alone]
    waiting = [cost.cycles - int(cost.compute.sum()) for cost in task.costs(alone)]
    products = searches.products(graph, single)

    def choose(moved: frozenset[str]) -> Groups:
        moved = moved if plain or moved else everything
        moves = move_cycles(graph, moved, machine.l3 or L3Model(0))
        cycles = {
            group: found
            for group in possible_groups(graph, products)
            if (may_pay(graph, group, (single, waiting), moved) or searches.overlaps(graph, group, products))
            and (found := searches.group_cycles(graph, group, products)) is not None
        }
        return cheapest_groups(graph, single, cycles, moves)

    def plan(groups: Groups) -> Plan | None:
        with suppress(PlanError):
            fused = fused_graph(graph, groups, products)
            return _plan_layers(_plain_task(fused, machine, effort, searches), searches)
        return None

    return fastest_plan(plain, choose, plan)


def _with_pairs(graph: LayerGraph, plan: Plan, machine: Machine, effort: Effort, searches: _Searches) -> Plan:
    """The plan with layers that run at the same time, or as it is if that isn't faster. Where L3 is needed
    there are none: what comes from there comes for one step after the other."""
    if not (effort.pairs and machine.engines) or plan.transfers:
        return plan
    graph = as_planned(graph, plan)
    single = [one.cycles for one in plan.layers]
    pairs = choose_pairs(graph, single, machine, searches.pairing(graph))
    choices = [pairs, *([one] for one in pairs[:MOST_SINGLE_PAIRS] if len(pairs) > 1)] if pairs else []
    found = [_plan_pairs(graph, one, replace(machine, l3=None), effort, searches) for one in choices]
    plans = [plan, *(one for one in found if one is not None)]
    return min(plans, key=lambda one: one.prediction.cycles)


def _plan_pairs(
    graph: LayerGraph, pairs: Sequence[Pair], machine: Machine, effort: Effort, searches: _Searches
) -> Plan | None:
    """The plan with these pairs and everything in L2, if there is one."""
    units = list_order(predecessors(graph), [one.layers for one in pairs])
    assert units is not None  # pairs are chosen so
    layers = tuple(graph.layers[index] for unit in units for index in unit)
    task = _plain_task(replace(graph, layers=layers), machine, effort, searches)
    paired = {plan.layer: plan for pair in pairs for plan in pair.plans}
    best = tuple(paired.get(plan.layer, plan) for plan in task.best)
    with suppress(PlanError):
        return _plan_layers(replace(task, best=best), searches)
    return None


def _plan_layers(plain: L2Task, searches: _Searches) -> Plan:
    """The plan of a region whose groups are given."""
    graph, machine = plain.graph, plain.machine
    search = searches.within(graph)
    layout = keep_in_l1(graph, plain.best, tensor_lives(graph, plain.best), machine.l1_bytes, search)
    if machine.l3 is None:
        return _in_l2(plain, layout)
    with suppress(PlanError):
        return _in_l2(plain, layout)
    options = _streaming(plain, layout)
    once = replace(_with_params_once(plain, searches), may_spill=False)
    shortage: L2ShortageError | None = None
    for task in (plain, once) if once.best != plain.best else (plain,):
        try:
            options.append(_fitting_plan(task))
        except L2ShortageError as error:
            shortage = shortage or error
    if shortage is not None and not options:
        raise shortage
    return min(options, key=lambda plan: plan.prediction.cycles)


def _with_params_once(task: L2Task, searches: _Searches) -> L2Task:
    """The same with layers that load no parameters twice: while others run, all of theirs have to be in L2."""
    best = tuple(
        _params_once(task.graph, layer, plan, task.machine, searches)
        for layer, plan in zip(task.graph.layers, task.best, strict=True)
    )
    return replace(task, best=best)


def _params_once(
    graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine, searches: _Searches
) -> LayerPlan:
    """The plan if it loads no parameters twice, or the best one that doesn't."""
    if layer.parts or not _loads_params_again(plan):
        return plan
    return _plan_layer(graph, layer, machine, searches, params_once=True)


def _loads_params_again(plan: LayerPlan) -> bool:
    loaded = [step.params_offset for step in plan.steps if step.load_params]
    return len(set(loaded)) < len(loaded)


def _in_l2(task: L2Task, layout: L1Layout) -> Plan:
    """The plan with all parameters in L2, some loaded ahead. Raises PlanError if they don't fit."""
    machine = replace(task.machine, l3=None)
    return _fitting_plan(replace(task, best=layout.layers, machine=machine), layout.tensors)


def _streaming(task: L2Task, layout: L1Layout) -> list[Plan]:
    """The plan with the same tensors in L1 and parameters from L3, which are not loaded ahead; if there is
    one."""
    if not layout.tensors or task.machine.l3 is None:
        return []
    layers = tuple(replace(plan, params_ahead=False, x_ahead=False) for plan in layout.layers)
    try:
        return [_fitting_plan(replace(task, best=layers, may_spill=False), layout.tensors)]
    except PlanError:
        return []


def _fitting_plan(task: L2Task, in_l1: tuple[L1Tensor, ...] = ()) -> Plan:
    """A plan whose tables fit too. Raises PlanError if there is none."""
    if not task.thorough or task.machine.l3 is None:
        return _with_tables(task, in_l1)
    # Whether there is one, and how large the tables become, is seen with little effort.
    quick = _with_tables(replace(task, thorough=False, effort=Effort(FEASIBILITY_SECONDS)), in_l1)
    try:
        return _with_tables(replace(task, tables=_step_tables(quick)), in_l1)
    except L2ShortageError:
        return quick


def _with_tables(task: L2Task, in_l1: tuple[L1Tensor, ...]) -> Plan:
    """A plan whose tables fit, too, the step tables having at least the room that the task leaves for them."""
    task = replace(task, tables=max(task.tables, step_tables_bytes(task.graph, task.best)))
    for _ in range(MOST_ATTEMPTS):
        plan = _plan(task, in_l1)
        if plan.l2_used <= task.machine.l2_bytes:
            return plan
        task = replace(task, tables=_step_tables(plan))
    raise L2ShortageError(task.graph, task.lives, task.machine, task.tables)


def _step_tables(plan: Plan) -> int:
    """Bytes of a plan's tables but that of transfers."""
    return plan.l2_tables - transfers_table_bytes(len(plan.transfers))


def _enough_l2(task: L2Task) -> int:
    """The least L2, about, with which a plan is found."""
    everything = sum(tensor.size_bytes for tensor in task.graph.tensors.values())
    everything += sum(map(pack_size, task.best)) + 2 * step_tables_bytes(task.graph, task.best)
    low, high = task.machine.l2_bytes, align(everything)
    while high - low > SIZE_STEP and high > SIZE_RATIO * low:
        middle = align(isqrt(low * high))
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


def _plan(task: L2Task, in_l1: tuple[L1Tensor, ...]) -> Plan:
    """The region's plan; its tables may turn out larger than what the task leaves for them."""
    graph, machine = task.graph, task.machine
    l2 = with_loads_ahead(task, plan_l2(task), in_l1)
    costs = task.costs(l2.layers)
    layers = tuple(replace(one, cycles=cost.cycles) for one, cost in zip(l2.layers, costs, strict=True))
    top = max((_l1_top(layer) for layer in layers), default=0)
    plan = Plan(
        region=graph.name,
        soc=machine.soc,
        cores=machine.cores,
        l1_bytes=machine.l1_bytes,
        l2_bytes=machine.l2_bytes,
        l1_used=max([top, *(one.offset + align(one.size) for one in in_l1)]),
        l2_used=l2.used,
        l2_arena=l2.arena,
        layers=layers,
        l2_buffers=l2.buffers,
        l3_arena=l2.l3_arena,
        l3_buffers=l2.l3_buffers,
        transfers=l2.transfers,
        l1_tensors=in_l1,
        prediction=l2.prediction,
    )
    tables = tables_bytes(graph, plan)
    return replace(plan, l2_tables=tables, l2_used=l2.used + tables)


def _ways(graph: LayerGraph, layer: Layer, machine: Machine, searches: _Searches) -> Ways:
    """The best plan of a layer, the best that loads no parameters twice, and the best that work row by row,
    without and with limits to the rows of a tile, in all of L1 and in less."""
    best = _plan_layer(graph, layer, machine, searches)
    once = _params_once(graph, layer, best, machine, searches)
    height = graph.tensors[layer.output].height
    counts = dict.fromkeys(min(parts, height) for parts in (*ROW_PARTS, height))
    by_rows = []
    for share, parts in product(ROW_SHARES, counts):
        with suppress(PlanError):
            less = searches.in_less(share)
            by_rows.append(_plan_layer(graph, layer, less.machine, less, -(-height // parts)))
    return layer_ways((best, once), by_rows, machine.l2_bytes)


def _plan_layer(
    graph: LayerGraph,
    layer: Layer,
    machine: Machine,
    searches: _Searches,
    most_rows: int | None = None,
    *,
    params_once: bool = False,
) -> LayerPlan:
    engine, search = searches.of(graph, layer, most_rows, params_once=params_once)
    return _scheduled(graph, layer, machine, engine, search.best)


def _scheduled(
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


def _check_window(layer: Layer) -> None:
    """A window wholly in the padding has no input to bring into L1."""
    for part in layer.parts:
        _check_window(part)
    window = layer.window
    if (
        max(window.pad_top, window.pad_bottom) >= window.extent_h
        or max(window.pad_left, window.pad_right) >= window.extent_w
    ):
        raise PlanError("the padding isn't smaller than the kernel", where=_layer_words(layer))


def _layer_words(layer: Layer) -> str:
    return f"layer {layer.name} ({', '.join(layer.sources)})" if layer.sources else f"layer {layer.name}"


def _l1_top(plan: LayerPlan) -> int:
    return max((buffer.offset + align(buffer.size) for buffer in plan.buffers), default=0)


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


class _Searches:
    """Searches for one machine; layers of equal shape are searched once."""

    def __init__(self, machine: Machine, effort: Effort) -> None:
        self._machine = machine
        self._effort = effort
        self._less: dict[float, _Searches] = {}
        self._done: dict[tuple[_Signature, tuple[int | None, bool]], Search | NothingFits] = {}
        self._within: dict[tuple[_Signature, int, tuple[bool, ...]], Search | NothingFits] = {}

    @property
    def machine(self) -> Machine:
        """What is searched for."""
        return self._machine

    def in_less(self, share: float) -> _Searches:
        """The searches for the same machine with a share of its L1."""
        if share == 1:
            return self
        if share not in self._less:
            machine = replace(self._machine, l1_bytes=int(share * self._machine.l1_bytes))
            self._less[share] = _Searches(machine, self._effort)
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
            return _scheduled(graph, layer, self._machine, engine, best, in_l1=in_l1)

        return search

    def _inside(
        self, graph: LayerGraph, layer: Layer, l1_bytes: int, in_l1: frozenset[str], engine: Engine
    ) -> Search | NothingFits:
        whole = tuple(name in in_l1 for name in (*layer.inputs, layer.output))
        key = (_signature(graph, layer, engine, self._machine.cores), l1_bytes, whole)
        if key not in self._within:
            machine = replace(self._machine, l1_bytes=l1_bytes)
            self._within[key] = self._search(graph, layer, machine, engine, in_l1=in_l1)
        return self._within[key]

    def pairing(self, graph: LayerGraph) -> PlansBeside:
        """The plans of a layer beside another one; see `pairs.PlansBeside`."""

        @cache
        def ways(index: int, l1_bytes: int, engine: Engine) -> list[LayerPlan]:
            layer = graph.layers[index]
            found = self._inside(graph, layer, l1_bytes, frozenset(), engine)
            candidates = dict.fromkeys((found.best, *found.front)) if isinstance(found, Search) else {}
            return [_scheduled(graph, layer, self._machine, engine, one) for one in candidates]

        return ways

    def of(
        self, graph: LayerGraph, layer: Layer, most_rows: int | None, *, params_once: bool = False
    ) -> tuple[Engine, Search]:
        """The fastest engine for a layer, and the ways to run it there. Raises PlanError if none fits L1."""
        engines = self._engines(graph, layer)
        searches = [(one, self._on(graph, layer, (most_rows, params_once), one)) for one in engines]
        fitting = [(one, found) for one, found in searches if isinstance(found, Search)]
        if not fitting:
            least = min(found.l1_bytes for _, found in searches if isinstance(found, NothingFits))
            raise _l1_error(layer, least, self._machine)
        return min(fitting, key=lambda found: found[1].best.cycles)

    def _engines(self, graph: LayerGraph, layer: Layer) -> list[Engine]:
        return able_engines(graph, layer, self._machine, teams=self._effort.shares)

    def _on(
        self, graph: LayerGraph, layer: Layer, limits: tuple[int | None, bool], engine: Engine
    ) -> Search | NothingFits:
        """`limits`: the rows of a tile, and that no parameters are loaded twice."""
        key, (most_rows, params_once) = (_signature(graph, layer, engine, self._machine.cores), limits), limits
        if key not in self._done:
            self._done[key] = self._search(
                graph, layer, self._machine, engine, most_rows=most_rows, params_once=params_once
            )
        return self._done[key]

    def _search(
        self,
        graph: LayerGraph,
        layer: Layer,
        machine: Machine,
        engine: Engine,
        *,
        most_rows: int | None = None,
        params_once: bool = False,
        in_l1: frozenset[str] = frozenset(),
    ) -> Search | NothingFits:
        """The search for a layer or, of which the last two don't matter, a group."""
        if layer.parts:
            return search_group(graph, layer, machine, most_rows=most_rows, effort=self._effort, engine=engine)
        return search_tiles(
            graph,
            layer,
            machine,
            most_rows=most_rows,
            params_once=params_once,
            engine=engine,
            effort=self._effort,
            in_l1=in_l1,
        )

    def products(self, graph: LayerGraph, single: Sequence[int]) -> frozenset[str]:
        """The convolutions that take less than they do in one, their cycles in `single`, as a product of
        matrices (`codegen/im2col.py`) that an engine computes beside the cores."""
        found = set[str]()
        for index, layer in enumerate(graph.layers):
            group, name = range(index, index + 1), {layer.name}
            if may_be_product(layer) and self.overlaps(graph, group, name):
                cycles = self.group_cycles(graph, group, name)
                found |= name if cycles is not None and cycles < single[index] else set()
        return frozenset(found)

    def overlaps(self, graph: LayerGraph, group: range, products: Collection[str]) -> bool:
        """True if an engine may compute a layer of a group beside the cores."""
        grouped = fused_graph(graph, [group], products)
        return bool(engines_beside(grouped, grouped.layers[group.start].parts, self._machine.engines))

    def group_cycles(self, graph: LayerGraph, group: range, products: Collection[str]) -> int | None:
        """Cycles of layers as a group; None if no tile fits L1."""
        grouped = fused_graph(graph, [group], products)
        layer = grouped.layers[group.start]
        searches = [self._on(grouped, layer, (None, False), one) for one in self._engines(grouped, layer)]
        return min((one.best.cycles for one in searches if isinstance(one, Search)), default=None)


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
        where=_layer_words(layer),
        fix=f"choose a SoC or -l1= with at least {needed} bytes",
    )
