"""Generated C of fused groups against the NumPy model, byte by byte, on chains that hypothesis draws.

HYPOTHESIS_PROFILE=long runs many more examples than the default `ci`.
"""

from __future__ import annotations

from fused_chains import chains, light_ends, runs_as_group
from hypothesis import given
from hypothesis import strategies as st
from naive_plan import naive_plan
from test_emit_properties import (
    CORES,
    FEW,
    PROFILE,
    Case,
    HostRuntime,
    address_runtime,
    assert_exact,
    machine,
    pytestmark,
    runtime,
    settings,
    thread_runtime,
    wishes,
)
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.fusion.groups import OF_TWO_MAPS, fused_graph, may_fuse
from tvm_pulp.codegen.graph import LayerGraph

__all__ = ["address_runtime", "pytestmark", "runtime", "thread_runtime"]


SUMS = light_ends(OF_TWO_MAPS)


@st.composite
def fused_at_random(draw: st.DrawFn, graphs: st.SearchStrategy[LayerGraph]) -> Case:
    """Chains as one group, or the first or last two layers of three, with any tiles and loop orders."""
    graph = draw(graphs.filter(runs_as_group))
    count = len(graph.layers)
    group = draw(st.sampled_from([range(count), range(count), range(2), range(count - 2, count)]))
    assert may_fuse(graph, [graph.layers[index] for index in group])
    fused = fused_graph(graph, [group])
    plan = naive_plan(fused, [draw(wishes()) for _ in fused.layers], draw(CORES))
    check_plan(graph, machine("naive", plan.cores, plan.l1_bytes, plan.l2_bytes), plan)
    return graph, plan


@settings(PROFILE)
@given(fused_at_random(chains()))
def test_a_fused_group_is_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(PROFILE)
@given(fused_at_random(SUMS))
def test_a_group_with_a_map_from_outside_is_exact(runtime: HostRuntime, case: Case) -> None:
    assert_exact(runtime, *case)


@settings(FEW)
@given(fused_at_random(st.one_of(chains(), SUMS)))
def test_no_stray_access(address_runtime: HostRuntime, case: Case) -> None:
    assert_exact(address_runtime, *case)


@settings(FEW)
@given(fused_at_random(st.one_of(chains(), SUMS)))
def test_no_data_race(thread_runtime: HostRuntime, case: Case) -> None:
    assert_exact(thread_runtime, *case)
