"""Hypothesis strategies for small networks: layers one after another, residual adds, several outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from layers import Shape, single_layer, windows
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, Window

_WINDOWED = (LayerKind.CONV2D, LayerKind.DEPTHWISE, LayerKind.AVGPOOL, LayerKind.MAXPOOL)


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
    return _graph(draw, network)


def _shape(draw: st.DrawFn, x: Tensor, index: int) -> Shape:
    # Every third layer is an add, or else residual connections would be rare.
    kinds = [kind for kind in LayerKind if kind is not LayerKind.ADD]
    kind = LayerKind.ADD if index % 3 == 2 else draw(st.sampled_from(kinds))
    window = draw(windows(x.height, x.width)) if kind in _WINDOWED else Window()
    if kind is LayerKind.CONV2D and window == Window():
        window = Window(stride_h=2)
    return Shape(
        kind, x.height, x.width, x.channels, draw(st.integers(1, 12)), window, x.zero_point,
        lo=draw(st.sampled_from([0, 0, 5])), seed=draw(st.integers(0, 999)),
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
