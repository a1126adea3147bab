"""The steps of a fused group's tile loop: as those of a layer, with what each of its layers does in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.fusion.geometry import Group, Through
from tvm_pulp.codegen.fusion.groups import largest_box, mid_slots, second_input_buffers, stage_plans
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.kernels import KernelChoice, choose_for_tiles
from tvm_pulp.codegen.plan import (
    KERNEL_SEPARATOR,
    Box,
    LayerPlan,
    LoopOrder,
    Operand,
    Padding,
    Stage,
    StageStep,
    TileStep,
)
from tvm_pulp.codegen.tiles.geometry import channel_ranges, in_turns
from tvm_pulp.codegen.tiles.schedule import Wanted, assign_slots, input_tile_bytes, place_one_by_one


def schedule_group(
    graph: LayerGraph, layer: Layer, tile: Box, cores: int, order: LoopOrder, *, engine: Engine = CLUSTER
) -> LayerPlan:
    """The plan of a fused layer cut into `tile`s of its output, its cycles left 0. All channels are one range
    where some layer but the first mixes them, or an `engine` beside the cores computes one that isn't the
    first."""
    group = Group(graph, layer, engine)
    if not group.tiles_channels:
        tile = replace(tile, c=graph.tensors[layer.output].channels)
    choices = stage_kernels(group, tile, cores)
    tiles = _tiles(group, tile, order)
    steps = _steps(group, tiles, choices[0])
    by_stage = list(zip(*(one.stages for one in tiles), strict=True))
    stages = tuple(
        Stage(part.name, choice.name, tuple(does), choice.pad_in_l1, choice.clip, own.name)
        for part, own, choice, does in zip(group.parts, group.engines, choices, by_stage, strict=True)
    )
    plan = LayerPlan(
        layer=layer.name,
        kernel=KERNEL_SEPARATOR.join(choice.name for choice in choices),
        tile=tile,
        order=order,
        buffers=(),
        steps=steps,
        pad_in_l1=choices[0].pad_in_l1,
        stages=stages,
        engine=engine.name,
    )
    return replace(plan, buffers=place_one_by_one(_wanted(group, plan, choices, cores)))


def stage_kernels(group: Group, tile: Box, cores: int) -> tuple[KernelChoice, ...]:
    """The kernel of each layer for a group that is cut into tiles of this size."""
    cuts = group.row_cut(tile.h), group.column_cut(tile.w)
    channels = group.stage_channels(0, tile.c)
    found = []
    for index, part in enumerate(group.parts):
        down, across = ([through[index] for through in cut] for cut in cuts)
        size = Box(0, max(s.size for s in down), 0, max(s.size for s in across), 0, channels[index][1])
        if group.engines[index] is CLUSTER:
            found.append(choose_for_tiles(group.graph, part, size, (down, across), cores))
        else:
            found.append(group.engine.choose_kernel(group.graph, part, size, cores))
    return tuple(found)


def runs_fused(group: Group, cores: int) -> bool:
    """True if every layer's kernel takes a map as the one before it leaves it in L1."""
    out = group.graph.tensors[group.layer.output]
    first, *others = stage_kernels(group, Box(0, out.height, 0, out.width, 0, out.channels), cores)
    return not first.channels_first and not any(one.pad_in_l1 or one.channels_first for one in others)


@dataclass(frozen=True)
class _Tile:
    """One tile: the boxes of the group's step, and what each layer does."""

    x: Box
    padding: Padding
    stages: tuple[StageStep, ...]
    channel_range: int
    block: int  # bytes of parameters


def _tiles(group: Group, tile: Box, order: LoopOrder) -> list[_Tile]:
    space = [(row, column) for row in group.row_cut(tile.h) for column in group.column_cut(tile.w)]
    ranges = list(enumerate(channel_ranges(group.graph.tensors[group.layer.output].channels, tile.c)))
    visits = in_turns(space, ranges, order)
    return [_tile(group, *place, *part) for place, part in visits]


def _tile(group: Group, row: Through, column: Through, index: int, part: tuple[int, int]) -> _Tile:
    stages = tuple(group.stage_steps(row, column, part))
    x = group.input_box(row, column, part)
    return _Tile(x, stages[0].padding, stages, index, group.block_bytes(*part))


def _steps(group: Group, tiles: list[_Tile], first: KernelChoice) -> tuple[TileStep, ...]:
    sizes = dict(sorted({tile.channel_range: tile.block for tile in tiles}.items()))
    offsets = list(accumulate(sizes.values(), initial=0))
    has_params = sizes[0] > 0
    held = [(tile.x, tile.padding if first.pad_in_l1 else None) for tile in tiles]
    x_uses = assign_slots(held, reusable=not first.destroys_input)
    params_uses = assign_slots([tile.channel_range if has_params else 0 for tile in tiles])
    x2_slots = second_input_buffers(overlaps=group.overlaps) if group.has_second_input else 1
    return tuple(
        TileStep(
            y=tile.stages[-1].y,
            x=tile.x,
            padding=tile.padding,
            x_slot=x_use.slot,
            params_slot=params_use.slot,
            y_slot=index % 2,
            load_x=x_use.load,
            load_params=params_use.load and has_params,
            params_offset=offsets[tile.channel_range],
            params_size=tile.block,
            x2_slot=index % x2_slots,
        )
        for index, (tile, x_use, params_use) in enumerate(zip(tiles, x_uses, params_uses, strict=True))
    )


def _wanted(group: Group, plan: LayerPlan, choices: tuple[KernelChoice, ...], cores: int) -> list[Wanted]:
    steps, source = plan.steps, group.graph.tensors[group.layer.inputs[0]]
    slack = group.engines[0].input_slack_bytes(choices[0], group.parts[0])
    x_size = max(input_tile_bytes(choices[0], step, source, slack) for step in steps)
    mids = [largest_box([step.y for step in stage.steps]) for stage in plan.stages[:-1]]
    scratch = 0
    for part, choice, stage, engine in zip(group.parts, choices, stage_plans(plan), group.engines, strict=True):
        for step in stage.steps:
            padded_h = step.x.h + step.padding.top + step.padding.bottom
            in_channels = group.graph.tensors[part.inputs[0]].channels
            scratch = max(scratch, engine.scratch_bytes(choice, part, padded_h, in_channels, cores))
    outputs = max(step.y.size_bytes for step in steps)
    sums = max(step.y.size_bytes for step in plan.stages[group.engine_stage].steps)
    return [
        Wanted(Operand.X, max(step.x_slot for step in steps) + 1, x_size),
        Wanted(Operand.X2, max(step.x2_slot for step in steps) + 1, group.has_second_input * outputs),
        Wanted(
            Operand.PARAMS,
            max(step.params_slot for step in steps) + 1,
            max(step.params_size for step in steps),
        ),
        *(
            Wanted(Operand.MID, len(slots), mid.size_bytes, first_slot=slots.start)
            for mid, slots in ((mid, mid_slots(plan, index)) for index, mid in enumerate(mids))
        ),
        Wanted(
            Operand.Y,
            min(2, len(steps)),
            outputs * group.graph.tensors[group.layer.output].dtype.size,
        ),
        Wanted(Operand.SUMS, min(2, len(steps)), sums * group.engine.sums_bytes(group.own_part)),
        Wanted(Operand.SCRATCH, 1, scratch),
    ]
