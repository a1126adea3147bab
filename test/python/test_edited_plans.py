"""Plans with one value changed at random: refused as what they are, or still exact; never anything else."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Dma, build_runtime, c_compiler, compile_graph, random_inputs, run_program
from layer_model import run_model
from layers import residual_network
from machines import machine
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

MACHINE = machine(4000)
GRAPH = residual_network(zero_point=3)
PLAN = plan_to_json(plan_region(GRAPH, MACHINE))
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EDITS, RUNS = (8_000, 100) if LONG else (400, 5)
WORDS = (
    "x",
    "y",
    "scratch",
    "space_outer",
    "pulp_add",
    "pulp_nn_conv_Ho_parallel",
    "pulp_nn_pointwise_Ho_parallel",
)

Place = tuple[str | int, ...]
Accepted = list[tuple[Place, Plan]]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every value and every list in the plan."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*at, key))
    if not isinstance(value, dict):
        yield at


def edited(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, value + 8, value * 2, 0, 2**31 - 1, -1, 2**70, None])
    if isinstance(value, list):
        return rng.choice([value[:-1], value + value[-1:], value[::-1], []])
    return rng.choice(WORDS)


def edits() -> Iterator[tuple[Place, str]]:
    """Plans that differ from ours in one place."""
    rng = random.Random(1)
    everywhere = list(places(json.loads(PLAN)))
    for _ in range(EDITS):
        *path, last = rng.choice(everywhere) or ("layers",)
        body = json.loads(PLAN)
        holder = body
        for key in path:
            holder = holder[key]
        before = holder[last]
        holder[last] = edited(before, rng)
        if holder[last] != before:
            yield (*path, last), json.dumps(body)


@pytest.fixture(scope="module")
def accepted() -> Accepted:
    """Those that are checked without complaint. Anything raised but a PlanError fails the test."""
    found = []
    for place, text in edits():
        try:
            plan = plan_from_json(text)
            check_plan(GRAPH, MACHINE, plan)
        except PlanError as error:
            assert error.what and error.where.startswith("plan"), place
        else:
            found.append((place, plan))
    return found


def test_most_edits_are_refused(accepted: Accepted) -> None:
    assert 0 < len(accepted) < EDITS // 8


@pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
def test_what_is_accepted_is_exact(accepted: Accepted, tmp_path: Path) -> None:
    runtime = build_runtime(tmp_path / "runtime")
    inputs = random_inputs(GRAPH, 1)
    model = run_model(GRAPH, {name: data[0] for name, data in inputs.items()})
    same = plan_from_json(PLAN)
    plans = [
        (place, plan)
        for place, plan in accepted
        if plan.layers != same.layers or plan.l2_buffers != same.l2_buffers
    ]
    for index, (place, plan) in enumerate(random.Random(2).sample(plans, min(RUNS, len(plans)))):
        folder = tmp_path / str(index)
        folder.mkdir()
        program = compile_graph(runtime, GRAPH, plan, folder)
        for dma in Dma:
            outputs = run_program(program, GRAPH, inputs, dma).outputs
            for name in GRAPH.outputs:
                np.testing.assert_array_equal(
                    outputs[name][0], model[name], f"{place}, {name}, DMA {dma.value}"
                )
