"""Floats in CHW order that become bytes in HWC order, as one layer.

Relay quantizes a tensor of any shape and transposes the result. Here the quantization reads the floats as
planes and makes pixels: its tiles are those of the map, and it can be in one group with a convolution.
"""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, View


def with_planar_quantize(graph: LayerGraph) -> LayerGraph:
    """The graph with one layer for each quantization whose result only a transposition to pixels reads."""
    for layer in graph.layers:
        transposition = _transposition(graph, layer) if layer.kind is LayerKind.QUANTIZE else None
        if transposition is not None:
            graph = _as_one(graph, layer, transposition)
    return graph


def _transposition(graph: LayerGraph, layer: Layer) -> Layer | None:
    """The layer that reads all of a layer's output as planes, if nothing else reads it."""
    views = [one for one in graph.tensors.values() if one.view is not None and one.base == layer.output]
    names = {layer.output, *(one.name for one in views)}
    readers = [one for one in graph.layers if names.intersection(one.inputs)]
    source = graph.tensors[layer.inputs[0]]
    if len(views) != 1 or len(readers) != 1 or names.intersection(graph.outputs):
        return None
    (planes,), (reader,) = views, readers
    whole = planes.planar and planes.elements == source.elements and source.view is None and not source.planar
    return reader if whole and reader.kind is LayerKind.TRANSPOSE else None


def _as_one(graph: LayerGraph, quantize: Layer, transposition: Layer) -> LayerGraph:
    planes = graph.tensors[transposition.inputs[0]]
    read = _as_planes(graph.tensors[quantize.inputs[0]], planes)
    one = replace(
        quantize,
        inputs=(read.name,),
        output=transposition.output,
        sources=(*quantize.sources, *transposition.sources),
    )
    tensors = {
        name: tensor for name, tensor in graph.tensors.items() if name not in (quantize.output, planes.name)
    }
    layers = tuple(one if layer is quantize else layer for layer in graph.layers if layer is not transposition)
    return replace(graph, tensors={**tensors, read.name: read}, layers=layers)


def _as_planes(source: Tensor, planes: Tensor) -> Tensor:
    """A view of floats in the order of these bytes."""
    size = source.dtype.size
    return replace(
        source,
        name=f"{source.name}_planar",
        height=planes.height,
        width=planes.width,
        channels=planes.channels,
        view=View(source.name, 0, planes.width * size, size),
        planar=True,
    )
