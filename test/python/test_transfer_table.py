"""The table of transfers between L3 and L2: its bit fields, and its bytes in a program."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from harness import build_runtime, c_compiler, compile_graph
from layers import wide_network
from machines import with_l3
from tvm_pulp.codegen.memory.transfer_table import L3Part, L3Range, first_marks, l3_ranges, transfer_table
from tvm_pulp.codegen.plan import ROW_BYTES, L3Kind
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
PLAN = plan_region(wide_network(), with_l3(6_000, 15_500))


def test_rows_say_what_the_plan_says() -> None:
    table, begins, ranges = transfer_table(PLAN), first_marks(PLAN), l3_ranges(PLAN)
    assert begins[:2] == [0, 1 + len(PLAN.layers[0].steps)]
    assert ranges[0] == L3Range(L3Part.ARENA)
    rows = zip(*(table.values[name] for name in ("start", "wait", "words", "range", "store")), strict=True)
    for one, (start, wait, words, place, store) in zip(PLAN.transfers, rows, strict=True):
        assert start == begins[one.start.layer] + one.start.step + 1
        assert wait == begins[one.wait.layer] + one.wait.step + 1
        assert 4 * words == one.size
        params = one.kind is L3Kind.PARAMS
        assert ranges[place] == (L3Range(L3Part.PARAMS, one.layer) if params else L3Range(L3Part.ARENA))
        assert store == (one.kind is L3Kind.STORE)


def test_fields_share_words() -> None:
    """Every value fits its field, no word has more than 32 bits, and a row takes no more words than usual."""
    table = transfer_table(PLAN)
    assert sorted(table.fields) == sorted(table.values)
    assert all(max(values) < 1 << table.bits[name] for name, values in table.values.items())
    assert all(sum(table.bits[name] for name in unit) <= 32 for unit in table.units)
    assert table.size_bytes <= ROW_BYTES * len(PLAN.transfers)


def test_wide_values_take_more_words_up_to_a_limit() -> None:
    one = PLAN.transfers[0]
    wide = transfer_table(replace(PLAN, transfers=(replace(one, l3_offset=1 << 33, l2_offset=1 << 33),)))
    assert (wide.bits["l3"], wide.bits["l2"], wide.size_bytes) == (32, 32, 12)
    with pytest.raises(PlanError, match="a transfer's field 'l3' takes 33 bits"):
        transfer_table(replace(PLAN, transfers=(replace(one, l3_offset=1 << 34),)))


def test_rows_in_l3_have_the_size_that_the_plan_says() -> None:
    rows = replace(PLAN.transfers[0], kind=L3Kind.ROWS)
    narrow = transfer_table(replace(PLAN, transfers=(rows,)))
    assert (len(narrow.units), narrow.size_bytes) == (3, ROW_BYTES)
    wide = replace(rows, l3_offset=1 << 33, l2_offset=1 << 33, size=1 << 33)
    with pytest.raises(PlanError, match="a transfer takes 4 words"):
        transfer_table(replace(PLAN, transfers=(wide,)))


@needs_compiler
def test_bytes_counted_are_those_of_the_array(tmp_path: Path) -> None:
    program = compile_graph(build_runtime(tmp_path), wide_network(), PLAN, tmp_path / "net")
    symbols = subprocess.run(["nm", "-S", program], capture_output=True, text=True, check=True).stdout
    (size,) = re.findall(r"^\w+ (\w+) \w l3_transfers$", symbols, re.MULTILINE)
    assert int(size, 16) == transfer_table(PLAN).size_bytes
