"""Step tables as C: types and arrays with aligned columns. A table that lies in L3 is one object, which holds
the arrays; a function gives a step its row where they are in L2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from tvm_pulp.codegen.emit.step_groups import WORD, Cycle, StepGroups, has_words, narrowest, table_bytes, unit
from tvm_pulp.codegen.emit.steps import COLUMNS, StepTable
from tvm_pulp.codegen.emit.text import LINE, address, aligned
from tvm_pulp.codegen.plan import L3Transfer

_Members = Mapping[str, tuple[str, Sequence[int], str]]
"""Name -> type, values, meaning."""


@dataclass(frozen=True)
class TableText:
    """C of a layer's step table: what is to be before the table of transfers, because it lies in L3, and what
    belongs to the layer's other functions."""

    in_l3: str
    own: str


@dataclass(frozen=True)
class _Array:
    """An array of structs and their type; wide members first, so that a row has no holes. Rows `in_words` are
    copied word by word where they have more than one: they come from L2, where each load takes long."""

    struct: str
    name: str
    members: _Members
    in_words: bool

    @classmethod
    def of(cls, struct: str, name: str, members: _Members, *, in_words: bool = False) -> _Array:
        ordered = dict(sorted(members.items(), key=lambda item: -_width(item[1][0])))
        widths = [_width(kind) for kind, _, _ in members.values()]
        return cls(struct, name, ordered, in_words and has_words(widths))

    @property
    def widths(self) -> list[int]:
        """Bytes of the members."""
        return [_width(kind) for kind, _, _ in self.members.values()]

    @property
    def alignment(self) -> int:
        """Bytes at whose multiples rows begin."""
        return WORD if self.in_words else max(self.widths)

    @property
    def size_bytes(self) -> int:
        """Bytes of the array."""
        values = {name: column for name, (_, column, _) in self.members.items()}
        return table_bytes(self.widths, values, in_words=self.in_words)


def table_text(
    templates: Environment, name: str, table: StepTable, transfer: L3Transfer | None = None
) -> TableText:
    """The table's types and rows, in L3 where a transfer brings them from there; empty where nothing varies."""
    if not table.columns():
        return TableText("", "")
    groups = table.groups
    arrays = [_steps_array(name, table)] if groups is None else _group_arrays(name, table, groups)
    words = [_words(array) for array in arrays]
    if transfer is None:
        text = "".join(templates.get_template("steps.c.j2").render(one) for one in words)
        return TableText("", text + (_rows_function(templates, name, table) if groups else ""))
    words.sort(key=lambda one: -one["alignment"])  # no holes between the arrays
    hole = transfer.size - sum(array.size_bytes for array in arrays)
    in_l3 = templates.get_template("steps_in_l3.c.j2").render(name=name, arrays=words, hole=hole)
    return TableText(in_l3, _rows_function(templates, name, table, transfer))


def _steps_array(name: str, table: StepTable) -> _Array:
    members = {
        column: (_type(table.values[column]), table.values[column], COLUMNS[column])
        for column in table.columns()
    }
    return _Array.of(f"step_{name}_t", f"steps_{name}", members, in_words=True)


def _group_arrays(name: str, table: StepTable, groups: StepGroups) -> list[_Array]:
    """A table for each group, and one of the steps that names their rows where these don't follow from the
    step's number."""
    arrays, steps = [], {}
    for group, rows in groups.rows.items():
        columns = table.group_columns(group)
        if columns:
            members = {column: (_type(rows[column]), rows[column], COLUMNS[column]) for column in columns}
            arrays.append(_Array.of(f"{group}_{name}_t", f"{group}_{name}", members))
            if group in groups.named:
                names = groups.named[group]
                steps[group] = (_type(names), names, f"row of {group}_{name}")
    return [*arrays, *([_Array.of(f"rows_{name}_t", f"steps_{name}", steps)] if steps else [])]


def _rows_function(
    templates: Environment, name: str, table: StepTable, transfer: L3Transfer | None = None
) -> str:
    """The function that gives a step its row, or puts it together."""
    rows, at, groups = {}, "", table.groups
    if groups is not None:
        rows = {group: _row_number(group, groups) for group in groups.rows if table.group_columns(group)}
        named = any(group in groups.named for group in rows)
        at = _step_number(groups.cycle, len(table.plan.steps)) if named else ""
    owner, place = ("", "") if transfer is None else ("tables->", address("l2_arena", str(transfer.l2_offset)))
    return templates.get_template("step_rows.c.j2").render(
        name=name, rows=rows, at=at, owner=owner, place=place
    )


def _row_number(group: str, groups: StepGroups) -> str:
    """C for the row of a group in step `t`, whose names are in `at`."""
    length = groups.lengths.get(group)
    return f"at.{group}" if length is None else "t" if length == 1 else f"t / {length}"


def _step_number(cycle: Cycle, steps: int) -> str:
    """C for the step of a cycle that step `t` repeats."""
    if cycle.steps >= steps:
        return "t"
    if not cycle.first:
        return f"t % {cycle.period}"
    return f"t < {cycle.first} ? t : {cycle.first} + (t - {cycle.first}) % {cycle.period}"


def _type(values: Sequence[int]) -> str:
    return f"uint{8 * narrowest(values)}_t"


def _width(kind: str) -> int:
    """Bytes of an unsigned type."""
    return int(kind[4:-2]) // 8


def _words(array: _Array) -> dict[str, Any]:
    """What the templates say of an array."""
    rows = len(next(iter(array.members.values()))[1])
    return {
        "struct": array.struct,
        "array": array.name,
        "columns": "\n".join(_columns(array.members)),
        "rows": "\n".join(_rows(array.members)),
        "n_rows": rows,
        "alignment": array.alignment,
        "attribute": f" __attribute__((aligned({WORD})))" if array.in_words else "",
    }


def _columns(columns: _Members) -> list[str]:
    members = [f"  {kind} {name};" for name, (kind, _, _) in columns.items()]
    width = max(map(len, members))
    meanings = [_in_units(meaning, values) for _, values, meaning in columns.values()]
    return [f"{member:<{width}} /* {text} */" for member, text in zip(members, meanings, strict=True)]


def _in_units(meaning: str, values: Sequence[int]) -> str:
    return meaning if unit(values) == 1 else f"{meaning}; in units of {unit(values)}"


def _rows(members: _Members) -> list[str]:
    """The rows with aligned columns, behind their names where these fit on a line."""
    columns = list(members)
    stored = [[value // unit(values) for value in values] for _, values, _ in members.values()]
    rows = [list(map(str, row)) for row in zip(*stored, strict=True)]
    lines = aligned([columns, *rows])
    if len(lines[0]) + len("    /*  */") <= LINE:
        return [f"    /* {lines[0]} */", *(f"    {{  {line}  }}," for line in lines[1:])]
    return ["    /* in the order of the members above */", *(f"    {{{line}}}," for line in aligned(rows))]
