"""Long step tables in less memory: what depends on the place of a tile only, on its channels only, or on the L1
buffers in use is kept once for each place, range of channels and use of buffers, and a step names the three.
What the outer loop counts follows from the step's number. What the inner loops do comes again and again: its
names are kept for one period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np
from tvm_pulp.codegen.emit.shares import share_columns
from tvm_pulp.codegen.emit.stages import later_params, mid_columns

LEAST_SAVED = 320
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
        *("load_x", "load_x2", "load_params", "y_slot", "first_part", "last_part"),
        *mid_columns(("l1",)),
        *later_params(),
        *share_columns(("x_l1", "y_l1", "params_l1")),
    ),
}
"""The columns of each group; the group's name is that of the step's member that counts its rows."""

OWN_BLOCKS = {**GROUPS, "range": GROUPS["range"][1:], "block": GROUPS["range"][:1]}
"""Those of layers whose parameters come from L3 again and again, and lie elsewhere each time."""

WORD = 4
"""Bytes."""

LONGEST_PERIOD = 512
"""Steps; longer periods save little."""

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

    @cached_property
    def lengths(self) -> dict[str, int]:
        """The groups whose row is a quotient of the step's number, and the divisor."""
        found = {group: _quotient(index) for group, index in self.index.items()}
        return {group: length for group, length in found.items() if length is not None}

    @cached_property
    def cycle(self) -> Cycle:
        """How the rows of the other groups follow one another."""
        return shortest_cycle([index for group, index in self.index.items() if group not in self.lengths])

    @property
    def named(self) -> dict[str, tuple[int, ...]]:
        """The rows of the other groups, as far as a table has to say them."""
        steps = self.cycle.steps
        return {group: index[:steps] for group, index in self.index.items() if group not in self.lengths}

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        tables = [*self.rows.values(), self.named]
        return sum(table_bytes([narrowest(values) for values in table.values()], table) for table in tables)


@dataclass(frozen=True)
class Cycle:
    """Steps that come `first`, once, and those of a `period` that comes again and again behind them."""

    first: int
    period: int

    @property
    def steps(self) -> int:
        """The steps that differ."""
        return self.first + self.period


def shortest_cycle(indices: Sequence[Sequence[int]]) -> Cycle:
    """The cycle of the fewest steps of which columns of equal length are made."""
    steps = np.array(indices, dtype=np.int64)
    count = steps.shape[-1]
    found = [Cycle(0, count)]
    for period in range(1, min(LONGEST_PERIOD, count - 1) + 1):
        differs = np.flatnonzero((steps[:, period:] != steps[:, :-period]).any(axis=0))
        found.append(Cycle(int(differs[-1]) + 1 if differs.size else 0, period))
    return min(found, key=lambda cycle: (cycle.steps, cycle.first))


def _quotient(index: Sequence[int]) -> int | None:
    """What steps' numbers have to be divided by to get the rows; None if there is nothing."""
    length = next((step for step, row in enumerate(index) if row), len(index))
    return length if all(row == step // length for step, row in enumerate(index)) else None


def group_steps(columns: Columns) -> StepGroups:
    """The groups of a table with these columns, all of one length, `y_c0` among them if any of `_WITH_CHANNELS`
    is to be the same for all ranges of channels; whichever take fewer bytes."""
    usual = _grouped(columns, GROUPS)
    ranges = [name for name in OWN_BLOCKS["range"] if name in columns]
    distinct = set(zip(*(columns[name] for name in ranges), strict=True))
    if "params" not in columns or len(usual.rows["range"]["params"]) <= len(distinct):
        return usual
    return min(usual, _grouped(columns, OWN_BLOCKS), key=lambda groups: groups.size_bytes)


def _grouped(columns: Columns, groups: Mapping[str, tuple[str, ...]]) -> StepGroups:
    beyond = frozenset(name for name in _WITH_CHANNELS if name in columns and _has_channel(columns, name))
    index, rows = {}, {}
    for group, names in groups.items():
        mine = {name: _without_channel(columns, name, beyond) for name in names if name in columns}
        if mine:
            index[group], rows[group] = _distinct(mine)
    return StepGroups(index, rows, beyond)


def narrowest(values: Sequence[int]) -> int:
    """Bytes of the smallest unsigned type that holds the values, in their unit."""
    most = max(values, default=0) // unit(values)
    return 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4


def unit(values: Sequence[int]) -> int:
    """What a column counts in: the smallest power of two with which values take two bytes instead of four, or
    1 if there is none."""
    most, divisor = max(values, default=0), gcd(*values)
    needed = 1 << max(0, most.bit_length() - 16)
    return needed if divisor % needed == 0 and most else 1


def table_bytes(widths: Sequence[int], columns: Columns, *, in_words: bool = False) -> int:
    """Bytes of an array of structs with members of these widths, the widest first; `in_words` says that rows
    which aren't smaller begin at whole words."""
    if not widths:
        return 0
    length = len(next(iter(columns.values())))
    alignment = WORD if in_words and has_words(widths) else max(widths)
    return length * (sum(widths) + -sum(widths) % alignment)


def has_words(widths: Sequence[int]) -> bool:
    """True if a row with members of these widths has more than a word."""
    return sum(widths) > WORD


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
