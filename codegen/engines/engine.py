"""What the planner, the checker and the emitter ask of an engine, a unit of the SoC that computes layers.

An engine is a frozen data class: its fields are its parameters in the SoC file. It decides nothing about tiles
and memory; it says what it can compute, what a tile costs it, and how its calls are written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.codegen.plan import LayerPlan, TileStep

if TYPE_CHECKING:
    from tvm_pulp.codegen.cost.arrays import IntArray, Tiles
    from tvm_pulp.codegen.emit.steps import StepTable
    from tvm_pulp.codegen.graph import Layer, LayerGraph
    from tvm_pulp.codegen.machine import Machine
    from tvm_pulp.codegen.plan import Box


@dataclass(frozen=True)
class TileSteps:
    """Sizes of tiles that an engine likes: multiples of these. With `only_whole_channels` no other numbers of
    output channels are tried, but for the last range of a layer. All tiles have at least `fewest_rows`."""

    rows: int
    columns: int
    channels: int
    only_whole_channels: bool = False
    fewest_rows: int = 1


@dataclass(frozen=True)
class Job:
    """One tile as text: what an engine that works beside the cores is told by core 0.

    `state` is the C type of a job under way; there are two, whose turns alternate. `setup` are statements about
    what all jobs of the layer have in common, executed once for each; they see `job`, a pointer to a `state`.
    `start` are the statements that begin the computation of a tile whose operands are in L1: they see `step` (a
    row of the layer's step table), `l1` and `job`. `wait` is the call that returns when a job is done, with
    `{job}` for the pointer to it; the next job is started before. `finish` are
    statements that all cores execute after that, with a barrier at their end, while the next job is under way;
    they see `step` and `l1`.
    """

    state: str
    setup: list[str]
    start: list[str]
    wait: str
    finish: list[str] = field(default_factory=list)


class Engine(ABC):
    """A unit of the SoC beside which, or on which, the cluster's cores run."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As in SoC files, plans and the option -engines=."""

    headers: ClassVar[tuple[str, ...]] = ()
    """C headers that its calls need."""

    peak_macs_per_cycle: ClassVar[float] = 0.0
    """Of the best layer."""

    on_cores: ClassVar[bool] = False
    """True if all cores go through the steps of its layers, not core 0 alone."""

    # ---- What it can do --------------------------------------------------------------------------------------

    @abstractmethod
    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        """Why it can't compute this layer bit by bit as the layer graph says, or None."""

    def violations(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
        """What would make the job of this step compute something else."""
        return []

    # ---- What a tile needs in L1 -----------------------------------------------------------------------------

    @abstractmethod
    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        """The computation of all tiles of a layer that is cut into tiles of the size of `tile` (None: one)."""

    @abstractmethod
    def tile_steps(self, layer: Layer) -> TileSteps:
        """Sizes of tiles that are worth trying."""

    @abstractmethod
    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        """The parameter block of `channels` output channels."""

    @abstractmethod
    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        """The parameter block of output channels `c0 .. c0 + channels - 1`."""

    def scratch_bytes(self, choice: KernelChoice, layer: Layer, in_h: int, in_channels: int, cores: int) -> int:
        """L1 bytes beside the operands, for an input tile of `in_h` rows, padding included."""
        return 0

    def input_slack_bytes(self, choice: KernelChoice, layer: Layer) -> int:
        """Bytes after the input tile that may be read, without being used."""
        return 0

    def sums_bytes(self, layer: Layer) -> int:
        """L1 bytes of each output element in which the engine leaves what the cores make bytes of; 0 if it
        makes them itself."""
        return 0

    def block_bytes(self, layer: Layer, channels: int) -> int:
        """Size of a parameter block, 0 for a layer without parameters."""
        return self.block_layout(layer, channels).size

    # ---- What a tile costs -----------------------------------------------------------------------------------

    @abstractmethod
    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        """Predicted cycles of each tile, from its operands' arrival in L1 to its output there."""

    def finish_cycles(self, machine: Machine, layer: Layer, tiles: Tiles) -> IntArray:
        """Predicted cycles in which the cores finish each tile, while the engine computes the next."""
        return np.zeros_like(tiles.y_h)

    def fixed_cycles(self, machine: Machine, layer: Layer, kernel: str) -> int:
        """Predicted cycles of a layer, of which `kernel` is the computation, beside those of its tiles and
        transfers."""
        return 0

    def turn_cycles(self) -> int:
        """Predicted cycles in which no transfer is under way, from the arrival of a tile's operands until those
        of the next are asked for."""
        return 0

    def occupies_core_0(self, layer: Layer) -> bool:
        """True if the statements that start a job of this layer go on nearly until it ends."""
        return False

    def program_cycles(self) -> int:
        """Predicted cycles in which core 0 gives the engine a tile, where the cores wait for that: they compute
        another part of it."""
        return self.turn_cycles()

    def lost_share(self, layer: Layer) -> float:
        """Predicted share that the slower of two engines loses of the time in which this one is at the same
        layer: both read the same banks of L1."""
        return 0.0

    # ---- How it is called ------------------------------------------------------------------------------------

    def begin_region(self) -> list[str]:
        """Statements for core 0 before the first layer of a region that uses the engine."""
        return []

    def end_region(self) -> list[str]:
        """Statements for core 0 after the last layer."""
        return []

    def job(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> Job:
        """The text of a layer's jobs."""
        raise NotImplementedError(f"{self.name} doesn't work beside the cores")
