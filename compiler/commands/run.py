"""`tvm-pulp run`: build and run a package on a platform, and check its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from ..archive import check_writable, write_whole
from ..console import console, new_table
from ..cycle_tables import cycle_tables
from ..cycles import measured_cycles
from ..errors import InputError
from ..inputs import load_arrays
from ..package import Package
from ..report import read_report
from ..runner import Comparison, RunResult, run_package
from ..toolchain import Platform

MISMATCH = 1


@click.command("run")
@click.argument("package", type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    "inputs_path",
    type=click.Path(path_type=Path),
    help="Samples: an .npz file with an array for each input, of its shape or with an axis for samples first."
    " May be left out for an integer network that was compiled beside its golden files.",
)
@click.option(
    "--platform",
    type=click.Choice([platform.value for platform in Platform]),
    default=Platform.HOST.value,
    show_default=True,
    help="Where to run: this computer, RV32 in QEMU, or PULP-open on GVSoC (which measures cycles).",
)
@click.option(
    "--check", is_flag=True, help="Compare every output byte with TVM's build of the legalized network."
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the outputs to this .npz file.")
@click.option(
    "--sanitize", is_flag=True, help="Build with the address and undefined-behaviour sanitizers (host)."
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    help="Write a measured timeline of the first sample, for Perfetto or chrome://tracing (pulp-open).",
)
@click.option("--workdir", type=click.Path(path_type=Path), help="Keep the build here, and reuse it next time.")
def command(
    *,
    package: Path,
    inputs_path: Path | None,
    platform: str,
    check: bool,
    output: Path | None,
    sanitize: bool,
    profile: Path | None,
    workdir: Path | None,
) -> int:
    """Build and run PACKAGE on a platform; with --check, status 1 says that an output byte differs."""
    for file in (output, profile):
        if file is not None:
            check_writable(file)
    opened = Package.open(package)
    arrays = None if inputs_path is None else load_arrays(inputs_path, opened.inputs)
    result = run_package(
        opened,
        arrays,
        platform,
        check=check,
        sanitize=sanitize,
        profile=profile is not None,
        workdir=workdir,
    )
    if output is not None:
        write_whole(output, lambda stream: np.savez(stream, allow_pickle=False, **result.outputs))
    if profile is not None:
        write_whole(profile, lambda stream: stream.write(result.trace.encode()))
    _print_traffic(result)
    _print_cycles(opened, result)
    _print_outcome(opened, result, platform, output)
    return MISMATCH if result.mismatched_bytes or result.golden_mismatched_bytes else 0


def _print_traffic(result: RunResult) -> None:
    """DMA of each layer, for one inference."""
    layers = result.stats["layers"]
    if not layers:
        return
    columns = ("bytes in", "bytes out", "commands in", "commands out")
    table = new_table("layer", *columns, numbers=columns, title="DMA between L2 and L1, for one inference")
    for entry in [*layers, {"name": "total", **result.stats["total"]}]:
        counts = (entry[column.replace(" ", "_")] // result.samples for column in columns)
        table.add_row(entry["name"], *(f"{count:,}" for count in counts))
    console().print(table)


def _print_cycles(package: Package, result: RunResult) -> None:
    """Cycles of each layer beside the prediction, where the platform counts them."""
    try:
        report = read_report(package)
    except InputError:
        report = None
    cycles = measured_cycles(result.stats, report)
    if cycles is not None:
        console().print(cycle_tables(cycles))


def _print_outcome(package: Package, result: RunResult, platform: str, output: Path | None) -> None:
    out = console()
    out.print(f"{package.name}: {_count(result.samples, 'sample')} on {platform}")
    _print_comparisons(result.comparisons, "the legalized network")
    _print_comparisons(
        result.golden, "the network's golden files (the last layer's, what is between is not read)"
    )
    if output is not None:
        out.print(f"outputs: {output}")


def _print_comparisons(comparisons: Sequence[Comparison], reference: str) -> None:
    if not comparisons:
        return
    out = console()
    differ, compared = (
        sum(getattr(comparison, name) for comparison in comparisons)
        for name in ("mismatched_bytes", "compared_bytes")
    )
    out.print(f"check: {differ:,} of {compared:,} output bytes differ from {reference}")
    for comparison in comparisons:
        if comparison.mismatched_bytes:
            out.print(
                f"  {comparison.output}: {comparison.mismatched_bytes:,} of {comparison.compared_bytes:,}"
            )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
