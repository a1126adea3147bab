"""The plan: how a layer graph is executed, as plain data that is printed, saved as JSON, checked and emitted.

All offsets and sizes are bytes. L1 offsets count from the start of the cluster's L1 arena, L2 offsets from the
start of the region's L2 arena, L3 offsets from the start of a layer's packed parameters or of the region's L3
arena. The region's own inputs and outputs lie where the caller put them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

CLUSTER_NAME = "cluster"
"""The engine that every SoC has: its cores."""

ENGINE_SEPARATOR, KERNEL_SEPARATOR = "+", " + "
"""Between the names of engines, and of kernels, that compute a layer together."""


class Operand(Enum):
    """The role of an L1 buffer."""

    X = "x"  # input tile
    X2 = "x2"  # second input tile of an add, or of a group that ends in one
    PARAMS = "params"  # one block: k, offsets, weights of a range of output channels
    Y = "y"  # output tile
    SUMS = "sums"  # int32 sums of an output tile, from an engine to the cores or from step to step
    SCRATCH = "scratch"  # what the kernel needs beside its operands (im2col and the like)
    MID = "mid"  # what one layer of a fused group makes for the next; a slot for each such map, and one more


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
    of this step's block in the layer's packed parameters. Every step stores its `y`, unless the next one goes
    on with it: see `LayerPlan.c_in`. Of a group's second input a step reads `y`, loads it always, and has it in
    `x2_slot`; that of an add by itself is in `x_slot`.
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
    x2_slot: int = 0


@dataclass(frozen=True)
class StageStep:
    """What one layer of a fused group does in one step of the group: `y` is the part of its output that it
    computes, `padding` what its window needs beyond the part of its input that it reads. That is the `y` of the
    layer before it, or the `x` of the group's step. Its parameters lie at `params_offset` in the step's
    block."""

    y: Box
    padding: Padding
    params_offset: int = 0
    params_size: int = 0


@dataclass(frozen=True)
class Stage:
    """One layer of a fused group; `steps` are as many as the group's, everything else as in `LayerPlan`."""

    layer: str
    kernel: str
    steps: tuple[StageStep, ...]
    pad_in_l1: bool = False
    clip: bool = False
    engine: str = CLUSTER_NAME


@dataclass(frozen=True)
class ShareStep:
    """What one of a layer's two engines does in a step: rows `y` of the step's output from rows `x` of its
    input, with what the window needs beyond them. Its parameters lie at `params_offset` in the step's block."""

    y: Box
    x: Box
    padding: Padding
    params_offset: int = 0
    params_size: int = 0


@dataclass(frozen=True)
class Share:
    """The part of a layer that one of two engines computes; `steps` are as many as the layer's, everything else
    as in `LayerPlan`."""

    engine: str
    kernel: str
    steps: tuple[ShareStep, ...]
    clip: bool = False


@dataclass(frozen=True)
class LayerPlan:
    """How one layer runs, or a group of layers that are fused into one.

    `engine` is the unit that computes the layer, `kernel` the cluster's C function that computes a tile, or
    what another engine calls its computation. `channels_first` says that the input tile is gathered into
    CHW order in L1 (what PULP-NN's depthwise reads). `pad_in_l1` says that the padding is part of the input
    buffer, filled with the input's zero point, and the kernel is called without padding; otherwise the kernel
    pads with 0. `clip` says that a clipping pass follows the kernel, because the bounds are not 0..255. `in_l1`
    names the inputs and the output that lie whole in L1 (`L1Tensor`): they have no buffers of the layer, its
    tiles read and write them in place. `params_ahead` and `x_ahead` say that the parameters and the inputs of
    the first step are loaded during the last step of the layer before. `late` names operands (X stands for
    X2 too) that a step itself loads, when the step before has computed: one buffer is enough for them, but
    nothing is computed meanwhile. All others are loaded while the step before computes. `cycles` is the cost
    model's prediction for the layer.

    A tile that reads its input channels in parts has a step for each of them, one after the other, with the
    same `y` and with `c_in` channels of the input (the last ones of the tensor may be fewer) in `x`: the first
    makes 32-bit sums, each other one adds to them, the last makes `y` of them. With `c_in` 0 each step reads
    all channels that it needs.

    A group has `stages`, its layers in order: each step computes the last one's `y` from the first one's `x`,
    and what is in between is in L1 only. `layer` and `kernel` name them all, `pad_in_l1` is that of the first.
    If the last one has two inputs, that which no layer of the group makes is the group's second. `engine` is
    the one beside the cores that computes one of the layers, if there is such a one: it is at a step while the
    cores are at the layers before it for the next step, and at those behind it for the step before. What it
    reads and makes for these alternates between two buffers then, and the second input between three.

    A layer that two engines compute together has `shares`, the one with the first rows first: in each step both
    work at the same time, on parts of the same tile. `engine` and `kernel` name both.

    A layer on an engine beside the cores that has `next_steps` runs at the same time as the next one, on the
    cores or another engine: a pair, neither of which reads what the other one writes. When core 0 has given a
    step to the engine, which may still be at the one before, steps of the next layer follow; `next_steps` says
    how many of them are done before the engine gets another. `cycles` of the first are those of the pair, the
    second has none.
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
    engine: str = CLUSTER_NAME
    in_l1: tuple[str, ...] = ()
    params_ahead: bool = False
    late: tuple[Operand, ...] = ()
    x_ahead: bool = False
    stages: tuple[Stage, ...] = ()
    shares: tuple[Share, ...] = ()
    next_steps: tuple[int, ...] = ()
    c_in: int = 0

    @property
    def with_next(self) -> bool:
        """True if the layer runs at the same time as the next one."""
        return bool(self.next_steps)

    @property
    def engine_stage(self) -> int | None:
        """The number of a group's layer that an engine beside the cores computes, None if there is none."""
        beside = [index for index, stage in enumerate(self.stages) if stage.engine != CLUSTER_NAME]
        return beside[0] if beside else None

    def second_slot(self, step: TileStep) -> int:
        """The slot of X2 that a step reads."""
        return step.x2_slot if self.stages else step.x_slot

    @property
    def on_cores(self) -> bool:
        """True if all cores go through the steps, not core 0 alone."""
        return self.engine == CLUSTER_NAME or bool(self.shares)

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that compute the layer."""
        return tuple(share.engine for share in self.shares) or (self.engine,)


def turns(layers: Sequence[LayerPlan]) -> Iterator[range]:
    """The indices of layers that run at the same time, turn after turn: one layer, or a pair."""
    start = 0
    while start < len(layers):
        stop = min(start + 1 + layers[start].with_next, len(layers))
        yield range(start, stop)
        start = stop


@dataclass(frozen=True)
class L1Tensor:
    """An activation that lies whole in the L1 arena and never in L2, alive from layer `first` to layer
    `last`."""

    tensor: str
    offset: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class L2Buffer:
    """An activation between two layers in the L2 arena, alive from layer `first` to layer `last` (indices)."""

    tensor: str
    offset: int
    size: int
    first: int
    last: int


class L3Kind(Enum):
    """What a transfer between L3 and L2 moves."""

    PARAMS = "params"  # parameter blocks of a layer, to L2
    LOAD = "load"  # rows of a layer's input, to L2
    STORE = "store"  # rows of a layer's output, from L2
    STEPS = "steps"  # a layer's step table, to L2
    ROWS = "rows"  # rows of the table of transfers, to L2


@dataclass(frozen=True, order=True)
class Mark:
    """A moment of a region's execution: the operands of `step` of layer `layer` (an index) have arrived in L1,
    and those of the next step are about to be fetched. Step -1 is before a layer's first step; step -1 of the
    layer after the last one is the end of the region."""

    layer: int
    step: int


ROWS_AT_ONCE = 32
ROWS_IN_L2 = 2 * ROWS_AT_ONCE
"""Rows of the table of transfers that come from L3 together, and that are in L2."""

ROW_BYTES = 12
"""Of each of them."""


@dataclass(frozen=True)
class L3Transfer:
    """One transfer between L3 and the L2 arena.

    It serves steps `first` to `last` of layer `layer`: their parameter blocks, or the rows of their input or
    output `tensor` (empty for parameters), lie in the `size` bytes at `l2_offset`, which correspond to those at
    `l3_offset`. It is started at `start` and waited for at `wait`. All transfers of a plan are started, done
    and waited for in their order.

    A step table that a transfer brings lies in L3, and in L2 from its transfer to the layer's last step. If
    there are transfers of rows, those numbered `first` to `last` of the table of transfers, the table lies in
    L3, and in L2 are the rows of `ROWS_IN_L2` transfers: the first transfer brings the first ones, before
    anything else happens, and each later one `ROWS_AT_ONCE`, over rows that have been started. `layer` is the
    one during which they come.
    """

    kind: L3Kind
    layer: int
    tensor: str
    first: int
    last: int
    l3_offset: int
    l2_offset: int
    size: int
    start: Mark
    wait: Mark

    @property
    def first_step(self) -> int:
        """The first step of the layer that it serves."""
        return 0 if self.kind is L3Kind.ROWS else self.first


@dataclass(frozen=True)
class L3Buffer:
    """An activation in the L3 arena."""

    tensor: str
    offset: int
    size: int


@dataclass(frozen=True)
class Prediction:
    """Cycles that the cost model predicts: for all layers, for the waits for L3, and a bound that no plan of
    these layers and this machine can beat."""

    layers: int = 0
    l3_waits: int = 0
    bound: int = 0

    @property
    def cycles(self) -> int:
        """Cycles of the region."""
        return self.layers + self.l3_waits

    @property
    def gap(self) -> float:
        """How much of the cycles is not proven to be needed, 0 to 1."""
        return 1 - self.bound / self.cycles if self.cycles else 0.0


@dataclass(frozen=True)
class Plan:
    """A whole region's plan. `l1_bytes` and `l2_bytes` are the limits that it was made for, `l1_used` and
    `l2_used` what it takes: the top of the L1 arena; arena, packed parameters of the layers in L2, and
    `l2_tables`, the step tables and the table of transfers as far as no transfers bring them from L3.

    The packed parameters of a layer that `transfers` bring to L2 lie in L3, those of the others in L2. The
    activations of `l3_buffers` lie in L3, the others in the L2 arena.
    """

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
    l3_arena: int = 0
    l3_buffers: tuple[L3Buffer, ...] = ()
    transfers: tuple[L3Transfer, ...] = ()
    l2_tables: int = 0
    l1_tensors: tuple[L1Tensor, ...] = ()
    prediction: Prediction = Prediction()
