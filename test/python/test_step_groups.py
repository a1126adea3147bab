"""Step tables divided into groups: what is in them, and that the C made from them is right."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from harness import HostRuntime, build_runtime, c_compiler, compile_graph, random_inputs, run_program
from layer_model import run_model
from layers import wide_network
from machines import machine, with_l3
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.emit.step_groups import Cycle, group_steps, narrowest, shortest_cycle, table_bytes, unit
from tvm_pulp.codegen.emit.steps import step_table
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.planner import plan_region

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")


def test_groups_by_hand() -> None:
    """Two places of two ranges of channels; the first channel is in the offset of the output."""
    columns = {
        "y": (0, 100, 8, 108),
        "y_c0": (0, 0, 8, 8),
        "x_l1": (0, 300, 0, 300),
        "load_x": (1, 1, 1, 0),
    }
    groups = group_steps(columns)
    assert groups.beyond == {"y"}
    assert groups.rows == {
        "place": {"y": (0, 100)},
        "range": {"y_c0": (0, 8)},
        "slots": {"x_l1": (0, 300, 300), "load_x": (1, 1, 0)},
    }
    assert groups.index == {"place": (0, 1, 0, 1), "range": (0, 0, 1, 1), "slots": (0, 1, 0, 2)}
    assert groups.lengths == {"range": 2}
    assert groups.named == {"place": (0, 1, 0, 1), "slots": (0, 1, 0, 2)}
    assert groups.size_bytes == 2 * 1 + 2 * 1 + 3 * 4 + 4 * 2


def test_blocks_that_lie_elsewhere_in_each_pass() -> None:
    """Four passes through two ranges of channels: places of parameters are in a group of their own."""
    columns = {
        "params": tuple(range(0, 4_000, 500)),
        "params_size": (300, 200) * 4,
        "y_c": (8, 4) * 4,
        "y_c0": (0, 8) * 4,
    }
    groups = group_steps(columns)
    assert groups.rows["range"] == {"params_size": (300, 200), "y_c": (8, 4), "y_c0": (0, 8)}
    assert groups.rows["block"] == {"params": columns["params"]}
    assert groups.lengths == {"block": 1}
    assert groups.named == {"range": (0, 1)}
    assert groups.size_bytes == 2 * 4 + 8 * 2 + 2


def test_names_are_kept_for_one_period() -> None:
    """Two ranges of channels in turns forwards and backwards, both buffers full from the second step on."""
    columns = {"x": (0, 0, 1, 1, 2, 2, 3, 3), "y_c0": (0, 8, 8, 0, 0, 8, 8, 0), "load_x": (0, *(1,) * 7)}
    groups = group_steps(columns)
    assert groups.lengths == {"place": 2}
    assert groups.cycle == Cycle(first=1, period=4)
    assert groups.named == {"range": (0, 1, 1, 0, 0), "slots": (0, 1, 1, 1, 1)}


def test_shortest_cycle() -> None:
    assert shortest_cycle([(5, 1, 2, 1, 2, 1)]) == Cycle(1, 2)
    assert shortest_cycle([(1, 2, 1, 2), (0, 0, 0, 7)]) == Cycle(0, 4)
    assert shortest_cycle([(1, 2, 3)]) == Cycle(0, 3)
    assert shortest_cycle([]) == Cycle(0, 0)


def test_bytes_of_a_table() -> None:
    assert [narrowest([1, most]) for most in (0, 255, 256, 65_535, 65_536)] == [1, 1, 2, 2, 4]
    assert [unit(values) for values in ([0, 65_534], [0, 65_536], [2, 65_536], [1, 65_536])] == [1, 2, 2, 1]
    assert narrowest([2, 65_536]) == 2
    assert table_bytes([4, 1, 1], {"a": (1, 2), "b": (1, 2), "c": (1, 2)}) == 2 * 8
    assert table_bytes([], {}) == 0


@needs_compiler
@pytest.mark.parametrize("l2_bytes", [380_000, 16_000])
def test_long_tables_are_smaller_and_right(tmp_path: Path, l2_bytes: int, runtime: HostRuntime) -> None:
    """Tiny tiles, with everything in L2 and with activations in L3."""
    graph, target = wide_network(), with_l3(1_200, l2_bytes)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    tables = [step_table(graph, *pair) for pair in zip(graph.layers, plan.layers, strict=True)]
    divided = [table for table in tables if table.groups is not None]
    assert divided
    for table in divided:
        assert table.size_bytes < replace(table, groups=None).size_bytes / 2
    text = emit_region(graph, plan)[f"{graph.name}.c"]
    assert "step->place." in text
    assert "step->slots." in text
    inputs = random_inputs(graph, 1)
    expected = run_model(graph, {name: data[0] for name, data in inputs.items()})
    run = run_program(compile_graph(runtime, graph, plan, tmp_path), graph, inputs)
    for name in graph.outputs:
        assert (run.outputs[name][0] == expected[name]).all()


@needs_compiler
@pytest.mark.parametrize("l1_bytes", [1_200, 6_000, 38_000])
def test_bytes_counted_are_those_of_the_arrays(tmp_path: Path, l1_bytes: int, runtime: HostRuntime) -> None:
    """What the compiler makes of the tables, found in the program's symbols, is what the plan counts, or little
    less where the code doesn't read a column."""
    graph, target = wide_network(), machine(l1_bytes)
    plan = plan_region(graph, target)
    program = compile_graph(runtime, graph, plan, tmp_path)
    symbols = subprocess.run(["nm", "-S", program], capture_output=True, text=True, check=True).stdout
    tables = re.compile(r"^\w+ (\w+) \w (?:steps|place|range|block|slots)_\w+$", re.MULTILINE)
    size = sum(int(found, 16) for found in tables.findall(symbols))
    assert plan.l2_tables == tables_bytes(graph, plan)
    assert 0.6 * plan.l2_tables <= size <= plan.l2_tables


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))
