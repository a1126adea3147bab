"""The table of transfers between L3 and L2 that a region's C keeps in L2, or in L3 with a part of its rows in
L2: rows of bit fields, each as wide as its largest value, for there can be more than a thousand rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

from tvm_pulp.codegen.plan import ROW_BYTES, L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.errors import PlanError

UNIT_BITS = 32
WORD_BYTES = 4
UNITS = ROW_BYTES // WORD_BYTES
"""Of a row whose size the plan says."""

FIELDS: dict[str, str] = {
    "start": "the mark at which it is started",
    "wait": "the mark at which it is awaited",
    "l2": "place in the L2 arena, in words",
    "words": "size, in words",
    "range": "which of l3_ranges it reads or writes",
    "l3": "place there, in words",
    "store": "1: from L2 to L3",
}


@dataclass(frozen=True)
class TransferTable:
    """Values of each field in each row, and its width in bits; `units` are the fields that share a 32-bit unit,
    in their order. A unit may be empty."""

    values: Mapping[str, tuple[int, ...]]
    bits: Mapping[str, int]
    units: tuple[tuple[str, ...], ...]

    @property
    def fields(self) -> list[str]:
        """All fields in their order."""
        return [name for unit in self.units for name in unit]

    @property
    def size_bytes(self) -> int:
        """Bytes of the table."""
        return len(self.values["start"]) * len(self.units) * UNIT_BITS // 8


def transfer_table(plan: Plan) -> TransferTable:
    """The table of a plan with transfers. Raises PlanError if a value takes more than 32 bits, or a row whose
    size the plan says takes more than that."""
    begins, ranges = first_marks(plan), l3_ranges(plan)
    rows = [_row(one, begins, ranges) for one in plan.transfers]
    values = {name: tuple(row[name] for row in rows) for name in FIELDS}
    bits = {name: max(1, max(column).bit_length()) for name, column in values.items()}
    for name, width in bits.items():
        if width > UNIT_BITS:
            raise PlanError(f"a transfer's field '{name}' takes {width} bits", where=f"region {plan.region}")
    units = _packed(bits)
    if rows_in_l3(plan):
        if len(units) > UNITS:
            raise PlanError(f"a transfer takes {len(units)} words", where=f"region {plan.region}")
        units += ((),) * (UNITS - len(units))
    return TransferTable(values, bits, units)


def rows_in_l3(plan: Plan) -> bool:
    """True if the table lies in L3."""
    return any(one.kind is L3Kind.ROWS for one in plan.transfers)


def first_marks(plan: Plan) -> list[int]:
    """The number of each layer's first mark, and of the region's last one."""
    return list(accumulate((len(layer.steps) + 1 for layer in plan.layers), initial=0))


class L3Part(IntEnum):
    """What is in L3."""

    ARENA = 0  # activations
    PARAMS = 1  # a layer's parameters
    STEPS = 2  # a layer's step table
    ROWS = 3  # the table of transfers


@dataclass(frozen=True, order=True)
class L3Range:
    """A part of L3; `layer` is the index of the layer whose part it is."""

    part: L3Part
    layer: int = 0


def range_of(one: L3Transfer) -> L3Range:
    """Where in L3 a transfer reads or writes."""
    if one.kind is L3Kind.PARAMS:
        return L3Range(L3Part.PARAMS, one.layer)
    if one.kind is L3Kind.STEPS:
        return L3Range(L3Part.STEPS, one.layer)
    return L3Range(L3Part.ROWS if one.kind is L3Kind.ROWS else L3Part.ARENA)


def l3_ranges(plan: Plan) -> list[L3Range]:
    """All that transfers read or write."""
    return sorted({range_of(one) for one in plan.transfers})


def _row(one: L3Transfer, begins: list[int], ranges: list[L3Range]) -> dict[str, int]:
    def number(mark: Mark) -> int:
        return begins[mark.layer] + mark.step + 1

    return {
        "start": number(one.start),
        "wait": number(one.wait),
        "l2": one.l2_offset // WORD_BYTES,
        "words": one.size // WORD_BYTES,
        "range": ranges.index(range_of(one)),
        "l3": one.l3_offset // WORD_BYTES,
        "store": int(one.kind is L3Kind.STORE),
    }


def _packed(bits: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Fields in as few units as the first that has room for each finds, the widest first."""
    units: list[list[str]] = []
    for name in sorted(bits, key=lambda name: -bits[name]):
        roomy = (unit for unit in units if sum(bits[one] for one in unit) + bits[name] <= UNIT_BITS)
        unit = next(roomy, None)
        if unit is None:
            units.append([name])
        else:
            unit.append(name)
    return tuple(map(tuple, units))
