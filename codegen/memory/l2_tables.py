"""What a region's C keeps in L2 beside tensors and parameters: step tables, and the table of transfers from L3.
Where L2 is short they lie in L3 themselves: a step table comes to L2 for its layer, rows of the table of
transfers before they are needed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.emit.steps import step_table
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.memory.l3_chunks import WORD, params_passes
from tvm_pulp.codegen.memory.l3_places import StepPlaces, step_places
from tvm_pulp.codegen.memory.transfer_table import rows_in_l3, transfer_table
from tvm_pulp.codegen.plan import CLUSTER_NAME, ROW_BYTES, ROWS_IN_L2, L3Kind, LayerPlan, Plan

LEAST_STREAMED = 64
"""Bytes of a step table; a smaller one stays in L2, its transfer would cost more than the room is worth."""

MARGIN = 8
"""A step table may become larger by this part of its bytes when the places in L2 of what comes from L3 are
known."""


def tables_bytes(graph: LayerGraph, plan: Plan) -> int:
    """Bytes of all tables that stay in L2. Raises PlanError if a step's parameters or rows never come from
    L3."""
    graph = as_planned(graph, plan)
    in_l3 = streamed_tables(plan)
    rows = transfer_table(plan).size_bytes if plan.transfers and not rows_in_l3(plan) else 0
    steps = sum(_table_size(graph, plan, index) for index in range(len(plan.layers)) if index not in in_l3)
    return steps + sum(align(len(layer.next_steps)) for layer in plan.layers) + align(rows)


def streamed_tables(plan: Plan) -> frozenset[int]:
    """The layers (indices) whose step tables lie in L3."""
    return frozenset(one.layer for one in plan.transfers if one.kind is L3Kind.STEPS)


def too_small_rooms(graph: LayerGraph, plan: Plan) -> dict[int, int]:
    """Bytes of each step table that is larger than what its transfer brings from L3, by the layer's index."""
    graph = as_planned(graph, plan)
    brought = {one.layer: one.size for one in plan.transfers if one.kind is L3Kind.STEPS}
    sizes = {index: _table_size(graph, plan, index) for index in brought}
    return {index: size for index, size in sizes.items() if size > brought[index]}


def _table_size(graph: LayerGraph, plan: Plan, index: int) -> int:
    homes = {one.tensor: one.offset for one in plan.l1_tensors}
    places = step_places(graph, plan, index)
    return align(step_table(graph, graph.layers[index], plan.layers[index], places, homes).size_bytes)


def transfers_table_bytes(count: int, *, in_l3: bool = False) -> int:
    """Bytes of L2 for a table of so many transfers, if its fields are no wider than usual."""
    return align(ROW_BYTES * (ROWS_IN_L2 if in_l3 else count))


def step_tables_bytes(graph: LayerGraph, layers: Sequence[LayerPlan], *, streamed: bool = False) -> int:
    """Bytes of the step tables of layers that find everything else in L2; if they are `streamed`, of those that
    stay there."""
    from_l3 = streamed_room(graph, layers, (), 0) if streamed else {}
    return sum(
        align(len(plan.next_steps))
        + (0 if index in from_l3 else align(step_table(graph, layer, plan).size_bytes))
        for index, (layer, plan) in enumerate(zip(graph.layers, layers, strict=True))
    )


def may_stream(plan: LayerPlan) -> bool:
    """True if a layer's step table may come from L3: if all cores wait for it together, and read it."""
    return plan.engine == CLUSTER_NAME and len(plan.steps) > 1


def streamed_room(
    graph: LayerGraph, layers: Sequence[LayerPlan], again: Collection[int], l2_bytes: int
) -> dict[int, int]:
    """Bytes to be left in L2 for step tables that come from L3, by the layer's index; the parameters of layers
    in `again` come to other places in `l2_bytes` for each pass through them."""
    found = {}
    for index, (layer, plan) in enumerate(zip(graph.layers, layers, strict=True)):
        if may_stream(plan):
            places = StepPlaces(params=_places_by_pass(plan, l2_bytes)) if index in again else None
            size = step_table(graph, layer, plan, places).size_bytes
            found[index] = align(size + size // MARGIN)
    return {index: size for index, size in found.items() if size >= LEAST_STREAMED}


def _places_by_pass(plan: LayerPlan, l2_bytes: int) -> tuple[int, ...]:
    """Places of each step's parameters that differ from pass to pass, and are as large as places in L2 are."""
    blocks = [
        (number, plan.steps[step].params_offset)
        for number, steps in enumerate(params_passes(plan))
        for step in steps
    ]
    places = {block: l2_bytes - WORD * (1 + rank) for rank, block in enumerate(dict.fromkeys(blocks))}
    return tuple(max(0, places[block]) for block in blocks)
