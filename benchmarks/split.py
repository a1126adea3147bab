"""Predicts, and runs on `host`, networks on DIANA and Darkside: each layer whole on the engine that is fastest,
and with rows divided between two engines, or two layers at the same time, where that is faster.

Each plan executes bit by bit as the legalized module, or the script fails. Networks for DIANA have scales that
are powers of two (`power_of_two.py`), once with 8 bits, once with ternary weights and activations of 6 bits;
the SoCs are those of `compiler/targets` with 16 MiB of L2, because the larger networks have more weights than
fit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import networks
import numpy as np
import onnx
import power_of_two
import tvm
import tvm_pulp
from cycles import source_revision
from onnx import ModelProto
from pages import page_template
from rich.console import Console
from tvm_pulp.api import compile_model
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package
from tvm_pulp.reference import input_names, run_reference
from tvm_pulp.report import LayerReport, read_report
from tvm_pulp.runner import run_package

LARGE_L2 = 16 * 2**20
INPUT_SEED = 7
_TARGETS = Path(tvm_pulp.__file__).parent / "targets"

Quantize = Callable[[str], ModelProto]
FORMS: dict[str, Quantize] = {
    "8 bits": power_of_two.quantized,
    "ternary": partial(power_of_two.quantized, ternary=True),
    "8 bits, any scale": networks.quantized,
}
CASES: tuple[tuple[str, str, str], ...] = tuple(
    (soc, network, form)
    for soc, forms in (("diana", ("8 bits", "ternary")), ("darkside", ("8 bits, any scale",)))
    for network in ("resnet20", "v1_25", "v1_100")
    for form in forms
)
TITLES = {"resnet20": "ResNet-20", "v1_25": "MobileNetV1 0.25-128", "v1_100": "MobileNetV1 1.0-128"}


@dataclass(frozen=True)
class Layer:
    """A layer of which two engines compute rows, or two that run at the same time: cycles on the best engines
    alone, and so."""

    name: str
    whole: int
    split: int
    rows: str


@dataclass(frozen=True)
class Outcome:
    """A network's predicted cycles: `whole`, each layer on one engine, and `split`; of all layers, and of those
    that some engine beside the cores can compute."""

    soc: str
    network: str
    form: str
    whole: int
    split: int
    able_whole: int
    able_split: int
    layers: tuple[Layer, ...]


def outcome(soc: str, network: str, form: str) -> Outcome:
    """Both plans of a network, each run."""
    with TemporaryDirectory() as folder:
        file = soc_file(soc, Path(folder))
        path = Path(folder) / f"{network}.onnx"
        onnx.save(FORMS[form](network), path)
        whole, split = (
            _layers(_compiled(path, PulpOptions(soc=str(file), split=how), network)) for how in ("off", "auto")
        )
    named = {one.name: one for one in whole}  # others are fused in one of the plans only
    pairs = [(named[other.name], other) for other in split if other.name in named]
    able = [
        (one, other) for one, other in pairs if other.beside or {*one.engines, *other.engines} != {"cluster"}
    ]
    return Outcome(
        soc,
        network,
        form,
        whole=sum(one.cycles for one in whole),
        split=sum(one.cycles for one in split),
        able_whole=sum(one.cycles for one, _ in able),
        able_split=sum(other.cycles for _, other in able),
        layers=tuple(
            _shared(named, other) for _, other in pairs if other.rows or (other.beside and other.cycles)
        ),
    )


def _shared(named: Mapping[str, LayerReport], layer: LayerReport) -> Layer:
    """A layer that is divided, or the first of two at the same time; `named` are the other plan's layers."""
    whole = [named[name].cycles for name in (layer.name, layer.beside) if name in named]
    return Layer(layer.name, sum(whole), layer.cycles, layer.where)


def soc_file(soc: str, folder: Path) -> Path:
    """The SoC's file with a large L2."""
    text = (_TARGETS / f"{soc}.toml").read_text()
    path = folder / f"{soc}.toml"
    path.write_text(re.sub(r"(?<=\[memory\.l2\]\nsize = )[\d_]+", str(LARGE_L2), text))
    return path


def _compiled(path: Path, options: PulpOptions, network: str) -> Package:
    """The package of a network; raises ClickException if its C computes something else than the reference."""
    os.environ["TVM_PULP_CACHE"] = "off"
    mod, params = load_onnx(path)
    package = compile_model(mod, path.parent / f"package_{options.split}", params=params, options=options)
    sample = networks.sample_inputs(network, 1, INPUT_SEED)[0]
    legalized: tvm.IRModule = tvm.ir.load_json(package.read(LEGALIZED_FILE).decode())
    ((expected,),) = run_reference(legalized, [{input_names(legalized)[0]: sample}])
    (output,) = run_package(package, {package.inputs[0].name: sample}).outputs.values()
    if output.tobytes() != np.asarray(expected).tobytes():
        raise click.ClickException(f"{network} with {options} computes something else")
    return package


def _layers(package: Package) -> list[LayerReport]:
    return [layer for region in read_report(package).regions for layer in region.layers]


def page(found: Sequence[Outcome]) -> str:
    """The results as a page of Markdown."""
    return page_template("split.md.j2").render(
        source=source_revision(),
        rows=[_row(one) for one in found],
        divided=[{"title": _title(one), "layers": one.layers} for one in found if one.layers],
    )


def _title(one: Outcome) -> str:
    return f"{TITLES[one.network]} on {one.soc}, {one.form}"


def _row(one: Outcome) -> str:
    head = f"| {one.soc} | {TITLES[one.network]} | {one.form} | {one.whole:,} | {one.split:,} |"
    gains = f"{_gain(one.whole, one.split)} | {_gain(one.able_whole, one.able_split)}"
    return f"{head} {gains} | {len(one.layers)} |"


def _gain(whole: int, split: int) -> str:
    return f"{100 * (1 - split / whole):.1f} %" if whole else "–"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(TITLES)))
@click.option("--document", type=click.Path(path_type=Path), help="Write a page of the results here.")
def main(names: tuple[str, ...], document: Path | None) -> None:
    """Compare whole and divided layers of NAMES, by default of all networks."""
    console = Console(soft_wrap=True)
    found = []
    for soc, network, form in CASES:
        if not names or network in names:
            found.append(outcome(soc, network, form))
            console.print(_row(found[-1]), highlight=False)
    if document is not None:
        document.write_text(page(found))


if __name__ == "__main__":
    main()
