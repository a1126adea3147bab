"""What a region's C keeps in L2 beside tensors and parameters: step tables, and the table of transfers from L3.
Where L2 is short they lie in L3 themselves: a step table comes to L2 for its layer, rows of the table of
transfers before they are needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.emit.steps import step_table
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.memory.l3_chunks import params_passes
from tvm_pulp.codegen.memory.l3_places import StepPlaces, step_places
from tvm_pulp.codegen.memory.transfer_table import rows_in_l3, transfer_table
from tvm_pulp.codegen.params import pack_size
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
    sizes = _table_sizes(graph, plan)
    steps = sum(size for index, size in enumerate(sizes) if index not in in_l3)
    return steps + sum(align(len(layer.next_steps)) for layer in plan.layers) + align(rows)


def streamed_tables(plan: Plan) -> frozenset[int]:
    """The layers (indices) whose step tables lie in L3."""
    return frozenset(one.layer for one in plan.transfers if one.kind is L3Kind.STEPS)


def too_small_rooms(graph: LayerGraph, plan: Plan) -> dict[int, int]:
    """Bytes of each step table that is larger than what its transfer brings from L3, by the layer's index."""
    sizes = _table_sizes(as_planned(graph, plan), plan)
    brought = {one.layer: one.size for one in plan.transfers if one.kind is L3Kind.STEPS}
    return {index: sizes[index] for index, size in brought.items() if size < sizes[index]}


def _table_sizes(graph: LayerGraph, plan: Plan) -> list[int]:
    homes = {one.tensor: one.offset for one in plan.l1_tensors}
    return [
        align(step_table(graph, layer, one, step_places(graph, plan, index), homes).size_bytes)
        for index, (layer, one) in enumerate(zip(graph.layers, plan.layers, strict=True))
    ]


def transfers_table_bytes(count: int, *, in_l3: bool = False) -> int:
    """Bytes of L2 for a table of so many transfers, if its fields are no wider than usual."""
    return align(ROW_BYTES * (ROWS_IN_L2 if in_l3 else count))


def step_tables_bytes(graph: LayerGraph, layers: Sequence[LayerPlan], *, streamed: bool = False) -> int:
    """Bytes of the step tables of layers that find everything else in L2; if they are `streamed`, of those that
    stay there."""
    from_l3 = streamed_room(graph, layers, (), {}) if streamed else {}
    return sum(
        align(len(plan.next_steps))
        + (0 if index in from_l3 else align(step_table(graph, layer, plan).size_bytes))
        for index, (layer, plan) in enumerate(zip(graph.layers, layers, strict=True))
    )


def may_stream(plan: LayerPlan) -> bool:
    """True if a layer's step table may come from L3: if all cores wait for it together, and read it."""
    return plan.engine == CLUSTER_NAME and len(plan.steps) > 1


def streamed_room(
    graph: LayerGraph, layers: Sequence[LayerPlan], again: Collection[int], known: Mapping[int, int]
) -> dict[int, int]:
    """Bytes to be left in L2 for step tables that come from L3, by the layer's index; the parameters of layers
    in `again` come once for each pass through them. `known` are bytes that were too few."""
    found = {}
    for index, (layer, plan) in enumerate(zip(graph.layers, layers, strict=True)):
        size = _expected_bytes(graph, layer, plan, again=index in again) if may_stream(plan) else 0
        if size >= LEAST_STREAMED:
            found[index] = max(size, known.get(index, 0))
    return found


def _expected_bytes(graph: LayerGraph, layer: Layer, plan: LayerPlan, *, again: bool) -> int:
    """Bytes of a layer's step table, at most if places in L2 make it larger by no more than `MARGIN`."""
    places = StepPlaces(params=_places_by_pass(plan)) if again else None
    size = step_table(graph, layer, plan, places).size_bytes
    return align(size + size // MARGIN)


def _places_by_pass(plan: LayerPlan) -> tuple[int, ...]:
    """Places of each step's parameters that differ from pass to pass."""
    size = pack_size(plan)
    return tuple(
        number * size + plan.steps[step].params_offset
        for number, steps in enumerate(params_passes(plan))
        for step in steps
    )
