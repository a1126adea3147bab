"""What a region's C keeps in L2 beside tensors and parameters: step tables, and the table of transfers from
L3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.emit.steps import step_table
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.memory.l3_places import StepPlaces, step_places
from tvm_pulp.codegen.memory.transfer_table import USUAL_ROW_BYTES, transfer_table
from tvm_pulp.codegen.plan import LayerPlan, Plan


def tables_bytes(graph: LayerGraph, plan: Plan) -> int:
    """Bytes of all tables. Raises PlanError if a step's parameters or rows never come from L3."""
    graph = as_planned(graph, plan)
    places = [step_places(graph, plan, index) for index in range(len(plan.layers))]
    homes = {one.tensor: one.offset for one in plan.l1_tensors}
    transfers = transfer_table(plan).size_bytes if plan.transfers else 0
    return step_tables_bytes(graph, plan.layers, places, homes) + align(transfers)


def transfers_table_bytes(count: int) -> int:
    """Bytes of a table of so many transfers, if its fields are no wider than usual."""
    return align(USUAL_ROW_BYTES * count)


def step_tables_bytes(
    graph: LayerGraph,
    layers: Sequence[LayerPlan],
    places: Sequence[StepPlaces] | None = None,
    homes: Mapping[str, int] | None = None,
) -> int:
    """Bytes of the step tables of layers that find what comes from L3 at `places`, without, of layers that find
    everything in L2; `homes` are the offsets of tensors in L1."""
    places = places or [StepPlaces()] * len(layers)
    return sum(
        align(step_table(graph, layer, plan, place, homes).size_bytes) + align(len(plan.next_steps))
        for layer, plan, place in zip(graph.layers, layers, places, strict=True)
    )
