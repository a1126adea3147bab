"""The packed parameters of a region as C arrays, with a comment on each block."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.fusion.engines import engines_of_stages
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.memory.l3_places import streams_params
from tvm_pulp.codegen.params import has_params, pack_size
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan, Plan, TileStep
from tvm_pulp.codegen.tiles.input_parts import part_of

BYTES_PER_LINE = 16


def params_symbol(graph: LayerGraph, layer: Layer) -> str:
    """The C array of a layer's packed parameters."""
    return f"{graph.name}_params_{layer.name}"


def emit_params(
    templates: Environment, graph: LayerGraph, plan: Plan, engines: Iterable[Engine]
) -> dict[str, str]:
    """Header and source of the region's parameters, by file name; none if no layer has any."""
    layers = [
        (
            layer,
            layer_plan,
            engine_named(layer_plan.engine, engines),
            "PULP_L3" if streams_params(plan, index) else "PULP_L2",
        )
        for index, (layer, layer_plan) in enumerate(zip(graph.layers, plan.layers, strict=True))
        if has_params(layer)
    ]
    if not layers:
        return {}
    declarations = "".join(f"extern {_declarator(graph, layer, plan)};\n" for layer, plan, _, _ in layers)
    header = templates.get_template("params.h.j2").render(
        name=graph.name, guard=f"{graph.name.upper()}_PARAMS_H", declarations=declarations
    )
    source = templates.get_template("params.c.j2").render(
        name=graph.name, arrays=[_array(graph, *layer) for layer in layers]
    )
    return {f"{graph.name}_params.h": header, f"{graph.name}_params.c": source}


def _blocks(plan: LayerPlan) -> dict[int, TileStep]:
    """Offset in the array -> a step that uses the block, in order of the offsets."""
    steps = {step.params_offset: step for step in plan.steps}
    return {offset: steps[offset] for offset in sorted(steps)}


def _declarator(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> str:
    return f"const uint8_t {params_symbol(graph, layer)}[{pack_size(plan)}]"


def _array(graph: LayerGraph, layer: Layer, plan: LayerPlan, engine: Engine, memory: str) -> str:
    lines = [f"{memory} {_declarator(graph, layer, plan)} = {{"]
    for index, (offset, step) in enumerate(_blocks(plan).items()):
        if layer.parts:
            lines += _group_block(layer, plan, engine, (index, offset))
        elif isinstance(engine, Team):
            lines += _block_of_two(layer, plan, engine, (index, offset))
        else:
            part = part_of(graph, layer, step.x.c0, step.x.c) if plan.c_in else layer
            title = f" of input channels {step.x.c0} to {step.x.c0 + step.x.c - 1}" if plan.c_in else ""
            lines += _block(part, engine, (index, offset), (step.y.c0, step.y.c), title)
    return "\n".join([*lines, "};"])


def _block(
    layer: Layer, engine: Engine, place: tuple[int, int], part: tuple[int, int], which: str = ""
) -> list[str]:
    """Block number `place[0]` at `place[1]`, of `part[1]` output channels from `part[0]`; `which` says more
    about the weights."""
    (index, offset), (c0, channels) = place, part
    layout, data = engine.block_layout(layer, channels), engine.pack_block(layer, c0, channels)
    if layer.table is not None:
        return [f"    /* block {index}: the table */", *_bytes(data)]
    weights = offset + layout.weights_offset
    entries = f"k at {offset + layout.k_offset}, lambda at {offset + layout.lambda_offset}"
    if layer.makes_sums:
        entries = f"bias at {offset}"
    packed = "" if engine.name == CLUSTER_NAME else f"; packed for {engine.name}"
    return [
        f"    /* block {index}: output channels {c0} to {c0 + channels - 1}, {entries}, "
        f"weights{which} at {weights}{packed} */",
        *_bytes(data[: layout.weights_offset]),
        *_bytes(data[layout.weights_offset :]),
    ]


def _group_block(layer: Layer, plan: LayerPlan, engine: Engine, place: tuple[int, int]) -> list[str]:
    """Block number `place[0]` at `place[1]` of a fused group, one layer of which `engine` computes: the block
    of each of its layers, and what is between."""
    (index, offset), lines, at = place, list[str](), 0
    number = next(number for number, step in enumerate(plan.steps) if step.params_offset == offset)
    for part, stage, own in zip(layer.parts, plan.stages, engines_of_stages(plan, engine), strict=True):
        step = stage.steps[number]
        if step.params_size:
            lines += _bytes(bytes(step.params_offset - at))
            lines += [f"    /* {part.name} */"]
            lines += _block(part, own, (index, offset + step.params_offset), (step.y.c0, step.y.c))
            at = step.params_offset + step.params_size
    return lines + _bytes(bytes(plan.steps[number].params_size - at))


def _block_of_two(layer: Layer, plan: LayerPlan, team: Team, place: tuple[int, int]) -> list[str]:
    """Block number `place[0]` at `place[1]` of a layer that two engines compute together: the blocks of both,
    unless the shorter one is the begin of the other."""
    (index, offset), lines, at = place, list[str](), 0
    number = next(number for number, step in enumerate(plan.steps) if step.params_offset == offset)
    parts = [(share.steps[number], member) for share, member in zip(plan.shares, team.members, strict=True)]
    by_size = sorted(parts, key=lambda part: part[0].params_size)
    longest = {own.params_offset: (own, member) for own, member in by_size}
    for own, member in (longest[at] for at in sorted(longest)):
        lines += _bytes(bytes(own.params_offset - at))
        lines += _block(layer, member, (index, offset + own.params_offset), (own.y.c0, own.y.c))
        at = own.params_offset + own.params_size
    return lines + _bytes(bytes(plan.steps[number].params_size - at))


def _bytes(data: bytes) -> list[str]:
    lines = (data[start : start + BYTES_PER_LINE] for start in range(0, len(data), BYTES_PER_LINE))
    return [f"    0x{line.hex(' ').replace(' ', ', 0x')}," for line in lines]
