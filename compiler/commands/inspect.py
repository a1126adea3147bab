"""`tvm-pulp inspect`: what a compilation did."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from tvm_pulp.codegen.plan_json import plan_from_json
from tvm_pulp.codegen.timeline import Timeline
from tvm_pulp.codegen.timeline_json import timeline_from_json, timeline_to_trace

from ..archive import check_writable, write_whole
from ..console import console
from ..errors import InputError
from ..html_report import about_from_metadata, html_report
from ..options import PulpOptions
from ..package import Package, plan_file, timeline_file
from ..report import CompilationReport, LayerReport, RegionReport, read_report
from ..report_tables import alternatives_tables, plan_tables, report_tables
from ..suggest import suggestion

MOST_ALTERNATIVES = 15


@dataclass(frozen=True)
class _Wishes:
    """What the user wants to see, or to have written to a file; nothing: the report as tables."""

    as_json: bool
    plan: str | None
    explain: str | None
    html: Path | None
    trace: Path | None


@click.command(name="inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--target", default="", metavar="'-soc=… -l1=…'", help="Target options, where PATH is a network.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--plan", metavar="LAYER", help="Show the tiles of a layer, given by its or an operator's name.")
@click.option("--explain-plan", "explain", metavar="LAYER", help="Show the tiles that lost, and by how much.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as a page for browsers.")
@click.option("--trace", type=click.Path(path_type=Path), help="Write the timeline for ui.perfetto.dev.")
def command(path: Path, target: str, **wishes: Any) -> None:
    """Show what is offloaded and what is not, tiles, memory and predicted cycles.

    PATH is a package (tar or folder), or an ONNX or TFLite network, which is compiled for it.
    """
    wanted = _Wishes(**wishes)
    for file in (wanted.html, wanted.trace):
        if file is not None:
            check_writable(file)
    if path.suffix not in (".onnx", ".tflite"):
        _inspect(Package.open(path), wanted)
        return
    options = PulpOptions.parse(target.strip().removeprefix("pulp"))
    with TemporaryDirectory(prefix="tvm-pulp-") as folder:
        _inspect(_compile(path, Path(folder) / "package", options), wanted, name=path.stem)


def _inspect(package: Package, wanted: _Wishes, name: str = "") -> None:
    """Do what the user wants; `name` is that of the network, where the package's is a stand-in."""
    report = read_report(package)
    if wanted.html is not None:
        about = about_from_metadata(package.metadata["pulp"])
        timelines = {timeline.region: timeline for timeline in _timelines(package, report)}
        _write(wanted.html, html_report(report, timelines, replace(about, name=name or about.name)))
    if wanted.trace is not None:
        _write(wanted.trace, timeline_to_trace(_timelines(package, report)))
    if wanted.plan is not None:
        _print_plan(package, report, wanted.plan)
    if wanted.explain is not None:
        _print_alternatives(package, report, wanted.explain)
    if wanted.as_json:
        click.echo(report.to_json(), nl=False)
    elif not (wanted.html or wanted.trace or wanted.plan or wanted.explain):
        console().print(report_tables(report))


def _compile(model: Path, folder: Path, options: PulpOptions) -> Package:
    """Compile a network into the package `folder`."""
    from ..api import compile_model  # noqa: PLC0415 (TVM, which inspecting a package does without)

    return compile_model(model, folder, options=options)


def _timelines(package: Package, report: CompilationReport) -> list[Timeline]:
    return [timeline_from_json(_read(package, timeline_file(region.name))) for region in report.regions]


def _read(package: Package, member: str) -> str:
    try:
        return package.read(member).decode()
    except KeyError as error:
        fix = "compile the network again with this version"
        raise InputError(f"this package has no {member}", where=str(package.path), fix=fix) from error


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda stream: stream.write(text.encode()))


def _print_plan(package: Package, report: CompilationReport, name: str) -> None:
    region, layer = _find_layer(report, name, "--plan")
    plan = plan_from_json(_read(package, plan_file(region.name)))
    layer_plan = next(entry for entry in plan.layers if entry.layer == layer.name)
    console().print(plan_tables(layer, layer_plan))


def _print_alternatives(package: Package, report: CompilationReport, name: str) -> None:
    from ..explain import explain_layer  # noqa: PLC0415 (TVM, which inspecting a package does without)

    region, layer = _find_layer(report, name, "--explain-plan")
    alternatives = explain_layer(package, region.name, layer)
    console().print(alternatives_tables(layer, alternatives, most=MOST_ALTERNATIVES))


def _find_layer(report: CompilationReport, name: str, option: str) -> tuple[RegionReport, LayerReport]:
    """Return the layer of this name, or the one that does the user's operator of this name."""
    layers = [(region, layer) for region in report.regions for layer in region.layers]
    for region, layer in layers:
        if name in (layer.name, *layer.fused, *layer.sources):
            return region, layer
    fix = suggestion(name, [layer.name for _, layer in layers], what="layers")
    raise InputError(f"no layer or offloaded operator is called `{name}`", where=option, fix=fix)
