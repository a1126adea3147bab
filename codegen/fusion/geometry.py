"""Geometry of a fused group's tiles: a part of the last layer's output, and what of each map before it needs.

As in `tiling`, rows and columns are independent. Windows overlap, so neighbouring tiles compute some of the
maps in between twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.fusion.engines import engine_stage, engines_of_parts
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.plan import Box, Padding, StageStep
from tvm_pulp.codegen.tiles.geometry import PER_CHANNEL_KINDS, Axis, Span, columns, rows, span

Through = tuple[Span, ...]
"""What each layer of a group computes and reads on one axis for a tile, the first layer first."""


@dataclass(frozen=True)
class Group:
    """A fused layer of a graph; `engine` computes one of its layers, or all if it is the cluster."""

    graph: LayerGraph
    layer: Layer
    engine: Engine = CLUSTER
    _blocks: dict[int, list[tuple[int, int]]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def engines(self) -> tuple[Engine, ...]:
        """Those of the layers."""
        return engines_of_parts(self.parts, self.engine)

    @property
    def overlaps(self) -> bool:
        """True if an engine computes a layer of a tile while the cores are at other tiles."""
        return self.engine is not CLUSTER

    @property
    def engine_stage(self) -> int:
        """The number of the layer that is the engine's."""
        return engine_stage(self.parts)

    @property
    def own_part(self) -> Layer:
        """The layer that is the engine's."""
        return self.parts[self.engine_stage]

    @property
    def widens_behind(self) -> bool:
        """True if the engine's part of a tile has other rows than the tile: a window behind it reads them."""
        behind = self.parts[self.engine_stage + 1 :]
        return any((part.window.extent_h, part.window.stride_h) != (1, 1) for part in behind)

    @property
    def has_second_input(self) -> bool:
        """True if the last layer reads a map from outside, too."""
        return len(self.layer.inputs) > 1

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self.layer.parts

    @property
    def tiles_channels(self) -> bool:
        """True if tiles of some of the output channels need only these of what the first layer makes: no other
        layer mixes channels, and none makes whole windows. Where the cores begin a tile, an
        engine is still at the one before, with its parameters: they are loaded once, and tiles have all
        channels."""
        mixing = [part for part in self.parts[1:] if part.kind not in PER_CHANNEL_KINDS]
        loads_once = self.overlaps and self.engine_stage > 0
        windows = any(part.kind is LayerKind.IM2COL for part in self.parts)
        return not (loads_once or mixing or windows)

    def row_cut(self, tile: int) -> list[Through]:
        """The rows cut into tiles of `tile` outputs."""
        return _cut([rows(self.graph, part) for part in self.parts], tile)

    def column_cut(self, tile: int) -> list[Through]:
        """The columns cut into tiles of `tile` outputs."""
        return _cut([columns(self.graph, part) for part in self.parts], tile)

    def stage_channels(self, c0: int, c: int) -> tuple[tuple[int, int], ...]:
        """(first channel, channels) that each layer computes for output channels `c0 .. c0 + c - 1`."""
        found = [(c0, c)]
        for part in reversed(self.parts[1:]):
            own = part.kind in PER_CHANNEL_KINDS
            found.append(found[-1] if own else (0, self.graph.tensors[part.inputs[0]].channels))
        return tuple(reversed(found))

    def input_channels(self, c0: int, c: int) -> tuple[int, int]:
        """(first channel, channels) of the input that it takes."""
        own = self.parts[0].kind in PER_CHANNEL_KINDS
        channels = self.graph.tensors[self.layer.inputs[0]].channels
        return self.stage_channels(c0, c)[0] if own else (0, channels)

    def blocks(self, c0: int, c: int) -> list[tuple[int, int]]:
        """(offset, size) of each layer's parameters in the block of these output channels."""
        if c not in self._blocks:
            channels = [count for _, count in self.stage_channels(c0, c)]
            parts = zip(self.engines, self.parts, channels, strict=True)
            sizes = [engine.block_bytes(part, count) for engine, part, count in parts]
            offsets = accumulate(map(align, sizes[:-1]), initial=0)
            self._blocks[c] = list(zip(offsets, sizes, strict=True))
        return self._blocks[c]

    def block_bytes(self, c0: int, c: int) -> int:
        """Size of the block of these output channels."""
        return sum(align(size) for _, size in self.blocks(c0, c))

    def input_box(self, row: Through, column: Through, part: tuple[int, int]) -> Box:
        """What a tile reads of the group's input; `part` are its output channels."""
        c0, c = self.input_channels(*part)
        return Box(row[0].in_start, row[0].in_size, column[0].in_start, column[0].in_size, c0, c)

    def stage_steps(self, row: Through, column: Through, part: tuple[int, int]) -> list[StageStep]:
        """What each layer does for a tile."""
        ways = zip(row, column, self.stage_channels(*part), self.blocks(*part), strict=True)
        return [
            StageStep(
                y=Box(down.start, down.size, across.start, across.size, *channels),
                padding=Padding(down.before, down.after, across.before, across.after),
                params_offset=block[0],
                params_size=block[1],
            )
            for down, across, channels, block in ways
        ]


def _cut(axes: Sequence[Axis], tile: int) -> list[Through]:
    size = axes[-1].out_size
    return [_through(axes, at, min(tile, size - at)) for at in range(0, size, tile)]


def _through(axes: Sequence[Axis], start: int, size: int) -> Through:
    found: list[Span] = []
    for axis in reversed(axes):
        found.append(span(axis, start, size))
        start, size = found[-1].in_start, found[-1].in_size
    return tuple(reversed(found))
