"""Step tables as C: types and arrays with aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import Environment
from tvm_pulp.codegen.emit.step_groups import Cycle, StepGroups, has_words, narrowest, unit
from tvm_pulp.codegen.emit.steps import COLUMNS, StepTable
from tvm_pulp.codegen.emit.text import LINE, aligned


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
    widths = [narrowest(values) for _, values, _ in members.values()]
    return _struct_table(templates, f"step_{name}_t", f"steps_{name}", members, _WORDS * has_words(widths))


def _grouped_tables(templates: Environment, name: str, table: StepTable, groups: StepGroups) -> str:
    """A table for each group, one of the steps that names their rows where these don't follow from the step's
    number, and the function that puts a step's rows together."""
    texts, steps, rows_of = [], {}, {}
    for group, rows in groups.rows.items():
        columns = table.group_columns(group)
        if columns:
            members = {column: (_type(rows[column]), rows[column], COLUMNS[column]) for column in columns}
            texts.append(_struct_table(templates, f"{group}_{name}_t", f"{group}_{name}", members))
            rows_of[group] = _row_number(group, groups)
            if group in groups.named:
                names = groups.named[group]
                steps[group] = (_type(names), names, f"row of {group}_{name}")
    if steps:
        texts.append(_struct_table(templates, f"rows_{name}_t", f"steps_{name}", steps))
    at = _step_number(groups.cycle, len(table.plan.steps)) if steps else ""
    texts.append(templates.get_template("step_rows.c.j2").render(name=name, rows=rows_of, at=at))
    return "".join(texts)


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


_Members = Mapping[str, tuple[str, Sequence[int], str]]
"""Name -> type, values, meaning."""


_WORDS = " __attribute__((aligned(4)))"
"""Of a type whose values are copied word by word: a step's row comes from L2, where each load takes long."""


def _struct_table(
    templates: Environment, struct: str, array: str, members: _Members, attribute: str = ""
) -> str:
    """A type and an array of it; wide members first, so that a row has no holes."""
    ordered = dict(sorted(members.items(), key=lambda item: -int(item[1][0][4:-2])))
    columns, rows = "\n".join(_columns(ordered)), "\n".join(_rows(ordered))
    return templates.get_template("steps.c.j2").render(
        struct=struct, array=array, columns=columns, rows=rows, attribute=attribute
    )


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
