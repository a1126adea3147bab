"""How long `tvmc compile --target pulp` takes from ONNX to tar, on the benchmark networks.

Each run is a process of its own, so the time holds everything a user waits for: starting Python, importing TVM,
compiling, writing the package. One more run with `-v` shows where the time goes, if the compiler says so in
lines such as `timing: plan 0.42 s`; and one whose package is in the cache what a second compilation takes.
Results are printed and written to `build/bench/compile_time.json`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import networks
import onnx
from rich.console import Console
from rich.table import Table

RESULT = Path("build/bench/compile_time.json")
LIMIT_SECONDS = 10.0  # what the project promises for these networks on 2 cores
TIMING = re.compile(r"^timing: (?P<stage>[\w ]+?) (?P<seconds>\d+(?:\.\d+)?) s$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """Wall times of one network's runs, the package's size and the times of the compiler's stages; wall and CPU
    time of a run whose package is in the cache."""

    network: str
    macs: int
    seconds: list[float]
    median_seconds: float
    package_bytes: int
    stage_seconds: dict[str, float]
    cached_seconds: float = 0.0
    cached_cpu_seconds: float = 0.0


def compile_once(
    tvmc: Path, model: Path, package: Path, *, verbose: bool = False, cache: str = "off"
) -> tuple[float, str]:
    """Return the wall time in seconds and what the compiler printed; plans and packages are made anew unless
    there is a `cache` folder."""
    command = [str(tvmc), *(["-v"] if verbose else []), "compile", "--target", "pulp", str(model)]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, "-o", str(package)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TVM_PULP_CACHE": cache},
        )
    except OSError as error:
        raise click.ClickException(f"{tvmc}: {error.strerror}; install the package or use --tvmc") from error
    seconds = time.perf_counter() - start
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise click.ClickException(f"{model.name}: {tvmc.name} failed with status {done.returncode}: {reason}")
    return seconds, done.stdout + done.stderr


def compile_again(tvmc: Path, model: Path, package: Path, cache: Path) -> tuple[float, float]:
    """Return the wall and the CPU time, in seconds, of a compilation whose package is in the cache."""
    compile_once(tvmc, model, package, cache=str(cache))
    before = _children_cpu()
    seconds, _ = compile_once(tvmc, model, package, cache=str(cache))
    return seconds, _children_cpu() - before


def _children_cpu() -> float:
    """CPU seconds of all finished processes that this one started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stage_seconds(printed: str) -> dict[str, float]:
    """Return the seconds of each stage that the compiler names, in its order; none if it names none."""
    return {match["stage"]: float(match["seconds"]) for match in TIMING.finditer(printed)}


def measure(name: str, runs: int, tvmc: Path) -> Measurement:
    """Compile a benchmark network `runs` times, and once more for the stages."""
    with TemporaryDirectory() as folder:
        model, package = Path(folder) / f"{name}.onnx", Path(folder) / f"{name}.tar"
        onnx.save(networks.quantized(name), model)
        seconds = [compile_once(tvmc, model, package)[0] for _ in range(runs)]
        _, printed = compile_once(tvmc, model, package, verbose=True)
        size = package.stat().st_size
        again = compile_again(tvmc, model, package, Path(folder) / "cache")
    macs = networks.macs(networks.build(name))
    return Measurement(name, macs, seconds, median(seconds), size, stage_seconds(printed), *again)


def table(measurements: Sequence[Measurement]) -> Table:
    """Return a row per network and a column per stage that was reported."""
    stages = list(dict.fromkeys(stage for m in measurements for stage in m.stage_seconds))
    made = Table(title="tvmc compile --target pulp", title_justify="left")
    made.add_column("network")
    for column in (
        "M MAC",
        "median s",
        f"< {LIMIT_SECONDS:g} s",
        "again s",
        "kB",
        *(f"{s} s" for s in stages),
    ):
        made.add_column(column, justify="right")
    for m in measurements:
        made.add_row(
            m.network,
            f"{m.macs / 1e6:.2f}",
            f"{m.median_seconds:.2f}",
            "yes" if m.median_seconds < LIMIT_SECONDS else "no",
            f"{m.cached_seconds:.2f}",
            f"{m.package_bytes / 1000:.0f}",
            *(f"{m.stage_seconds[s]:.2f}" if s in m.stage_seconds else "" for s in stages),
        )
    return made


def write(measurements: Sequence[Measurement], path: Path) -> None:
    """Write the measurements as JSON, with the number of processors they were taken on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {"processors": os.cpu_count(), "networks": [asdict(m) for m in measurements]}
    path.write_text(json.dumps(result, indent=2) + "\n")


def read(path: Path) -> list[Measurement]:
    """The measurements of such a file."""
    return [Measurement(**one) for one in json.loads(path.read_text())["networks"]]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(networks.MEASURED_NETWORKS))
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Timed runs of each.")
@click.option(
    "--tvmc",
    type=click.Path(path_type=Path),
    default=Path(sys.executable).with_name("tvmc"),
    help="Compiler to time; the one beside this Python by default.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=RESULT, show_default=True)
def main(names: tuple[str, ...], runs: int, tvmc: Path, output: Path) -> None:
    """Time the compilation of NAMES, by default of the four of MLPerf Tiny."""
    measurements = [measure(name, runs, tvmc) for name in names or networks.NETWORKS]
    write(measurements, output)
    console = Console()
    console.print(table(measurements))
    console.print(f"written to {output}")


if __name__ == "__main__":
    main()
