"""Layers that two engines compute together, in their step tables: the columns about the rows of each engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMON = {"x_h": "rows of the input that {} reads", "y_h": "rows of the output that {} computes"}
_FIRST = {"pad_bottom": "padding below the input that {} reads"}
_LAST = {
    "x_l1": "the input that {} reads, offset in L1",
    "y_l1": "the output that {} computes, offset in L1",
    "params_l1": "parameters of {}, offset in L1",
    "pad_top": "padding above the input that {} reads",
}
_OWN = (
    {name: text.format("the first engine") for name, text in {**_COMMON, **_FIRST}.items()},
    {name: text.format("the last engine") for name, text in {**_COMMON, **_LAST}.items()},
)
_PREFIXES = ("first", "last")

SHARE_COLUMNS: dict[str, str] = {
    f"{prefix}_{name}": text for prefix, own in zip(_PREFIXES, _OWN, strict=True) for name, text in own.items()
}
"""Columns of such layers only, with their meanings."""


def share_columns(names: Iterable[str]) -> tuple[str, ...]:
    """The columns that are one engine's version of one of these."""
    return tuple(
        f"{prefix}_{name}" for name in names for prefix, own in zip(_PREFIXES, _OWN, strict=True) if name in own
    )


@dataclass(frozen=True)
class ShareColumns:
    """The layer's columns that stand for those of its engine number `index`."""

    index: int

    def of(self, name: str) -> str:
        """The layer's column for one that a layer has whose only engine it is."""
        return f"{_PREFIXES[self.index]}_{name}" if name in _OWN[self.index] else name
