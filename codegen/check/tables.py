"""The part of the independent check that is about tables in L3: each step table is in L2 while its layer runs,
and each row of the table of transfers when it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.memory.l2_tables import may_stream, too_small_rooms
from tvm_pulp.codegen.plan import ROW_BYTES, ROWS_IN_L2, L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.errors import PlanError


def check_tables(graph: LayerGraph, plan: Plan) -> None:
    """Raises PlanError unless transfers bring the tables that lie in L3 in time. That their places in L2 are
    theirs alone is for `check_l2` to see."""
    _check_steps(graph, plan)
    rows = [(index, one) for index, one in enumerate(plan.transfers) if one.kind is L3Kind.ROWS]
    if not rows:
        return
    for index, one in rows:
        _check_rows(rows[0][1].l2_offset, index, one)
    coming = list(_rows_in_order(rows))
    if [row for row, _ in coming] != list(range(len(plan.transfers))):
        raise _fail("don't bring each row of the table of transfers once, in order", "its rows from L3")
    for row, one in coming:
        if one != plan.transfers[0] and one.wait > plan.transfers[row - 1].start:
            raise _fail("its row of the table is looked at before it has come from L3", f"L3 transfer {row}")


def rows_begin(plan: Plan) -> int | None:
    """Where in L2 the rows of the table of transfers lie, None if all of them always do."""
    first = next((one for one in plan.transfers if one.kind is L3Kind.ROWS), None)
    return None if first is None else first.l2_offset


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def _check_steps(graph: LayerGraph, plan: Plan) -> None:
    served = [one.layer for one in plan.transfers if one.kind is L3Kind.STEPS]
    for one in plan.transfers:
        if one.kind is not L3Kind.STEPS:
            continue
        layer = plan.layers[one.layer]
        where = f"layer {layer.layer}, its step table"
        if served.count(one.layer) > 1:
            raise _fail("comes from L3 more than once", where)
        if not may_stream(layer):
            raise _fail("comes from L3, and isn't that of steps on the cores", where)
        if (one.first, one.last, one.l3_offset) != (0, len(layer.steps) - 1, 0):
            raise _fail("doesn't come whole, for all steps", where)
        if one.wait > Mark(one.layer, -1):
            raise _fail("is read before its transfer from L3 is awaited", where)
    for index, size in too_small_rooms(graph, plan).items():
        raise _fail(
            f"has {size} bytes, fewer come from L3", f"layer {plan.layers[index].layer}, its step table"
        )


def _check_rows(begin: int, index: int, one: L3Transfer) -> None:
    """`begin` is where the rows lie in L2."""
    where, count = f"L3 transfer {index}", one.last + 1 - one.first
    if (one.l3_offset, one.size) != (ROW_BYTES * one.first, ROW_BYTES * count):
        raise _fail("its size and place in L3 aren't those of its rows", where)
    at = one.first % ROWS_IN_L2
    if one.l2_offset != begin + ROW_BYTES * at or at + count > ROWS_IN_L2:
        raise _fail("its place in L2 isn't that of its rows", where)
    if index and one.last - ROWS_IN_L2 >= index:
        raise _fail("overwrites rows of the table that aren't started yet", where)
    if not one.first and (index, one.wait) != (0, Mark(0, -1)):
        raise _fail("brings the first rows of the table too late", where)


def _rows_in_order(rows: list[tuple[int, L3Transfer]]) -> Iterator[tuple[int, L3Transfer]]:
    """Each row that the transfers bring."""
    for _, one in rows:
        for row in range(one.first, one.last + 1):
            yield row, one
