"""The table of transfers between L3 and L2 that a region's C keeps in L2: rows of bit fields, each as wide as
its largest value, for there can be more than a thousand rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from tvm_pulp.codegen.memory.l3_places import streams_params_of
from tvm_pulp.codegen.plan import L3Kind, L3Transfer, Mark, Plan
from tvm_pulp.errors import PlanError

UNIT_BITS = 32
WORD_BYTES = 4
USUAL_ROW_BYTES = 12
"""Of a row, where no field is unusually wide."""

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
    in their order."""

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
    """The table of a plan with transfers. Raises PlanError if a value takes more than 32 bits."""
    begins, ranges = first_marks(plan), l3_ranges(plan)
    rows = [_row(one, begins, ranges) for one in plan.transfers]
    values = {name: tuple(row[name] for row in rows) for name in FIELDS}
    bits = {name: max(1, max(column).bit_length()) for name, column in values.items()}
    for name, width in bits.items():
        if width > UNIT_BITS:
            raise PlanError(f"a transfer's field '{name}' takes {width} bits", where=f"region {plan.region}")
    return TransferTable(values, bits, _packed(bits))


def first_marks(plan: Plan) -> list[int]:
    """The number of each layer's first mark, and of the region's last one."""
    return list(accumulate((len(layer.steps) + 1 for layer in plan.layers), initial=0))


def l3_ranges(plan: Plan) -> list[int | None]:
    """What there is in L3: None is the arena, a number the parameters of the layer with this index."""
    streamed = [index for index in range(len(plan.layers)) if streams_params_of(plan.transfers, index)]
    return [*([None] if plan.l3_arena else []), *streamed]


def _row(one: L3Transfer, begins: list[int], ranges: list[int | None]) -> dict[str, int]:
    def number(mark: Mark) -> int:
        return begins[mark.layer] + mark.step + 1

    return {
        "start": number(one.start),
        "wait": number(one.wait),
        "l2": one.l2_offset // WORD_BYTES,
        "words": one.size // WORD_BYTES,
        "range": ranges.index(one.layer if one.kind is L3Kind.PARAMS else None),
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
