"""Makes docs/benchmarks.md from the results of the cycle benchmark. The same results give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from measure import Measurement, Omission
from pages import page_template
from variants import VARIANTS

DOCUMENT = Path("docs/benchmarks.md")
_STOCK = "stock-"
_ALL_CORES, _ONE_CORE = "ours-8", "ours-1"
_NONE = "–"
_COLUMNS = 13


@dataclass(frozen=True)
class Network:
    """What the benchmark found out about one network."""

    name: str
    title: str
    macs: int
    measurements: tuple[Measurement, ...]
    omissions: tuple[Omission, ...] = ()

    @property
    def baseline(self) -> Measurement | None:
        """TVM without this project in its faster layout."""
        stock = [m for m in self.measurements if m.variant.startswith(_STOCK)]
        return min(stock, key=lambda m: m.cycles, default=None)

    def find(self, variant: str) -> Measurement | None:
        """The measurement of a variant, if it was made."""
        return next((m for m in self.measurements if m.variant == variant), None)


def read_networks(results: Mapping[str, Any]) -> list[Network]:
    """The networks of a results file, in its order."""
    return [
        Network(
            entry["name"],
            entry["title"],
            entry["macs"],
            tuple(Measurement(**m) for m in entry["measurements"]),
            tuple(Omission(**o) for o in entry.get("omissions", ())),
        )
        for entry in results["networks"]
    ]


def render(results: Mapping[str, Any]) -> str:
    """The text of docs/benchmarks.md."""
    found = read_networks(results)
    return page_template("benchmarks.md.j2").render(
        conditions=results["conditions"],
        summary=[summary_row(network) for network in found],
        networks=[
            {
                "heading": f"{network.title} (`{network.name}`)",
                "macs": mega(network.macs),
                "rows": rows(network),
            }
            for network in found
        ],
    )


def summary_row(network: Network) -> list[str]:
    """Network, M MAC, cycles of TVM and of ours, speed-up over TVM and from 1 core to 8."""
    ours, alone = network.find(_ALL_CORES), network.find(_ONE_CORE)
    return [
        network.title,
        mega(network.macs),
        _baseline(network),
        _NONE if ours is None else f"{ours.cycles:,}",
        _NONE if ours is None else f"{ours.region_cycles:,}",
        times(cycles_of(network.baseline), cycles_of(ours)),
        times(cycles_of(network.baseline), region_cycles_of(ours)),
        times(region_cycles_of(alone), region_cycles_of(ours)),
    ]


def _baseline(network: Network) -> str:
    """Cycles of TVM without this project, or why there are none."""
    if network.baseline is not None:
        return f"{network.baseline.cycles:,}"
    return next((one.reason for one in network.omissions if one.variant.startswith(_STOCK)), _NONE)


def rows(network: Network) -> list[list[str]]:
    """A row for each way to compile, in the usual order; what was left out says why in its second column."""
    found = {m.variant: _row(network, m) for m in network.measurements}
    found |= {o.variant: [o.title, o.reason, *[_NONE] * (_COLUMNS - 2)] for o in network.omissions}
    order = [variant.key for variant in VARIANTS]
    return [found[key] for key in sorted(found, key=lambda key: order.index(key) if key in order else 0)]


def _row(network: Network, m: Measurement) -> list[str]:
    return [
        m.title,
        f"{m.cycles:,}",
        f"{m.region_cycles:,}" if m.region_cycles else _NONE,
        rate(network.macs, m.cycles),
        rate(network.macs, m.region_cycles),
        times(cycles_of(network.baseline), m.cycles),
        f"{m.code_bytes:,}",
        f"{m.constant_bytes:,}",
        f"{m.data_bytes:,}",
        f"{m.l1_bytes:,}" if m.l1_bytes else _NONE,
        f"{m.l2_bytes:,}",
        f"{m.compile_seconds:.1f}",
        "equal" if m.differing_bytes == 0 else f"{m.differing_bytes} of {m.output_bytes} B differ",
    ]


def cycles_of(measurement: Measurement | None) -> int:
    """Cycles of the whole call; 0 if it wasn't measured."""
    return 0 if measurement is None else measurement.cycles


def region_cycles_of(measurement: Measurement | None) -> int:
    """Cycles of the regions; 0 if they weren't measured."""
    return 0 if measurement is None else measurement.region_cycles


def mega(count: int) -> str:
    """Millions."""
    return f"{count / 1e6:.2f}"


def rate(macs: int, cycles: int) -> str:
    """Multiply-accumulates per cycle."""
    return f"{macs / cycles:.2f}" if cycles else _NONE


def times(slow: int, fast: int) -> str:
    """How many times as fast; a dash if one of them is missing."""
    return f"{slow / fast:.1f} ×" if slow and fast else _NONE


def merge(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Results of several runs as one. ValueError if their conditions are not the same."""
    conditions = parts[0]["conditions"]
    if any(part["conditions"] != conditions for part in parts):
        raise ValueError("the results were measured under different conditions")
    return {"conditions": conditions, "networks": [network for part in parts for network in part["networks"]]}


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DOCUMENT, show_default=True)
def main(results: tuple[Path, ...], output: Path) -> None:
    """Write the page from RESULTS, JSON files of runs under the same conditions."""
    try:
        merged = merge([json.loads(path.read_text()) for path in results])
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    output.write_text(render(merged))


if __name__ == "__main__":
    main()
