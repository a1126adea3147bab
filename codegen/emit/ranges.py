"""The ranges of memory that a layer may touch, as the platform is told them."""

from __future__ import annotations

from tvm_pulp.codegen.emit.context import LayerContext, next_inputs
from tvm_pulp.codegen.emit.moves import load_ahead
from tvm_pulp.codegen.emit.params import params_symbol
from tvm_pulp.codegen.emit.text import address, designated, fill
from tvm_pulp.codegen.memory.l3_places import streams_params, transfers_of
from tvm_pulp.codegen.params import has_params, pack_size
from tvm_pulp.codegen.plan import L1Buffer, L3Kind, L3Transfer, LayerPlan, Operand


def l1_ranges(context: LayerContext) -> dict[str, str]:
    """The layer's ranges of L1, and the data about the layer that name them; of two layers that run at the same
    time the first has those of both."""
    if context.is_second:
        return {"l1_ranges": "", "info": ""}
    ranges = [_l1_range(buffer) for buffer in context.plan.buffers]
    if context.plan.with_next:
        following = context.region.layers[context.index + 1]
        ranges += [_l1_range(buffer, "second ") for buffer in following.buffers]
    if load_ahead(context):
        ranges += [_l1_range(one, "next ") for one in _buffers_ahead(context.region.layers[context.index + 1])]
    array = f"l1_{context.layer.name}" if ranges else "NULL"
    fields = (("name", f'"{context.layer.name}"'), ("l1", array), ("n_l1", str(len(ranges))))
    info = designated(f"static const pulp_layer_info_t info_{context.layer.name}", fields, indent=0)
    return {"l1_ranges": "\n".join(ranges), "info": info}


def _buffers_ahead(plan: LayerPlan) -> list[L1Buffer]:
    """The buffers of a layer into which the layer before loads."""
    first = plan.steps[0]
    slots = [(Operand.PARAMS, first.params_slot)] * plan.params_ahead
    slots += [(Operand.X, first.x_slot), (Operand.X2, plan.second_slot(first))] * plan.x_ahead
    return [one for one in plan.buffers if (one.operand, one.slot) in slots]


def _l1_range(buffer: L1Buffer, before: str = "") -> str:
    return f'    {{"{before}{buffer.operand.value}[{buffer.slot}]", {buffer.offset}, {buffer.size}}},'


def l2_ranges(context: LayerContext, prefix: str = "") -> list[str]:
    """Rows of the table of ranges of L2: name, address, size; `prefix` goes before the names of the layer's
    arguments."""
    graph, layer = context.graph, context.layer
    operands = zip((*layer.inputs, layer.output), (*("in", "in2")[: len(layer.inputs)], "out"), strict=True)
    ranges = [
        (tensor, prefix + name, str(graph.tensors[tensor].span_bytes))
        for tensor, name in operands
        if tensor not in context.plan.in_l1
    ]
    in_l3 = {buffer.tensor for buffer in context.region.l3_buffers}
    ranges = [one for one in ranges if one[0] not in in_l3]
    for tensor in sorted({layer.output, *layer.inputs} & in_l3):
        kind = L3Kind.STORE if tensor == layer.output else L3Kind.LOAD
        ranges += _arena_ranges(tensor, transfers_of(context.region, context.index, kind, tensor))
    if streams_params(context.region, context.index):
        ranges += _arena_ranges("parameters", transfers_of(context.region, context.index, L3Kind.PARAMS))
    elif has_params(layer):
        ranges.append(("parameters", params_symbol(graph, layer), str(pack_size(context.plan))))
    ranges += _l2_ranges_ahead(context)
    return [fill("      {", [f'"{name}"', base, size], "},") for name, base, size in ranges]


def _l2_ranges_ahead(context: LayerContext) -> list[tuple[str, str, str]]:
    """Name, address and size of what is loaded for the next layer."""
    number = context.index + 1
    if number == len(context.region.layers):
        return []
    layer, plan = context.graph.layers[number], context.region.layers[number]
    inputs = [name for name in layer.inputs if name not in plan.in_l1]
    ranges = [
        (f"next {tensor}", f"next_{name}", str(context.graph.tensors[tensor].span_bytes))
        for tensor, name in zip(inputs, next_inputs(context), strict=False)
    ]
    if plan.params_ahead and streams_params(context.region, number):
        ranges += _arena_ranges("next parameters", transfers_of(context.region, number, L3Kind.PARAMS))
    elif plan.params_ahead:
        ranges.append(("next parameters", params_symbol(context.graph, layer), str(pack_size(plan))))
    return ranges


def _arena_ranges(name: str, transfers: tuple[L3Transfer, ...]) -> list[tuple[str, str, str]]:
    """Name, address and size of the parts of the arena that transfers use. There may be hundreds of transfers,
    and the table is on the stack of every core: places that touch are one."""
    parts: list[tuple[int, int]] = []  # begin, end
    for begin, end in sorted((one.l2_offset, one.l2_offset + one.size) for one in transfers):
        if parts and begin <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(end, parts[-1][1]))
        else:
            parts.append((begin, end))
    return [(name, address("l2_arena", str(begin)), str(end - begin)) for begin, end in parts]
