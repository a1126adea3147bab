"""Step tables and the table of transfers in L3: plans whose L2 is too small for them, checked, and executed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from harness import HostRuntime, build_runtime, c_compiler
from layers import heavy_network, wide_network
from machines import with_l3
from test_l3 import assert_exact
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.check.tables import check_tables
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.memory.l2_tables import tables_bytes, too_small_rooms
from tvm_pulp.codegen.memory.l3_chunks import Chunk, with_rows
from tvm_pulp.codegen.memory.marks import MarkTimes
from tvm_pulp.codegen.memory.transfer_table import rows_in_l3
from tvm_pulp.codegen.plan import ROW_BYTES, ROWS_AT_ONCE, ROWS_IN_L2, L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
HEAVY, NARROW = heavy_network(), with_l3(3_000, 9_000)
Change = Callable[[L3Transfer], L3Transfer]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def right() -> Plan:
    plan = plan_region(HEAVY, NARROW, Effort(fuses=False))
    check_plan(HEAVY, NARROW, plan)
    return plan


def places(plan: Plan, kind: L3Kind) -> list[int]:
    return [index for index, one in enumerate(plan.transfers) if one.kind is kind]


def changed(plan: Plan, index: int, change: Change) -> Plan:
    transfers = list(plan.transfers)
    transfers[index] = change(transfers[index])
    return replace(plan, transfers=tuple(transfers))


def test_every_table_comes_from_l3(right: Plan) -> None:
    """And takes no L2 that the arena doesn't count."""
    steps = [right.transfers[index] for index in places(right, L3Kind.STEPS)]
    assert [one.layer for one in steps] == list(range(len(right.layers)))
    assert [one.last + 1 for one in steps] == [len(layer.steps) for layer in right.layers]
    assert rows_in_l3(right)
    assert tables_bytes(HEAVY, right) == right.l2_tables == 0
    assert too_small_rooms(HEAVY, right) == {}
    rows = [right.transfers[index] for index in places(right, L3Kind.ROWS)]
    assert [row for one in rows for row in range(one.first, one.last + 1)] == list(range(len(right.transfers)))


@needs_compiler
def test_it_computes_the_same(runtime: HostRuntime, right: Plan) -> None:
    assert len(right.transfers) > 3 * ROWS_IN_L2
    assert_exact(runtime, HEAVY, right)


@needs_compiler
def test_tables_in_l3_of_a_network_with_few_transfers(runtime: HostRuntime) -> None:
    """Then the table of transfers stays in L2."""
    graph, target = wide_network(), with_l3(3_000, 14_500)
    plan = plan_region(graph, target, Effort(fuses=False))
    check_plan(graph, target, plan)
    assert places(plan, L3Kind.STEPS)
    assert len(plan.transfers) <= ROWS_IN_L2
    assert not rows_in_l3(plan)
    assert_exact(runtime, graph, plan)


def test_plan_is_data(right: Plan) -> None:
    assert plan_from_json(plan_to_json(right)) == right


def test_a_core_reads_its_first_row_behind_a_barrier(right: Plan) -> None:
    source = emit_region(HEAVY, right)[f"{HEAVY.name}.c"]
    one = right.transfers[places(right, L3Kind.STEPS)[1]]
    assert (
        f"const tables_{HEAVY.layers[1].name}_t *const tables = (const void *)(l2_arena + {one.l2_offset});"
        in (source)
    )
    run = source[source.index(f"static void run_{HEAVY.layers[1].name}(") :]
    order = [run.index(words) for words in ("pulp_layer_begin(", "l3_at(", "pulp_barrier();", "next = row_")]
    assert order == sorted(order)
    assert re.search(r"static PULP_L3 const l3_transfer_t l3_transfers\[\]", source)


# ---- Rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 31, 63, 64, 65, 94, 95, 96, 97, 127, 128, 300])
def test_rows_come_before_they_are_started(count: int) -> None:
    """Each once, in blocks, and never over rows that aren't started."""
    marks = MarkTimes((0, count, count), tuple(range(count + 1)))
    chunks = [Chunk(L3Kind.PARAMS, 0, "", 0, 0, 0, 4, need=number, free=count) for number in range(count)]
    table = with_rows(chunks, marks)
    assert [one for one in table if one.kind is L3Kind.PARAMS] == chunks
    brought = [(index, one) for index, one in enumerate(table) if one.kind is L3Kind.ROWS]
    assert [row for _, one in brought for row in range(one.first, one.last + 1)] == list(range(len(table)))
    assert [index for index, _ in brought[1:]] == [one.first - ROWS_AT_ONCE for _, one in brought[1:]]
    for _, one in brought:
        assert (one.l3_offset, one.size) == (ROW_BYTES * one.first, ROW_BYTES * (one.last + 1 - one.first))


# ---- Broken plans --------------------------------------------------------------------------------------------

STEPS: list[tuple[Change, str]] = [
    (lambda t: replace(t, wait=Mark(t.layer, 0)), "is read before its transfer from L3 is awaited"),
    (lambda t: replace(t, size=t.size // 8 * 4), r"has \d+ bytes, fewer come from L3"),
    (lambda t: replace(t, l3_offset=4), "doesn't come whole, for all steps"),
    (lambda t: replace(t, last=t.last - 1), "doesn't come whole, for all steps"),
    (lambda t: replace(t, layer=t.layer - 1), "comes from L3 more than once"),
]


@pytest.mark.parametrize(("change", "message"), STEPS)
def test_broken_step_table(right: Plan, change: Change, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        check_tables(HEAVY, changed(right, places(right, L3Kind.STEPS)[-1], change))


ROWS: list[tuple[int, Change, str]] = [
    (0, lambda t: replace(t, wait=Mark(0, 0)), "brings the first rows of the table too late"),
    (
        1,
        lambda t: replace(t, wait=Mark(t.layer + 1, 60)),
        "looked at before it has come",
    ),
    (1, lambda t: replace(t, l3_offset=t.l3_offset + 4), "size and place in L3 aren't those of its rows"),
    (1, lambda t: replace(t, size=t.size - 4), "size and place in L3 aren't those of its rows"),
    (1, lambda t: replace(t, l2_offset=t.l2_offset + ROW_BYTES), "place in L2 isn't that of its rows"),
    (
        1,
        lambda t: replace(t, last=t.last + 1, size=t.size + ROW_BYTES),
        "rows of the table that aren't started",
    ),
]


@pytest.mark.parametrize(("number", "change", "message"), ROWS)
def test_broken_rows(right: Plan, number: int, change: Change, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        check_tables(HEAVY, changed(right, places(right, L3Kind.ROWS)[number], change))


def test_rows_that_never_come(right: Plan) -> None:
    last = places(right, L3Kind.ROWS)[-1]
    transfers = (*right.transfers[:last], *right.transfers[last + 1 :])
    with pytest.raises(PlanError, match="don't bring each row of the table of transfers once, in order"):
        check_plan(HEAVY, NARROW, replace(right, transfers=transfers))


@pytest.mark.parametrize("kind", [L3Kind.STEPS, L3Kind.PARAMS])
def test_what_lies_where_rows_of_the_table_do(right: Plan, kind: L3Kind) -> None:
    behind = right.l2_arena
    moved = changed(right, places(right, kind)[0], lambda t: replace(t, l2_offset=behind - t.size))
    with pytest.raises(PlanError, match="the table of transfers: shares bytes with"):
        check_plan(HEAVY, NARROW, moved)


def test_a_table_that_is_overwritten_while_it_is_read(right: Plan) -> None:
    """By the first parameters that come while its layer runs."""
    steps = right.transfers[places(right, L3Kind.STEPS)[1]]
    during = next(
        index
        for index in places(right, L3Kind.PARAMS)
        if Mark(steps.layer, -1) < right.transfers[index].start < Mark(steps.layer, steps.last - 1)
    )
    with pytest.raises(PlanError, match="shares bytes with"):
        check_plan(HEAVY, NARROW, changed(right, during, lambda t: replace(t, l2_offset=steps.l2_offset)))
