"""Plans that are kept: read back instead of made again, never trusted blindly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layers import resnet8
from machines import machine
from tvm_pulp import plan_cache
from tvm_pulp.cache_folder import cache_folder
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.plan_json import plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.plan_cache import checked_plan

GRAPH, MACHINE = resnet8(), machine()


@pytest.fixture
def planner(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The regions for which the planner was called."""
    calls: list[str] = []

    def plan(graph: LayerGraph, target: object, effort: object) -> object:
        calls.append(graph.name)
        return plan_region(graph, target, effort)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_cache, "plan_region", plan)
    return calls


def test_second_time(tmp_path: Path, planner: list[str]) -> None:
    first = checked_plan(GRAPH, MACHINE, tmp_path / "new")
    assert checked_plan(GRAPH, MACHINE, tmp_path / "new") == first
    assert planner == ["net"]


def test_weights_do_not_matter_but_shapes_and_machine_do(tmp_path: Path, planner: list[str]) -> None:
    checked_plan(GRAPH, MACHINE, tmp_path)
    weights = GRAPH.layers[0].weights
    assert weights is not None
    other = replace(GRAPH.layers[0], weights=np.zeros_like(weights), sources=("renamed",))
    checked_plan(replace(GRAPH, layers=(other, *GRAPH.layers[1:])), MACHINE, tmp_path)
    assert planner == ["net"]
    checked_plan(GRAPH, replace(MACHINE, l1_bytes=30_000), tmp_path)
    checked_plan(replace(GRAPH, name="other"), MACHINE, tmp_path)
    assert planner == ["net", "net", "other"]


@pytest.mark.parametrize("text", ["", "{", "not the plan"])
def test_damaged_file(tmp_path: Path, planner: list[str], text: str) -> None:
    plan = checked_plan(GRAPH, MACHINE, tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(text)
    assert checked_plan(GRAPH, MACHINE, tmp_path) == plan
    assert planner == ["net", "net"]
    assert file.read_text() == plan_to_json(plan)


def test_wrong_plan_under_the_key(tmp_path: Path, planner: list[str]) -> None:
    plan = checked_plan(GRAPH, MACHINE, tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(plan_to_json(replace(plan, l2_buffers=plan.l2_buffers[1:])))
    assert checked_plan(GRAPH, MACHINE, tmp_path) == plan
    assert planner == ["net", "net"]


def test_old_plans_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "MOST_PLANS", 2)
    for l1_bytes in (30_000, 32_000, 34_000):
        checked_plan(GRAPH, machine(l1_bytes), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert checked_plan(GRAPH, MACHINE, tmp_path / "file" / "plans") == checked_plan(GRAPH, MACHINE, None)


def test_where() -> None:
    assert cache_folder({"TVM_PULP_CACHE": "off", "HOME": "/home/a"}) is None
    assert cache_folder({"TVM_PULP_CACHE": "/somewhere"}) == Path("/somewhere")
    assert cache_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/tvm-pulp/plans")
    assert cache_folder({"HOME": "/home/a"}) == Path("/home/a/.cache/tvm-pulp/plans")
