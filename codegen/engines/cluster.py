"""The cluster's cores as an engine: every kind of layer, all cores at work on each tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tvm_pulp.codegen import params
from tvm_pulp.codegen.check.kernel_limits import violations
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles
from tvm_pulp.codegen.cost.cluster import first_call_cycles, kernel_cycles
from tvm_pulp.codegen.engines.engine import Engine, TileSteps
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice, choose_kernel, input_slack_bytes, scratch_bytes
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, LayerPlan, TileStep

ROW_STEP, COLUMN_STEP, CHANNEL_STEP = 8, 2, 4
"""Tile sizes that keep eight cores, pixel pairs and groups of four channels busy."""


@dataclass(frozen=True)
class Cluster(Engine):
    """The cores; their parameters are the machine's `cluster`."""

    name: ClassVar[str] = CLUSTER_NAME
    on_cores: ClassVar[bool] = True

    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        return None

    def violations(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
        return violations(graph, layer, plan, step)

    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        return choose_kernel(graph, layer, tile, cores)

    def tile_steps(self, layer: Layer) -> TileSteps:
        return TileSteps(ROW_STEP, COLUMN_STEP, CHANNEL_STEP)

    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        return params.block_layout(layer, channels)

    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        return params.pack_block(layer, c0, channels)

    def scratch_bytes(self, choice: KernelChoice, layer: Layer, in_h: int, in_channels: int, cores: int) -> int:
        return scratch_bytes(choice, layer, in_h, in_channels, cores)

    def input_slack_bytes(self, choice: KernelChoice, layer: Layer) -> int:
        return input_slack_bytes(choice, layer)

    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        return kernel_cycles(machine, layer, kernel, tiles)

    def fixed_cycles(self, machine: Machine, layer: Layer, kernel: str) -> int:
        return first_call_cycles(machine, layer, kernel)


CLUSTER = Cluster()
