"""From a layer graph to a plan: tiles, schedule and addresses of every layer for one machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from itertools import product
from math import isqrt

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.layer import region_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.fusion.choice import (
    Groups,
    cheapest_groups,
    fastest_plan,
    may_pay,
    move_cycles,
    possible_groups,
)
from tvm_pulp.codegen.fusion.groups import as_planned, fused_graph
from tvm_pulp.codegen.graph import Layer, LayerGraph, weight_bytes
from tvm_pulp.codegen.machine import L3Model, Machine
from tvm_pulp.codegen.memory.l1_tensors import L1Layout, keep_in_l1
from tvm_pulp.codegen.memory.l2_errors import L2ShortageError
from tvm_pulp.codegen.memory.l2_plan import L2Task, plan_l2, planned_cycles
from tvm_pulp.codegen.memory.l2_tables import (
    step_tables_bytes,
    tables_bytes,
    too_small_rooms,
    transfers_table_bytes,
)
from tvm_pulp.codegen.memory.l3_ahead import with_loads_ahead
from tvm_pulp.codegen.memory.spill import Ways, layer_ways, tensor_lives
from tvm_pulp.codegen.memory.transfer_table import rows_in_l3
from tvm_pulp.codegen.order import list_order, predecessors
from tvm_pulp.codegen.pairs import Pair, choose_pairs
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L1Tensor, LayerPlan, Plan
from tvm_pulp.codegen.searches import Searches, layer_words, scheduled
from tvm_pulp.codegen.tiles.estimates import ANY_TILE, Limits
from tvm_pulp.errors import PlanError

SIZE_STEP, SIZE_RATIO = 256, 1.1
"""How finely the least L2 is looked for: until what isn't enough and what is differ by so many bytes, or so
little."""

LESS_L1 = (0.6, 0.35)
"""Shares of L1 to try where L2 is too small for the tiles that all of it allows."""

WEAK_GAP = 0.15
"""A plan so far from its bound is worth a second one with less L1."""

ROW_PARTS = (1, 4, 8)
"""Into how many rows of tiles a layer that works row by row is to be cut at least, beside one for each row."""

ROW_SHARES = (1, 0.6)
"""Shares of L1 that it may use: smaller tiles mean smaller bands and blocks."""

FEASIBILITY_SECONDS = 5
"""The effort for each size of L2 that is tried, and to see whether there is a plan."""

THOROUGH_GAIN = 0.03
"""What a plan gains at most, about, by much effort."""

MOST_SINGLE_PAIRS = 3
"""Pairs of layers that run at the same time, each of which is tried as the only one where there are several."""

TABLES_PART = 16
"""Step tables lie in L3 where they are more than this part of L2."""

MOST_ATTEMPTS = 3
"""Plans that are made anew because the last one's tables were larger than the room left for them."""


def plan_region(graph: LayerGraph, machine: Machine, effort: Effort | None = None) -> Plan:
    """The plan of a region. Raises PlanError if a layer has no tile that fits L1, or the region's activations
    and parameters don't fit L2; the error says how much would do."""
    effort = effort or Effort()
    searches = Searches(machine, effort, from_l3=weight_bytes(graph) > machine.l2_bytes)
    try:
        plan = _plan_region(graph, machine, effort, searches)
        if plan.prediction.gap > WEAK_GAP:
            other = _plan_in_less(graph, LESS_L1[0], effort, searches)
            plan = plan if other is None else _fastest((plan, other), machine)
        return _with_pairs(graph, plan, machine, effort, searches)
    except L2ShortageError as shortage:
        for share in LESS_L1:  # smaller tiles mean smaller bands of what comes from L3
            found = _plan_in_less(graph, share, replace(effort, fuses=False), searches)
            if found is not None:
                return found
        plain = _plain_task(graph, machine, effort, searches)
        raise shortage.with_enough(_enough_l2(plain) + machine.l2_outside) from shortage


def _plan_in_less(graph: LayerGraph, share: float, effort: Effort, searches: Searches) -> Plan | None:
    """A plan that uses a share of L1, for smaller tiles mean smaller bands in L2; None if none is found."""
    less = searches.in_less(share)
    try:
        plan = _plan_region(graph, less.machine, effort, less)
    except PlanError:
        return None
    return replace(plan, l1_bytes=searches.machine.l1_bytes)


def _fastest(plans: Iterable[Plan], machine: Machine) -> Plan:
    return min(plans, key=partial(planned_cycles, machine=machine))


def _plain_task(graph: LayerGraph, machine: Machine, effort: Effort, searches: Searches) -> L2Task:
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


def _plan_region(graph: LayerGraph, machine: Machine, effort: Effort, searches: Searches) -> Plan:
    task = _plain_task(graph, machine, effort, searches)
    if not effort.fuses:
        return _plan_layers(task, searches)
    try:
        quick = _plan_layers(_quickly(task), searches)
    except PlanError:
        plan = _plan_groups(task, None, searches)
        if plan is None:
            raise
        return plan
    plan = _plan_groups(task, quick, searches) or quick
    most = (1 - THOROUGH_GAIN) * planned_cycles(quick, machine)
    if not quick.transfers or planned_cycles(plan, machine) < most:
        return plan
    return _fastest((_plan_layers(task, searches), plan), machine)


def _quickly(task: L2Task) -> L2Task:
    """The same with little effort for a good plan."""
    seconds = min(task.effort.seconds, FEASIBILITY_SECONDS)
    return replace(task, thorough=False, effort=replace(task.effort, seconds=seconds))


def _plan_groups(task: L2Task, plain: Plan | None, searches: Searches) -> Plan | None:
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

    return fastest_plan(plain, choose, plan, partial(planned_cycles, machine=machine))


def _with_pairs(graph: LayerGraph, plan: Plan, machine: Machine, effort: Effort, searches: Searches) -> Plan:
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
    return _fastest(plans, machine)


def _plan_pairs(
    graph: LayerGraph, pairs: Sequence[Pair], machine: Machine, effort: Effort, searches: Searches
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


def _plan_layers(plain: L2Task, searches: Searches) -> Plan:
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
    return _fastest(options, machine)


def _with_params_once(task: L2Task, searches: Searches) -> L2Task:
    """The same with layers that load no parameters twice: while others run, all of theirs have to be in L2."""
    best = tuple(
        _params_once(task.graph, layer, plan, task.machine, searches)
        for layer, plan in zip(task.graph.layers, task.best, strict=True)
    )
    return replace(task, best=best)


def _params_once(
    graph: LayerGraph, layer: Layer, plan: LayerPlan, machine: Machine, searches: Searches
) -> LayerPlan:
    """The plan if it loads no parameters twice, or the best one that doesn't."""
    if layer.parts or not _loads_params_again(plan):
        return plan
    return _plan_layer(graph, layer, machine, searches, Limits(params_once=True))


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
    if task.machine.l3 is not None:
        tables = step_tables_bytes(task.graph, task.best)
        task = replace(task, streams_tables=TABLES_PART * tables > task.machine.l2_bytes)
    if not task.thorough or task.machine.l3 is None:
        return _with_tables(task, in_l1)[0]
    # Whether there is one, and how large the tables become, is seen with little effort.
    quick, sizes = _with_tables(_quickly(task), in_l1)
    try:
        return _with_tables(replace(task, tables=_step_tables(quick), table_sizes=sizes), in_l1)[0]
    except L2ShortageError:
        return quick


def _with_tables(task: L2Task, in_l1: tuple[L1Tensor, ...]) -> tuple[Plan, Mapping[int, int]]:
    """A plan whose tables fit, too, the step tables having at least the room that the task leaves for them, and
    the `table_sizes` with which it was found."""
    in_l2 = step_tables_bytes(task.graph, task.best, streamed=task.streams_tables)
    task = replace(task, tables=max(task.tables, in_l2))
    for _ in range(MOST_ATTEMPTS):
        plan = _plan(task, in_l1)
        larger = too_small_rooms(task.graph, plan)
        if plan.l2_used <= task.machine.l2_bytes and not larger:
            return plan, task.table_sizes
        task = replace(task, tables=_step_tables(plan), table_sizes={**task.table_sizes, **larger})
    raise L2ShortageError(task.graph, task.lives, task.machine, task.tables)


def _step_tables(plan: Plan) -> int:
    """Bytes of a plan's tables but that of transfers."""
    return plan.l2_tables - (0 if rows_in_l3(plan) else transfers_table_bytes(len(plan.transfers)))


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
        return _fitting_plan(_quickly(task))
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


def _ways(graph: LayerGraph, layer: Layer, machine: Machine, searches: Searches) -> Ways:
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
            rows = Limits(most_rows=-(-height // parts))
            by_rows.append(_plan_layer(graph, layer, less.machine, less, rows))
    return layer_ways((best, once), by_rows, machine.l2_bytes)


def _plan_layer(
    graph: LayerGraph, layer: Layer, machine: Machine, searches: Searches, limits: Limits = ANY_TILE
) -> LayerPlan:
    engine, search = searches.of(graph, layer, limits)
    return scheduled(graph, layer, machine, engine, search.best)


def _check_window(layer: Layer) -> None:
    """A window wholly in the padding has no input to bring into L1."""
    for part in layer.parts:
        _check_window(part)
    window = layer.window
    if (
        max(window.pad_top, window.pad_bottom) >= window.extent_h
        or max(window.pad_left, window.pad_right) >= window.extent_w
    ):
        raise PlanError("the padding isn't smaller than the kernel", where=layer_words(layer))


def _l1_top(plan: LayerPlan) -> int:
    return max((buffer.offset + align(buffer.size) for buffer in plan.buffers), default=0)
