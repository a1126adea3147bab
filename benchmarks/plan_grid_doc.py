"""Makes docs/plan-grid.md from what `plan_grid.py` and `compile_time.py` found: the same page each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import compile_time
import networks
from compile_time import Measurement
from pages import page_template
from plan_grid_outcomes import FOLDER, Outcome, kept

DOCUMENT = Path("docs/plan-grid.md")
TITLES = {
    "kws": "DS-CNN, keyword spotting",
    "vww": "MobileNetV1 0.25-96",
    "ic": "ResNet-8",
    "ad": "autoencoder",
    "v1_25": "MobileNetV1 0.25-128",
    "v1_100": "MobileNetV1 1.0-128",
    "v1_224": "MobileNetV1 1.0-224",
    "v2_224": "MobileNetV2 1.0-224",
    "resnet18": "ResNet-18",
}
_NONE = "–"


def render(found: Sequence[Outcome], compilations: Sequence[Measurement] = ()) -> str:
    """The text of docs/plan-grid.md."""
    large = [one for one in found if one.network in networks.LARGE_NETWORKS]
    names = list(dict.fromkeys(one.network for one in found))
    return page_template("plan-grid.md.j2").render(
        sources=sources(found),
        planned=sum(not one.refusal for one in large),
        refused=sum(bool(one.refusal) for one in large),
        differing=sum(one.differing_bytes for one in found),
        compared=sum(one.output_bytes for one in found),
        networks=[
            {"title": TITLES[name], "name": name, "rows": [row(one) for one in large if one.network == name]}
            for name in dict.fromkeys(one.network for one in large)
        ],
        times=[times(TITLES[name], [one for one in found if one.network == name]) for name in names],
        again=[
            [TITLES[one.network], f"{one.cached_cpu_seconds:.2f}", f"{one.cached_seconds:.2f}"]
            for one in compilations
            if one.cached_seconds
        ],
    )


def sources(found: Sequence[Outcome]) -> str:
    """The commits whose planner made the results, with their number where there are several."""
    all_sources = [one.source for one in found]
    names = dict.fromkeys(all_sources)
    if len(names) == 1:
        return f"`{all_sources[0]}`"
    return ", ".join(f"`{name}` ({all_sources.count(name)})" for name in names)


def row(one: Outcome) -> list[str]:
    """L1, L2, M cycles, those that wait for L3, gap, planning seconds, bytes that differ or a reason."""
    head = [f"{one.l1:,}", f"{one.l2:,}"]
    if one.refusal:
        return [*head, _NONE, _NONE, _NONE, f"{one.planning_seconds:.1f}", f"no plan: {one.refusal}"]
    return [
        *head,
        f"{one.cycles / 1e6:.2f}",
        f"{one.l3_waits / 1e6:.2f}",
        f"{one.gap:.1f} %",
        f"{one.planning_seconds:.1f}",
        f"{one.differing_bytes} of {one.output_bytes:,}",
    ]


def times(title: str, found: Sequence[Outcome]) -> list[str]:
    """Network, sizes of memory, least and most seconds for the plans, most for a whole compilation."""
    planning = [one.planning_seconds for one in found]
    compiling = max(one.compile_seconds for one in found)
    return [title, str(len(found)), f"{min(planning):.1f}", f"{max(planning):.1f}", f"{compiling:.1f}"]


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Results.")
@click.option(
    "--times",
    "times_file",
    type=click.Path(path_type=Path),
    default=compile_time.RESULT,
    show_default=True,
    help="What compile_time.py has written; left out if it isn't there.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DOCUMENT, show_default=True)
def main(folder: Path, times_file: Path, output: Path) -> None:
    """Write the page from all results in a folder."""
    found = kept(folder)
    if not found:
        raise click.ClickException(f"{folder} holds no results; benchmarks/plan_grid.py makes them")
    output.write_text(render(found, compile_time.read(times_file) if times_file.exists() else ()))


if __name__ == "__main__":
    main()
