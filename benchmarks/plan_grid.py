"""Plans, and runs on `host`, networks that don't fit, with many sizes of L1 and L2: where planning is hard.

Each combination gets a plan that executes bit by bit as the legalized module, or is refused with a reason.
Results are printed and written to `build/bench/plan_grid.json`, a line as soon as it is there; `--document`
writes a page of them. The SoC is GAP8, with 16 MiB of L3 for ResNet-18, whose weights take 11.7 MB.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import networks
import numpy as np
import onnx
import tvm
import tvm_pulp
from rich.console import Console
from stock_tvm import Array
from tvm_pulp.api import compile_model
from tvm_pulp.errors import PlanError, TargetError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package
from tvm_pulp.reference import input_names, run_reference
from tvm_pulp.report import CompilationReport, read_report
from tvm_pulp.runner import run_package

RESULT = Path("build/bench/plan_grid.json")
L1_SIZES = (64_000, 38_000, 30_000, 10_000)
L2_SIZES = (512_000, 380_000, 128_000)
LARGE_L3 = 16 * 2**20
INPUT_SEED = 7
_GAP8 = Path(tvm_pulp.__file__).parent / "targets" / "gap8.toml"


@dataclass(frozen=True)
class Combination:
    """A network and the memory that it may use, in bytes."""

    network: str
    l1: int
    l2: int


@dataclass(frozen=True)
class Outcome:
    """What became of a combination.

    Predicted cycles of all layers, of those the ones that wait for L3; no plan with these tiles takes fewer
    than `bound_cycles`. Seconds from the imported network to the package; output bytes that differ.
    `refusal` is the error's text, all else is 0 then.
    """

    network: str
    l1: int
    l2: int
    cycles: int = 0
    l3_waits: int = 0
    bound_cycles: int = 0
    compile_seconds: float = 0.0
    output_bytes: int = 0
    differing_bytes: int = 0
    refusal: str = ""


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
    outcome = Outcome(**asdict(case))
    start = time.perf_counter()
    try:
        package = compile_model(network.mod, folder / "package", params=network.params, options=options)
    except (PlanError, TargetError) as error:
        return replace(outcome, refusal=str(error))
    seconds = time.perf_counter() - start
    result = run_package(package, {package.inputs[0].name: network.sample})
    (output,) = result.outputs.values()
    differs = output.view(np.uint8).ravel() != network.expected(package).view(np.uint8).ravel()
    return replace(
        _predicted(outcome, read_report(package)),
        compile_seconds=round(seconds, 1),
        output_bytes=differs.size,
        differing_bytes=int(np.count_nonzero(differs)),
    )


def _predicted(outcome: Outcome, report: CompilationReport) -> Outcome:
    return replace(
        outcome,
        cycles=sum(region.cycles for region in report.regions),
        l3_waits=sum(region.l3_waits for region in report.regions),
        bound_cycles=sum(region.bound_cycles for region in report.regions),
    )


def outcomes(names: Sequence[str], l1: Sequence[int], l2: Sequence[int]) -> Iterator[Outcome]:
    """All combinations, network by network."""
    os.environ["TVM_PULP_CACHE"] = "off"  # plans are made anew
    for name in names:
        with TemporaryDirectory() as folder:
            network, soc = Network(name, Path(folder)), soc_of(name, Path(folder))
            for l1_bytes, l2_bytes in product(l1, l2):
                with TemporaryDirectory() as place:
                    yield attempt(Combination(name, l1_bytes, l2_bytes), network, soc, Path(place))


def describe(outcome: Outcome) -> str:
    """One line."""
    head = f"{outcome.network:<9} L1 {outcome.l1:>6,} L2 {outcome.l2:>7,}: "
    if outcome.refusal:
        return f"{head}refused: {outcome.refusal}"
    return (
        f"{head}{outcome.cycles / 1e6:7.2f} M cycles, {outcome.l3_waits / 1e6:6.2f} M of them wait for L3, gap "
        f"{gap(outcome):4.1f} %, {outcome.compile_seconds:5.1f} s, "
        f"{outcome.differing_bytes} of {outcome.output_bytes:,} bytes differ"
    )


def gap(outcome: Outcome) -> float:
    """By how many percent the plan is above the bound."""
    return 100 * (outcome.cycles / outcome.bound_cycles - 1) if outcome.bound_cycles else 0.0


def page(found: Sequence[Outcome]) -> str:
    """The results as Markdown."""
    rows = [
        "# Plans of large networks",
        "",
        "Made by `benchmarks/plan_grid.py --document`; don't edit. SoC GAP8 (ResNet-18: with 16 MiB of L3),",
        "predicted cycles; bytes by which the C on `host` differs from the legalized module, one input.",
        "",
        "| network | L1 | L2 | M cycles | of them wait for L3 | above the bound | bytes that differ |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for one in found:
        head = f"| {one.network} | {one.l1:,} | {one.l2:,} |"
        if one.refusal:
            rows.append(f"{head} – | – | – | refused: {one.refusal} |")
        else:
            cycles = f"{one.cycles / 1e6:.2f} | {one.l3_waits / 1e6:.2f} | {gap(one):.1f} %"
            rows.append(f"{head} {cycles} | {one.differing_bytes} of {one.output_bytes:,} |")
    return "\n".join(rows) + "\n"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(networks.ALL_NETWORKS))
@click.option("--l1", multiple=True, type=int, default=L1_SIZES, show_default=True, help="Bytes of L1.")
@click.option("--l2", multiple=True, type=int, default=L2_SIZES, show_default=True, help="Bytes of L2.")
@click.option("--document", type=click.Path(path_type=Path), help="Write a page of the results here.")
def main(names: tuple[str, ...], l1: tuple[int, ...], l2: tuple[int, ...], document: Path | None) -> None:
    """Plan and run NAMES, by default those whose feature maps are large, with each pair of sizes."""
    console = Console(soft_wrap=True)
    found: list[Outcome] = []
    for outcome in outcomes(names or networks.LARGE_NETWORKS, l1, l2):
        found.append(outcome)
        console.print(describe(outcome), highlight=False)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    if document is not None:
        document.write_text(page(found))
    wrong = [one for one in found if one.differing_bytes]
    if wrong:
        raise click.ClickException(f"{len(wrong)} of {len(found)} plans compute something else")


if __name__ == "__main__":
    main()
