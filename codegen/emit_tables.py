"""Step tables as C: types and arrays with aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import Environment
from tvm_pulp.codegen.emit_steps import COLUMNS, StepTable
from tvm_pulp.codegen.emit_text import LINE, aligned
from tvm_pulp.codegen.step_groups import StepGroups, narrowest


def table_text(templates: Environment, name: str, table: StepTable) -> str:
    """The table's type and rows; empty where nothing varies."""
    columns = table.columns()
    if not columns:
        return ""
    if table.groups is not None:
        return _grouped_tables(templates, name, table, table.groups)
    members = {
        column: (_type(table.values[column]), table.values[column], COLUMNS[column]) for column in columns
    }
    return _struct_table(templates, f"step_{name}_t", f"steps_{name}", members)


def _grouped_tables(templates: Environment, name: str, table: StepTable, groups: StepGroups) -> str:
    """A table for each group, one of the steps that names their rows, and the function that puts a step's rows
    together."""
    texts, steps = [], {}
    for group, rows in groups.rows.items():
        columns = table.group_columns(group)
        if columns:
            members = {column: (_type(rows[column]), rows[column], COLUMNS[column]) for column in columns}
            texts.append(_struct_table(templates, f"{group}_{name}_t", f"{group}_{name}", members))
            steps[group] = (_type(groups.index[group]), groups.index[group], f"row of {group}_{name}")
    texts.append(_struct_table(templates, f"rows_{name}_t", f"steps_{name}", steps))
    texts.append(templates.get_template("step_rows.c.j2").render(name=name, groups=list(steps)))
    return "".join(texts)


def _type(values: Sequence[int]) -> str:
    return f"uint{8 * narrowest(values)}_t"


_Members = Mapping[str, tuple[str, Sequence[int], str]]
"""Name -> type, values, meaning."""


def _struct_table(templates: Environment, struct: str, array: str, members: _Members) -> str:
    """A type and an array of it; wide members first, so that a row has no holes."""
    ordered = dict(sorted(members.items(), key=lambda item: -int(item[1][0][4:-2])))
    return templates.get_template("steps.c.j2").render(
        struct=struct, array=array, columns="\n".join(_columns(ordered)), rows="\n".join(_rows(ordered))
    )


def _columns(columns: _Members) -> list[str]:
    members = [f"  {kind} {name};" for name, (kind, _, _) in columns.items()]
    width = max(map(len, members))
    meanings = [meaning for _, _, meaning in columns.values()]
    return [f"{member:<{width}} /* {text} */" for member, text in zip(members, meanings, strict=True)]


def _rows(members: _Members) -> list[str]:
    """The rows with aligned columns, behind their names where these fit on a line."""
    columns = list(members)
    rows = [list(map(str, row)) for row in zip(*(values for _, values, _ in members.values()), strict=True)]
    lines = aligned([columns, *rows])
    if len(lines[0]) + len("    /*  */") <= LINE:
        return [f"    /* {lines[0]} */", *(f"    {{  {line}  }}," for line in lines[1:])]
    return ["    /* in the order of the members above */", *(f"    {{{line}}}," for line in aligned(rows))]
