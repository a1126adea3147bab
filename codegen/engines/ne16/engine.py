"""What NE16 computes, the blocks that it reads its parameters from, and what the planner asks about tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles
from tvm_pulp.codegen.cost.cluster import first_requantize_cycles, requantize_cycles
from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.engines.engine import Engine, Job, TileSteps
from tvm_pulp.codegen.engines.ne16 import cost, emit, limits
from tvm_pulp.codegen.engines.ne16.weights import pack_weights, packed_bytes
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import BlockLayout, pack_entries
from tvm_pulp.codegen.plan import Box, LayerPlan, TileStep

Cycles = Annotated[int, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Ne16(Engine):
    """NE16, programmed by core 0 through pulp-nnx. A pass is one subtile of output with 16 input channels."""

    name: ClassVar[str] = "ne16"
    headers: ClassVar[tuple[str, ...]] = ("pulp_nnx_ne16.h",)
    peak_macs_per_cycle: ClassVar[float] = 9 * 9 * 16 / 8  # 9 pixels x 9 elements x 16 channels, a bit a cycle

    pass_3x3_cycles: Annotated[Cycles, Field(description="3x3: cycles of a pass beside loads and products")]
    pass_1x1_cycles: Annotated[Cycles, Field(description="the same for 1x1")]
    pass_depthwise_cycles: Annotated[Cycles, Field(description="the same for depthwise 3x3")]
    output_cycles: Annotated[Cycles, Field(description="cycles of a subtile's output beside scales and stores")]
    strided_task_cycles: Annotated[
        Cycles, Field(description="stride 2: cycles in which core 0 programs the task of 2x2 pixels")
    ]
    tile_cycles: Annotated[
        Cycles,
        Field(description="cycles in which core 0 programs a tile: task, loads and store, and their latency"),
    ]
    wait_cycles: Annotated[
        Cycles, Field(description="those of these in which no transfer is under way, for core 0 waits for both")
    ]
    conflict_share: Annotated[
        Share, Field(description="of the time in which the cores compute, too: the share that both lose in L1")
    ]
    depthwise_conflict_share: Annotated[
        Share, Field(description="the same of depthwise layers, which read few weights")
    ]
    layer_cycles: Annotated[Cycles, Field(description="cycles of a layer beside those of its tiles")]
    start_cycles: Annotated[Cycles, Field(description="cycles of each tile beside its work")]

    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        return limits.refusal(graph, layer)

    def violations(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
        return limits.violations(layer, plan, step)

    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        return KernelChoice(limits.kernel_name(layer), clip=limits.clips(layer))

    def tile_steps(self, layer: Layer) -> TileSteps:
        pixels = 2 if limits.is_strided(layer) else 3
        return TileSteps(pixels, pixels, limits.GROUP, only_whole_channels=True)

    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        """Scales, biases, packed weights, in an order in which what NE16 reads too much of them is in L1. The
        cores' multipliers and offsets are as they always are."""
        unit = limits.entry_bytes(layer) if limits.leaves_sums(layer) else 4
        scales = channels * (unit if limits.leaves_sums(layer) else limits.scale_bytes(layer))
        biases = scales + -scales % 4
        weights = biases + unit * channels
        shape = limits.weights_of(layer).shape
        end = weights + packed_bytes((channels, *shape[1:]), limits.is_depthwise(layer))
        return BlockLayout(0, biases, weights, end + -end % unit)

    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        part, requant, layout = slice(c0, c0 + channels), layer.requant, self.block_layout(layer, channels)
        assert requant is not None  # `refusal` said so
        weights = pack_weights(limits.weights_of(layer)[part], limits.is_depthwise(layer))
        if limits.leaves_sums(layer):
            return (pack_entries(requant, part) + weights).ljust(layout.size, b"\0")
        scales = requant.multiplier[part].astype("<u1" if limits.scale_bytes(layer) == 1 else "<u4").tobytes()
        biases = requant.offset[part].astype("<i4").tobytes()
        block = scales.ljust(layout.lambda_offset, b"\0") + biases + weights
        return block.ljust(layout.size, b"\0")

    def sums_bytes(self, layer: Layer) -> int:
        return limits.SUM_BYTES if limits.leaves_sums(layer) else 0

    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        rates = cost.Rates(
            passes={
                limits.Mode.FULL: self.pass_3x3_cycles,
                limits.Mode.POINT: self.pass_1x1_cycles,
                limits.Mode.DEPTHWISE: self.pass_depthwise_cycles,
            },
            output=self.output_cycles,
            strided_task=self.strided_task_cycles,
        )
        work = cost.tile_cycles(rates, layer, tiles)
        if limits.is_strided(layer):  # the queue is full of a tile's tasks nearly to its end
            return self.start_cycles + self.tile_cycles + work
        longer: IntArray = self.start_cycles + np.maximum(work, self.tile_cycles)
        return longer

    def finish_cycles(self, machine: Machine, layer: Layer, tiles: Tiles) -> IntArray:
        if not limits.leaves_sums(layer):
            return np.zeros_like(tiles.y_h)
        beside: IntArray = self.tile_cycles + requantize_cycles(machine, layer, tiles)
        return beside

    def occupies_core_0(self, layer: Layer) -> bool:
        return limits.is_strided(layer)  # a task for each 2x2 outputs, of which the queue holds two

    def fixed_cycles(self, machine: Machine, layer: Layer, kernel: str) -> int:
        return self.layer_cycles + limits.leaves_sums(layer) * first_requantize_cycles()

    def turn_cycles(self) -> int:
        return self.wait_cycles

    def lost_share(self, layer: Layer) -> float:
        return self.depthwise_conflict_share if limits.is_depthwise(layer) else self.conflict_share

    def begin_region(self) -> list[str]:
        return list(emit.BEGIN)

    def end_region(self) -> list[str]:
        return list(emit.END)

    def job(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> Job:
        return emit.job(graph, layer, self.block_layout, table)
