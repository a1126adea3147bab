"""The transfers between L3 and L2 as a table, and the code that starts and awaits them."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment
from tvm_pulp.codegen.emit_params import params_symbol
from tvm_pulp.codegen.emit_text import address
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.l3_places import streams_params
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L3Kind, L3Transfer, Plan


@dataclass(frozen=True)
class Marks:
    """Which marks of a layer have something to do: the one before its first step, and those of its steps."""

    first: bool
    steps: bool


def layer_marks(plan: Plan, layer: int) -> Marks:
    """The marks of the layer with this index at which a transfer is started or awaited."""
    steps = {mark.step for one in plan.transfers for mark in (one.start, one.wait) if mark.layer == layer}
    return Marks(first=-1 in steps, steps=any(step >= 0 for step in steps))


def l3_text(templates: Environment, graph: LayerGraph, plan: Plan) -> str:
    """Definitions; empty for a plan without transfers."""
    if not plan.transfers:
        return ""
    return templates.get_template("l3.c.j2").render(
        rows="\n".join(_row(graph, plan, one) for one in plan.transfers),
        ranges="\n".join(_ranges(graph, plan)),
        n_layers=len(plan.layers),
    )


def _row(graph: LayerGraph, plan: Plan, one: L3Transfer) -> str:
    marks = f"{one.start.layer}, {one.start.step}, {one.wait.layer}, {one.wait.step}"
    place = address(_base(graph, one), str(one.l3_offset))
    ends = f"NULL, {place}" if one.kind is L3Kind.STORE else f"{place}, NULL"
    return f"    {{{marks}, {one.l2_offset}, {one.size}, {ends}}},"


def _base(graph: LayerGraph, one: L3Transfer) -> str:
    return params_symbol(graph, graph.layers[one.layer]) if one.kind is L3Kind.PARAMS else "l3_arena"


def _ranges(graph: LayerGraph, plan: Plan) -> list[str]:
    ranges = ['      {"L3 arena", l3_arena, L3_ARENA_BYTES},'] if plan.l3_arena else []
    for index, (layer, layer_plan) in enumerate(zip(graph.layers, plan.layers, strict=True)):
        if streams_params(plan, index):
            size = pack_size(layer_plan)
            ranges.append(f'      {{"parameters of {layer.name}", {params_symbol(graph, layer)}, {size}}},')
    return ranges
