"""Predicted against measured cycles of each layer of networks on GVSoC: what the cost model is fitted to.

Needs GVSoC (GVSOC_HOME or PATH); for the SoC with NE16 a GVSoC that is built with it, in GVSOC_NE16_HOME. Waits
for L3 are left out on both sides. With --document a page gets the tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import networks
import onnx
from measure import INPUT_SEED, run_on_gvsoc
from pages import page_template
from rich.console import Console
from tvm_pulp.api import compile_model
from tvm_pulp.cycles import measured_cycles
from tvm_pulp.errors import ToolError
from tvm_pulp.options import PulpOptions
from tvm_pulp.report import read_report
from tvm_pulp.toolchain import Platform, check_tools

FOLDER = Path("build/bench/layers")
DOCUMENT = Path("docs/model.md")
NE16 = "pulp_open_ne16"
LEAST_SHARE = 0.01
"""Of a network's cycles: smaller layers are left out of the page."""


@dataclass(frozen=True)
class Case:
    """A network on a SoC, with as much L1 and L2 as its file leaves if nothing else is said."""

    network: str
    soc: str = "pulp_open"
    l1: int | None = None
    l2: int | None = None

    def __str__(self) -> str:
        limits = f", {self.l1:,} B of L1, {self.l2:,} B of L2" if self.l1 and self.l2 else ""
        return f"{self.network} on {self.soc}{limits}"


CASES = (
    *(Case(name) for name in ("kws", "vww", "ic", "ad")),
    Case("v1_100", l1=38_000, l2=380_000),
    Case("v1_100", l1=10_000, l2=380_000),
    *(Case(name, NE16) for name in ("kws", "vww", "ic", "ad", "v1_100")),
)


@dataclass(frozen=True)
class Layer:
    """A layer: the engines' rows or its engine, its steps, and cycles measured and predicted."""

    name: str
    kernel: str
    where: str
    steps: int
    cycles: int
    predicted: int

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted - self.cycles) / self.cycles


@dataclass(frozen=True)
class Measurement:
    """A case's layers."""

    case: str
    layers: tuple[Layer, ...]

    @property
    def whole(self) -> Layer:
        """All layers together."""
        cycles = sum(layer.cycles for layer in self.layers)
        predicted = sum(layer.predicted for layer in self.layers)
        return Layer("total", "", "", sum(layer.steps for layer in self.layers), cycles, predicted)

    @property
    def that_matter(self) -> list[Layer]:
        """Layers with LEAST_SHARE of the cycles or more."""
        return [layer for layer in self.layers if layer.cycles >= LEAST_SHARE * self.whole.cycles]


def measure(case: Case, folder: Path) -> Measurement:
    """Compile and run it on one input. Raises PulpError."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{case.network}.onnx"
    onnx.save(networks.quantized(case.network), model)
    options = PulpOptions(soc=case.soc, l1=case.l1, l2=case.l2)
    package = compile_model(model, folder / "package", options=options, name=case.network)
    with _simulator_of(case.soc):
        result = run_on_gvsoc(package, networks.sample_inputs(case.network, 1, INPUT_SEED)[0], folder)
    report = read_report(package)
    measured = measured_cycles(result.stats, report)
    if measured is None:
        raise ToolError("the run counted no cycles", where=str(case))
    reported = [layer for region in report.regions for layer in region.layers]
    return Measurement(
        str(case),
        tuple(
            Layer(one.name, one.kernel, one.where, one.steps, layer.total - layer.l3_wait, one.cycles)
            for one, layer in zip(reported, measured.layers, strict=True)
        ),
    )


@contextmanager
def _simulator_of(soc: str) -> Iterator[None]:
    """GVSOC_HOME is the simulator that has the SoC's engines."""
    before = os.environ.get("GVSOC_HOME")
    if soc == NE16:
        os.environ["GVSOC_HOME"] = os.environ["GVSOC_NE16_HOME"]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("GVSOC_HOME", None)
        else:
            os.environ["GVSOC_HOME"] = before


def page(measurements: Sequence[Measurement]) -> str:
    """The text of docs/model.md."""
    cases = [{"title": one.case, "rows": [_row(layer) for layer in one.that_matter]} for one in measurements]
    return page_template("model.md.j2").render(
        least=f"{100 * LEAST_SHARE:g} %",
        summary=[_summary(one) for one in measurements],
        cases=cases,
    )


def _summary(one: Measurement) -> list[str]:
    largest = max((layer.error for layer in one.that_matter), key=abs)
    return [one.case, *_numbers(one.whole), f"{largest:+.1%}"]


def _row(layer: Layer) -> list[str]:
    return [layer.name, f"`{layer.kernel}`", layer.where, str(layer.steps), *_numbers(layer)]


def _numbers(layer: Layer) -> list[str]:
    return [f"{layer.cycles:,}", f"{layer.predicted:,}", f"{layer.error:+.1%}"]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted({case.network for case in CASES})))
@click.option("--soc", type=click.Choice(sorted({case.soc for case in CASES})), help="Only on this SoC.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Results.")
@click.option("--document", type=click.Path(path_type=Path), help=f"Write the page, {DOCUMENT}, here.")
def main(names: tuple[str, ...], soc: str | None, folder: Path, document: Path | None) -> None:
    """Measure the layers of NAMES, by default of all networks."""
    console = Console()
    try:
        check_tools(Platform.PULP_OPEN)
    except ToolError as error:
        console.print(f"cycles of layers are skipped: {error}", soft_wrap=True)
        return
    chosen = [one for one in CASES if (not names or one.network in names) and soc in (None, one.soc)]
    found = []
    for number, case in enumerate(chosen):
        if case.soc == NE16 and "GVSOC_NE16_HOME" not in os.environ:
            console.print(f"{case}: skipped, GVSOC_NE16_HOME names no GVSoC with NE16", soft_wrap=True)
            continue
        found.append(measure(case, folder / str(number)))
        whole = found[-1].whole
        console.print(
            f"{case}: {whole.cycles:,} cycles, the model says {whole.predicted:,} ({whole.error:+.1%})"
        )
        (folder / "layers.json").write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    if document is not None and found:
        document.write_text(page(found))


if __name__ == "__main__":
    main()
