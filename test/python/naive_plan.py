"""Plans by a rule instead of a search: any tile and loop order, without a memory limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.fusion.schedule import schedule_group
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor
from tvm_pulp.codegen.kernels import KernelChoice, choose_kernel, input_slack_bytes, scratch_bytes
from tvm_pulp.codegen.memory.l2_tables import tables_bytes
from tvm_pulp.codegen.params import block_bytes, has_params
from tvm_pulp.codegen.plan import (
    Box,
    L1Buffer,
    L2Buffer,
    LayerPlan,
    LoopOrder,
    Operand,
    Padding,
    Plan,
    TileStep,
)
from tvm_pulp.codegen.tiles.geometry import Tile, channel_ranges, enumerate_tiles
from tvm_pulp.codegen.tiles.input_parts import has_parts
from tvm_pulp.codegen.tiles.schedule import schedule_layer


@dataclass(frozen=True)
class Wish:
    """How to cut one layer: output tile (clamped to the output's size), loop order, what is loaded late, how
    many input channels a part has (0: all); for a group the engine of its last layer."""

    h: int
    w: int
    c: int
    order: LoopOrder = LoopOrder.CHANNELS_OUTER
    late: tuple[Operand, ...] = ()
    engine: Engine = CLUSTER
    c_in: int = 0


def naive_plan(graph: LayerGraph, wishes: list[Wish], cores: int) -> Plan:
    """A plan of the whole graph; activations lie in L2 one behind the other."""
    layers = tuple(
        _layer_plan(graph, layer, wish, cores) for layer, wish in zip(graph.layers, wishes, strict=True)
    )
    l2_buffers, arena = _l2_buffers(graph)
    params = sum(sum({step.params_offset: step.params_size for step in plan.steps}.values()) for plan in layers)
    l1_used = max(buffer.offset + buffer.size for plan in layers for buffer in plan.buffers)
    plan = Plan(
        graph.name, "naive", cores, l1_used, arena + params, l1_used, arena + params, arena, layers, l2_buffers
    )
    tables = tables_bytes(graph, plan)
    used = plan.l2_used + tables
    return replace(plan, l2_bytes=used, l2_used=used, l2_tables=tables)


def _layer_plan(graph: LayerGraph, layer: Layer, wish: Wish, cores: int) -> LayerPlan:
    out = graph.tensors[layer.output]
    tile = Box(0, min(wish.h, out.height), 0, min(wish.w, out.width), 0, min(wish.c, out.channels))
    if layer.kind is LayerKind.IM2COL:  # makes whole pixels
        tile = replace(tile, c=out.channels)
    if layer.parts:
        return schedule_group(graph, layer, tile, cores, wish.order, engine=wish.engine)
    if has_parts(layer) and 0 < wish.c_in < graph.tensors[layer.inputs[0]].channels:
        return schedule_layer(graph, layer, tile, cores, wish.order, late=wish.late, c_in=wish.c_in)
    choice = choose_kernel(graph, layer, tile, cores)
    tiles = enumerate_tiles(graph, layer, tile, wish.order)
    sizes = [block_bytes(layer, channels) for _, channels in channel_ranges(out.channels, tile.c)]
    steps = _steps(layer, sizes, (tiles, wish.late), choice)
    tensors = (graph.tensors[layer.inputs[0]], out)
    buffers = _buffers(layer, tensors, choice, steps, cores)
    return LayerPlan(
        layer.name, choice.name, tile, wish.order, buffers, steps,
        choice.channels_first, choice.pad_in_l1, choice.clip,
        late=tuple(one for one in wish.late if any(_loads(step, one) for step in steps[1:])),
    )  # fmt: skip


def _loads(step: TileStep, operand: Operand) -> bool:
    return step.load_x if operand is Operand.X else step.load_params


def _steps(
    layer: Layer, sizes: list[int], cut: tuple[list[Tile], tuple[Operand, ...]], choice: KernelChoice
) -> tuple[TileStep, ...]:
    steps: list[TileStep] = []
    tiles, late = cut
    x_slots, params_slots = (1 if operand in late else 2 for operand in (Operand.X, Operand.PARAMS))
    for index, part in enumerate(tiles):
        before = steps[-1] if steps else None
        load_x = before is None or (before.x, before.padding) != (part.x, part.padding) or choice.destroys_input
        load_params = before is None or tiles[index - 1].channel_range != part.channel_range
        x_slot = 0 if before is None else (before.x_slot + load_x) % x_slots
        params_slot = 0 if before is None else (before.params_slot + load_params) % params_slots
        steps.append(
            TileStep(
                part.y,
                part.x,
                part.padding,
                x_slot,
                params_slot,
                index % 2,
                load_x,
                load_params and has_params(layer),
                sum(sizes[: part.channel_range]),
                sizes[part.channel_range],
            )
        )
    return tuple(steps)


def _buffers(
    layer: Layer, tensors: tuple[Tensor, Tensor], choice: KernelChoice, steps: tuple[TileStep, ...], cores: int
) -> tuple[L1Buffer, ...]:
    x_tensor, y_tensor = tensors
    x_size = max(_padded_bytes(choice, step.x, step.padding) for step in steps) * x_tensor.dtype.size
    x_size += input_slack_bytes(choice, layer)
    in_h = max(step.padding.top + step.x.h + step.padding.bottom for step in steps)
    scratch = scratch_bytes(choice, layer, in_h, max(step.x.c for step in steps), cores)
    wanted = [(Operand.X, slot, x_size) for slot in sorted({step.x_slot for step in steps})]
    if len(layer.inputs) > 1:
        wanted += [(Operand.X2, slot, x_size) for slot in sorted({step.x_slot for step in steps})]
    if has_params(layer):
        size = max(step.params_size for step in steps)
        wanted += [(Operand.PARAMS, slot, size) for slot in sorted({step.params_slot for step in steps})]
    size = max(step.y.size_bytes for step in steps) * y_tensor.dtype.size
    wanted += [(Operand.Y, slot, size) for slot in sorted({step.y_slot for step in steps})]
    if scratch:
        wanted.append((Operand.SCRATCH, 0, scratch))
    buffers, offset = [], 0
    for operand, slot, size in wanted:
        buffers.append(L1Buffer(operand, slot, offset, size))
        offset += size + -size % 8
    return tuple(buffers)


def _padded_bytes(choice: KernelChoice, box: Box, padding: Padding) -> int:
    if not choice.pad_in_l1:
        return box.size_bytes
    return (padding.top + box.h + padding.bottom) * (padding.left + box.w + padding.right) * box.c


def _l2_buffers(graph: LayerGraph) -> tuple[tuple[L2Buffer, ...], int]:
    buffers, offset = [], 0
    outside = (*graph.inputs, *graph.outputs)
    touched = [{graph.tensors[name].base for name in (*layer.inputs, layer.output)} for layer in graph.layers]
    for tensor in graph.tensors.values():
        if tensor.view is not None or tensor.name in outside:
            continue
        uses = [index for index, names in enumerate(touched) if tensor.name in names]
        if not uses:
            continue  # inside of a fused group
        buffers.append(L2Buffer(tensor.name, offset, tensor.size_bytes, uses[0], uses[-1]))
        offset += tensor.size_bytes + -tensor.size_bytes % 8
    return tuple(buffers), offset
