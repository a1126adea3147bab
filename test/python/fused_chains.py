"""Hypothesis strategies for chains of layers that run as one group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from layers import ENDS, Shape, dilated, single_layer, windows
from tvm_pulp.codegen.fusion.geometry import Group
from tvm_pulp.codegen.fusion.groups import FUSIBLE, OF_TWO_MAPS, fused_graph
from tvm_pulp.codegen.fusion.schedule import runs_fused
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Tensor, View, Window

_FORMS: tuple[dict[str, Any], ...] = ({}, {}, {"wide": True}, {"split": True})
_CORES = 8

STARTS = (LayerKind.TRANSPOSE, LayerKind.QUANTIZE)
"""First layers that read floats or planes."""

INNER = tuple(kind for kind in FUSIBLE if kind not in ENDS)


@st.composite
def chains(draw: st.DrawFn, last: tuple[LayerKind, ...] = INNER) -> LayerGraph:
    """2 or 3 layers, each of which reads the one before it, that may be fused; the last is of one of these
    kinds, the first may read floats or planes."""
    height, width, channels = draw(st.integers(1, 17)), draw(st.integers(1, 17)), draw(st.integers(1, 20))
    start = draw(st.sampled_from([(), (), *((kind,) for kind in STARTS)]))
    inner = [draw(st.sampled_from(INNER)) for _ in range(draw(st.integers(not start, 2 - len(start))))]
    kinds = (*start, *inner, draw(st.sampled_from(last)))
    zero_point = 0 if start else draw(st.sampled_from([0, 0, 9]))
    dtype = Dtype.FLOAT32 if LayerKind.QUANTIZE in start else Dtype.UINT8
    planar = LayerKind.TRANSPOSE in start or (bool(start) and draw(st.booleans()))
    tensors = [Tensor("image", height, width, channels, zero_point, "in", dtype=dtype, planar=planar)]
    layers: list[Layer] = []
    for index, kind in enumerate(kinds):
        starts = index < len(start)
        shape = _start(tensors[-1], kind) if starts else _shape(draw, tensors[-1], kind, first=index == 0)
        part = single_layer(shape)
        tensors.append(replace(part.tensors["y"], name=f"t{index}"))
        made = replace(part.layers[0], name=f"layer_{index}", sources=(f"op_{index}",))
        layers.append(replace(made, inputs=(tensors[-2].name,), output=tensors[-1].name))
    graph = LayerGraph("net", {t.name: t for t in tensors}, ("image",), (tensors[-1].name,), tuple(layers))
    return graph


LIGHT_WINDOWS = (LayerKind.MAXPOOL, LayerKind.AVGPOOL, LayerKind.TABLE)


@st.composite
def light_ends(
    draw: st.DrawFn, kinds: tuple[LayerKind, ...], last: tuple[LayerKind, ...] = INNER
) -> LayerGraph:
    """The last one or two layers of a chain, of which the last is of one of the kinds `last`, and a layer of
    `kinds`. If it reads two maps, these are what the chain makes and, in any order, a map from outside, a part
    of one, the chain's input, or what it makes again."""
    chain = draw(chains(last))
    layers = chain.layers[-draw(st.integers(1, min(2, len(chain.layers)))) :]
    tensors = {name: chain.tensors[name] for one in layers for name in (*one.inputs, one.output)}
    image, made = tensors[layers[0].inputs[0]], tensors[layers[-1].output]
    kind = draw(st.sampled_from(kinds))
    inputs: tuple[str, ...] = (made.name,)
    shape = _shape(draw, made, LayerKind.TABLE if kind in OF_TWO_MAPS else kind, first=False)
    if kind in OF_TWO_MAPS:
        other = draw(_other_maps(image, made))
        tensors[other.name] = other
        tensors["whole"] = Tensor("whole", made.height, made.width, other.pixel_bytes, 7, "whole")
        inputs = tuple(draw(st.permutations([made.name, other.name])))
    part = single_layer(replace(shape, kind=kind))
    tensors["sum"] = replace(part.tensors["y"], name="sum")
    light = replace(part.layers[0], name="light", sources=("op",), inputs=inputs, output="sum")
    read = dict.fromkeys(tensors[name].base for one in (*layers, light) for name in one.inputs)
    outside = tuple(name for name in read if name not in {one.output for one in layers})
    return LayerGraph("net", tensors, outside, ("sum",), (*layers, light))


@st.composite
def _other_maps(draw: st.DrawFn, image: Tensor, made: Tensor) -> Tensor:
    """The same as `made`, `image` if it is of the same shape, a map `whole`, or some channels of that."""
    beside = draw(st.sampled_from([0, 0, 3]))
    channels = made.channels + beside
    view = View("whole", draw(st.integers(0, beside)), made.width * channels, channels)
    name = "part" if beside else "whole"
    other = Tensor(name, made.height, made.width, made.channels, 7, view=view if beside else None)
    taken = draw(st.sampled_from([other, image, made]))
    return taken if _alike(taken, made) else other


def _alike(one: Tensor, other: Tensor) -> bool:
    shapes = [(each.height, each.width, each.channels, each.dtype, each.planar) for each in (one, other)]
    return shapes[0] == shapes[1]


def _start(x: Tensor, kind: LayerKind) -> Shape:
    """A layer that quantizes floats or planes of them, or transposes planes."""
    return Shape(kind, x.height, x.width, x.channels, planar=(x.planar, False), seed=x.height)


def _shape(draw: st.DrawFn, x: Tensor, kind: LayerKind, *, first: bool) -> Shape:
    windowless = kind in (LayerKind.POINTWISE, LayerKind.TABLE)
    window = Window() if windowless else draw(windows(x.height, x.width))
    if kind is LayerKind.CONV2D and window == Window():
        window = Window(stride_h=2)
    if kind is LayerKind.CONV2D and not first and (window.kernel_h % 2 == 0 or window.kernel_w % 2 == 0):
        window = replace(window, pad_top=0, pad_bottom=0, pad_left=0, pad_right=0)
        window = replace(
            window, kernel_h=min(window.kernel_h, x.height), kernel_w=min(window.kernel_w, x.width)
        )
    groups = 1
    if kind is LayerKind.CONV_DIRECT:
        groups = draw(st.sampled_from([n for n in range(1, x.channels + 1) if x.channels % n == 0]))
        window = draw(dilated(window, x.height, x.width))
    weighted = kind not in (LayerKind.TABLE, LayerKind.AVGPOOL, LayerKind.MAXPOOL, LayerKind.IM2COL)
    out_channels = groups * draw(st.integers(1, max(1, 20 // groups)))
    return Shape(
        kind, x.height, x.width, x.channels, out_channels, window, x.zero_point,
        lo=draw(st.sampled_from([0, 0, 5])), seed=draw(st.integers(0, 999)), groups=groups,
        **draw(st.sampled_from(_FORMS)) if weighted else {},
    )  # fmt: skip


def runs_as_group(graph: LayerGraph) -> bool:
    """True if the kernels of a chain allow it to be one group."""
    whole = fused_graph(graph, [range(len(graph.layers))])
    return runs_fused(Group(whole, whole.layers[0]), _CORES)
