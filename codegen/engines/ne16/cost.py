"""Predicted cycles of NE16.

An output subtile is 3x3 pixels of 32 channels (16 in a depthwise convolution). For each 16 input channels it
takes a pass: the input is loaded, a pixel a cycle, then the weights of one output channel after the other pass
through, a bit a cycle (in 1x1 mode all bits at once). At last the sums are scaled, a scale of 32 bits or four
of 8 a cycle, and stored, a pixel a cycle. The structure is that of DORY's model (pulp-platform/dory,
Hardware_targets) and of GVSoC's (gvsoc/gvsoc-pulp, pulp/ne16); the constants are the engine's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, ceil_div
from tvm_pulp.codegen.engines.ne16.limits import (
    GROUP,
    OUT_CHANNELS,
    Mode,
    is_strided,
    leaves_sums,
    mode_of,
    scale_bytes,
)
from tvm_pulp.codegen.engines.ne16.weights import BITS
from tvm_pulp.codegen.graph import Layer, LayerKind

SUMS_STORED = 8
"""Of one pixel, in a cycle."""

HALO = 2
"""Rows and columns that a 3x3 window adds to a subtile."""


@dataclass(frozen=True)
class Rates:
    """Cycles of a pass beside loads and products, of a subtile's output beside scales and stores, and of core 0
    from one of the 2x2 tasks of a strided convolution to the next."""

    passes: Mapping[Mode, int]
    output: int
    strided_task: int


@dataclass(frozen=True)
class _Sizes:
    """Of each tile: output rows and columns, input and output channels."""

    h: IntArray
    w: IntArray
    ki: IntArray
    ko: IntArray


def tile_cycles(rates: Rates, layer: Layer, tiles: Tiles) -> IntArray:
    """Cycles of each tile, without what starts it."""
    mode = mode_of(layer)
    assert mode is not None  # the layer was accepted
    whole_input = layer.kind is LayerKind.LINEAR
    ki = tiles.x_h * tiles.x_w * tiles.x_c if whole_input else tiles.x_c
    sizes = _Sizes(tiles.y_h, tiles.y_w, ki, tiles.y_c)
    if not is_strided(layer):
        return _task(rates, layer, mode, sizes)
    # One task for each 2x2 outputs, which takes as long as 3x3, or as core 0 takes to program the next.
    three = np.full_like(sizes.h, 3)
    task = _task(rates, layer, mode, _Sizes(three, three, sizes.ki, sizes.ko))
    longer: IntArray = ceil_div(sizes.h, 2) * ceil_div(sizes.w, 2) * np.maximum(task, rates.strided_task)
    return longer


def _task(rates: Rates, layer: Layer, mode: Mode, sizes: _Sizes) -> IntArray:
    rows, columns = ceil_div(sizes.h, 3), ceil_div(sizes.w, 3)
    blocks = rows * columns
    fixed = rates.passes[mode]
    if mode is Mode.POINT:
        ranges, groups = ceil_div(sizes.ko, OUT_CHANNELS), ceil_div(sizes.ki, GROUP)
        work = groups * blocks * (ranges * (9 + fixed) + sizes.ko)
        stores = ranges * blocks * 9
    else:
        loads = (sizes.h + HALO * rows) * (sizes.w + HALO * columns)
        ranges = ceil_div(sizes.ko, GROUP if mode is Mode.DEPTHWISE else OUT_CHANNELS)
        groups = np.ones_like(ranges) if mode is Mode.DEPTHWISE else ceil_div(sizes.ki, GROUP)
        work = groups * (ranges * (loads + blocks * fixed) + blocks * sizes.ko * BITS)
        stores = ranges * sizes.h * sizes.w
    if leaves_sums(layer):
        stores = blocks * ceil_div(sizes.ko, SUMS_STORED) * 9
        scales = np.zeros_like(blocks)
    else:
        scales = blocks * ceil_div(sizes.ko, 4 // scale_bytes(layer))
    total: IntArray = work + scales + stores + ranges * blocks * rates.output
    return total
