"""Layers whose rows two engines divide: the division, what the planner makes of it, broken plans, and the C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from exactness import assert_exact_with
from harness import HostRuntime, build_runtime, c_compiler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers import NetworkBuilder, Shape, single_layer, window3
from machines import NE16, with_ne16
from naive_plan import Wish, naive_plan
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.arrays import tiles_of
from tvm_pulp.codegen.cost.layer import step_costs
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.registry import engine_named, teams_of
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window
from tvm_pulp.codegen.machine import L3Model, Machine
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder, Operand, Plan, Share, ShareStep
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.codegen.tiles.shares import rows_words, share_plans, share_rows
from tvm_pulp.errors import PlanError
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine
from window_layers import WINDOWS, analog_graphs, depthwise_graphs, digital_graphs

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SOME = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = 2

DARKSIDE, DIANA = (load_machine(PulpOptions(soc=name)) for name in ("darkside", "diana"))


def team(target: Machine, name: str) -> Team:
    found = engine_named(name, target.engines)
    assert isinstance(found, Team)
    return found


def slower_cores(target: Machine, factor: float) -> Machine:
    """Cores of another speed take another part of the rows."""
    cluster = replace(
        target.cluster,
        word_weights_cycles=factor,
        word_pixel_cycles=factor,
        depthwise_macs_per_cycle=1 / factor,
        call_cycles=0,
        measured_kernels=False,
    )
    return replace(target, cluster=cluster)


def divided(graph: LayerGraph, target: Machine, name: str, wish: Wish) -> Plan:
    """A plan in which a team computes the last layer, in tiles of at least two rows."""
    out = graph.tensors[graph.layers[-1].output]
    heights = [h for h in range(min(wish.h, out.height), out.height + 1) if h > 1 and out.height % h != 1]
    tile = Box(0, heights[0], 0, min(wish.w, out.width), 0, min(wish.c, out.channels))
    plan = naive_plan(graph, [Wish(3, 3, 8)] * len(graph.layers), target.cores)
    layer = schedule_on(
        graph, graph.layers[-1], target, tile, wish.order, engine=team(target, name), late=wish.late
    )
    layers = (*plan.layers[:-1], layer)
    top = max(buffer.offset + align(buffer.size) for one in layers for buffer in one.buffers)
    plan = replace(plan, layers=layers, l1_used=top)
    tables = tables_bytes(graph, plan)
    plan = replace(plan, l2_tables=tables, l2_used=plan.l2_arena + sum(map(pack_size, layers)) + tables)
    check_plan(graph, replace(target, l1_bytes=1 << 24, l2_bytes=1 << 24), plan)
    return plan


def has_rows(graph: LayerGraph) -> bool:
    """True if there is something to divide."""
    return graph.tensors[graph.layers[-1].output].height > 1


wishes = st.builds(
    Wish,
    h=st.integers(2, 9),
    w=st.integers(1, 14),
    c=st.integers(1, 40),
    order=st.sampled_from(LoopOrder),
    late=st.sampled_from([(), (Operand.X,), (Operand.PARAMS,)]),
)
speeds = st.floats(0.01, 100)


def depthwise(target: Machine = DARKSIDE) -> tuple[LayerGraph, Plan]:
    """Four steps of five or two rows, in two ranges of channels."""
    graph = single_layer(Shape(LayerKind.DEPTHWISE, 7, 8, 32, window=window3()))
    return graph, divided(graph, target, "darkside_depthwise+cluster", Wish(5, 8, 16))


# ---- The division --------------------------------------------------------------------------------------------


def test_parts_have_the_rows_of_a_tile_and_read_their_halos() -> None:
    _, plan = depthwise(slower_cores(DARKSIDE, 2))
    (layer,) = plan.layers
    first, last = layer.shares
    assert [share.engine for share in layer.shares] == ["darkside_depthwise", "cluster"]
    assert (first.steps[0].y, last.steps[0].y) == (Box(0, 4, 0, 8, 0, 16), Box(4, 1, 0, 8, 0, 16))
    assert (first.steps[0].x, last.steps[0].x) == (Box(0, 5, 0, 8, 0, 16), Box(3, 3, 0, 8, 0, 16))
    assert (first.steps[0].padding.top, first.steps[0].padding.bottom) == (1, 0)
    assert (last.steps[1].padding.top, last.steps[1].padding.bottom) == (0, 1)
    assert share_rows(layer) == (("darkside_depthwise", 5), ("cluster", 2))
    assert rows_words(share_rows(layer)) == "darkside_depthwise 5 rows + cluster 2 rows"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(speed=speeds, height=st.integers(2, 40), width=st.integers(1, 20), channels=st.integers(1, 40))
def test_no_other_division_is_much_faster(speed: float, height: int, width: int, channels: int) -> None:
    target = slower_cores(DARKSIDE, speed)
    graph = single_layer(Shape(LayerKind.DEPTHWISE, height, width, channels, window=window3()))
    (layer,), both = graph.layers, team(target, "darkside_depthwise+cluster")
    plan = schedule_on(graph, layer, target, Box(0, height, 0, width, 0, channels), ORDER, engine=both)
    chosen = int(both.cycles(target, layer, "", tiles_of(plan))[0])
    assert chosen == int(step_costs(graph, layer, plan, target).compute[0])
    assert chosen <= 1.05 * min(cycles_with(both, target, graph, rows) for rows in range(1, height))


def cycles_with(both: Team, target: Machine, graph: LayerGraph, rows: int) -> int:
    """Cycles of a map whose first rows the team's first member computes."""
    (layer,), out = graph.layers, graph.tensors["y"]
    parts = []
    for member, count in zip(both.members, (rows, out.height - rows), strict=True):
        plan = schedule_on(graph, layer, target, Box(0, count, 0, out.width, 0, out.channels), ORDER)
        tiles = tiles_of(replace(plan, steps=plan.steps[:1]))
        parts.append(member.cycles(target, layer, "", tiles))
    return int(both.together(layer, parts)[0])


ORDER = LoopOrder.CHANNELS_OUTER


def test_a_step_takes_as_long_as_the_slower_part() -> None:
    graph, plan = depthwise()
    (layer,), (layer_plan,) = graph.layers, plan.layers
    parts = [
        engine_named(part.engine, DARKSIDE.engines).cycles(DARKSIDE, layer, part.kernel, tiles_of(part))
        for part in share_plans(layer_plan)
    ]
    start = 200  # of the engine, in Darkside's file
    assert (step_costs(graph, layer, layer_plan, DARKSIDE).compute == start + np.maximum(*parts)).all()


def test_engines_that_read_the_same_parameters_share_them() -> None:
    graph, plan = depthwise()
    (step,) = {(step.params_size, step.params_offset) for step in plan.layers[0].steps if step.y.c0 == 0}
    alone = CLUSTER.block_bytes(graph.layers[0], 16)
    assert step == (align(alone), 0)
    assert [share.steps[0].params_offset for share in plan.layers[0].shares] == [0, 0]
    conv = single_layer(Shape(LayerKind.CONV2D, 6, 6, 16, 16, window3()))
    (layer,) = divided(conv, with_ne16(), "ne16+cluster", Wish(6, 6, 16)).layers
    sizes = [NE16.block_bytes(conv.layers[0], 16), CLUSTER.block_bytes(conv.layers[0], 16)]
    assert [share.steps[0].params_offset for share in layer.shares] == [0, align(sizes[0])]
    assert layer.steps[0].params_size == align(sizes[0]) + align(sizes[1])


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Shape(LayerKind.CONV2D, 8, 8, 16, 16, window3()), None),
        (
            Shape(LayerKind.CONV2D, 1, 8, 16, 16, Window(1, 3)),
            "NE16 has 1x1, 3x3 and depthwise 3x3 convolutions",
        ),
        (Shape(LayerKind.POINTWISE, 1, 8, 16, 16), "there is but one row"),
        (Shape(LayerKind.CONV2D, 8, 8, 16, 16, window3(2)), "ne16 keeps core 0 busy"),
        (
            Shape(LayerKind.CONV2D, 8, 8, 16, 16, Window(3, 3, 1, 1, 1, 0, 1, 0), zero_point=5),
            "cluster needs its input in another form, or leaves work to the cores",
        ),
        (
            Shape(LayerKind.CONV2D, 8, 8, 16, 16, window3(), wide=True),
            "ne16 needs its input in another form, or leaves work to the cores",
        ),
    ],
)
def test_what_a_team_takes(shape: Shape, reason: str | None) -> None:
    graph = single_layer(shape)
    assert team(with_ne16(), "ne16+cluster").refusal(graph, graph.layers[0]) == reason


# ---- The plan ------------------------------------------------------------------------------------------------


def test_all_pairs_are_tried() -> None:
    names = ["diana_digital+diana_analog", "diana_digital+cluster", "diana_analog+cluster"]
    assert [one.name for one in teams_of(DIANA)] == names


def test_a_layer_is_divided_where_that_is_faster() -> None:
    """A depthwise layer takes NE16 about as long as the cores."""
    graph, target = single_layer(Shape(LayerKind.DEPTHWISE, 32, 32, 16, window=window3())), with_ne16(64_000)
    both, alone = (plan_region(graph, target, Effort(shares=shares)) for shares in (True, False))
    check_plan(graph, target, both)
    assert (both.layers[0].engine, alone.layers[0].shares) == ("ne16+cluster", ())
    assert both.prediction.cycles < 0.8 * alone.prediction.cycles
    conv = single_layer(Shape(LayerKind.CONV2D, 8, 8, 64, 64, window3()))
    assert plan_region(conv, target).layers[0].engine == "ne16"


def test_layers_are_whole_where_two_copies_of_parameters_would_come_from_l3() -> None:
    net = NetworkBuilder(6, 6, 128)
    for _ in range(2):
        net.add(LayerKind.POINTWISE, 128)
    graph, target = net.graph(), slower_cores(with_ne16(64_000), 1)
    assert [layer.engine for layer in plan_region(graph, target).layers] == ["ne16+cluster"] * 2
    small = replace(target, l2_bytes=30_000, l3=L3Model(1 << 20))
    plan = plan_region(graph, small)
    check_plan(graph, small, plan)
    assert [layer.engine for layer in plan.layers] == ["ne16"] * 2


def separable(layers: int) -> LayerGraph:
    """Depthwise layers of 25 x 5 x 64."""
    net = NetworkBuilder(25, 5, 64)
    for _ in range(layers):
        net.add(LayerKind.DEPTHWISE, window=window3())
    return net.graph()


def test_maps_between_divided_layers_stay_in_l1() -> None:
    graph, target = separable(3), with_ne16(64_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert [layer.engine for layer in plan.layers] == ["ne16+cluster"] * 3
    assert [one.tensor for one in plan.l1_tensors] == ["t0", "t1"]
    assert plan.prediction.cycles < plan_region(graph, target, Effort(shares=False)).prediction.cycles


def test_a_plan_is_read_back() -> None:
    _, plan = depthwise()
    assert plan_from_json(plan_to_json(plan)) == plan


def test_code() -> None:
    """The engine is started before the cores compute, and awaited before the tile is stored."""
    graph, plan = depthwise()
    text = emit_region(graph, plan, DARKSIDE.engines)["net.c"]
    assert " *   rows      darkside_depthwise 5 rows + cluster 2 rows" in text
    loop = text[text.index("  for (int t = 0;") :].split("\n  }\n", 1)[0]
    calls = ("start_layer_darkside_depthwise(", "load_layer(", "barrier(", "compute_layer(", "depthwise_wait(")
    places = [loop.index(call) for call in (*calls, "= store_layer(")]
    assert places == sorted(places)


# ---- Broken plans --------------------------------------------------------------------------------------------


def with_share(index: int, number: int, change: Callable[[ShareStep], ShareStep]) -> Callable[[Plan], Plan]:
    def changed(share: Share) -> Share:
        steps = list(share.steps)
        steps[number] = change(steps[number])
        return replace(share, steps=tuple(steps))

    def with_changed(layer: LayerPlan) -> LayerPlan:
        shares = list(layer.shares)
        shares[index] = changed(shares[index])
        return replace(layer, shares=tuple(shares))

    return with_layer(with_changed)


def with_layer(change: Callable[[LayerPlan], LayerPlan]) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, layers=(change(plan.layers[0]),))


DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (
        with_share(0, 1, lambda s: replace(s, y=replace(s.y, h=s.y.h - 1))),
        "step 1: the parts' rows aren't those of the output box, one after the other",
    ),
    (
        with_share(1, 0, lambda s: replace(s, y=replace(s.y, h0=s.y.h0 - 1))),
        "step 0: the parts' rows aren't those of the output box, one after the other",
    ),
    (
        with_share(1, 2, lambda s: replace(s, y=replace(s.y, h=s.y.h + 1))),
        "step 2: the parts' rows aren't those of the output box, one after the other",
    ),
    (
        with_share(1, 3, lambda s: replace(s, y=replace(s.y, w=4))),
        "step 3: the parts' rows aren't those of the output box, one after the other",
    ),
    (
        with_share(1, 0, lambda s: replace(s, x=replace(s.x, h=9))),
        "step 0: a part reads other columns or channels than the input box has, or other rows",
    ),
    (
        with_share(0, 0, lambda s: replace(s, x=replace(s.x, c=8))),
        "step 0: a part reads other columns or channels than the input box has, or other rows",
    ),
    (
        with_share(1, 0, lambda s: replace(s, x=replace(s.x, h0=s.x.h0 + 1, h=s.x.h - 1))),
        "step 0, rows: box and padding span 2, the windows 3",
    ),
    (
        with_share(0, 0, lambda s: replace(s, padding=replace(s.padding, top=0, bottom=1))),
        "step 0, rows: box and padding aren't where the windows read",
    ),
    (
        with_share(0, 1, lambda s: replace(s, params_offset=8)),
        "step 1: a part's parameters are elsewhere in the block",
    ),
    (with_share(1, 0, lambda s: replace(s, params_size=8)), "step 0: a part's parameters have another size"),
    (
        with_layer(lambda one: replace(one, engine="darkside_depthwise")),
        "the layer's parts aren't those of darkside_depthwise",
    ),
    (
        with_layer(lambda one: replace(one, shares=one.shares[:1])),
        "the layer's parts aren't those of darkside_depthwise+cluster",
    ),
    (
        with_layer(lambda one: replace(one, engine="cluster+cluster", shares=one.shares[1:] * 2)),
        "an engine can't work beside itself",
    ),
    (
        with_layer(lambda one: replace(one, engine="cluster")),
        "the layer's parts aren't those of cluster",
    ),
    (
        with_layer(lambda one: replace(one, kernel="pulp_depthwise")),
        "the kernels aren't those of the layer's parts",
    ),
    (with_layer(lambda one: replace(one, pad_in_l1=True)), "two engines read the same tile, as it is in L2"),
    (
        with_layer(lambda one: replace(one, shares=tuple(replace(s, steps=s.steps[1:]) for s in one.shares))),
        "an engine has more or fewer steps than the layer",
    ),
    (
        with_layer(lambda one: replace(one, shares=tuple(replace(s, clip=True) for s in one.shares))),
        "darkside_depthwise pads itself, reads HWC and clips to 0..255",
    ),
    (with_layer(lambda one: replace(one, in_l1=("x",))), "x lies in L1 and has a buffer too"),
]


@pytest.mark.parametrize(("change", "message"), DEFECTS, ids=[message for _, message in DEFECTS])
def test_a_broken_division_is_refused(change: Callable[[Plan], Plan], message: str) -> None:
    graph, plan = depthwise()
    with pytest.raises(PlanError) as error:
        check_plan(graph, replace(DARKSIDE, l1_bytes=1 << 24, l2_bytes=1 << 24), change(plan))
    assert message in str(error.value)


def test_different_parameters_have_places_of_their_own() -> None:
    graph = single_layer(Shape(LayerKind.CONV2D, 6, 6, 16, 16, window3()))
    plan = divided(graph, with_ne16(), "ne16+cluster", Wish(6, 6, 16))
    broken = with_share(1, 0, lambda s: replace(s, params_offset=0))(plan)
    with pytest.raises(PlanError, match="the parts' parameters differ and are at one place"):
        check_plan(graph, with_ne16(1 << 24, 1 << 24), broken)


# ---- The C ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def assert_exact(runtime: HostRuntime, graph: LayerGraph, target: Machine, plan: Plan) -> None:
    assert_exact_with(runtime, graph, plan, target.engines)


@needs_compiler
@SOME
@given(graph=depthwise_graphs().filter(has_rows), wish=wishes, speed=speeds)
def test_depthwise_engine_and_cores(runtime: HostRuntime, graph: LayerGraph, wish: Wish, speed: float) -> None:
    target = slower_cores(DARKSIDE, speed)
    assert_exact(runtime, graph, target, divided(graph, target, "darkside_depthwise+cluster", wish))


@needs_compiler
@SOME
@given(graph=digital_graphs(WINDOWS).filter(has_rows), wish=wishes, speed=speeds)
def test_digital_array_and_core(runtime: HostRuntime, graph: LayerGraph, wish: Wish, speed: float) -> None:
    target = slower_cores(DIANA, speed)
    assert_exact(runtime, graph, target, divided(graph, target, "diana_digital+cluster", wish))


@needs_compiler
@SOME
@given(graph=analog_graphs(WINDOWS).filter(has_rows), wish=wishes, speed=speeds)
def test_analog_array_and_core(runtime: HostRuntime, graph: LayerGraph, wish: Wish, speed: float) -> None:
    target = slower_cores(DIANA, speed)
    assert_exact(runtime, graph, target, divided(graph, target, "diana_analog+cluster", wish))


@needs_compiler
@SOME
@given(graph=analog_graphs(WINDOWS).filter(has_rows), wish=wishes, step=st.integers(1, 2_000))
def test_digital_and_analog_array(runtime: HostRuntime, graph: LayerGraph, wish: Wish, step: int) -> None:
    digital, analog = DIANA.engines
    target = replace(DIANA, engines=(digital, replace(analog, step_cycles=step)))  # type: ignore[type-var]
    plan = divided(graph, target, "diana_digital+diana_analog", wish)
    assert {share.steps[0].params_offset for share in plan.layers[-1].shares} == {0}  # the same parameters
    assert_exact(runtime, graph, target, plan)


@st.composite
def ne16_graphs(draw: st.DrawFn) -> LayerGraph:
    kind = draw(st.sampled_from([LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.POINTWISE]))
    pads = [draw(st.integers(0, 1)) for _ in range(4)]
    return single_layer(
        Shape(
            kind=kind,
            height=draw(st.integers(5, 14)),
            width=draw(st.integers(5, 14)),
            channels=draw(st.integers(1, 40)),
            out_channels=draw(st.integers(1, 60)),
            window=Window() if kind is LayerKind.POINTWISE else Window(3, 3, 1, 1, *pads),
            seed=draw(st.integers(0, 999)),
        )
    )


@needs_compiler
@SOME
@given(graph=ne16_graphs().filter(has_rows), wish=wishes, speed=speeds)
def test_ne16_and_cores(runtime: HostRuntime, graph: LayerGraph, wish: Wish, speed: float) -> None:
    target = slower_cores(with_ne16(), speed)
    assert_exact(runtime, graph, target, divided(graph, target, "ne16+cluster", wish))


@st.composite
def networks(draw: st.DrawFn) -> LayerGraph:
    net = NetworkBuilder(draw(st.integers(8, 14)), draw(st.integers(5, 14)), 2 * draw(st.integers(1, 12)))
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from([LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.POINTWISE]))
        window = Window() if kind is LayerKind.POINTWISE else window3(draw(st.sampled_from([1, 1, 2])))
        net.add(kind, 2 * draw(st.integers(1, 12)), window)
    return net.graph()


@needs_compiler
@SOME
@given(graph=networks(), l1_bytes=st.integers(8_000, 60_000), speed=st.floats(0.1, 10))
def test_networks_on_both(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int, speed: float) -> None:
    """NE16 is as slow as the cores, so that most layers are divided, and maps stay in L1."""
    slow = replace(NE16, tile_cycles=0, output_cycles=500)
    target = replace(slower_cores(with_ne16(l1_bytes), speed), engines=(slow,))
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert_exact(runtime, graph, target, plan)
