"""Cycles of the benchmark networks on GVSoC's pulp-open: this compiler against TVM as it is.

Raw results go to `build/bench/cycles/<network>/<variant>/`, all figures to `build/bench/cycles.json`; from
these `docs/benchmarks.md` is made. Without GVSoC it says so in one line and measures nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import networks
import onnx
import tvm
from cycles_doc import DOCUMENT, read_networks, render, summary_row
from measure import INPUT_SEED, RUN_SECONDS, Measurement, Omission, build_conditions, measure
from rich.console import Console
from rich.table import Table
from tvm_pulp.errors import PulpError, ToolError, ToolTimeoutError
from tvm_pulp.toolchain import Platform, check_tools
from variants import L2_BYTES, VARIANTS, Stock, Variant

FOLDER = Path("build/bench")
TITLES = {
    "kws": "DS-CNN, keyword spotting",
    "vww": "MobileNetV1 0.25-96, visual wake words",
    "ic": "ResNet-8, image classification",
    "ad": "autoencoder, anomaly detection",
    "v1_25": "MobileNetV1 0.25-128",
    "v1_100": "MobileNetV1 1.0-128, parameters in L3",
}
_COLUMNS = ("M MAC", "TVM", "ours", "regions", "TVM/ours", "TVM/regions", "1 → 8 cores")


def measure_network(name: str, variants: Iterable[Variant], folder: Path, console: Console) -> dict[str, Any]:
    """All variants of a network, as an entry of the results."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{name}.onnx"
    onnx.save(networks.quantized(name), model)
    found = [_measured(name, variant, model, folder / variant.key, console) for variant in variants]
    return {
        "name": name,
        "title": TITLES[name],
        "macs": networks.macs(networks.build(name)),
        "measurements": [asdict(one) for one in found if isinstance(one, Measurement)],
        "omissions": [asdict(one) for one in found if isinstance(one, Omission)],
    }


def _measured(
    name: str, variant: Variant, model: Path, folder: Path, console: Console
) -> Measurement | Omission:
    if isinstance(variant, Stock) and networks.weight_bytes(networks.build(name)) > L2_BYTES:
        # without this project there is no L3
        return _omitted(name, variant, f"its parameters do not fit the {L2_BYTES:,} B of L2", console)
    try:
        found = measure(name, variant, model, folder)
    except ToolTimeoutError:
        return _omitted(name, variant, f"takes more than {RUN_SECONDS} s to simulate", console)
    except PulpError as error:
        if isinstance(variant, Stock):  # code, constants and workspace in L2
            return _omitted(name, variant, f"doesn't build or run: {error}", console)
        raise click.ClickException(f"{name}, {variant.title}: {error}") from error
    console.print(
        f"{name}, {found.title}: {found.cycles:,} cycles, regions {found.region_cycles:,}, "
        f"{found.differing_bytes} of {found.output_bytes} output bytes differ",
        soft_wrap=True,
    )
    return found


def _omitted(name: str, variant: Variant, reason: str, console: Console) -> Omission:
    console.print(f"{name}, {variant.title}: left out, {reason}", soft_wrap=True)
    return Omission(variant.key, variant.title, reason)


def conditions(run: Path, gvsoc: str, source: str) -> dict[str, Any]:
    """What the figures depend on; `run` is the folder of a finished run, `source` this repository's commit."""
    return {
        **build_conditions(run),
        "gvsoc": gvsoc,
        "tvm": f"TVM {tvm.__version__}",
        "source": source,
        "input_seed": INPUT_SEED,
    }


def source_revision() -> str:
    """This repository's commit, marked if files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"


def table(results: dict[str, Any]) -> Table:
    """The summary for the terminal."""
    made = Table(title="cycles on GVSoC pulp-open, one inference", title_justify="left")
    made.add_column("network")
    for column in _COLUMNS:
        made.add_column(column, justify="right")
    for network in read_networks(results):
        made.add_row(network.name, *summary_row(network)[1:])
    return made


def chosen_variants(keys: Sequence[str]) -> list[Variant]:
    """The variants of these names in the usual order; all without names."""
    return [variant for variant in VARIANTS if not keys or variant.key in keys]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(networks.MEASURED_NETWORKS))
@click.option(
    "--variant",
    "keys",
    multiple=True,
    type=click.Choice([variant.key for variant in VARIANTS]),
    help="Measure only this one; may be given more than once.",
)
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Results.")
@click.option(
    "--gvsoc-revision", envvar="GVSOC_REVISION", default="revision not recorded", help="GVSoC's commits."
)
@click.option(
    "--document", type=click.Path(path_type=Path), help=f"Write the page of the figures, {DOCUMENT}, here."
)
def main(
    names: tuple[str, ...], keys: tuple[str, ...], folder: Path, gvsoc_revision: str, document: Path | None
) -> None:
    """Measure NAMES, by default all benchmark networks."""
    console = Console()
    try:
        check_tools(Platform.PULP_OPEN)
    except ToolError as error:
        console.print(f"cycles on PULP-open are skipped: {error}", soft_wrap=True)
        return
    source, variants = source_revision(), chosen_variants(keys)
    raw = folder / "cycles"
    results: dict[str, Any] = {"networks": []}
    for name in dict.fromkeys(names or networks.MEASURED_NETWORKS):
        entry = measure_network(name, variants, raw / name, console)
        results["networks"].append(entry)
        if entry["measurements"]:
            run = raw / name / str(entry["measurements"][0]["variant"])
            results["conditions"] = conditions(run, gvsoc_revision, source)
        # After each network, so that a run that is stopped leaves what it has found.
        (folder / "cycles.json").write_text(json.dumps(results, indent=2) + "\n")
    console.print(table(results))
    console.print(f"written to {folder / 'cycles.json'}")
    if document is not None:
        document.write_text(render(results))
        console.print(f"written to {document}")


if __name__ == "__main__":
    main()
