"""The whole way of a real network: compile, build the C, run it on 360 held-out images, compare.

Compiles `digits_int8.onnx` for GAP8 into `build/demo/digits`, a folder to look into; the accuracy of the float
network, of onnxruntime on the quantized one and of the generated C stand side by side. Exits with 1 if a byte
of the C's output differs from the legalized network, the meaning of the compiled program.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tvm_pulp
from data import FloatArray, Split, load_split
from onnx_run import count_right, output_step, run_onnx
from quantize import FLOAT_MODEL, INT8_MODEL
from rich.console import Console, RenderableType
from rich.table import Table
from tvm_pulp.console import console, new_table
from tvm_pulp.package import REPORT_FILE, Package
from tvm_pulp.report import CompilationReport, report_from_json
from tvm_pulp.report_tables import report_tables
from tvm_pulp.runner import RunResult

BUILD = Path("build/demo")
OPTIONS = tvm_pulp.PulpOptions(soc="gap8")


@dataclass(frozen=True)
class Outcome:
    """Logits `[360, 10]` of the three ways to compute them."""

    float32: FloatArray
    onnxruntime: FloatArray
    generated: FloatArray


def main() -> int:
    """Run the demo and return the exit status."""
    try:
        return _demo(console())
    except tvm_pulp.PulpError as error:
        click.echo(f"demo: error: {error}", err=True)
        return 1


def _demo(out: Console) -> int:
    split = load_split()
    BUILD.mkdir(parents=True, exist_ok=True)
    with _timed(out, f"compile {INT8_MODEL.name} for {OPTIONS.soc}"):
        package = tvm_pulp.compile_model(INT8_MODEL, BUILD / "digits", options=OPTIONS, name="digits")
    with _timed(out, f"build the C for this computer, run it on {len(split.test_x)} images, check every byte"):
        result = tvm_pulp.run_package(package, {"image": split.test_x}, check=True, workdir=BUILD / "host")
    report = report_from_json(package.read(REPORT_FILE).decode(), file=REPORT_FILE)
    (logits,) = result.outputs.values()
    generated = logits.reshape(len(split.test_x), -1)
    outcome = Outcome(run_onnx(FLOAT_MODEL, split.test_x), run_onnx(INT8_MODEL, split.test_x), generated)
    for part in (report_tables(report), _dma_line(report, result), _accuracy(outcome, split)):
        out.print(part)
    for line in (*_agreement(outcome, result), *_where(package)):
        out.print(line)
    return 1 if result.mismatched_bytes else 0


@contextmanager
def _timed(out: Console, what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    out.print(f"{what}: {time.perf_counter() - start:.1f} s")


def _accuracy(outcome: Outcome, split: Split) -> Table:
    columns = ("right", "of", "accuracy")
    table = new_table("held-out images", *columns, numbers=columns)
    rows = {
        "float network, onnxruntime": outcome.float32,
        "int8 network, onnxruntime": outcome.onnxruntime,
        "int8 network, generated C": outcome.generated,
    }
    for name, logits in rows.items():
        right, count = count_right(logits, split.test_y), len(split.test_y)
        table.add_row(name, str(right), str(count), f"{100 * right / count:.2f} %")
    return table


def _agreement(outcome: Outcome, result: RunResult) -> Iterator[str]:
    same = result.compared_bytes - result.mismatched_bytes
    share = 100 * same / result.compared_bytes
    yield f"equal to the legalized network: {same:,} of {result.compared_bytes:,} output bytes ({share:g} %)"
    steps = np.rint(np.abs(outcome.generated - outcome.onnxruntime) / output_step(INT8_MODEL))
    equal = 100 * np.mean(steps == 0)
    rest = f"the rest differ by {steps.max():.0f} of 255 steps or less"
    yield f"equal to onnxruntime: {equal:.1f} % of the logits, {rest}"


def _dma_line(report: CompilationReport, result: RunResult) -> RenderableType:
    total = result.stats["total"]
    counted_in, counted_out = (total[key] // result.samples for key in ("bytes_in", "bytes_out"))
    planned_in = sum(region.dma_in for region in report.regions)
    planned_out = sum(region.dma_out for region in report.regions)
    table = new_table("DMA bytes of an inference", "L2 to L1", "L1 to L2", numbers=("L2 to L1", "L1 to L2"))
    table.add_row("predicted from the plan", f"{planned_in:,}", f"{planned_out:,}")
    table.add_row("counted in the run", f"{counted_in:,}", f"{counted_out:,}")
    return table


def _where(package: Package) -> Iterator[str]:
    sources = package.path / "codegen/host/src/pulp"
    yield f"the package: {package.path}"
    for file in sorted(sources.glob("*.c")):
        yield f"  generated C: {file} ({len(file.read_text().splitlines())} lines)"


if __name__ == "__main__":
    sys.exit(main())
