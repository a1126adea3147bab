"""Two layers at the same time: their order, what the planner makes of branches, broken plans, and the C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from exactness import assert_exact_with
from harness import HostRuntime, build_runtime, c_compiler
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layers import NetworkBuilder, window3
from machines import NE16, with_ne16
from naive_plan import Wish, naive_plan
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.pair import PacedSteps, list_schedule, paces
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, View, Window
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.order import list_order, predecessors, reordered
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import Box, LayerPlan, LoopOrder, Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.tiles.share_schedule import schedule_on
from tvm_pulp.codegen.timeline import Lane, Work, simulate
from tvm_pulp.errors import PlanError
from tvm_pulp.options import PulpOptions
from tvm_pulp.report import region_report
from tvm_pulp.soc import load_machine
from window_layers import shifting

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
SOME = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
FEW = settings(SOME, max_examples=12)
SAMPLES = 2

DARKSIDE, DIANA = (load_machine(PulpOptions(soc=name)) for name in ("darkside", "diana"))
POOL3 = Window(3, 3, 1, 1, 1, 1, 1, 1)


def two_branches() -> LayerGraph:
    """A convolution and an average of the same map, and their sum."""
    net = NetworkBuilder(17, 15, 24)
    conv = net.add(LayerKind.CONV2D, 24, window3(), inputs=("x",))
    pool = net.add(LayerKind.AVGPOOL, window=POOL3, inputs=("x",))
    net.add(LayerKind.ADD, inputs=(conv, pool))
    return net.graph()


def shortcut_first() -> LayerGraph:
    """A shortcut that the graph computes before the two layers of the other branch."""
    net = NetworkBuilder(16, 16, 32)
    start = net.add(LayerKind.POINTWISE, 32)
    pool = net.add(LayerKind.AVGPOOL, window=POOL3, inputs=(start,))
    net.add(LayerKind.MAXPOOL, window=POOL3, inputs=(start,))
    conv = net.add(LayerKind.CONV2D, 32, window3())
    net.add(LayerKind.ADD, inputs=(conv, pool))
    return net.graph()


# ---- Order ---------------------------------------------------------------------------------------------------


def test_layers_come_after_those_that_they_read_from() -> None:
    assert predecessors(shortcut_first()) == [set(), {0}, {0}, {0, 2}, {0, 1, 2, 3}]


def test_a_tensor_is_read_when_all_of_its_parts_are_written() -> None:
    graph = two_branches()
    tensors = dict(graph.tensors)
    for name, offset in (("t0", 0), ("t1", 24)):
        tensors[name] = replace(tensors[name], view=View("both", offset, 15 * 48, 48))
    tensors["both"] = replace(tensors["t2"], name="both", channels=48)
    joined = replace(graph.layers[2], inputs=("both", "both"))
    graph = replace(graph, tensors=tensors, layers=(*graph.layers[:2], joined))
    assert predecessors(graph) == [set(), set(), {0, 1}]


def test_pairs_are_units_of_an_order_near_the_given_one() -> None:
    after = predecessors(shortcut_first())
    assert list_order(after, [(3, 1)]) == ((0,), (2,), (3, 1), (4,))
    assert list_order(after, [(1, 2)]) == ((0,), (1, 2), (3,), (4,))
    assert list_order(after, []) == ((0,), (1,), (2,), (3,), (4,))
    assert list_order([set(), set(), {0}, {1}], [(0, 3), (1, 2)]) is None


def test_an_order_has_all_layers_and_respects_what_they_read() -> None:
    graph = shortcut_first()
    found = reordered(graph, ["l0", "l2", "l3", "l1", "l4"])
    assert found is not None
    assert [layer.name for layer in found.layers] == ["l0", "l2", "l3", "l1", "l4"]
    assert reordered(graph, ["l0", "l3", "l2", "l1", "l4"]) is None
    assert reordered(graph, ["l0", "l2", "l3", "l4"]) is None


# ---- Steps ---------------------------------------------------------------------------------------------------


def steps(*compute: int, load: int = 10, store: int = 5, finish: int = 0, program: int = 0) -> PacedSteps:
    ones = np.ones(len(compute), np.int64)
    return PacedSteps(load * ones, np.array(compute), finish * ones, store * ones, program)


def test_steps_of_the_next_layer_fill_the_time_of_the_engine() -> None:
    engine, cores = steps(100, 100, 100, program=7), steps(60, 60, 60, 60)
    done = list_schedule(engine, cores)
    assert done == (0, 2, 4)
    first, second = paces(engine, cores, done, fixed=50)
    assert list(first.begins) == [10, 30, 177]
    assert list(first.computed) == [117, 217, 317]
    assert list(second.begins) == [37, 97, 184, 244]
    assert (first.end, first.counted, second.counted) == (322, 372, 0)


def test_what_the_engine_leaves_to_the_cores_takes_their_time() -> None:
    engine, cores = steps(100, 100, 100, finish=20, program=7), steps(60)
    first, _ = paces(engine, cores, list_schedule(engine, cores), fixed=0)
    assert list(first.begins) == [10, 30, 152]


# ---- The plan ------------------------------------------------------------------------------------------------


def test_branches_run_at_the_same_time_where_that_is_faster() -> None:
    graph, target = two_branches(), with_ne16(30_000)
    both, rows = (plan_region(graph, target, Effort(pairs=pairs)) for pairs in (True, False))
    check_plan(graph, target, both)
    first, second, _ = both.layers
    assert [(one.layer, one.engine) for one in (first, second)] == [("l0", "ne16"), ("l1", "cluster")]
    assert (first.with_next, second.with_next, second.cycles) == (True, False, 0)
    assert not any(layer.with_next for layer in rows.layers)
    assert both.prediction.cycles < 0.85 * rows.prediction.cycles
    top = max(one.offset + one.size for layer in (first, second) for one in layer.buffers)
    assert sum(one.size for layer in (first, second) for one in layer.buffers) <= top <= target.l1_bytes


def test_the_plan_has_another_order_for_it() -> None:
    graph, target = shortcut_first(), with_ne16(44_000)
    plan = plan_region(graph, target, Effort(fuses=False))  # else the sum is in a group with the convolution
    check_plan(graph, target, plan)
    assert [layer.layer for layer in plan.layers] == ["l0", "l2", "l3", "l1", "l4"]
    assert [layer.with_next for layer in plan.layers] == [False, False, True, False, False]
    assert [layer.name for layer in as_planned(graph, plan).layers] == [layer.layer for layer in plan.layers]
    lives = {one.tensor: (one.first, one.last) for one in plan.l2_buffers}
    assert (lives["t3"], lives["t1"]) == ((2, 4), (2, 4))


def test_a_plan_is_read_back() -> None:
    plan = plan_region(two_branches(), with_ne16(30_000))
    assert plan_from_json(plan_to_json(plan)) == plan


def test_timeline_and_report_show_both() -> None:
    graph, target = two_branches(), with_ne16(30_000)
    plan = plan_region(graph, target)
    timeline = simulate(graph, plan, target)
    first, second, third = timeline.layers
    assert (first.start, first.cycles) == (second.start, second.cycles) == (0, plan.layers[0].cycles)
    assert timeline.cycles == third.start + third.cycles == plan.prediction.cycles
    work = {(event.layer, event.work) for event in timeline.events if event.lane in (Lane.CORES, Lane.ENGINE)}
    assert work == {(0, Work.COMPUTE_BESIDE), (1, Work.COMPUTE), (2, Work.COMPUTE)}
    assert max(event.start + event.cycles for event in timeline.events if event.layer < 2) <= first.cycles
    report = region_report(graph, plan, timeline)
    assert [layer.where for layer in report.layers] == ["ne16, beside l1", "cluster, beside l0", "cluster"]
    assert report.cycles == plan.prediction.cycles


def test_code() -> None:
    """The engine gets a step, then the cores compute theirs, then the engine's step before is awaited."""
    graph, target = two_branches(), with_ne16(30_000)
    text = emit_region(graph, plan_region(graph, target), target.engines)["net.c"]
    assert "cycles together with the next layer" in text
    assert "window elements, at the same time as the layer before" in text
    loop = text[text.index("  for (int t = 0; t < STEPS + 2; t++)") :].split("\n  }\n", 1)[0]
    calls = ("wait(", "= store_l0(", "load_l0(", "start_l0(", "load_l1(", "compute_l1(", "= store_l1(")
    places = [loop.index(call) for call in calls]
    assert places == sorted(places)
    assert "run_l0_beside_l1(l1, args->in_x, t_t0, args->in_x, t_t1);" in text


# ---- Broken plans --------------------------------------------------------------------------------------------


def with_pair(change: Callable[[LayerPlan], LayerPlan], index: int = 0) -> Callable[[Plan], Plan]:
    def changed(plan: Plan) -> Plan:
        layers = list(plan.layers)
        layers[index] = change(layers[index])
        return replace(plan, layers=tuple(layers))

    return changed


def moved(layer: LayerPlan) -> LayerPlan:
    return replace(
        layer, buffers=tuple(replace(one, offset=0) for one in layer.buffers[:1]) + layer.buffers[1:]
    )


SHORT_LIFE = "L2 buffer t0: lives from layer 0 to 2, not 1 to 2"
DEFECTS: list[tuple[Callable[[Plan], Plan], str]] = [
    (with_pair(lambda one: replace(one, next_steps=one.next_steps[1:])), "aren't done beside the first's"),
    (with_pair(lambda one: replace(one, next_steps=(1,) * len(one.steps))), "aren't done beside the first's"),
    (with_pair(lambda one: replace(one, next_steps=one.next_steps[::-1])), "aren't done beside the first's"),
    (with_pair(lambda one: replace(one, engine="cluster")), "runs on an engine beside the cores"),
    (with_pair(lambda one: replace(one, next_steps=(1,)), 1), "three layers at the same time"),
    (with_pair(lambda one: replace(one, next_steps=(1,)), 2), "there is no next layer to run beside"),
    (with_pair(lambda one: replace(one, in_l1=("t1",)), 1), "come while the step before is computed"),
    (with_pair(lambda one: replace(one, params_ahead=True), 2), "nothing is loaded ahead for, or during"),
    (with_pair(moved, 1), "overlap"),
    (
        lambda p: replace(p, layers=(p.layers[2], *p.layers[:2])),
        "layer l2: reads t0 before all of it is written",
    ),
    (
        lambda p: replace(p, l2_buffers=tuple(replace(one, first=1) for one in p.l2_buffers)),
        "lives from layer 0 to 2, not 1 to 2",
    ),
    (lambda p: replace(p, l2_tables=0, l2_used=0), "the tables need"),
]


@pytest.mark.parametrize(("change", "message"), DEFECTS)
def test_a_broken_pair_is_refused(change: Callable[[Plan], Plan], message: str) -> None:
    graph, target = two_branches(), with_ne16(30_000)
    plan = plan_region(graph, target)
    assert len(plan.layers[0].steps) > 1
    with pytest.raises(PlanError) as error:
        check_plan(graph, target, change(plan))
    assert message in str(error.value)


def test_layers_that_need_one_another_are_refused() -> None:
    graph, target = two_branches(), with_ne16(30_000)
    plan = plan_region(graph, target)
    chained = replace(graph.layers[1], inputs=("t0",))
    graph = replace(graph, layers=(graph.layers[0], chained, graph.layers[2]))
    with pytest.raises(PlanError, match="layer l1: reads t0 before all of it is written"):
        check_plan(graph, target, plan)


# ---- The C ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> HostRuntime:
    return build_runtime(tmp_path_factory.mktemp("runtime"))


def assert_exact(runtime: HostRuntime, graph: LayerGraph, target: Machine, plan: Plan) -> None:
    assert_exact_with(runtime, graph, plan, target.engines)


def paired(
    graph: LayerGraph, target: Machine, engines: tuple[str, str], wishes: tuple[Wish, Wish], order: list[float]
) -> Plan:
    """A plan in which the last two layers run at the same time, tiled as wished; `order` says how the steps of
    the second are spread over those of the first."""
    plan = naive_plan(graph, [Wish(3, 3, 8)] * len(graph.layers), target.cores)
    made = []
    for layer, name, wish in zip(graph.layers[-2:], engines, wishes, strict=True):
        engine, out = engine_named(name, target.engines), graph.tensors[layer.output]
        assume(engine.refusal(graph, layer) is None)
        tile = Box(0, min(wish.h, out.height), 0, min(wish.w, out.width), 0, min(wish.c, out.channels))
        made.append(schedule_on(graph, layer, target, tile, wish.order, engine=engine))
    first, second = made
    counts = sorted(round(part * len(second.steps)) for part in order[: len(first.steps) - 1])
    counts = [0] * (len(first.steps) - 1 - len(counts)) + counts
    top = max(one.offset + align(one.size) for one in first.buffers)
    second = replace(second, buffers=tuple(replace(one, offset=one.offset + top) for one in second.buffers))
    layers = (*plan.layers[:-2], replace(first, next_steps=(*counts, len(second.steps))), second)
    used = max(one.offset + align(one.size) for layer in layers for one in layer.buffers)
    plan = replace(plan, layers=layers, l1_used=used)
    tables = tables_bytes(graph, plan)
    plan = replace(plan, l2_tables=tables, l2_used=plan.l2_arena + sum(map(pack_size, layers)) + tables)
    check_plan(graph, replace(target, l1_bytes=1 << 24, l2_bytes=1 << 24), plan)
    return plan


wish = st.builds(
    Wish, h=st.integers(3, 14), w=st.integers(3, 14), c=st.integers(4, 40), order=st.sampled_from(LoopOrder)
)
wishes = st.tuples(wish, wish)
orders = st.lists(st.floats(0, 1), max_size=40)
WINDOWED = (LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.AVGPOOL, LayerKind.MAXPOOL)
ON_ENGINES = (LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.POINTWISE)


def add_any(
    draw: st.DrawFn, net: NetworkBuilder, kinds: tuple[LayerKind, ...], source: str, stride: int
) -> None:
    kind = draw(st.sampled_from(kinds))
    pads = [draw(st.integers(0, 1)) for _ in range(4)]
    window = Window(3, 3, stride, stride, *pads) if kind in WINDOWED else Window()
    wide = kind in ON_ENGINES and draw(st.booleans())
    net.add(kind, draw(st.integers(1, 40)), window, inputs=(source,), wide=wide)


@st.composite
def branches(draw: st.DrawFn, kinds: tuple[LayerKind, ...], stem: bool = False) -> LayerGraph:
    """One of these kinds of layers, and any other one that reads the same map."""
    zero_point = draw(st.sampled_from([0, 0, 7]))
    net = NetworkBuilder(
        draw(st.integers(5, 14)), draw(st.integers(5, 14)), draw(st.integers(1, 24)), zero_point
    )
    source = net.add(LayerKind.POINTWISE, draw(st.integers(1, 30))) if stem else "x"
    add_any(draw, net, kinds, source, 1)
    add_any(draw, net, (*WINDOWED, LayerKind.POINTWISE), source, draw(st.integers(1, 2)))
    graph = net.graph(f"t{len(net.layers) - 2}")
    return graph


@needs_compiler
@SOME
@given(graph=branches(ON_ENGINES), wishes=wishes, order=orders)
def test_ne16_and_cores(
    runtime: HostRuntime, graph: LayerGraph, wishes: tuple[Wish, Wish], order: list[float]
) -> None:
    assert_exact(runtime, graph, with_ne16(), paired(graph, with_ne16(), ("ne16", "cluster"), wishes, order))


@needs_compiler
@SOME
@given(graph=branches((LayerKind.DEPTHWISE,)), wishes=wishes, order=orders)
def test_depthwise_engine_and_cores(
    runtime: HostRuntime, graph: LayerGraph, wishes: tuple[Wish, Wish], order: list[float]
) -> None:
    plan = paired(graph, DARKSIDE, ("darkside_depthwise", "cluster"), wishes, order)
    assert_exact(runtime, graph, DARKSIDE, plan)


@needs_compiler
@SOME
@given(
    graph=branches((LayerKind.CONV2D, LayerKind.POINTWISE), stem=True),
    engines=st.sampled_from(
        [("diana_analog", "diana_digital"), ("diana_digital", "diana_analog"), ("diana_analog", "cluster")]
    ),
    wishes=wishes,
    order=orders,
)
def test_arrays_and_core(
    runtime: HostRuntime,
    graph: LayerGraph,
    engines: tuple[str, str],
    wishes: tuple[Wish, Wish],
    order: list[float],
) -> None:
    stem, *pair = graph.layers
    assert stem.requant is not None
    stem = replace(stem, requant=replace(stem.requant, hi=127))
    pair = [
        layer if name == "cluster" or layer.weights is None else shifting(layer, 1, 63)
        for layer, name in zip(pair, engines, strict=True)
    ]
    graph = replace(graph, layers=(stem, *pair))
    assert_exact(runtime, graph, DIANA, paired(graph, DIANA, engines, wishes, order))


@st.composite
def networks(draw: st.DrawFn) -> LayerGraph:
    """Blocks of two branches of one or two layers, which are summed."""
    channels = draw(st.sampled_from([8, 16, 24]))
    net = NetworkBuilder(draw(st.integers(8, 14)), draw(st.integers(5, 14)), channels)
    for _ in range(draw(st.integers(1, 2))):
        start, ends = net.last, []
        for _ in range(2):
            net.last = start
            for _ in range(draw(st.integers(1, 2))):
                kind = draw(st.sampled_from([*WINDOWED, LayerKind.CONV2D, LayerKind.POINTWISE]))
                net.add(kind, channels, Window() if kind is LayerKind.POINTWISE else POOL3)
            ends.append(net.last)
        net.add(LayerKind.ADD, inputs=(ends[0], ends[1]))
    return net.graph()


@needs_compiler
@FEW
@given(graph=networks(), l1_bytes=st.integers(8_000, 40_000), speed=st.sampled_from([1, 20]))
def test_networks(runtime: HostRuntime, graph: LayerGraph, l1_bytes: int, speed: int) -> None:
    target = with_ne16(l1_bytes)
    slow = replace(NE16, tile_cycles=0, output_cycles=9 * speed)
    target = replace(target, engines=(slow,), cluster=replace(target.cluster, call_cycles=50))
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert plan.prediction.cycles <= plan_region(graph, target, Effort(pairs=False)).prediction.cycles
    assert_exact(runtime, graph, target, plan)
