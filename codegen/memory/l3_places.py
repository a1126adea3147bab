"""Where in the L2 arena the steps of a layer find, or put, what moves between L2 and L3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.plan import Box, L3Kind, L3Transfer, Plan, TileStep
from tvm_pulp.errors import PlanError


@dataclass(frozen=True)
class StepPlaces:
    """For each step of a layer the offset in the L2 arena of its parameter block, of its input boxes and of its
    output box; None for what doesn't lie in L3."""

    params: tuple[int, ...] | None = None
    inputs: tuple[tuple[int, ...] | None, ...] = (None, None)
    output: tuple[int, ...] | None = None


def step_places(graph: LayerGraph, plan: Plan, layer: int) -> StepPlaces:
    """The places of the layer with this index. Raises PlanError if no transfer serves a step."""
    node = graph.layers[layer]
    return StepPlaces(
        params=_params(plan, layer),
        inputs=tuple(_rows(graph, plan, layer, name, L3Kind.LOAD) for name in node.inputs),
        output=_rows(graph, plan, layer, node.output, L3Kind.STORE),
    )


def transfers_of(plan: Plan, layer: int, kind: L3Kind, tensor: str = "") -> tuple[L3Transfer, ...]:
    """The transfers of a kind that serve steps of the layer with this index."""
    return tuple(one for one in plan.transfers if (one.layer, one.kind, one.tensor) == (layer, kind, tensor))


def streams_params(plan: Plan, layer: int) -> bool:
    """True if the layer's packed parameters lie in L3."""
    return streams_params_of(plan.transfers, layer)


def streams_params_of(transfers: Sequence[L3Transfer], layer: int) -> bool:
    """The same of a plan with these transfers."""
    return any((one.kind, one.layer) == (L3Kind.PARAMS, layer) for one in transfers)


def _params(plan: Plan, layer: int) -> tuple[int, ...] | None:
    transfers = transfers_of(plan, layer, L3Kind.PARAMS)
    if not transfers:
        return None
    return tuple(
        _place(transfers, number, step, plan.layers[layer].layer)
        for number, step in enumerate(plan.layers[layer].steps)
    )


def _place(transfers: tuple[L3Transfer, ...], number: int, step: TileStep, layer: str) -> int:
    """Where a step finds its parameters, or, if it loads none, where they were found."""
    offset, end = step.params_offset, step.params_offset + step.params_size
    here = [one for one in transfers if one.l3_offset <= offset and end <= one.l3_offset + one.size]
    if not here:
        raise PlanError(f"no transfer from L3 brings the parameters at {offset}", where=f"layer {layer}")
    one = max(here, key=lambda one: (one.first <= number, one.first))
    return one.l2_offset + offset - one.l3_offset


def _rows(graph: LayerGraph, plan: Plan, layer: int, name: str, kind: L3Kind) -> tuple[int, ...] | None:
    home = next((buffer for buffer in plan.l3_buffers if buffer.tensor == name), None)
    if home is None:
        return None
    tensor, transfers = graph.tensors[name], transfers_of(plan, layer, kind, name)
    offsets = []
    for index, step in enumerate(plan.layers[layer].steps):
        box: Box = step.x if kind is L3Kind.LOAD else step.y
        serving = next((one for one in transfers if one.first <= index <= one.last), None)
        if serving is None:
            raise PlanError(
                f"no transfer serves step {index} with {name}", where=f"layer {plan.layers[layer].layer}"
            )
        in_tensor = (box.h0 * tensor.width + box.w0) * tensor.channels + box.c0
        offsets.append(serving.l2_offset + in_tensor - (serving.l3_offset - home.offset))
    return tuple(offsets)
