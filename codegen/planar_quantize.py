"""Floats in CHW order that become bytes in HWC order: first quantized where they lie, then transposed.

Relay quantizes a tensor of any shape, so that what the transposition reads is a planar view of the result. Here
the result itself is planar: its tiles are those of the map, and the two layers can be fused.
"""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, View


def with_planar_quantize(graph: LayerGraph) -> LayerGraph:
    """The graph with planar inputs and outputs of quantizations that are read by transpositions only."""
    for layer in graph.layers:
        planar = _planar_reading(graph, layer) if layer.kind is LayerKind.QUANTIZE else None
        if planar is not None:
            graph = _with_planar(graph, layer, planar)
    return graph


def _planar_reading(graph: LayerGraph, layer: Layer) -> Tensor | None:
    """The planar view as which all of a layer's output is read, if it is read as nothing else."""
    views = [one for one in graph.tensors.values() if one.view is not None and one.base == layer.output]
    read = any(layer.output in other.inputs for other in graph.layers)
    source = graph.tensors[layer.inputs[0]]
    if len(views) != 1 or read or layer.output in graph.outputs or source.view is not None or source.planar:
        return None
    (planar,) = views
    return planar if planar.planar and planar.elements == source.elements else None


def _with_planar(graph: LayerGraph, layer: Layer, planar: Tensor) -> LayerGraph:
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    made = replace(planar, view=None, source=out.source)
    read = replace(
        source,
        name=f"{source.name}_planar",
        height=made.height,
        width=made.width,
        channels=made.channels,
        view=View(source.name, 0, made.width * source.dtype.size, source.dtype.size),
        planar=True,
    )
    tensors = {name: one for name, one in graph.tensors.items() if one is not out}
    changed = replace(layer, inputs=(read.name,), output=made.name)
    layers = tuple(changed if one is layer else one for one in graph.layers)
    return replace(graph, tensors={**tensors, made.name: made, read.name: read}, layers=layers)
