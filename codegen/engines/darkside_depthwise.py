"""Darkside's depthwise engine: 3x3 filters, 16 channels at a time, weights stationary.

Cycles as published with ODiMO (eml-eda/odimo): 16 channels take 9 cycles for their weights, 9 for each output
column and 4 for each output pixel. Its output stage is assumed to scale in 32 bits with a multiplier for each
channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, ceil_div
from tvm_pulp.codegen.engines.engine import TileSteps
from tvm_pulp.codegen.engines.window_engine import MOST_SHIFT, Output, WindowEngine
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind

GROUP = 16
"""Channels that are computed side by side."""


@dataclass(frozen=True)
class DarksideDepthwise(WindowEngine):
    """The fields are the keys of the engine's table in the SoC file."""

    name: ClassVar[str] = "darkside_depthwise"
    peak_macs_per_cycle: ClassVar[float] = GROUP * 9 / 4

    group_cycles: Annotated[int, Field(ge=0, le=1_000_000, description="cycles to load 16 channels' weights")]
    column_cycles: Annotated[int, Field(ge=0, le=1_000_000, description="cycles to begin an output column")]
    pixel_cycles: Annotated[int, Field(ge=1, le=1_000_000, description="cycles of 16 channels of a pixel")]

    def layer_refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        window = layer.window
        if layer.kind is not LayerKind.DEPTHWISE or (window.kernel_h, window.kernel_w) != (3, 3):
            return "the depthwise engine has 3x3 depthwise filters"
        if window.stride_h != window.stride_w or window.stride_h > 2:
            return "strides are 1 or 2, the same in both directions"
        return None if self.output(layer) else "its requantization needs 64 bits, or shifts by more than 31"

    def output(self, layer: Layer) -> Output | None:
        requant = layer.requant
        if requant is None or requant.wide or requant.shift > MOST_SHIFT:
            return None
        return Output(requant.multiplier, requant.offset, requant.shift, requant.hi)

    def tile_steps(self, layer: Layer) -> TileSteps:
        return TileSteps(rows=1, columns=1, channels=GROUP)

    def work_cycles(self, layer: Layer, tiles: Tiles) -> IntArray:
        pixels = self.pixel_cycles * tiles.y_h * tiles.y_w
        cycles: IntArray = ceil_div(tiles.y_c, GROUP) * (
            self.group_cycles + self.column_cycles * tiles.y_w + pixels
        )
        return cycles


ENGINE = DarksideDepthwise
