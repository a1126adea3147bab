"""What became of a network with some size of L1 and L2, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import networks

FOLDER = Path("build/bench/plan_grid")


@dataclass(frozen=True)
class Combination:
    """A network and the memory that it may use, in bytes."""

    network: str
    l1: int
    l2: int


@dataclass(frozen=True)
class Outcome:
    """What became of a combination.

    Predicted cycles with their waits for L3, and these alone; no plan with these tiles takes fewer than
    `bound_cycles`. Seconds of CPU time: for plans and their check, and from the imported network to the package
    or the error. Output bytes that differ. `refusal` is the error's text, cycles and bytes are 0 then. `source`
    is the commit that planned.
    """

    network: str
    l1: int
    l2: int
    cycles: int = 0
    l3_waits: int = 0
    bound_cycles: int = 0
    planning_seconds: float = 0.0
    compile_seconds: float = 0.0
    output_bytes: int = 0
    differing_bytes: int = 0
    refusal: str = ""
    source: str = ""

    @property
    def gap(self) -> float:
        """By how many percent the plan is above the bound."""
        return 100 * (self.cycles / self.bound_cycles - 1) if self.bound_cycles else 0.0


def outcome_file(folder: Path, case: Combination) -> Path:
    """Where a combination's outcome is kept."""
    return folder / f"{case.network}-{case.l1}-{case.l2}.json"


def keep(folder: Path, outcome: Outcome) -> None:
    """Write an outcome to its file."""
    file = outcome_file(folder, Combination(outcome.network, outcome.l1, outcome.l2))
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(outcome), indent=2) + "\n")


def kept(folder: Path) -> list[Outcome]:
    """All outcomes of a folder: networks in their usual order, the largest memory first."""

    def order(one: Outcome) -> tuple[int, int, int]:
        return networks.ALL_NETWORKS.index(one.network), -one.l1, -one.l2

    return sorted(_read(folder), key=order)


def _read(folder: Path) -> Iterator[Outcome]:
    for file in folder.glob("*.json"):
        yield Outcome(**json.loads(file.read_text()))
