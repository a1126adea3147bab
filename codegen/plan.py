"""The plan: how a layer graph is executed, as plain data that is printed, saved as JSON, checked and emitted.

All offsets and sizes are bytes. L1 offsets count from the start of the cluster's L1 arena, L2 offsets from the
start of the region's L2 arena. The region's own inputs and outputs lie where the caller put them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Operand(Enum):
    """The role of an L1 buffer."""

    X = "x"  # input tile
    X2 = "x2"  # second input tile of an add
    PARAMS = "params"  # one block: k, offsets, weights of a range of output channels
    Y = "y"  # output tile
    SCRATCH = "scratch"  # what the kernel needs beside its operands (im2col and the like)


class LoopOrder(Enum):
    """Which loop is outermost, hence which operand is reused."""

    CHANNELS_OUTER = "channels_outer"  # parameters stay, input tiles are read again per channel range
    SPACE_OUTER = "space_outer"  # the input tile stays, parameters are read again per spatial tile


@dataclass(frozen=True)
class Box:
    """A part of an HWC tensor: `h` rows from `h0`, `w` columns from `w0`, `c` channels from `c0`."""

    h0: int
    h: int
    w0: int
    w: int
    c0: int
    c: int

    @property
    def size_bytes(self) -> int:
        """Bytes of a uint8 tensor of this shape."""
        return self.h * self.w * self.c


@dataclass(frozen=True)
class Padding:
    """Rows and columns outside of the input tensor that a tile's window touches."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class L1Buffer:
    """One buffer in L1, alive during the whole layer; `slot` is 0 or, in a double-buffered pair, 0 and 1."""

    operand: Operand
    slot: int
    offset: int
    size: int


@dataclass(frozen=True)
class TileStep:
    """One iteration of a layer's tile loop: which boxes, in which slots, and what must be transferred for it.

    `x` is the part of the input tensor (of both inputs, for an add) that the step reads, inside the tensor;
    `padding` is what the window needs beyond it. `load_x` / `load_params` are False where the slot already
    holds the right bytes because an earlier step loaded them. `params_offset` and `params_size` are the bytes
    of this step's block in the layer's packed parameters. Every step stores its `y`.
    """

    y: Box
    x: Box
    padding: Padding
    x_slot: int = 0
    params_slot: int = 0
    y_slot: int = 0
    load_x: bool = True
    load_params: bool = True
    params_offset: int = 0
    params_size: int = 0


@dataclass(frozen=True)
class LayerPlan:
    """How one layer runs.

    `kernel` is the C function that computes a tile. `channels_first` says that the input tile is gathered into
    CHW order in L1 (what PULP-NN's depthwise reads). `pad_in_l1` says that the padding is part of the input
    buffer, filled with the input's zero point, and the kernel is called without padding; otherwise the
    kernel pads with 0. `clip` says that a clipping pass follows the kernel, because the bounds are not 0..255.
    `cycles` is the cost model's prediction for the layer.
    """

    layer: str
    kernel: str
    tile: Box  # the largest step's output box, at the origin
    order: LoopOrder
    buffers: tuple[L1Buffer, ...]
    steps: tuple[TileStep, ...]
    channels_first: bool = False
    pad_in_l1: bool = False
    clip: bool = False
    cycles: int = 0


@dataclass(frozen=True)
class L2Buffer:
    """An activation between two layers in the L2 arena, alive from layer `first` to layer `last` (indices)."""

    tensor: str
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """A whole region's plan. `l1_bytes` and `l2_bytes` are the limits that it was made for, `l1_used` and
    `l2_used` what it takes: the top of the L1 arena; arena plus packed parameters of all layers in L2."""

    region: str
    soc: str
    cores: int
    l1_bytes: int
    l2_bytes: int
    l1_used: int
    l2_used: int
    l2_arena: int
    layers: tuple[LayerPlan, ...]
    l2_buffers: tuple[L2Buffer, ...]
