"""The transfers between L3 and L2 as a table, and the code that starts and awaits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment
from tvm_pulp.codegen.emit.params import params_symbol
from tvm_pulp.codegen.emit.text import aligned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.memory.transfer_table import FIELDS, TransferTable, first_marks, l3_ranges, transfer_table
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L3Kind, Plan


@dataclass(frozen=True)
class Marks:
    """Which marks of a layer have something to do: the one before its first step, and those of its steps.
    `number` is that of the one before its first step."""

    number: int
    first: bool
    steps: bool


def layer_marks(plan: Plan, layer: int) -> Marks:
    """The marks of the layer with this index at which a transfer is started or awaited."""
    steps = {mark.step for one in plan.transfers for mark in (one.start, one.wait) if mark.layer == layer}
    return Marks(first_marks(plan)[layer], first=-1 in steps, steps=any(step >= 0 for step in steps))


def l3_text(templates: Environment, graph: LayerGraph, plan: Plan) -> str:
    """Definitions; empty for a plan without transfers."""
    if not plan.transfers:
        return ""
    table = transfer_table(plan)
    return templates.get_template("l3.c.j2").render(
        fields="\n".join(_fields(table)),
        rows="\n".join(_rows(table)),
        ranges="\n".join(_ranges(graph, plan)),
        stores=any(one.kind is L3Kind.STORE for one in plan.transfers),
        last_mark=first_marks(plan)[-1],
    )


def _fields(table: TransferTable) -> Iterator[str]:
    for name in table.fields:
        yield f"  uint32_t {name} : {table.bits[name]}; /* {FIELDS[name]} */"


def _rows(table: TransferTable) -> list[str]:
    rows = zip(*(table.values[name] for name in table.fields), strict=True)
    head, *lines = aligned([table.fields, *([str(value) for value in row] for row in rows)])
    return [f"    /* {head} */", *(f"    {{  {line}  }}," for line in lines)]


def _ranges(graph: LayerGraph, plan: Plan) -> Iterator[str]:
    for index in l3_ranges(plan):
        if index is None:
            yield '    {"L3 arena", l3_arena, L3_ARENA_BYTES},'
        else:
            layer, size = graph.layers[index], pack_size(plan.layers[index])
            yield f'    {{"parameters of {layer.name}", {params_symbol(graph, layer)}, {size}}},'
