"""Two engines on one layer: of each tile one computes the first rows, the other one the rest, at the same time.

Both read the same tile of the input and write into the same tile of the output; the rows of a tile lie one
after the other, so nothing is moved for it. The planner looks at a team as it looks at an engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles, held_up
from tvm_pulp.codegen.engines.engine import Engine, TileSteps
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.codegen.plan import ENGINE_SEPARATOR, KERNEL_SEPARATOR, Box

FEWEST_ROWS = 2
"""Of a tile: one for each."""

NEARBY = range(-2, 3)
"""Numbers of rows that are tried around the balance that straight lines say."""


@dataclass(frozen=True)
class Team(Engine):
    """The first of the `members` computes the first rows. The cores, if they are a member, are the last."""

    members: tuple[Engine, Engine]
    on_cores: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return ENGINE_SEPARATOR.join(member.name for member in self.members)

    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        for member in self.members:
            reason = member.refusal(graph, layer)
            if reason is not None:
                return reason
            choice = member.choose_kernel(graph, layer, None, 1)
            if choice.pad_in_l1 or choice.channels_first or choice.destroys_input or member.sums_bytes(layer):
                return f"{member.name} needs its input in another form, or leaves work to the cores"
            if member.occupies_core_0(layer):
                return f"{member.name} keeps core 0 busy"
        if graph.tensors[layer.output].height < FEWEST_ROWS:
            return "there is but one row"
        return None if layer.weights is not None else "it has no weights"

    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        choices = [member.choose_kernel(graph, layer, tile, cores) for member in self.members]
        return KernelChoice(KERNEL_SEPARATOR.join(choice.name for choice in choices))

    def tile_steps(self, layer: Layer) -> TileSteps:
        steps = [member.tile_steps(layer) for member in self.members]
        return TileSteps(
            rows=1,
            columns=max(one.columns for one in steps),
            channels=max(one.channels for one in steps),
            only_whole_channels=any(one.only_whole_channels for one in steps),
            fewest_rows=FEWEST_ROWS,
        )

    def blocks(self, layer: Layer, channels: int) -> list[tuple[int, int]]:
        """(offset, size) of each member's parameters in the block of `channels` output channels. They are the
        same bytes where what one member reads is the begin of what the other one reads."""
        first, second = (member.block_bytes(layer, channels) for member in self.members)
        return [(0, first), (0 if self._read_the_same(layer) else align(first), second)]

    def _read_the_same(self, layer: Layer) -> bool:
        assert layer.weights is not None  # `refusal` asked
        return all(self._begin_the_same(layer, channels) for channels in (1, layer.weights.shape[0]))

    def _begin_the_same(self, layer: Layer, channels: int) -> bool:
        one, other = sorted((member.pack_block(layer, 0, channels) for member in self.members), key=len)
        return other.startswith(one)

    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        """Of the whole block only the size."""
        return BlockLayout(0, 0, 0, max(align(offset + size) for offset, size in self.blocks(layer, channels)))

    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        block = b""
        for member, (offset, _) in zip(self.members, self.blocks(layer, channels), strict=True):
            own = member.pack_block(layer, c0, channels)
            block = block.ljust(offset, b"\0") + own if offset else max(block, own, key=len)
        return block.ljust(self.block_bytes(layer, channels), b"\0")

    def scratch_bytes(self, choice: KernelChoice, layer: Layer, in_h: int, in_channels: int, cores: int) -> int:
        return max(
            member.scratch_bytes(KernelChoice(name), layer, in_h, in_channels, cores)
            for member, name in zip(self.members, choice.name.split(KERNEL_SEPARATOR), strict=True)
        )

    # ---- What a tile costs -----------------------------------------------------------------------------------

    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        return self._costs(machine, layer, tiles, self.first_rows(machine, layer, tiles))

    def together(self, layer: Layer, parts: Sequence[IntArray]) -> IntArray:
        """Cycles of steps from those of the members' parts: core 0 starts the engines, all wait for the
        slowest, which the other one holds up as long as it works."""
        started = sum(member.program_cycles() for member in self.members)
        lost = sum(member.lost_share(layer) for member in self.members)
        return started + held_up(np.maximum(*parts), np.minimum(*parts), lost)

    def first_rows(self, machine: Machine, layer: Layer, tiles: Tiles) -> IntArray:
        """How many rows of each tile the first member computes so that both take about the same time; of a tile
        that has but one row none."""
        most = np.maximum(tiles.y_h - 1, 1)
        ends = (np.ones_like(most), most)
        first, second = (
            [self._part(machine, layer, tiles, number, rows) for rows in ends] for number in range(2)
        )
        slopes = np.maximum(first[1] - first[0] + second[1] - second[0], 1)
        balance = 1 + (most - 1) * (second[1] - first[0]) // slopes
        tried = np.stack([np.clip(balance + step, 1, most) for step in NEARBY])
        costs = np.stack([self._costs(machine, layer, tiles, rows) for rows in tried])
        best: IntArray = np.take_along_axis(tried, costs.argmin(axis=0)[None], axis=0)[0]
        return np.minimum(best, tiles.y_h - 1)

    def _costs(self, machine: Machine, layer: Layer, tiles: Tiles, rows: IntArray) -> IntArray:
        parts = (rows, tiles.y_h - rows)
        return self.together(layer, [self._part(machine, layer, tiles, *one) for one in enumerate(parts)])

    def _part(self, machine: Machine, layer: Layer, tiles: Tiles, member: int, rows: IntArray) -> IntArray:
        """Cycles in which a member computes so many rows of the tiles."""
        window = layer.window
        x_h = np.minimum((rows - 1) * window.stride_h + window.extent_h, tiles.x_h)
        return self.members[member].cycles(machine, layer, "", replace(tiles, y_h=rows, x_h=x_h))

    def turn_cycles(self) -> int:
        return sum(member.turn_cycles() for member in self.members)

    def fixed_cycles(self, machine: Machine, layer: Layer, kernel: str) -> int:
        return sum(member.fixed_cycles(machine, layer, kernel) for member in self.members)
