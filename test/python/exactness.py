"""Generated C against the layer models, byte for byte, with the functional models of engines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from harness import HostRuntime, compile_graph, random_inputs, run_program
from layer_model import run_model
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.plan import Plan

SAMPLES = 2
MODELS = ("PULP_ENGINES", "PULP_NE16", "PULP_DMA")
LATE_AND_EARLY = tuple(dict.fromkeys(MODELS, when) for when in ("late", "early"))
"""The environments in which functional models do all as late as possible, and at once."""


def assert_exact_with(
    runtime: HostRuntime,
    graph: LayerGraph,
    plan: Plan,
    engines: Sequence[Engine],
    environments: Iterable[Mapping[str, str]] = LATE_AND_EARLY,
) -> None:
    """Run the C of a plan on random inputs in each environment."""
    inputs = random_inputs(graph, SAMPLES)
    models = [run_model(graph, {name: data[s] for name, data in inputs.items()}) for s in range(SAMPLES)]
    with tempfile.TemporaryDirectory() as folder:
        program = compile_graph(runtime, graph, plan, Path(folder), engines)
        for variables in environments:
            outputs = run_program(program, graph, inputs, variables=variables).outputs
            for name in graph.outputs:
                np.testing.assert_array_equal(outputs[name], np.stack([model[name] for model in models]))
