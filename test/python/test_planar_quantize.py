"""Planar floats that are quantized and transposed: one layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from layer_model import run_model
from layers import Shape, single_layer
from machines import machine, with_l3
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.fusion.groups import fused_graph, may_fuse
from tvm_pulp.codegen.fusion.schedule import schedule_group
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Tensor, View
from tvm_pulp.codegen.plan import Box, LoopOrder, Plan
from tvm_pulp.codegen.planar_quantize import with_planar_quantize
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError

HEIGHT, WIDTH = 40, 24
BOUNDS = np.arange(255, dtype=np.float32)


def flat_quantize() -> LayerGraph:
    """As Relay has it: 3 planes are quantized as if they were rows, then read as planes."""
    image = Tensor("image", 3, HEIGHT, WIDTH, dtype=Dtype.FLOAT32)
    bytes_ = Tensor("bytes", 3, HEIGHT, WIDTH, 7, "user/image")
    view = View("bytes", 0, WIDTH, 1)
    planes = Tensor("planes", HEIGHT, WIDTH, 3, 7, view=view, planar=True)
    pixels = Tensor("pixels", HEIGHT, WIDTH, 3, 7)
    layers = (
        Layer("quantize", LayerKind.QUANTIZE, ("image",), "bytes", table=BOUNDS, sources=("user/quantize",)),
        Layer("transpose", LayerKind.TRANSPOSE, ("planes",), "pixels", sources=("user/transpose",)),
    )
    tensors = {one.name: one for one in (image, bytes_, planes, pixels)}
    return LayerGraph("net", tensors, ("image",), ("pixels",), layers)


def test_a_quantization_that_is_transposed_makes_pixels() -> None:
    graph = with_planar_quantize(flat_quantize())
    (quantize,) = graph.layers
    assert (quantize.inputs, quantize.output) == (("image_planar",), "pixels")
    assert quantize.sources == ("user/quantize", "user/transpose")
    assert set(graph.tensors) == {"image", "image_planar", "pixels"}
    read = graph.tensors["image_planar"]
    assert read.view == View("image", 0, 4 * WIDTH, 4)
    assert (read.planar, read.dtype, read.height, read.channels) == (True, Dtype.FLOAT32, HEIGHT, 3)


def test_it_computes_the_same() -> None:
    image = np.random.default_rng(3).uniform(-9, 300, (3, HEIGHT, WIDTH)).astype(np.float32)
    flat, planar = (run_model(graph, {"image": image}) for graph in (flat_quantize(), one_layer()))
    np.testing.assert_array_equal(planar["pixels"], flat["pixels"])


def one_layer() -> LayerGraph:
    return with_planar_quantize(flat_quantize())


def test_it_stays_where_its_result_is_needed_as_it_is() -> None:
    graph = flat_quantize()
    assert with_planar_quantize(replace(graph, outputs=("bytes", "pixels"))).layers == graph.layers
    table = np.arange(256, dtype=np.uint8)
    for name in ("bytes", "planes"):
        other = Layer("table", LayerKind.TABLE, (name,), "more", table=table)
        tensors = {**graph.tensors, "more": replace(graph.tensors[name], name="more", view=None)}
        read = replace(graph, tensors=tensors, outputs=("pixels", "more"), layers=(*graph.layers, other))
        assert with_planar_quantize(read).layers == read.layers


def test_planes_never_lie_in_l2() -> None:
    """They are 2880 bytes: with the bounds of the quantization they would have no room there."""
    graph, target = one_layer(), with_l3(6_000, 3_000)
    plan = plan_region(graph, target)
    check_plan(graph, target, plan)
    assert [layer.kernel for layer in plan.layers] == ["pulp_quantize"]
    assert plan.l2_arena == 0
    with pytest.raises(PlanError):
        plan_region(flat_quantize(), target)


def test_pixels_never_become_planes() -> None:
    graph = one_layer()
    plan = plan_region(graph, machine(64_000))
    tensors = {
        "image_planar": replace(graph.tensors["image_planar"], planar=False),
        "pixels": replace(graph.tensors["pixels"], planar=True),
    }
    wrong = replace(graph, tensors={**graph.tensors, **tensors})
    with pytest.raises(PlanError, match="pixels don't become planes"):
        check_plan(wrong, machine(64_000), plan)


def chain(*kinds: LayerKind) -> LayerGraph:
    """Layers of planes that become pixels, or of pixels that become planes, at each transposition."""
    tensors = [Tensor("image", HEIGHT, WIDTH, 3, planar=kinds[0] is not LayerKind.POINTWISE)]
    layers = []
    for index, kind in enumerate(kinds):
        x = tensors[-1]
        planar = (x.planar, x.planar != (kind is LayerKind.TRANSPOSE))
        part = single_layer(Shape(kind, HEIGHT, WIDTH, 3, 3, planar=planar))
        tensors.append(replace(part.tensors["y"], name=f"t{index}"))
        layers.append(replace(part.layers[0], name=f"l{index}", inputs=(x.name,), output=f"t{index}"))
    return LayerGraph("net", {t.name: t for t in tensors}, ("image",), (tensors[-1].name,), tuple(layers))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ((LayerKind.TABLE, LayerKind.TRANSPOSE), "t0 isn't in HWC order"),
        ((LayerKind.POINTWISE, LayerKind.TRANSPOSE), "t1 isn't in HWC order"),
    ],
)
def test_no_planes_are_made_in_a_group(kinds: tuple[LayerKind, ...], message: str) -> None:
    graph = chain(*kinds)
    assert not may_fuse(graph, graph.layers)
    fused = fused_graph(graph, [range(2)])
    tile = Box(0, HEIGHT, 0, WIDTH, 0, 3)
    layer = schedule_group(fused, fused.layers[0], tile, 8, LoopOrder.SPACE_OUTER)
    plan = Plan("net", "gap8", 8, 64_000, 380_000, 64_000, 16_000, 0, (layer,), ())
    with pytest.raises(PlanError, match=message):
        check_plan(graph, machine(64_000), plan)
