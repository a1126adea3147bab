"""Where in the L2 arena the steps of a layer find what a plan brings from L3."""

from __future__ import annotations

from tvm_pulp.codegen.plan import L3Kind, L3Transfer, Plan
from tvm_pulp.errors import PlanError


def transfers_of(plan: Plan, layer: int, kind: L3Kind) -> tuple[L3Transfer, ...]:
    """The transfers of a kind that serve steps of the layer with this index."""
    return tuple(one for one in plan.transfers if (one.layer, one.kind) == (layer, kind))


def streams_params(plan: Plan, layer: int) -> bool:
    """True if the layer's packed parameters lie in L3."""
    return bool(transfers_of(plan, layer, L3Kind.PARAMS))


def params_places(plan: Plan, layer: int) -> tuple[int, ...] | None:
    """The offset of each step's parameter block in the L2 arena; None if the layer's parameters are in L2 as a
    whole. Raises PlanError if no transfer brings a step's block."""
    transfers = transfers_of(plan, layer, L3Kind.PARAMS)
    if not transfers:
        return None
    return tuple(
        _place(transfers, step.params_offset, step.params_size, plan.layers[layer].layer)
        for step in plan.layers[layer].steps
    )


def _place(transfers: tuple[L3Transfer, ...], offset: int, size: int, layer: str) -> int:
    for one in transfers:
        if one.l3_offset <= offset and offset + size <= one.l3_offset + one.size:
            return one.l2_offset + offset - one.l3_offset
    raise PlanError(f"no transfer from L3 brings the parameters at {offset}", where=f"layer {layer}")
