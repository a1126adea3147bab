"""A unit that adds two tensors while the cluster's cores sleep. It exists in this example only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles
from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.engines.engine import Engine, Job, TileSteps
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.codegen.plan import Box, LayerPlan


@dataclass(frozen=True)
class Adder(Engine):
    """The fields are the keys of the engine's table in the SoC file."""

    name: ClassVar[str] = "adder"
    headers: ClassVar[tuple[str, ...]] = ("adder.h",)

    bytes_per_cycle: Annotated[int, Field(ge=1, le=64, description="outputs in a cycle")]
    start_cycles: Annotated[int, Field(ge=0, le=100_000, description="cycles to program a job")]

    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        if layer.kind is not LayerKind.ADD or layer.requant is None:
            return "the adder adds"
        if layer.requant.wide or (layer.requant.lo, layer.requant.hi) != (0, 255):
            return "the adder computes in 32 bits and clips to 0..255"
        return None

    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        return KernelChoice("adder")

    def tile_steps(self, layer: Layer) -> TileSteps:
        return TileSteps(rows=1, columns=1, channels=1)

    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        return BlockLayout(0, 0, 0, 0)  # multipliers are in the code

    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        return b""

    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        return self.start_cycles + np.ceil(tiles.y_bytes / self.bytes_per_cycle).astype(np.int64)

    def job(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> Job:
        assert layer.requant is not None  # `refusal` said so
        k1, k2 = (int(k) for k in layer.requant.multiplier)
        return Job(
            state="adder_job_t",
            setup=[
                f"  job->k1 = {k1};",
                f"  job->k2 = {k2};",
                f"  job->lambda = {int(layer.requant.offset[0])};",
                f"  job->shift = {layer.requant.shift};",
            ],
            start=[
                f"  job->x = l1 + {table.expression('x_l1')};",
                f"  job->x2 = l1 + {table.expression('x2_l1')};",
                f"  job->y = l1 + {table.expression('y_l1')};",
                f"  job->elements = {table.expression('y_size')};",
                "  adder_start(job);",
            ],
            wait="adder_wait({job})",
        )


ENGINE = Adder
