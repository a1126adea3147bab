"""The steps of a layer's tile loop: slots, loads and L1 addresses.

While a step computes, the next step's loads run, so a load never goes to the slot that the step before it
uses. What is already in a slot isn't loaded again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice, choose_kernel, input_slack_bytes, scratch_bytes
from tvm_pulp.codegen.params import block_bytes
from tvm_pulp.codegen.plan import Box, L1Buffer, LayerPlan, LoopOrder, Operand, Padding, TileStep
from tvm_pulp.codegen.tile_candidates import align
from tvm_pulp.codegen.tiling import channel_ranges, enumerate_tiles


@dataclass(frozen=True)
class SlotUse:
    """The slot of one step, and whether the step's data must be loaded into it."""

    slot: int
    load: bool


def assign_slots(contents: Sequence[Hashable], reusable: bool = True) -> list[SlotUse]:
    """Slots for a sequence of contents; two alternating ones unless there is but one load.

    With `reusable` false every use destroys the content.
    """
    held: list[Hashable] = [None, None]
    uses: list[SlotUse] = []
    for content in contents:
        if reusable and content in held:
            uses.append(SlotUse(held.index(content), load=False))
            continue
        slot = 1 - uses[-1].slot if uses else 0
        held[slot] = content
        uses.append(SlotUse(slot, load=True))
    return uses


def schedule_layer(graph: LayerGraph, layer: Layer, tile: Box, cores: int) -> LayerPlan:
    """The plan of a layer cut into `tile`s, in the loop order that loads less; its cycles are left 0."""
    choice = choose_kernel(graph, layer, tile, cores)
    orders = (LoopOrder.CHANNELS_OUTER, LoopOrder.SPACE_OUTER)
    plans = [_in_order(graph, layer, tile, cores, choice, order) for order in orders]
    return min(plans, key=lambda plan: loaded_bytes(plan, len(layer.inputs)))


def loaded_bytes(plan: LayerPlan, inputs: int) -> int:
    """Bytes from L2 to L1 during the layer."""
    x = sum(step.x.size_bytes for step in plan.steps if step.load_x)
    return inputs * x + sum(step.params_size for step in plan.steps if step.load_params)


def _in_order(
    graph: LayerGraph, layer: Layer, tile: Box, cores: int, choice: KernelChoice, order: LoopOrder
) -> LayerPlan:
    steps = _steps(graph, layer, choice, tile, order)
    return LayerPlan(
        layer=layer.name,
        kernel=choice.name,
        tile=tile,
        order=order,
        buffers=_buffers(graph, layer, choice, steps, cores),
        steps=steps,
        channels_first=choice.channels_first,
        pad_in_l1=choice.pad_in_l1,
        clip=choice.clip,
    )


def _steps(
    graph: LayerGraph, layer: Layer, choice: KernelChoice, tile: Box, order: LoopOrder
) -> tuple[TileStep, ...]:
    tiles = enumerate_tiles(graph, layer, tile, order)
    ranges = channel_ranges(graph.tensors[layer.output].channels, tile.c)
    sizes = [block_bytes(layer, channels) for _, channels in ranges]
    offsets = [sum(sizes[:index]) for index in range(len(sizes))]
    # Explicit padding is part of what the slot holds.
    held = [(part.x, part.padding if choice.pad_in_l1 else Padding()) for part in tiles]
    x_uses = assign_slots(held, reusable=not choice.destroys_input)
    has_params = sizes[0] > 0
    params_uses = assign_slots([part.channel_range if has_params else 0 for part in tiles])
    return tuple(
        TileStep(
            y=part.y,
            x=part.x,
            padding=part.padding,
            x_slot=x_use.slot,
            params_slot=params_use.slot,
            y_slot=index % 2,
            load_x=x_use.load,
            load_params=params_use.load and has_params,
            params_offset=offsets[part.channel_range],
            params_size=sizes[part.channel_range],
        )
        for index, (part, x_use, params_use) in enumerate(zip(tiles, x_uses, params_uses, strict=True))
    )


def input_tile_bytes(choice: KernelChoice, layer: Layer, step: TileStep) -> int:
    """Size of one input tile in L1, with explicit padding and what the kernel may read behind it."""
    pad = step.padding
    tall = pad.top + pad.bottom if choice.pad_in_l1 else 0
    wide = pad.left + pad.right if choice.pad_in_l1 else 0
    return (step.x.h + tall) * (step.x.w + wide) * step.x.c + input_slack_bytes(choice, layer)


def _buffers(
    graph: LayerGraph, layer: Layer, choice: KernelChoice, steps: tuple[TileStep, ...], cores: int
) -> tuple[L1Buffer, ...]:
    x_size = max(input_tile_bytes(choice, layer, step) for step in steps)
    scratch = max(
        scratch_bytes(
            choice,
            layer,
            step.x.h + step.padding.top + step.padding.bottom,
            graph.tensors[layer.inputs[0]].channels,
            cores,
        )
        for step in steps
    )
    x_slots = max(step.x_slot for step in steps) + 1
    wanted = [(Operand.X, x_slots, x_size)]
    if len(layer.inputs) > 1:
        wanted.append((Operand.X2, x_slots, x_size))
    params_slots = max(step.params_slot for step in steps) + 1
    wanted.append((Operand.PARAMS, params_slots, max(step.params_size for step in steps)))
    wanted.append((Operand.Y, min(2, len(steps)), max(step.y.size_bytes for step in steps)))
    wanted.append((Operand.SCRATCH, 1, scratch))
    buffers: list[L1Buffer] = []
    offset = 0
    for operand, slots, size in wanted:
        for slot in range(slots if size else 0):
            buffers.append(L1Buffer(operand, slot, offset, size))
            offset += align(size)
    return tuple(buffers)
