"""What a layer graph computes, in NumPy, written from the contract in `codegen/graph.py` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant, Tensor, Window

Map = npt.NDArray[Any]
Sums = npt.NDArray[np.int64]


def run_model(graph: LayerGraph, inputs: dict[str, Map]) -> dict[str, Map]:
    """The graph's outputs, by tensor name; inputs and outputs are (height, width, channels)."""
    memory = {
        tensor.name: np.zeros(tensor.size_bytes, np.uint8)
        for tensor in graph.tensors.values()
        if tensor.view is None
    }
    for name, value in inputs.items():
        _elements(memory, graph.tensors[name])[:] = value
    for layer in graph.layers:
        operands = [_elements(memory, graph.tensors[name]).copy() for name in layer.inputs]
        zero_points = [graph.tensors[name].zero_point for name in layer.inputs]
        out = graph.tensors[layer.output]
        _elements(memory, out)[:] = _layer(layer, operands, zero_points, (out.height, out.width))
    return {name: _elements(memory, graph.tensors[name]).copy() for name in graph.outputs}


def _elements(memory: dict[str, Map], tensor: Tensor) -> Map:
    """A tensor's elements in memory, (height, width, channels)."""
    start = 0 if tensor.view is None else tensor.view.offset
    shape = (tensor.height, tensor.width, tensor.channels)
    size = tensor.dtype.size
    plane = tensor.height * tensor.width * size if tensor.planar else size
    strides = (tensor.row_bytes, tensor.pixel_bytes, plane)
    return np.ndarray(shape, tensor.dtype.value, memory[tensor.base].data, start, strides)


def _layer(layer: Layer, operands: list[Map], zero_points: list[int], size: tuple[int, int]) -> Map:
    x = operands[0]
    if layer.kind is LayerKind.MAXPOOL:
        return _maxpool(x, layer.window, size)
    if layer.kind is LayerKind.IM2COL:
        windows = _windows(x.astype(np.int64), layer.window, size, zero_points[0])
        return windows.reshape(*size, -1).astype(np.uint8)
    if layer.kind in (LayerKind.COPY, LayerKind.TRANSPOSE):
        return x
    if layer.kind is LayerKind.SOFTMAX and layer.table is not None:
        return _softmax(x, layer.table)
    if layer.table is not None:
        return _quantized(x, layer.table) if layer.kind is LayerKind.QUANTIZE else layer.table[x]
    return _computed(layer, operands, zero_points, size)


def _computed(layer: Layer, operands: list[Map], zero_points: list[int], size: tuple[int, int]) -> Map:
    """Of layers that add products or elements."""
    x = operands[0]
    if layer.bias is not None:
        return (_sums(layer, x, zero_points[0], size) + layer.bias).astype(np.int32)
    assert layer.requant is not None
    if layer.skips_padding:
        return _average_inside(x, layer.window, size, layer.requant)
    if layer.kind in (LayerKind.ADD, LayerKind.MUL):
        return _finish(_two_inputs(layer, operands, zero_points, layer.requant), layer.requant)
    return _requantize(_sums(layer, x, zero_points[0], size), layer.requant)


def _softmax(x: Map, table: Map) -> Map:
    terms = table[x.max(axis=-1, keepdims=True).astype(np.int64) - x]
    total = np.rint(terms).astype(np.int64).sum(axis=-1, keepdims=True)
    return np.asarray(terms / total.astype(np.float32))


def _quantized(x: Map, bounds: Map) -> Map:
    """How many of the bounds are at most x; NaN gives 255."""
    with np.errstate(invalid="ignore"):
        reached = (bounds <= x[..., np.newaxis]).sum(axis=-1)
    return np.where(np.isnan(x), 255, reached).astype(np.uint8)


def _two_inputs(layer: Layer, operands: list[Map], zero_points: list[int], requant: Requant) -> Sums:
    """The scaled sum, or the scaled product of two tensors."""
    a, b = (value.astype(np.int64) for value in operands)
    k = requant.multiplier
    if layer.kind is LayerKind.ADD:
        return np.asarray(k[0] * a + k[1] * b)
    return np.asarray(k[0] * (a - zero_points[0]) * (b - zero_points[1]))


def _sums(layer: Layer, x: Map, zero_point: int, size: tuple[int, int]) -> Sums:
    if layer.kind is LayerKind.LINEAR:
        assert layer.weights is not None
        sums: Sums = layer.weights.astype(np.int64) @ x.reshape(-1).astype(np.int64)
        return sums.reshape(1, 1, -1)
    windows = _windows(x.astype(np.int64), layer.window, size, zero_point)
    if layer.kind is LayerKind.AVGPOOL:
        return np.asarray(windows.sum(axis=(2, 3)))
    assert layer.weights is not None
    weights = layer.weights.astype(np.int64) + layer.weight_offset
    if layer.kind is LayerKind.CONV_DIRECT:
        inputs = np.split(windows, layer.groups, axis=-1)
        outputs = np.split(weights, layer.groups, axis=0)
        parts = [np.einsum("yxijc,oijc->yxo", x, w) for x, w in zip(inputs, outputs, strict=True)]
        return np.asarray(np.concatenate(parts, axis=-1))
    if layer.kind is LayerKind.DEPTHWISE:
        return np.asarray(np.einsum("yxijc,cij->yxc", windows, weights))
    return np.asarray(np.einsum("yxijc,oijc->yxo", windows, weights))


def _windows(x: Sums, window: Window, size: tuple[int, int], outside: int) -> Sums:
    """All windows, (output rows, output columns, kernel rows, kernel columns, channels)."""
    pads = ((window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    padded = np.pad(x, pads, constant_values=outside)
    extent = (window.extent_h, window.extent_w)
    views = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(0, 1))
    views = views[..., :: window.dilation_h, :: window.dilation_w]
    strided = views[:: window.stride_h, :: window.stride_w][: size[0], : size[1]]
    return strided.transpose(0, 1, 3, 4, 2)


def _average_inside(x: Map, window: Window, size: tuple[int, int], requant: Requant) -> Map:
    """Averages over what is inside the map, with the multipliers of as many elements."""
    sums = _windows(x.astype(np.int64), window, size, 0).sum(axis=(2, 3))
    elements = _windows(np.ones(x.shape, np.int64), window, size, 0).sum(axis=(2, 3))
    k, offset = requant.multiplier[elements - 1], requant.offset[elements - 1]
    return _finish(np.asarray(k * sums), Requant(k, offset, requant.shift, False, requant.lo, requant.hi))


def _maxpool(x: Map, window: Window, size: tuple[int, int]) -> Map:
    """The largest element inside the map; outside counts as less than any byte."""
    largest: Sums = _windows(x.astype(np.int64), window, size, -1).max(axis=(2, 3))
    return largest.astype(np.uint8)


def _requantize(sums: Sums, requant: Requant) -> Map:
    return _finish(requant.multiplier * sums, requant)


def _finish(products: Sums, requant: Requant) -> Map:
    shifted: Sums = (products + requant.offset) >> requant.shift
    return shifted.clip(requant.lo, requant.hi).astype(np.uint8)
