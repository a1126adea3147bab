"""A fused group's layers in its step table: the columns that they add, and what each of them finds there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvm_pulp.codegen.fusion.groups import MOST_STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZES = {"h": "rows", "w": "columns", "c": "channels", "c0": "first channel"}
_PADS = {"top": "padding above it", "bottom": "below", "left": "on the left", "right": "on the right"}


def _mid(number: int) -> dict[str, str]:
    """The columns about the map between layers `number` and `number` + 1 of a group, which count from 1, and
    about what the latter has beside it."""
    sizes = {f"mid{number}_{name}": f"{text} of map {number} in L1" for name, text in _SIZES.items()}
    pads = {f"mid{number}_{name}": text for name, text in _PADS.items()}
    places = {
        f"mid{number}_l1": f"buffer of map {number}, offset in L1",
        f"params{number + 1}_l1": f"parameters of layer {number + 1}, offset in L1",
    }
    return {**sizes, **pads, **places}


MID_COLUMNS: dict[str, str] = {
    name: text for number in range(1, MOST_STAGES) for name, text in _mid(number).items()
}
"""Columns of groups only, with their meanings."""


def mid_columns(names: Iterable[str]) -> tuple[str, ...]:
    """The columns of groups that are called `mid<number>_` and one of these."""
    return tuple(f"mid{number}_{name}" for name in names for number in range(1, MOST_STAGES))


def later_params() -> tuple[str, ...]:
    """The columns of the parameters of all layers of a group but the first."""
    return tuple(f"params{number + 1}_l1" for number in range(1, MOST_STAGES))


@dataclass(frozen=True)
class StageColumns:
    """The group's columns that stand for those of its layer number `index`, of `stages`. With `doubles` both
    inputs of the layer are the same map."""

    index: int
    stages: int
    doubles: bool = False

    def of(self, name: str) -> str:
        """The group's column for one that a layer by itself has."""
        if name == "x2_l1" and self.doubles:
            return self.of("x_l1")
        if name == "params_l1":
            return name if self.index == 0 else f"params{self.index + 1}_l1"
        if self.index > 0 and name.startswith(("x_", "pad_")):
            return f"mid{self.index}_{name.split('_')[1]}"
        if self.index < self.stages - 1 and name.startswith("y_"):
            return f"mid{self.index + 1}_{name.split('_')[1]}"
        return name
