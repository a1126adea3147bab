"""The part of the independent check that is about layers that two engines compute together: that the two make
every row of each tile once, from what lies in L1.

Each engine's rows are looked at as `check/plan.py` looks at a layer; here is what they look like alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.graph import Layer
from tvm_pulp.codegen.plan import Box, LayerPlan, Share, ShareStep, TileStep
from tvm_pulp.errors import PlanError

ALIGNMENT = 8


@dataclass(frozen=True)
class CheckedShare:
    """One engine's part of a layer as a layer by itself."""

    engine: Engine
    plan: LayerPlan


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def shares_of(plan: LayerPlan, engine: Engine) -> Iterator[CheckedShare]:
    """The two parts of a layer; none of a layer that one engine computes. Raises PlanError if they don't fit
    together."""
    where = f"layer {plan.layer}"
    members = engine.members if isinstance(engine, Team) else ()
    if [share.engine for share in plan.shares] != [member.name for member in members]:
        raise _fail(f"the layer's parts aren't those of {plan.engine}", where)
    if not members:
        return
    if plan.stages:
        raise _fail("a group's layers aren't divided between engines", where)
    if members[0] == members[1]:
        raise _fail("an engine can't work beside itself", where)
    if plan.kernel != " + ".join(share.kernel for share in plan.shares):
        raise _fail("the kernels aren't those of the layer's parts", where)
    if plan.channels_first or plan.pad_in_l1 or plan.clip:
        raise _fail("two engines read the same tile, as it is in L2, and clip their own rows", where)
    if any(len(share.steps) != len(plan.steps) for share in plan.shares):
        raise _fail("an engine has more or fewer steps than the layer", where)
    for number, step in enumerate(plan.steps):
        _check_rows(step, [share.steps[number] for share in plan.shares], f"{where}, step {number}")
    for member, share in zip(members, plan.shares, strict=True):
        yield CheckedShare(member, _alone(plan, share))


def _check_rows(step: TileStep, parts: Sequence[ShareStep], where: str) -> None:
    at = step.y.h0
    for part in parts:
        if part.y != replace(step.y, h0=at, h=part.y.h) or part.y.h < 1:
            raise _fail("the parts' rows aren't those of the output box, one after the other", where)
        if part.x != replace(step.x, h0=part.x.h0, h=part.x.h) or not _within(part.x, step.x):
            raise _fail("a part reads other columns or channels than the input box has, or other rows", where)
        at += part.y.h
    if at != step.y.h0 + step.y.h:
        raise _fail("the parts' rows aren't those of the output box, one after the other", where)


def _within(rows: Box, box: Box) -> bool:
    return box.h0 <= rows.h0 and rows.h0 + rows.h <= box.h0 + box.h


def _alone(plan: LayerPlan, share: Share) -> LayerPlan:
    steps = tuple(
        replace(step, y=own.y, x=own.x, padding=own.padding, params_size=own.params_size)
        for step, own in zip(plan.steps, share.steps, strict=True)
    )
    return replace(plan, engine=share.engine, kernel=share.kernel, clip=share.clip, steps=steps, shares=())


def share_blocks(
    layer: Layer, plan: LayerPlan, sizes: Sequence[Sequence[int]], engines: Sequence[Engine], where: str
) -> list[int]:
    """The size of the layer's block in each step; `sizes` are those of its parts' blocks. Raises PlanError if
    these don't follow one another in it, the second at a multiple of 8 bytes, and the shorter isn't the begin
    of the longer one either."""
    totals = []
    for number, step in enumerate(plan.steps):
        first, second = (share.steps[number] for share in plan.shares)
        if [first.params_size, second.params_size] != [own[number] for own in sizes]:
            raise _fail("a part's parameters have another size", f"{where}, step {number}")
        if first.params_offset or second.params_offset not in (0, _aligned(first.params_size)):
            raise _fail("a part's parameters are elsewhere in the block", f"{where}, step {number}")
        if second.params_offset == 0 and not _begin_alike(layer, step.y, engines):
            raise _fail("the parts' parameters differ and are at one place", f"{where}, step {number}")
        totals.append(_aligned(max(first.params_size, second.params_offset + second.params_size)))
    return totals


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _begin_alike(layer: Layer, y: Box, engines: Sequence[Engine]) -> bool:
    one, other = (engine.pack_block(layer, y.c0, y.c) for engine in engines)
    return one.startswith(other) or other.startswith(one)
