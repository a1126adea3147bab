"""Long step tables in less memory: what depends on the place of a tile only, on its channels only, or on the L1
buffers in use is kept once for each place, range of channels and use of buffers, and a step names the three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tvm_pulp.codegen.emit_shares import share_columns
from tvm_pulp.codegen.emit_stages import later_params, mid_columns

LEAST_SAVED = 256
"""Bytes; below, one table is easier to read."""

GROUPS: dict[str, tuple[str, ...]] = {
    "place": (
        *("x", "x2", "y", "x_h", "x_w", "y_h", "y_w", "pad_top", "pad_bottom", "pad_left", "pad_right"),
        *mid_columns(("h", "w", "top", "bottom", "left", "right")),
        *share_columns(("x_h", "y_h", "pad_top", "pad_bottom")),
    ),
    "range": ("params", "params_size", "x_c", "y_c", "y_c0", *mid_columns(("c", "c0"))),
    "slots": (
        *("x_l1", "x2_l1", "x_data", "params_l1", "y_l1", "sums_l1"),
        *("load_x", "load_x2", "load_params", "y_slot", "l3"),
        *mid_columns(("l1",)),
        *later_params(),
        *share_columns(("x_l1", "y_l1", "params_l1")),
    ),
}
"""The columns of each group; the group's name is that of the step's member that counts its rows."""

_WITH_CHANNELS = ("x", "x2", "y")
"""Offsets that are those of the place, and maybe the tile's first channel more."""

Columns = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class StepGroups:
    """`index[group]` is the row of each step, `rows[group][column]` the rows' values. The values of `beyond`
    are without the tile's first channel, which a step adds."""

    index: dict[str, tuple[int, ...]]
    rows: dict[str, dict[str, tuple[int, ...]]]
    beyond: frozenset[str]

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        tables = [*self.rows.values(), self.index]
        return sum(table_bytes([narrowest(values) for values in table.values()], table) for table in tables)


def group_steps(columns: Columns) -> StepGroups:
    """The groups of a table with these columns, all of one length, `y_c0` among them if any of `_WITH_CHANNELS`
    is to be the same for all ranges of channels."""
    beyond = frozenset(name for name in _WITH_CHANNELS if name in columns and _has_channel(columns, name))
    index, rows = {}, {}
    for group, names in GROUPS.items():
        mine = {name: _without_channel(columns, name, beyond) for name in names if name in columns}
        if mine:
            index[group], rows[group] = _distinct(mine)
    return StepGroups(index, rows, beyond)


def narrowest(values: Sequence[int]) -> int:
    """Bytes of the smallest unsigned type that holds the values."""
    most = max(values, default=0)
    return 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4


def table_bytes(widths: Sequence[int], columns: Columns) -> int:
    """Bytes of an array of structs with members of these widths, the widest first."""
    if not widths:
        return 0
    length = len(next(iter(columns.values())))
    return length * (sum(widths) + -sum(widths) % max(widths))


def _has_channel(columns: Columns, name: str) -> bool:
    """True if fewer places are left without the first channel."""
    if "y_c0" not in columns:
        return False
    whole, first = columns[name], columns["y_c0"]
    if any(offset < channel for offset, channel in zip(whole, first, strict=True)):
        return False
    return len({o - c for o, c in zip(whole, first, strict=True)}) < len(set(whole))


def _without_channel(columns: Columns, name: str, beyond: frozenset[str]) -> Sequence[int]:
    if name not in beyond:
        return columns[name]
    return [offset - channel for offset, channel in zip(columns[name], columns["y_c0"], strict=True)]


def _distinct(columns: Columns) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The row of each step, and the rows, in the order of their first use."""
    steps = list(zip(*columns.values(), strict=True))
    numbers = {row: number for number, row in enumerate(dict.fromkeys(steps))}
    rows = list(numbers)
    return tuple(numbers[row] for row in steps), {
        name: tuple(row[at] for row in rows) for at, name in enumerate(columns)
    }
