"""What a layer graph computes, in NumPy, written from the contract in `codegen/graph.py` alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant, Window

Map = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.int64]


def run_model(graph: LayerGraph, inputs: dict[str, Map]) -> dict[str, Map]:
    """The graph's outputs, by tensor name; inputs and outputs are (height, width, channels) uint8."""
    values = dict(inputs)
    for layer in graph.layers:
        operands = [values[name] for name in layer.inputs]
        zero_point = graph.tensors[layer.inputs[0]].zero_point
        out = graph.tensors[layer.output]
        values[layer.output] = _layer(layer, operands, zero_point, (out.height, out.width))
    return {name: values[name] for name in graph.outputs}


def _layer(layer: Layer, operands: list[Map], zero_point: int, size: tuple[int, int]) -> Map:
    x = operands[0]
    if layer.kind is LayerKind.MAXPOOL:
        return _maxpool(x, layer.window, size)
    assert layer.requant is not None
    if layer.kind is LayerKind.ADD:
        k = layer.requant.multiplier
        return _finish(k[0] * operands[0].astype(np.int64) + k[1] * operands[1], layer.requant)
    return _requantize(_sums(layer, x, zero_point, size), layer.requant)


def _sums(layer: Layer, x: Map, zero_point: int, size: tuple[int, int]) -> Sums:
    if layer.kind is LayerKind.LINEAR:
        assert layer.weights is not None
        sums: Sums = layer.weights.astype(np.int64) @ x.reshape(-1).astype(np.int64)
        return sums.reshape(1, 1, -1)
    windows = _windows(x.astype(np.int64), layer.window, size, zero_point)
    if layer.kind is LayerKind.AVGPOOL:
        return np.asarray(windows.sum(axis=(2, 3)))
    assert layer.weights is not None
    weights = layer.weights.astype(np.int64)
    if layer.kind is LayerKind.DEPTHWISE:
        return np.asarray(np.einsum("yxijc,cij->yxc", windows, weights))
    return np.asarray(np.einsum("yxijc,oijc->yxo", windows, weights))


def _windows(x: Sums, window: Window, size: tuple[int, int], outside: int) -> Sums:
    """All windows, (output rows, output columns, kernel rows, kernel columns, channels)."""
    pads = ((window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    padded = np.pad(x, pads, constant_values=outside)
    kernel = (window.kernel_h, window.kernel_w)
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(0, 1))
    strided = views[:: window.stride_h, :: window.stride_w][: size[0], : size[1]]
    return strided.transpose(0, 1, 3, 4, 2)


def _maxpool(x: Map, window: Window, size: tuple[int, int]) -> Map:
    """The largest element inside the map; outside counts as less than any byte."""
    largest: Sums = _windows(x.astype(np.int64), window, size, -1).max(axis=(2, 3))
    return largest.astype(np.uint8)


def _requantize(sums: Sums, requant: Requant) -> Map:
    return _finish(requant.multiplier * sums, requant)


def _finish(products: Sums, requant: Requant) -> Map:
    shifted: Sums = (products + requant.offset) >> requant.shift
    return shifted.clip(requant.lo, requant.hi).astype(np.uint8)
