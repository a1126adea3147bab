"""Hypothesis strategies for small networks: layers one after another, residual adds, several outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from layers import BETWEEN, TWO_INPUTS, Shape, dilated, single_layer, windows
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, View, Window

_WINDOWED = (
    LayerKind.CONV2D,
    LayerKind.DEPTHWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
)


@dataclass(frozen=True)
class _Network:
    """A graph under construction; `tensors` in the order in which they come to be."""

    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...] = ()

    def append(self, shape: Shape, inputs: tuple[Tensor, ...]) -> _Network:
        """The network with one more layer, whose output's name and zero point follow from its index."""
        index = len(self.layers)
        part = single_layer(shape)
        output = replace(part.tensors["y"], name=f"t{index}", zero_point=(37 * index) % 200 if index % 2 else 0)
        layer = replace(
            part.layers[0], name=f"layer_{index}", inputs=tuple(i.name for i in inputs), output=output.name
        )
        return _Network((*self.tensors, output), (*self.layers, layer))


@st.composite
def networks(draw: st.DrawFn, max_layers: int = 5) -> LayerGraph:
    """2 to `max_layers` layers; adds take any earlier tensor of the same shape; what is unread is an output."""
    source = Tensor(
        "image", draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 12)), 9, "in"
    )
    network = _Network((source,))
    for index in range(draw(st.integers(2, max_layers))):
        x = draw(st.sampled_from(network.tensors[-2:]))
        network = network.append(_shape(draw, x, index), _operands(draw, network, x, index))
    return _graph(draw, _with_float_ends(draw, network))


def _with_float_ends(draw: st.DrawFn, network: _Network) -> _Network:
    """The network, perhaps with a dequantization at its end, perhaps to a planar tensor first."""
    x = network.tensors[-1]
    shape = Shape(LayerKind.TRANSPOSE, x.height, x.width, x.channels, planar=(False, True), seed=3)
    if draw(st.booleans()):
        network = network.append(shape, (x,))
    if draw(st.booleans()):
        kind = LayerKind.DEQUANTIZE
        x = network.tensors[-1]
        if not x.planar:
            network = network.append(replace(shape, kind=kind, planar=(False, False)), (x,))
    return network


def _shape(draw: st.DrawFn, x: Tensor, index: int) -> Shape:
    # Every third layer has two inputs, or else residual connections would be rare.
    kinds = [kind for kind in BETWEEN if kind not in TWO_INPUTS]
    kind = draw(st.sampled_from(TWO_INPUTS if index % 3 == 2 else kinds))
    window = draw(windows(x.height, x.width)) if kind in _WINDOWED else Window()
    if kind is LayerKind.CONV2D and window == Window():
        window = Window(stride_h=2)
    groups = 1
    if kind is LayerKind.CONV_DIRECT:
        groups = draw(st.sampled_from([n for n in range(1, x.channels + 1) if x.channels % n == 0]))
        window = draw(dilated(window, x.height, x.width))
    out_channels = groups * draw(st.integers(1, max(1, 12 // groups)))
    return Shape(
        kind, x.height, x.width, x.channels, out_channels, window, x.zero_point,
        lo=draw(st.sampled_from([0, 0, 5])), seed=draw(st.integers(0, 999)), groups=groups,
    )  # fmt: skip


def _operands(draw: st.DrawFn, network: _Network, x: Tensor, index: int) -> tuple[Tensor, ...]:
    if index % 3 != 2:
        return (x,)
    size = (x.height, x.width, x.channels)
    same = [t for t in network.tensors if (t.height, t.width, t.channels) == size]
    return (x, draw(st.sampled_from(same)))


def _graph(draw: st.DrawFn, network: _Network) -> LayerGraph:
    read = {name for layer in network.layers for name in layer.inputs}
    made = [layer.output for layer in network.layers]
    extra = draw(st.sampled_from([None, *made]))
    outputs = [name for name in made if name not in read or name == extra]
    tensors = {tensor.name: tensor for tensor in network.tensors}
    return LayerGraph("net", tensors, ("image",), tuple(outputs), network.layers)


@st.composite
def view_networks(draw: st.DrawFn) -> LayerGraph:
    """Two branches write into one tensor, side by side; a part of it and its bytes in a row are read again."""
    height, width, channels = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    first, second = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    both = first + second
    start = draw(st.integers(0, both - 1))
    part = draw(st.integers(1, both - start))
    row, pixel = width * both, both
    tensors = (
        Tensor("image", height, width, channels),
        Tensor("both", height, width, both),
        Tensor("left", height, width, first, view=View("both", 0, row, pixel)),
        Tensor("right", height, width, second, view=View("both", first, row, pixel)),
        Tensor(
            "part", height, width, part, draw(st.sampled_from([0, 9])), view=View("both", start, row, pixel)
        ),
        Tensor("flat", 1, 1, height * width * both, view=View("both", 0, height * row, height * row)),
    )
    network = _Network(tensors)
    by_name = {tensor.name: tensor for tensor in tensors}
    window = Window(3, 3, 1, 1, 1, 1, 1, 1)
    wanted = (
        (Shape(LayerKind.CONV2D, height, width, channels, first, window), "image", "left"),
        (Shape(LayerKind.POINTWISE, height, width, channels, second), "image", "right"),
        (Shape(LayerKind.DEPTHWISE, height, width, part, window=window), "part", ""),
        (Shape(LayerKind.LINEAR, 1, 1, height * width * both, 5), "flat", ""),
    )
    for shape, source, output in wanted:
        network = network.append(shape, (by_name[source],))
        if output:
            made = replace(network.layers[-1], output=output)
            network = _Network(network.tensors[:-1], (*network.layers[:-1], made))
    outputs = tuple(layer.output for layer in network.layers[2:]) + draw(st.sampled_from([(), ("both",)]))
    return LayerGraph("net", {t.name: t for t in network.tensors}, ("image",), outputs, network.layers)
