"""What `--explain-plan` lists: right plans, in order, with the chosen one among them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layers import residual_network
from machines import machine
from test_report import printed, rows
from tvm_pulp.codegen.alternatives import Alternative, Alternatives, layer_alternatives
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.report import region_report
from tvm_pulp.report_tables import alternatives_tables

GRAPH, MACHINE = residual_network(), machine(4000)
PLAN = plan_region(GRAPH, MACHINE)


@pytest.fixture(scope="module", params=[0, 1])
def case(request: pytest.FixtureRequest) -> tuple[int, Alternatives]:
    index: int = request.param
    return index, layer_alternatives(GRAPH, GRAPH.layers[index], MACHINE, PLAN.layers[index])


Case = tuple[int, Alternatives]


def test_the_chosen_one_is_there_once(case: Case) -> None:
    index, alternatives = case
    assert [one.plan for one in alternatives.tried if one.chosen] == [PLAN.layers[index]]
    assert alternatives.chosen.cycles == PLAN.layers[index].cycles
    assert alternatives.tried[alternatives.rank - 1] is alternatives.chosen


def test_the_fastest_comes_first_and_all_fit(case: Case) -> None:
    _, alternatives = case
    cycles = [one.cycles for one in alternatives.tried]
    assert cycles == sorted(cycles)
    assert all(one.l1_bytes <= MACHINE.l1_bytes for one in alternatives.tried)
    assert 1 < len(alternatives.tried) <= alternatives.fitting


def test_each_would_be_a_right_plan(case: Case) -> None:
    index, alternatives = case
    for one in alternatives.tried[:10]:
        # The next layer's first input may come ahead to where this way has buffers of its own.
        after = [replace(later, x_ahead=False) for later in PLAN.layers[index + 1 :]]
        layers = (*PLAN.layers[:index], one.plan, *after)
        plan = replace(PLAN, l1_used=MACHINE.l1_bytes, layers=layers)
        tables = tables_bytes(GRAPH, plan)
        check_plan(GRAPH, MACHINE, replace(plan, l2_used=MACHINE.l2_bytes, l2_tables=tables))
        timeline = simulate(GRAPH, plan, MACHINE)
        assert timeline.layers[index].cycles == one.cycles


def test_table() -> None:
    layer = region_report(GRAPH, PLAN, simulate(GRAPH, PLAN, MACHINE)).layers[0]
    fast = Alternative(PLAN.layers[0], 1000, 10, 20, 30)
    slow = Alternative(replace(PLAN.layers[0], kernel="slow_kernel"), 1250, 10, 20, 30, chosen=True)
    lines = rows(printed(alternatives_tables(layer, Alternatives((fast, fast, slow), 7), most=1)))
    words = f"{layer.name}: 3 of 7 tiles that fit L1 planned; the chosen one has rank 3"
    assert lines[0] == [f"{words}, 25.0 % slower than the fastest"]
    assert [line[:3] for line in lines[4:-1]] == [["1", "1,000", "-20.0 %"], ["chosen", "3", "1,250"]]
    fastest = Alternatives((replace(slow, cycles=1000), fast), 2)
    lines = rows(printed(alternatives_tables(layer, fastest, most=1)))
    assert lines[0] == [f"{layer.name}: 2 of 2 tiles that fit L1 planned; the chosen one is the fastest"]
