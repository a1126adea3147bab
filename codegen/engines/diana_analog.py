"""DIANA's analog in-memory array: 1,152 rows by 512 columns of ternary weights, inputs of 7 bits, outputs of 6.

Cycles as published with ODiMO (eml-eda/odimo). What is computed here is the ideal array, without the noise of
its converters. It takes only layers that are quantized for it: weights -1, 0 and 1, inputs that are proven to
be at most 127, outputs clipped to 0..63, scales that are powers of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, ceil_div
from tvm_pulp.codegen.engines.engine import TileSteps
from tvm_pulp.codegen.engines.window_engine import CONVOLUTIONS, Output, WindowEngine, plain_shift
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind

LARGEST_INPUT = 127
BLOCK_INPUTS = 128
"""Input channels of a step."""

LEAST_INPUTS = 64
"""Rows of the array that a filter element takes at least."""

UNROLLED = (8, 4, 2, 1)
"""Neighbouring pixels that may be computed at once."""


@dataclass(frozen=True)
class DianaAnalog(WindowEngine):
    """The fields are the keys of the engine's table in the SoC file."""

    name: ClassVar[str] = "diana_analog"
    largest_outputs: ClassVar[tuple[int, ...]] = (63,)
    peak_macs_per_cycle: ClassVar[float] = 1152 * 512 / 18

    rows: Annotated[int, Field(ge=1, le=65_536, description="inputs of the array")]
    columns: Annotated[int, Field(ge=1, le=65_536, description="outputs of the array")]
    step_cycles: Annotated[int, Field(ge=1, le=1_000_000, description="cycles of a step, 70 ns on DIANA")]
    weight_cycles: Annotated[
        int, Field(ge=0, le=1_000_000, description="cycles to write the weights of an input and filter element")
    ]

    def layer_refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        if layer.kind not in CONVOLUTIONS:
            return "the analog array computes convolutions, not depthwise ones"
        assert layer.weights is not None  # `refusal` asked
        if int(np.abs(layer.weights.astype(np.int64)).max()) > 1:
            return "the analog array has weights -1, 0 and 1"
        if _largest_value(graph, layer.inputs[0]) > LARGEST_INPUT:
            return f"the analog array takes inputs up to {LARGEST_INPUT}"
        return None if plain_shift(layer) else "it only shifts, and the multipliers aren't one power of two"

    def output(self, layer: Layer) -> Output | None:
        return plain_shift(layer)

    def tile_steps(self, layer: Layer) -> TileSteps:
        return TileSteps(rows=1, columns=UNROLLED[0], channels=1, only_whole_channels=True)

    def work_cycles(self, layer: Layer, tiles: Tiles) -> IntArray:
        assert layer.weights is not None  # `refusal` asked
        window = layer.window
        inputs = layer.weights[0].size // (window.kernel_h * window.kernel_w)
        at_once = np.ones_like(tiles.y_c)
        for pixels in UNROLLED:
            depth = (pixels + window.kernel_w - 1) * max(LEAST_INPUTS, inputs) * window.kernel_h
            fits = (pixels * tiles.y_c <= self.columns) & (depth <= self.rows)
            at_once = np.where((at_once == 1) & fits, pixels, at_once)
        blocks = ceil_div(tiles.y_c, self.columns) * -(-inputs // BLOCK_INPUTS)
        steps = ceil_div(blocks * tiles.y_h * tiles.y_w, at_once)
        cycles: IntArray = steps * self.step_cycles + self.weight_cycles * layer.weights[0].size
        return cycles


def _largest_value(graph: LayerGraph, tensor: str) -> int:
    """What an element of a tensor is at most, as far as its layer says."""
    for layer in graph.layers:
        if layer.output == tensor:
            if layer.kind in (LayerKind.MAXPOOL, LayerKind.COPY):
                return _largest_value(graph, layer.inputs[0])
            return layer.requant.hi if layer.requant is not None else 255
    return 255


ENGINE = DianaAnalog
