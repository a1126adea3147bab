"""Generated C against the NumPy model, byte by byte, on layers and small networks that hypothesis draws.

HYPOTHESIS_PROFILE=long runs many more examples than the default `ci`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from chains import networks, view_networks
from harness import (
    Dma,
    HostRuntime,
    Sanitizer,
    build_runtime,
    c_compiler,
    compile_graph,
    random_inputs,
    run_program,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_model import run_model
from layers import layer_graphs
from naive_plan import Wish, naive_plan
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import ClusterModel, DmaModel, Machine
from tvm_pulp.codegen.plan import LoopOrder, Operand, Plan
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

SAMPLES = 2
Case: TypeAlias = tuple[LayerGraph, Plan]
CORES = st.sampled_from([1, 2, 4, 8])

pytestmark = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")

for _profile, _examples in (("ci", 40), ("long", 600)):
    settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        derandomize=_profile == "ci",
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
FEW = settings(PROFILE, max_examples=max(12, PROFILE.max_examples // 6))


def machine(soc: str, cores: int, l1_bytes: int, l2_bytes: int) -> Machine:
    return Machine(soc, cores, l1_bytes, l2_bytes, DmaModel(), ClusterModel())


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    return Wish(
        h=draw(st.integers(1, 9)),
        w=draw(st.integers(1, 9)),
        c=draw(st.integers(1, 40)),
        order=draw(st.sampled_from(LoopOrder)),
        late=draw(st.sampled_from([(), (Operand.X,), (Operand.PARAMS,), (Operand.X, Operand.PARAMS)])),
        c_in=draw(st.one_of(st.just(0), st.integers(1, 12))),
    )


@st.composite
def tiled_at_random(draw: st.DrawFn, graphs: st.SearchStrategy[LayerGraph]) -> Case:
    """Graphs with any tiles and loop orders."""
    graph = draw(graphs)
    plan = naive_plan(graph, [draw(wishes()) for _ in graph.layers], draw(CORES))
    check_plan(graph, machine("naive", plan.cores, plan.l1_bytes, plan.l2_bytes), plan)
    return graph, plan


@st.composite
def planned(draw: st.DrawFn, graphs: st.SearchStrategy[LayerGraph]) -> Case:
    """Graphs with the planner's plan for an L1 that is hardly large enough, and checked."""
    graph, l1_bytes, cores = draw(graphs), draw(st.integers(64, 4096)), draw(CORES)
    while True:
        target = machine("tiny", cores, l1_bytes, 1 << 20)
        try:
            plan = plan_region(graph, target)
        except PlanError:
            l1_bytes += l1_bytes // 2
        else:
            check_plan(graph, target, plan)
            return graph, plan


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def address_runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime_address"), Sanitizer.ADDRESS)


@pytest.fixture(scope="module")
def thread_runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime_thread"), Sanitizer.THREAD)


def assert_exact(runtime: HostRuntime, graph: LayerGraph, plan: Plan) -> None:
    """Each output byte of each sample, whenever the DMA moves its bytes."""
    inputs = random_inputs(graph, SAMPLES)
    models = [run_model(graph, {name: data[s] for name, data in inputs.items()}) for s in range(SAMPLES)]
    with tempfile.TemporaryDirectory() as folder:
        program = compile_graph(runtime, graph, plan, Path(folder))
        for dma in Dma:
            outputs = run_program(program, graph, inputs, dma).outputs
            for name in graph.outputs:
                expected = np.stack([model[name] for model in models])
                np.testing.assert_array_equal(outputs[name], expected, f"{name}, DMA {dma.value}")


GRAPHS = st.one_of(layer_graphs(), networks(), view_networks())
CASES = st.one_of(tiled_at_random(GRAPHS), planned(GRAPHS))


@settings(PROFILE)
@given(planned(layer_graphs()))
def test_a_planned_layer_is_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(PROFILE)
@given(planned(networks()))
def test_a_planned_network_is_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(FEW)
@given(planned(view_networks()))
def test_planned_views_are_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(PROFILE)
@given(tiled_at_random(GRAPHS))
def test_any_tiling_is_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(FEW)
@given(CASES)
def test_no_stray_access(address_runtime: HostRuntime, case: Case) -> None:
    assert_exact(address_runtime, *case)


@settings(FEW)
@given(CASES)
def test_no_data_race(thread_runtime: HostRuntime, case: Case) -> None:
    assert_exact(thread_runtime, *case)
