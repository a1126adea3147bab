"""Predicted cycles of kernel calls on the cluster's cores: the busiest core's work, and the call.

A matrix product goes through blocks of 4 output channels and a few pixels; its inner loop loads a word (4
elements) of each channel's weights and of each pixel, and multiplies every pair. What is left over of pixels
makes a smaller block, what is left over of 4 channels or of a word costs as much as a whole one.

A SoC's file either gives rates, from which the cycles are estimated here, or says that the kernels' measured
cycles (`xpulpv2`) are its own, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tvm_pulp.codegen.cost.arrays import FloatArray, IntArray, Tiles, ceil_div
from tvm_pulp.codegen.cost.measured import (
    DEPTHWISE,
    DEPTHWISE_REFILL,
    ELEMENTS,
    IM2COL,
    LINEAR,
    LINEAR_REFILL,
    LOADS,
    MATRIX,
    MATRIX_LONG_REFILL,
    MATRIX_REFILL,
    OTHER_REFILL,
    PAD_CALL,
    PARTS_END_REFILL,
    PARTS_REFILL,
    POOLS,
    REFILLS,
    STRIPS,
    RefillCycles,
)
from tvm_pulp.codegen.cost.xpulpv2 import (
    Calls,
    Form,
    depthwise_cycles,
    element_cycles,
    linear_cycles,
    matrix_cycles,
    pool_cycles,
    sums_cycles,
    window_cycles,
)
from tvm_pulp.codegen.graph import Layer, LayerKind
from tvm_pulp.codegen.kernels import requantize_kernel
from tvm_pulp.codegen.machine import ClusterModel, Machine

_BEGIN_SUMS_CALL, _BEGIN_SUM_CYCLES = 100, 5
"""Of setting sums to 0, on PULP-open: the call, a sum."""

BLOCK_CHANNELS = 4
WORD = 4
MAX_BYTE = 255

_ELEMENT_CYCLES = {"pulp_quantize": 21.5, "pulp_dequantize": 9.5, "pulp_transpose": 3.2}
"""Of one core, on PULP-open."""

_FLOAT_UNIT_QUANTIZE_CYCLES = 7.8
"""Of an element that a float unit quantizes."""

_TERM_CYCLES, _QUOTIENT_CYCLES, _LOOK_UP_CYCLES = 19.5, 400.0, 8.0
"""Of a softmax, on PULP-open: of a byte that the sum is made of, a float division, an output."""


def kernel_cycles(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
    """One call for each tile, explicit padding and clipping included."""
    return _called(machine, _refill(layer, kernel), work_cycles(machine, layer, kernel, tiles))


def _called(machine: Machine, refill: RefillCycles, work: FloatArray) -> IntArray:
    """A kernel's work with what comes with each call."""
    call = machine.cluster.call_cycles + _refilled(machine, refill.step)
    return call + np.ceil(work).astype(np.int64)


def first_call_cycles(machine: Machine, layer: Layer, kernel: str) -> int:
    """What the first call of a layer takes more than the others."""
    return _refilled(machine, _refill(layer, kernel).first)


def loads_cycles(machine: Machine) -> int:
    """Until a step has asked for the operands of the next one, or of the next layer."""
    return _refilled(machine, LOADS)


def _refilled(machine: Machine, cycles: float) -> int:
    """Cycles for code from L2, of SoCs on which that was measured."""
    return round(cycles) if machine.cluster.measured_kernels else 0


def _refill(layer: Layer, kernel: str) -> RefillCycles:
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        is_long = layer.requant is not None and layer.requant.wide
        return MATRIX_LONG_REFILL if is_long else MATRIX_REFILL
    if layer.kind is LayerKind.DEPTHWISE:
        return DEPTHWISE_REFILL
    if layer.kind is LayerKind.LINEAR:
        return LINEAR_REFILL
    return REFILLS.get(kernel, OTHER_REFILL)


def work_cycles(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> FloatArray:
    """The kernel's own share of that."""
    if not machine.cluster.measured_kernels or kernel.startswith("pulp_nn_depthwise"):
        return _work(machine, layer, kernel, tiles)
    work = _measured(machine, layer, kernel, tiles)
    if layer.requant is not None and (layer.requant.lo, layer.requant.hi) != (0, MAX_BYTE):
        work = work + element_cycles(ELEMENTS["pulp_clip"], Calls(machine.cores, layer.window, tiles))
    return work + np.where(tiles.x_beside > 0, PAD_CALL, 0.0)


def _measured(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> FloatArray:
    """By the measured cycles of the XpulpV2 kernels."""
    requant = layer.requant
    split = requant is not None and requant.split
    form = Form(split=split, wide=requant is not None and requant.wide and not split)
    calls = Calls(machine.cores, layer.window, tiles, form)
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        return matrix_cycles(MATRIX, calls)
    if layer.kind is LayerKind.DEPTHWISE:
        return depthwise_cycles(DEPTHWISE, STRIPS, calls)
    if layer.kind is LayerKind.LINEAR and layer.weights is not None:
        return linear_cycles(LINEAR, calls, layer.weights.shape[1])
    if kernel in POOLS:
        return pool_cycles(POOLS[kernel], calls)
    if kernel in ELEMENTS:
        return element_cycles(ELEMENTS[kernel], calls)
    return _work(machine, layer, kernel, tiles)


def first_requantize_cycles() -> int:
    """What a layer's first step takes more whose sums another engine leaves."""
    return round(REFILLS["pulp_requantize"].first)


def adding_cycles(machine: Machine, part: Layer, kernel: str, tiles: Tiles) -> IntArray:
    """One call for each tile that adds the sums of a part of its input channels."""
    work = work_cycles(machine, replace(part, requant=None), kernel, tiles)
    return _called(machine, PARTS_REFILL, work)


def begin_sums_cycles(machine: Machine, tiles: Tiles) -> IntArray:
    """What the first part's call takes more: it sets sums to 0."""
    return _BEGIN_SUMS_CALL + ceil_div(tiles.y_bytes, machine.cores) * _BEGIN_SUM_CYCLES


def end_sums_cycles(machine: Machine, layer: Layer, tiles: Tiles) -> IntArray:
    """What the last part's step takes more: it makes bytes of the sums."""
    return _refilled(machine, PARTS_END_REFILL) + requantize_cycles(machine, layer, tiles)


def requantize_cycles(machine: Machine, layer: Layer, tiles: Tiles) -> IntArray:
    """Bytes from sums, another engine's or those of all parts of the input channels."""
    calls = Calls(machine.cores, layer.window, tiles)
    if layer.requant is None:
        return np.zeros_like(tiles.y_h)
    work = sums_cycles(ELEMENTS[requantize_kernel(layer.requant)], calls)
    if (layer.requant.lo, layer.requant.hi) != (0, MAX_BYTE):
        work = work + element_cycles(ELEMENTS["pulp_clip"], calls)
    return np.ceil(work).astype(np.int64)


def _work(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> FloatArray:
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        return _matrix_product(machine, layer, tiles)
    if layer.kind is LayerKind.DEPTHWISE:
        return _depthwise(machine, layer, kernel, tiles)
    if layer.kind is LayerKind.CONV_DIRECT:
        return _direct(machine, layer, tiles)
    if layer.kind is LayerKind.LINEAR:
        return _linear(machine, layer, tiles)
    return _elements(machine, layer, kernel, tiles)


def _elements(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> FloatArray:
    """Kernels without products of weights."""
    if layer.kind is LayerKind.SOFTMAX:
        return _softmax(machine, tiles)
    if layer.kind is LayerKind.IM2COL:
        return window_cycles(IM2COL, Calls(machine.cores, layer.window, tiles))
    if kernel == "pulp_quantize" and machine.cluster.float_unit:
        return ceil_div(tiles.y_bytes, machine.cores) * _FLOAT_UNIT_QUANTIZE_CYCLES
    if kernel in _ELEMENT_CYCLES:
        return ceil_div(tiles.y_bytes, machine.cores) * _ELEMENT_CYCLES[kernel]
    elements = tiles.y_bytes * len(layer.inputs) * layer.window.kernel_h * layer.window.kernel_w
    return elements / (machine.cluster.elements_per_cycle * _busy(machine.cores, tiles))


def _output_cycles(model: ClusterModel, layer: Layer) -> float:
    if layer.requant is None or not layer.requant.wide:
        return model.output_cycles
    return model.split_output_cycles if layer.requant.split else model.wide_output_cycles


def _matrix_product(machine: Machine, layer: Layer, tiles: Tiles) -> FloatArray:
    """Cores share pixels and blocks of channels in the best of the possible ways."""
    splits = [1 << log for log in range(machine.cores.bit_length())]
    products = [_split_product(machine, layer, tiles, ways) for ways in splits]
    fastest: FloatArray = np.stack(products).min(axis=0)
    return fastest


def _split_product(machine: Machine, layer: Layer, tiles: Tiles, channel_ways: int) -> FloatArray:
    model = machine.cluster
    pixels = ceil_div(tiles.y_h * tiles.y_w, machine.cores // channel_ways)
    channel_blocks = ceil_div(ceil_div(tiles.y_c, BLOCK_CHANNELS), channel_ways)
    words = _window_words(layer)
    inner = ceil_div(pixels, model.block_pixels) * model.word_weights_cycles + pixels * model.word_pixel_cycles
    outer = pixels * BLOCK_CHANNELS * _output_cycles(model, layer)
    im2col = 0.0 if layer.kind is LayerKind.POINTWISE else words * model.im2col_word_cycles
    work: FloatArray = channel_blocks * (inner * words + outer) + pixels * im2col
    return work


def _window_words(layer: Layer) -> int:
    """Words that a window consists of."""
    if layer.weights is None:
        return 0
    return int(-(-(layer.weights.size // layer.weights.shape[0]) // WORD))


def _depthwise(machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> FloatArray:
    """The library's kernel divides channels over the cores, ours pixels, and takes 4 channels at a time. The
    rates are those with 32-bit requantization."""
    model, macs = machine.cluster, layer.window.kernel_h * layer.window.kernel_w
    wider = _output_cycles(model, layer) - model.output_cycles
    if kernel.startswith("pulp_nn_"):
        outputs = tiles.y_h * tiles.y_w * ceil_div(tiles.y_c, machine.cores)
        return outputs * (macs / model.depthwise_chw_macs_per_cycle)
    outputs = (
        ceil_div(tiles.y_h * tiles.y_w, machine.cores) * ceil_div(tiles.y_c, BLOCK_CHANNELS) * BLOCK_CHANNELS
    )
    return outputs * (macs / model.depthwise_macs_per_cycle + wider)


def _direct(machine: Machine, layer: Layer, tiles: Tiles) -> FloatArray:
    """Convolution with groups or dilation, at the depthwise kernel's rate."""
    outputs = ceil_div(tiles.y_h * tiles.y_w, machine.cores) * tiles.y_c
    macs = _window_words(layer) * WORD / machine.cluster.depthwise_macs_per_cycle
    return outputs * (macs + _output_cycles(machine.cluster, layer))


def _linear(machine: Machine, layer: Layer, tiles: Tiles) -> FloatArray:
    outputs = ceil_div(tiles.y_c, machine.cores)
    macs = _window_words(layer) * WORD / machine.cluster.linear_macs_per_cycle
    return outputs * (macs + _output_cycles(machine.cluster, layer))


def _softmax(machine: Machine, tiles: Tiles) -> FloatArray:
    """Each core adds up all exponentials of its pixels; a float is divided for each output or each byte."""
    pixels, outputs = tiles.y_h * tiles.y_w, tiles.y_c
    shared = (outputs >= MAX_BYTE + 1) & (tiles.x_c >= MAX_BYTE + 1)
    own = np.where(shared, pixels, ceil_div(pixels, machine.cores))
    quotients = np.where(shared, pixels * ceil_div(MAX_BYTE + 1 + 0 * outputs, machine.cores), 0)
    quotients = np.where(shared, quotients, ceil_div(pixels * outputs, machine.cores))
    looked_up = np.where(shared, pixels * ceil_div(outputs, machine.cores), 0)
    work: FloatArray = (
        own * tiles.x_c * _TERM_CYCLES + quotients * _QUOTIENT_CYCLES + looked_up * _LOOK_UP_CYCLES
    )
    return work


def _busy(cores: int, tiles: Tiles) -> IntArray:
    """Cores that have work where pixels are shared, or outputs where there is but one pixel."""
    pixels = tiles.y_h * tiles.y_w
    return np.minimum(cores, np.where(pixels > 1, pixels, tiles.y_c))
