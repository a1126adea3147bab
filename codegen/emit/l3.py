"""The transfers between L3 and L2 as a table, and the code that starts and awaits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment
from tvm_pulp.codegen.emit.params import params_symbol
from tvm_pulp.codegen.emit.text import address, aligned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.memory.transfer_table import (
    FIELDS,
    UNIT_BITS,
    L3Part,
    L3Range,
    TransferTable,
    first_marks,
    l3_ranges,
    rows_in_l3,
    transfer_table,
)
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import ROWS_IN_L2, L3Kind, Plan


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
        rows_in_l2=_rows_in_l2(plan),
    )


def _rows_in_l2(plan: Plan) -> dict[str, str | int] | None:
    """Where and how many rows of the table are in L2, and the bytes of the first ones; None if the table is."""
    if not rows_in_l3(plan):
        return None
    first = plan.transfers[0]
    place = address("l2_arena", str(first.l2_offset))
    return {"place": place, "count": ROWS_IN_L2, "first_bytes": first.size}


def _fields(table: TransferTable) -> Iterator[str]:
    for unit in table.units:
        for name in unit:
            yield f"  uint32_t {name} : {table.bits[name]}; /* {FIELDS[name]} */"
        if not unit:
            yield f"  uint32_t : {UNIT_BITS};"


def _rows(table: TransferTable) -> list[str]:
    rows = zip(*(table.values[name] for name in table.fields), strict=True)
    head, *lines = aligned([table.fields, *([str(value) for value in row] for row in rows)])
    return [f"    /* {head} */", *(f"    {{  {line}  }}," for line in lines)]


def _ranges(graph: LayerGraph, plan: Plan) -> Iterator[str]:
    for one in l3_ranges(plan):
        yield f"    {{{', '.join(_range(graph, plan, one))}}},"


def _range(graph: LayerGraph, plan: Plan, one: L3Range) -> tuple[str, str, str]:
    """C for a range's name, address and size."""
    layer = graph.layers[one.layer]
    if one.part is L3Part.ARENA:
        return '"L3 arena"', "l3_arena", "L3_ARENA_BYTES"
    if one.part is L3Part.ROWS:
        return '"transfers"', "l3_transfers", "sizeof(l3_transfers)"
    if one.part is L3Part.STEPS:
        return f'"steps of {layer.name}"', f"&tables_{layer.name}", f"sizeof(tables_{layer.name})"
    size = pack_size(plan.layers[one.layer])
    return f'"parameters of {layer.name}"', params_symbol(graph, layer), str(size)
