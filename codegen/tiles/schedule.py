"""The steps of a layer's tile loop: slots, loads and L1 addresses.

While a step computes, the next step's loads run, so a load never goes to the slot that the step before it
uses. Operands that are loaded late, when that step is done, have but one slot. What is already in a slot isn't
loaded again.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.plan import Box, L1Buffer, LayerPlan, LoopOrder, Operand, TileStep
from tvm_pulp.codegen.tiles.geometry import channel_ranges, enumerate_tiles
from tvm_pulp.codegen.tiles.input_parts import SUM_BYTES, in_parts, part_of
from tvm_pulp.codegen.traffic import layer_traffic


@dataclass(frozen=True)
class SlotUse:
    """The slot of one step, and whether the step's data must be loaded into it."""

    slot: int
    load: bool


def assign_slots(contents: Sequence[Hashable], reusable: bool = True, slots: int = 2) -> list[SlotUse]:
    """Slots for a sequence of contents; two alternating ones unless there is but one load, or one.

    With `reusable` false every use destroys the content.
    """
    held: list[Hashable] = [None] * slots
    uses: list[SlotUse] = []
    for content in contents:
        if reusable and content in held:
            uses.append(SlotUse(held.index(content), load=False))
            continue
        slot = (uses[-1].slot + 1) % slots if uses else 0
        held[slot] = content
        uses.append(SlotUse(slot, load=True))
    return uses


def schedule_layer(
    graph: LayerGraph,
    layer: Layer,
    tile: Box,
    cores: int,
    order: LoopOrder | None = None,
    *,
    engine: Engine = CLUSTER,
    in_l1: Collection[str] = (),
    late: Collection[Operand] = (),
    c_in: int = 0,
) -> LayerPlan:
    """The plan of a layer cut into `tile`s, its cycles left 0; without an `order` the one that loads less.
    Inputs and output `in_l1` are read and written where they lie; operands `late` have one buffer; with `c_in`
    tiles read their input channels in parts of so many."""
    choice = engine.choose_kernel(graph, layer, tile, cores)
    choice = in_parts(graph, layer, choice, c_in)
    parts = c_in if c_in < graph.tensors[layer.inputs[0]].channels else 0
    job = _Job(graph, layer, tile, cores, engine, choice, frozenset(in_l1), frozenset(late), parts)
    orders = (LoopOrder.CHANNELS_OUTER, LoopOrder.SPACE_OUTER) if order is None else (order,)
    return min(
        (_in_order(job, one) for one in orders), key=lambda plan: layer_traffic(graph, layer, plan).bytes_in
    )


@dataclass(frozen=True)
class _Job:
    graph: LayerGraph
    layer: Layer
    tile: Box
    cores: int
    engine: Engine
    choice: KernelChoice
    in_l1: frozenset[str]
    late: frozenset[Operand]
    c_in: int

    @property
    def blocks(self) -> list[list[int]]:
        """Sizes of the parameter blocks of each range of output channels, one for each part of the input's."""
        graph, layer = self.graph, self.layer
        ranges = channel_ranges(graph.tensors[layer.output].channels, self.tile.c)
        parts = [layer]
        if self.c_in:
            channels = graph.tensors[layer.inputs[0]].channels
            parts = [part_of(graph, layer, *part) for part in channel_ranges(channels, self.c_in)]
        return [[self.engine.block_bytes(part, channels) for part in parts] for _, channels in ranges]

    def slots(self, operand: Operand) -> int:
        """Buffers that an operand may have."""
        return 1 if operand in self.late else 2

    @property
    def loads(self) -> bool:
        """True if some input is loaded."""
        return not self.in_l1.issuperset(self.layer.inputs)

    @property
    def stores(self) -> bool:
        """True if the output is stored."""
        return self.layer.output not in self.in_l1


def _in_order(job: _Job, order: LoopOrder) -> LayerPlan:
    steps = _steps(job, order)
    return LayerPlan(
        layer=job.layer.name,
        kernel=job.choice.name,
        tile=job.tile,
        order=order,
        buffers=place_one_by_one(_wanted_buffers(job, steps)),
        steps=steps,
        channels_first=job.choice.channels_first,
        pad_in_l1=job.choice.pad_in_l1,
        clip=job.choice.clip,
        in_l1=tuple(sorted({*job.layer.inputs, job.layer.output} & job.in_l1)),
        engine=job.engine.name,
        late=tuple(operand for operand, loads in _reloads(steps).items() if loads and operand in job.late),
        c_in=job.c_in,
    )


def _reloads(steps: tuple[TileStep, ...]) -> dict[Operand, bool]:
    """The operands that may be late, and whether steps after the first load them."""
    return {
        Operand.X: any(step.load_x for step in steps[1:]),
        Operand.PARAMS: any(step.load_params for step in steps[1:]),
    }


def _steps(job: _Job, order: LoopOrder) -> tuple[TileStep, ...]:
    tiles = enumerate_tiles(job.graph, job.layer, job.tile, order, job.c_in)
    blocks = job.blocks
    sizes = [size for parts in blocks for size in parts]
    offsets = list(accumulate(sizes, initial=0))
    numbers = [part.channel_range * len(blocks[0]) + part.part for part in tiles]
    has_params = sizes[0] > 0
    # Explicit padding is part of what the slot holds.
    held = [(part.x, part.padding if job.choice.pad_in_l1 else None) for part in tiles]
    x_uses = assign_slots(held, not job.choice.destroys_input, job.slots(Operand.X))
    if not job.loads:
        x_uses = [SlotUse(0, load=False)] * len(tiles)
    params_uses = assign_slots(numbers if has_params else [0] * len(tiles), slots=job.slots(Operand.PARAMS))
    return tuple(
        TileStep(
            y=part.y,
            x=part.x,
            padding=part.padding,
            x_slot=x_use.slot,
            params_slot=params_use.slot,
            y_slot=index % 2 if job.stores else 0,
            load_x=x_use.load,
            load_params=params_use.load and has_params,
            params_offset=offsets[block],
            params_size=sizes[block],
        )
        for index, (part, x_use, params_use, block) in enumerate(
            zip(tiles, x_uses, params_uses, numbers, strict=True)
        )
    )


def input_tile_bytes(choice: KernelChoice, step: TileStep, source: Tensor, slack_bytes: int) -> int:
    """Size of one tile of `source` in L1, with explicit padding and `slack_bytes` that the engine may read
    behind it."""
    pad = step.padding
    tall = pad.top + pad.bottom if choice.pad_in_l1 else 0
    wide = pad.left + pad.right if choice.pad_in_l1 else 0
    elements = (step.x.h + tall) * (step.x.w + wide) * step.x.c
    return elements * source.dtype.size + slack_bytes


@dataclass(frozen=True)
class Wanted:
    """Buffers of one size, in slots that follow one another."""

    operand: Operand
    slots: int
    size: int
    first_slot: int = 0


def _wanted_buffers(job: _Job, steps: tuple[TileStep, ...]) -> list[Wanted]:
    source, out = (job.graph.tensors[name] for name in (job.layer.inputs[0], job.layer.output))
    slack = job.engine.input_slack_bytes(job.choice, job.layer)
    x_size = max(input_tile_bytes(job.choice, step, source, slack) for step in steps)
    outputs = max(step.y.size_bytes for step in steps)
    y_size = outputs * out.dtype.size if job.stores else 0
    x_slots = max(step.x_slot for step in steps) + 1
    params_slots = max(step.params_slot for step in steps) + 1
    inputs = [
        operand
        for operand, name in zip((Operand.X, Operand.X2), job.layer.inputs, strict=False)
        if name not in job.in_l1
    ]
    return [
        *(Wanted(operand, x_slots, x_size) for operand in inputs),
        Wanted(Operand.PARAMS, params_slots, max(step.params_size for step in steps)),
        Wanted(Operand.Y, min(2, len(steps)), y_size),
        Wanted(Operand.SUMS, 1, outputs * SUM_BYTES)
        if job.c_in
        else Wanted(Operand.SUMS, min(2, len(steps)), outputs * job.engine.sums_bytes(job.layer)),
        Wanted(Operand.SCRATCH, 1, max(_scratch(job, step) for step in steps)),
    ]


def _scratch(job: _Job, step: TileStep) -> int:
    padded_h = step.x.h + step.padding.top + step.padding.bottom
    in_channels = job.graph.tensors[job.layer.inputs[0]].channels
    return job.engine.scratch_bytes(job.choice, job.layer, padded_h, in_channels, job.cores)


def place_one_by_one(wanted: list[Wanted]) -> tuple[L1Buffer, ...]:
    """One buffer after the other, none for what has no bytes."""
    buffers: list[L1Buffer] = []
    offset = 0
    for want in wanted:
        for slot in range(want.slots if want.size else 0):
            buffers.append(L1Buffer(want.operand, want.first_slot + slot, offset, want.size))
            offset += align(want.size)
    return tuple(buffers)
