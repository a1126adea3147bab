"""How far a compiled network is from another runtime, and the file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from accuracy_models import Array

FOLDER = Path("build/bench/accuracy")
MEAN_GOAL = 0.5  # in units of the last place, before a softmax
CLEAR_MARGIN = 2  # units between an output's two largest numbers, from which on the largest has to be the same


@dataclass(frozen=True)
class Difference:
    """Of one runtime from another over all inputs and outputs, in units of the output.

    `largest` and `mean` difference, the share of `equal` numbers, the number of inputs with the same `top1`;
    that number, and all, of the inputs where the other's two largest outputs are further apart than
    `CLEAR_MARGIN`.
    """

    inputs: int
    largest: float
    mean: float
    equal: float
    top1: int
    clear_top1: int
    clear: int


@dataclass(frozen=True)
class Outcome:
    """A network against onnxruntime, and onnxruntime against itself: where each weight's scale is the next
    float32 (`stepped`), and with its integer kernels (`fused`).

    `multiplier_error` is the target's option; `source` the commit that compiled.
    """

    network: str
    multiplier_error: float | None
    ours: Difference
    stepped: Difference
    fused: Difference
    source: str = ""

    @property
    def missed(self) -> tuple[str, ...]:
        """The goals that the network misses."""
        goals = {"mean": self.ours.mean < MEAN_GOAL, "top-1": self.ours.clear_top1 == self.ours.clear}
        return tuple(goal for goal, met in goals.items() if not met)


@dataclass(frozen=True)
class GoldenOutcome:
    """An integer network against its golden files: the numbers of each layer, and those that differ."""

    network: str
    layer_sizes: tuple[int, ...]
    differing: int
    source: str = ""


def compare(ours: Array, theirs: Array, step: float) -> Difference:
    """Both [inputs, …], one unit is `step`."""
    a, b = (np.rint(values.reshape(len(values), -1).astype(np.float64) / step) for values in (ours, theirs))
    difference = np.abs(a - b)
    agrees = a[np.arange(len(b)), b.argmax(axis=1)] == a.max(axis=1)
    ordered = np.sort(b, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > CLEAR_MARGIN if b.shape[1] > 1 else np.ones(len(b), bool)
    return Difference(
        inputs=len(a),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        equal=float(np.mean(difference == 0)),
        top1=int(agrees.sum()),
        clear_top1=int(agrees[clear].sum()),
        clear=int(clear.sum()),
    )


def keep(folder: Path, outcome: Outcome | GoldenOutcome) -> None:
    """Write an outcome to its file."""
    if isinstance(outcome, Outcome):
        file = _file(folder, outcome.network, outcome.multiplier_error)
    else:
        file = _golden_file(folder, outcome.network)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(outcome), indent=2) + "\n")


def kept(folder: Path, network: str, multiplier_error: float | None = None) -> Outcome | None:
    """What is known of a network compiled with this option."""
    file = _file(folder, network, multiplier_error)
    if not file.exists():
        return None
    values = json.loads(file.read_text())
    differences = {name: Difference(**values.pop(name)) for name in ("ours", "stepped", "fused")}
    return Outcome(**{**values, **differences})


def kept_golden(folder: Path, network: str) -> GoldenOutcome | None:
    """What is known of an integer network against its golden files."""
    file = _golden_file(folder, network)
    if not file.exists():
        return None
    values = json.loads(file.read_text())
    return GoldenOutcome(**{**values, "layer_sizes": tuple(values["layer_sizes"])})


def _file(folder: Path, network: str, multiplier_error: float | None) -> Path:
    option = "" if multiplier_error is None else f"-{multiplier_error:g}"
    return folder / f"{network}{option}.json"


def _golden_file(folder: Path, network: str) -> Path:
    return folder / f"{network}-golden.json"
