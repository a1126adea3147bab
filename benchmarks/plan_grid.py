"""Plans, and runs on `host`, networks that don't fit, with many sizes of L1 and L2: where planning is hard.

Each combination gets a plan that executes bit by bit as the legalized module, or is refused with a reason. What
became of it is kept in a file of its own below `build/bench/plan_grid/` as soon as it is known; what is known
isn't tried again without `--again`. `plan_grid_doc.py` makes docs/plan-grid.md of these files. The SoC is GAP8,
with 16 MiB of L3 for ResNet-18, whose weights take 11.7 MB.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import click
import networks
import numpy as np
import onnx
import tvm
import tvm_pulp
from cycles import source_revision
from plan_grid_outcomes import FOLDER, Combination, Outcome, keep, outcome_file
from rich.console import Console
from stock_tvm import Array
from tvm_pulp.api import compile_model
from tvm_pulp.errors import PlanError, TargetError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package
from tvm_pulp.plan_cache import checked_plan
from tvm_pulp.reference import input_names, run_reference
from tvm_pulp.report import CompilationReport, read_report
from tvm_pulp.runner import run_package

L1_SIZES = (64_000, 38_000, 30_000, 10_000)
L2_SIZES = (512_000, 380_000, 128_000)
LARGE_L3 = 16 * 2**20
INPUT_SEED = 7
_GAP8 = Path(tvm_pulp.__file__).parent / "targets" / "gap8.toml"

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Network:
    """A quantized network, imported once, with one input and what TVM's own build makes of it."""

    def __init__(self, name: str, folder: Path) -> None:
        path = folder / f"{name}.onnx"
        onnx.save(networks.quantized(name), path)
        self.name = name
        self.mod, self.params = load_onnx(path)
        self.sample = networks.sample_inputs(name, 1, INPUT_SEED)[0]
        self._expected: Array | None = None

    def expected(self, package: Package) -> Array:
        """The reference's output; it doesn't depend on the memory."""
        if self._expected is None:
            mod: tvm.IRModule = tvm.ir.load_json(package.read(LEGALIZED_FILE).decode())
            ((self._expected,),) = run_reference(mod, [{input_names(mod)[0]: self.sample}])
        return self._expected


class Stopwatch:
    """Adds up the CPU seconds, of all threads, of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[_P, _T]) -> Callable[_P, _T]:
        """The same function, whose calls are timed."""

        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - start

        return call


@contextmanager
def planning_time() -> Iterator[Stopwatch]:
    """Times the plans, and their checks, of compilations inside."""
    watch = Stopwatch()
    with patch("tvm_pulp.partition.checked_plan", watch.timed(checked_plan)):
        yield watch


def soc_of(network: str, folder: Path) -> str:
    """GAP8, or a file of it with more L3 where the network's weights need that."""
    if networks.weight_bytes(networks.build(network)) < LARGE_L3 // 2:
        return "gap8"
    path = folder / "gap8_large_l3.toml"
    path.write_text(re.sub(r"(?<=\[memory\.l3\]\nsize = )[\d_]+", str(LARGE_L3), _GAP8.read_text()))
    return str(path)


def attempt(case: Combination, network: Network, soc: str, folder: Path) -> Outcome:
    """Compile and run one combination in an existing folder."""
    options = PulpOptions(soc=soc, l1=case.l1, l2=case.l2)
    outcome = Outcome(**asdict(case), source=source_revision())
    compilation = Stopwatch()
    compiled = compilation.timed(compile_model)
    with planning_time() as planning:
        try:
            package = compiled(network.mod, folder / "package", params=network.params, options=options)
        except (PlanError, TargetError) as error:
            package, outcome = None, replace(outcome, refusal=str(error))
    outcome = replace(
        outcome,
        planning_seconds=round(planning.seconds, 1),
        compile_seconds=round(compilation.seconds, 1),
    )
    return (
        outcome if package is None else _executed(_predicted(outcome, read_report(package)), package, network)
    )


def _predicted(outcome: Outcome, report: CompilationReport) -> Outcome:
    return replace(
        outcome,
        cycles=sum(region.cycles for region in report.regions),
        l3_waits=sum(region.l3_waits for region in report.regions),
        bound_cycles=sum(region.bound_cycles for region in report.regions),
    )


def _executed(outcome: Outcome, package: Package, network: Network) -> Outcome:
    result = run_package(package, {package.inputs[0].name: network.sample})
    (output,) = result.outputs.values()
    differs = output.view(np.uint8).ravel() != network.expected(package).view(np.uint8).ravel()
    return replace(outcome, output_bytes=differs.size, differing_bytes=int(np.count_nonzero(differs)))


def outcomes(name: str, sizes: Sequence[tuple[int, int]]) -> Iterator[Outcome]:
    """Those of a network with these sizes of L1 and L2."""
    os.environ["TVM_PULP_CACHE"] = "off"  # plans are made anew
    with TemporaryDirectory() as folder:
        network, soc = Network(name, Path(folder)), soc_of(name, Path(folder))
        for l1, l2 in sizes:
            with TemporaryDirectory() as place:
                yield attempt(Combination(name, l1, l2), network, soc, Path(place))


def describe(outcome: Outcome) -> str:
    """One line."""
    head = f"{outcome.network:<9} L1 {outcome.l1:>6,} L2 {outcome.l2:>7,}: "
    seconds = f"{outcome.planning_seconds:.1f} s of {outcome.compile_seconds:.1f} s"
    if outcome.refusal:
        return f"{head}refused after {seconds}: {outcome.refusal}"
    return (
        f"{head}{outcome.cycles / 1e6:7.2f} M cycles, {outcome.l3_waits / 1e6:6.2f} M of them wait for L3, gap "
        f"{outcome.gap:4.1f} %, planned in {seconds}, "
        f"{outcome.differing_bytes} of {outcome.output_bytes:,} bytes differ"
    )


def missing(folder: Path, name: str, sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sizes of L1 and L2 whose outcome isn't kept."""
    return [size for size in sizes if not outcome_file(folder, Combination(name, *size)).exists()]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(networks.ALL_NETWORKS))
@click.option("--l1", multiple=True, type=int, default=L1_SIZES, show_default=True, help="Bytes of L1.")
@click.option("--l2", multiple=True, type=int, default=L2_SIZES, show_default=True, help="Bytes of L2.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Results.")
@click.option("--again", is_flag=True, help="Also those whose results are there.")
def main(
    names: tuple[str, ...], l1: tuple[int, ...], l2: tuple[int, ...], folder: Path, *, again: bool
) -> None:
    """Plan and run NAMES, by default those whose feature maps are large, with each pair of sizes."""
    console = Console(soft_wrap=True)
    wrong = 0
    for name in names or networks.LARGE_NETWORKS:
        sizes = list(product(l1, l2))
        sizes = sizes if again else missing(folder, name, sizes)
        for outcome in outcomes(name, sizes) if sizes else ():
            keep(folder, outcome)
            console.print(describe(outcome), highlight=False)
            wrong += outcome.differing_bytes > 0
    if wrong:
        raise click.ClickException(f"{wrong} plans compute something else")


if __name__ == "__main__":
    main()
