"""DIANA's digital accelerator: an array of 16 x 16 multipliers, output channels by output columns.

Cycles as published with ODiMO (eml-eda/odimo). It shifts its sums, and has no multipliers: networks must be
quantized for it, with scales that are powers of two. Its outputs are assumed to have 8 bits or, like those of
the analog array, which may compute some rows of the same layer, 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, ceil_div
from tvm_pulp.codegen.engines.engine import TileSteps
from tvm_pulp.codegen.engines.window_engine import CONVOLUTIONS, Output, WindowEngine, plain_shift
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.plan import LayerPlan, TileStep

SIDE = 16
"""Rows and columns of the array."""

MEMORY_BYTES_PER_CYCLE = 8
NEVER = 1 << 40
"""Cycles of a tile that can't be computed."""


@dataclass(frozen=True)
class DianaDigital(WindowEngine):
    """The fields are the keys of the engine's table in the SoC file."""

    name: ClassVar[str] = "diana_digital"
    largest_outputs: ClassVar[tuple[int, ...]] = (255, 63)
    peak_macs_per_cycle: ClassVar[float] = SIDE * SIDE

    weight_bytes: Annotated[int, Field(ge=1, le=1 << 24, description="bytes of its weight memory")]

    def layer_refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        if layer.kind not in CONVOLUTIONS:
            return "the digital array computes convolutions, not depthwise ones"
        return None if plain_shift(layer) else "it only shifts, and the multipliers aren't one power of two"

    def output(self, layer: Layer) -> Output | None:
        return plain_shift(layer)

    def violations(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
        found = super().violations(graph, layer, plan, step)
        assert layer.weights is not None  # `refusal` said so
        if step.y.c * layer.weights[0].size > self.weight_bytes:
            found.append(f"more than the {self.weight_bytes} bytes of weights that the digital array holds")
        return found

    def tile_steps(self, layer: Layer) -> TileSteps:
        return TileSteps(rows=1, columns=SIDE, channels=SIDE)

    def work_cycles(self, layer: Layer, tiles: Tiles) -> IntArray:
        assert layer.weights is not None  # `refusal` said so
        per_output = layer.weights[0].size  # input channels by filter elements
        ranges = ceil_div(tiles.y_c, SIDE) * ceil_div(tiles.y_w, SIDE) * tiles.y_h
        moved = ceil_div(tiles.y_h * tiles.y_w * (tiles.y_c + tiles.x_c), MEMORY_BYTES_PER_CYCLE)
        fits = tiles.y_c * per_output <= self.weight_bytes
        return np.where(fits, ranges * per_output + moved, NEVER)


ENGINE = DianaDigital
