"""`tvm-pulp quantize`: make a quantized network of a float one."""

from __future__ import annotations

from pathlib import Path

import click
import onnx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..archive import check_writable
from ..console import console, new_table
from ..errors import ModelError
from ..frontend.quantize import Activations, QuantizationResult, float_inputs, quantize
from ..inputs import load_arrays


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    required=True,
    type=click.Path(path_type=Path),
    help="Typical samples: an .npz file with an array for each input, an axis for samples first.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="ONNX file to write.")
@click.option(
    "--activations",
    type=click.Choice([kind.value for kind in Activations]),
    default=Activations.UINT8.value,
    show_default=True,
    help="Type of the activations; both run alike.",
)
def command(*, model: Path, calibration: Path, output: Path, activations: str) -> None:
    """Quantize MODEL, a float ONNX network, to 8 bits, and tell what that loses on the calibration samples.

    Weights become int8 with a scale for each output channel. Needs `pip install 'tvm-pulp[quantize]'`.
    """
    if not model.is_file():
        raise ModelError("no such file", where=str(model))
    check_writable(output)
    samples = load_arrays(calibration, float_inputs(onnx.load(model, load_external_data=False)))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(), transient=True) as bars:
        tasks = {what: bars.add_task(what, total=None) for what in ("calibrating", "comparing")}

        def show(what: str, done: int, total: int) -> None:
            bars.update(tasks[what], completed=done, total=total)

        result = quantize(model, samples, output, activations=Activations(activations), progress=show)
    _print(result, output)


def _print(result: QuantizationResult, output: Path) -> None:
    columns = ("SQNR in dB", "largest difference", "same top-1")
    title = f"What quantization loses on {result.samples} calibration samples"
    table = new_table("output", *columns, numbers=columns, title=title)
    for loss in result.losses:
        same = "" if loss.same_top1 is None else f"{loss.same_top1} of {result.samples}"
        table.add_row(loss.name, f"{loss.sqnr_db:.1f}", f"{loss.largest:.4g}", same)
    console().print(table)
    console().print(f"{output}: compile it with `tvmc compile --target pulp {output}`")
