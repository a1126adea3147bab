"""An engine that isn't part of the package: the example of docs/engines.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness import build_runtime, c_compiler, compile_graph, random_inputs, run_program
from layer_model import run_model
from layers import residual_network
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine

EXAMPLE = Path(__file__).parents[2] / "examples" / "engine"
MACHINE = load_machine(PulpOptions(soc=str(EXAMPLE / "gap8_adder.toml")))


def test_it_gets_the_layers_that_it_is_for() -> None:
    plan = plan_region(residual_network(), MACHINE)
    engines = {layer.kernel: layer.engine for layer in plan.layers}
    assert engines["adder"] == "adder"
    assert set(engines.values()) == {"adder", "cluster"}


@pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
@pytest.mark.parametrize("l1_bytes", [4_000, 38_000])
def test_its_calls_compute_the_layer(tmp_path: Path, l1_bytes: int) -> None:
    graph = residual_network(zero_point=3)
    target = load_machine(PulpOptions(soc=str(EXAMPLE / "gap8_adder.toml"), l1=l1_bytes))
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    runtime = build_runtime(tmp_path / "runtime")
    drivers = [EXAMPLE / "adder.c"]
    program = compile_graph(runtime, graph, plan, tmp_path / "net", target.engines, drivers=drivers)
    inputs = random_inputs(graph, 2)
    outputs = run_program(program, graph, inputs).outputs
    for sample in range(2):
        expected = run_model(graph, {name: data[sample] for name, data in inputs.items()})
        for name in graph.outputs:
            np.testing.assert_array_equal(outputs[name][sample], expected[name])


def test_the_call_is_in_the_code() -> None:
    from tvm_pulp.codegen.emit.region import emit_region

    graph = residual_network()
    text = emit_region(graph, plan_region(graph, MACHINE), MACHINE.engines)["net.c"]
    assert '#include "adder.h"' in text
    assert "adder_wait(&job" in text
    assert "pulp_add(" not in text
