"""`tvm-pulp inspect`: what a compilation did."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from tvm_pulp.codegen.plan_json import plan_from_json

from ..console import console
from ..errors import InputError
from ..options import PulpOptions
from ..package import REPORT_FILE, Package
from ..report import CompilationReport, LayerReport, RegionReport, report_from_json
from ..report_tables import plan_tables, report_tables
from ..suggest import suggestion


@click.command(name="inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--target", default="", metavar="'-soc=… -l1=…'", help="Target options, where PATH is a network.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--plan", "layer", metavar="LAYER", help="Show the tiles of a layer, given by its or an operator's name."
)
def command(path: Path, target: str, as_json: bool, layer: str | None) -> None:
    """Show what is offloaded and what is not, tiles, memory and predicted cycles.

    PATH is a package (tar or folder), or an ONNX or TFLite network, which is compiled for it.
    """
    if path.suffix not in (".onnx", ".tflite"):
        _inspect(Package.open(path), as_json=as_json, layer=layer)
        return
    options = PulpOptions.parse(target.strip().removeprefix("pulp"))
    with TemporaryDirectory(prefix="tvm-pulp-") as folder:
        _inspect(_compile(path, Path(folder) / "package", options), as_json=as_json, layer=layer)


def _inspect(package: Package, *, as_json: bool, layer: str | None) -> None:
    report = _report(package)
    if layer is not None:
        _print_plan(package, report, layer)
    elif as_json:
        click.echo(report.to_json(), nl=False)
    else:
        console().print(report_tables(report))


def _compile(model: Path, folder: Path, options: PulpOptions) -> Package:
    """Compile a network into the package `folder`."""
    from ..api import compile_model  # noqa: PLC0415 (TVM, which inspecting a package does without)

    return compile_model(model, folder, options=options)


def _report(package: Package) -> CompilationReport:
    try:
        text = package.read(REPORT_FILE).decode()
    except KeyError as error:
        fix = "compile the network again with this version"
        raise InputError(f"this package has no {REPORT_FILE}", where=str(package.path), fix=fix) from error
    return report_from_json(text, file=f"{package.path}:{REPORT_FILE}")


def _print_plan(package: Package, report: CompilationReport, name: str) -> None:
    region, layer = _find_layer(report, name)
    plan = plan_from_json(package.read(f"plan/{region.name}.json").decode())
    layer_plan = next(entry for entry in plan.layers if entry.layer == layer.name)
    console().print(plan_tables(layer, layer_plan))


def _find_layer(report: CompilationReport, name: str) -> tuple[RegionReport, LayerReport]:
    """Return the layer of this name, or the one that does the user's operator of this name."""
    layers = [(region, layer) for region in report.regions for layer in region.layers]
    for region, layer in layers:
        if name == layer.name or name in layer.sources:
            return region, layer
    fix = suggestion(name, [layer.name for _, layer in layers], what="layers")
    raise InputError(f"no layer or offloaded operator is called `{name}`", where="--plan", fix=fix)
