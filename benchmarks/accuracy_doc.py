"""Makes docs/accuracy.md from what `accuracy.py` found: the same page each time."""

from __future__ import annotations

from collections.abc import Sequence

from accuracy_outcomes import CLEAR_MARGIN, MEAN_GOAL, Difference, GoldenOutcome, Outcome
from pages import page_template

COLUMNS = ("network", "inputs", "largest", "mean", "equal", "top-1", "top-1, clear", "goals")


def render(found: Sequence[Outcome], golden: Sequence[GoldenOutcome] = ()) -> str:
    """The text of docs/accuracy.md."""
    sources = dict.fromkeys([*(one.source for one in found), *(one.source for one in golden)])
    return page_template("accuracy.md.j2").render(
        sources=", ".join(f"`{source}`" for source in sources),
        margin=CLEAR_MARGIN,
        goal=MEAN_GOAL,
        columns=COLUMNS,
        rows=[row(one) for one in found],
        missed=[one.network for one in found if one.missed],
        itself=[itself_row(one) for one in found],
        golden=[golden_row(one) for one in golden],
    )


def row(one: Outcome) -> list[str]:
    """A network in `COLUMNS`."""
    ours = one.ours
    return [
        one.network,
        str(ours.inputs),
        f"{ours.largest:.0f}",
        f"{ours.mean:.3f}",
        share(ours.equal),
        f"{ours.top1}",
        f"{ours.clear_top1} of {ours.clear}",
        f"missed: {', '.join(one.missed)}" if one.missed else "met",
    ]


def itself_row(one: Outcome) -> list[str]:
    """Network, our mean difference; mean, equal and top-1 of onnxruntime's changed scales, and of its integer
    kernels."""
    return [one.network, f"{one.ours.mean:.3f}", *_short(one.stepped), *_short(one.fused)]


def _short(difference: Difference) -> list[str]:
    return [f"{difference.mean:.3f}", share(difference.equal), f"{difference.top1}"]


def golden_row(one: GoldenOutcome) -> list[str]:
    """Network, layers, numbers, those that differ."""
    return [one.network, str(len(one.layer_sizes)), f"{sum(one.layer_sizes):,}", str(one.differing)]


def share(part: float) -> str:
    """In percent; 100 % only if it is all."""
    shown = f"{100 * part:.2f}"
    return f"{'99.99' if shown == '100.00' and part < 1 else shown} %"
