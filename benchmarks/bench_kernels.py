"""Cycles of the kernels on GVSoC's PULP-open, data in L1, by shape and number of cores.

Needs GVSoC (GVSOC_HOME or PATH) and riscv64-unknown-elf-gcc. Each result is compared with the portable
kernel's on the simulator. A table is printed, with the cost model's error beside each measurement;
`build/bench/kernels.json` (or --json) gets the numbers, and with --document a page the table.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from tvm_pulp.codegen.cost.arrays import Tiles
from tvm_pulp.codegen.cost.measured import DEPTHWISE, ELEMENTS, IM2COL, MATRIX, POOLS, STRIPS
from tvm_pulp.codegen.cost.measured import LINEAR as LINEAR_CYCLES
from tvm_pulp.codegen.cost.xpulpv2 import (
    Calls,
    Form,
    depthwise_cycles,
    element_cycles,
    linear_cycles,
    matrix_cycles,
    pool_cycles,
    window_cycles,
)
from tvm_pulp.codegen.graph import Window
from tvm_pulp.errors import ToolError
from tvm_pulp.toolchain import Platform, build_tool, check_tools, find_gvsoc

HERE = Path(__file__).parent
RESULT = Path("build/bench/kernels.json")
DOCUMENT = Path("docs/kernels.md")
_HEADER = """\
# Cycles of the kernels

Made by `make bench` (`benchmarks/bench_kernels.py`); don't edit. One call of each XpulpV2 kernel on GVSoC's
`pulp-open`, data in L1, the best of three calls, barrier included. **Rate**: multiply-accumulates a cycle, of
kernels without weights elements read. **Limit**: the share of what the instruction set allows these cores: a
dot product of four a cycle, for fully connected layers also the load of its weights, for kernels without
weights a load of four elements. **Model**: the error of the cycles that the planner predicts.

| kernel | shape | cores | cycles | rate | limit | model |
|---|---|--:|--:|--:|--:|--:|
"""


class Kernel(Enum):
    """What is measured; the order is that of the C program."""

    CONV = "conv"
    POINTWISE = "pointwise"
    CONV_SPLIT = "conv_split"
    CONV_WIDE = "conv_wide"
    CONV_DIRECT = "conv_direct"  # two groups
    DEPTHWISE = "depthwise"
    DEPTHWISE_SPLIT = "depthwise_split"
    DEPTHWISE_WIDE = "depthwise_wide"
    LINEAR = "linear"
    LINEAR_SPLIT = "linear_split"
    LINEAR_WIDE = "linear_wide"
    ADD = "add"
    AVGPOOL = "avgpool"
    MAXPOOL = "maxpool"
    CLIP = "clip"
    MUL = "mul"
    TABLE = "table"
    COPY = "copy"
    IM2COL = "im2col"
    PAD = "pad"


LINEAR = (Kernel.LINEAR, Kernel.LINEAR_SPLIT, Kernel.LINEAR_WIDE)
CONV = (Kernel.CONV, Kernel.POINTWISE, Kernel.CONV_SPLIT, Kernel.CONV_WIDE)
TWO_INPUTS = (Kernel.ADD, Kernel.MUL)
ELEMENTWISE = (*TWO_INPUTS, Kernel.CLIP, Kernel.TABLE, Kernel.COPY, Kernel.PAD)


# What the instruction set allows a core: multiply-accumulates (elements read, for what has no weights) in a
# cycle. A dot product of four; for linear also the load of its weights; for the others a load of four elements.
CORE_LIMIT = {kernel: 2.0 if kernel in LINEAR else 4.0 for kernel in Kernel}


@dataclass(frozen=True)
class Case:
    """A kernel's window over an input of `in_y x in_x x ch_in`, padded by `pad` on all sides."""

    kernel: Kernel
    in_y: int
    in_x: int
    ch_in: int
    ch_out: int
    k: int = 1
    stride: int = 1
    pad: int = 0
    cores: int = 8

    @property
    def out_y(self) -> int:
        return 1 if self.kernel in LINEAR else (self.in_y + 2 * self.pad - self.k) // self.stride + 1

    @property
    def out_x(self) -> int:
        return 1 if self.kernel in LINEAR else (self.in_x + 2 * self.pad - self.k) // self.stride + 1

    @property
    def work(self) -> int:
        """Multiply-accumulates, padding included; elements read by what has no weights."""
        if self.kernel in LINEAR:
            return self.in_y * self.in_x * self.ch_in * self.ch_out
        if self.kernel in ELEMENTWISE:
            return self.in_y * self.in_x * self.ch_in * (2 if self.kernel in TWO_INPUTS else 1)
        groups = 2 if self.kernel is Kernel.CONV_DIRECT else 1
        depth = self.ch_in // groups if self.kernel in (*CONV, Kernel.CONV_DIRECT) else 1
        return self.out_y * self.out_x * self.ch_out * self.k * self.k * depth

    def c_initializer(self) -> str:
        window = [self.in_x, self.in_y, self.ch_in, self.out_x, self.out_y, self.ch_out, self.k, self.k]
        window += [self.pad] * 4 + [self.stride] * 2
        return f"{{BENCH_{self.kernel.name}, {{{', '.join(map(str, window))}}}, {self.cores}}}"

    def __str__(self) -> str:
        window = (
            f" {self.k}x{self.k} stride {self.stride} pad {self.pad}" if self.k > 1 or self.stride > 1 else ""
        )
        return f"{self.in_y}x{self.in_x}x{self.ch_in} -> {self.out_y}x{self.out_x}x{self.ch_out}{window}"


def _scaling(case: Case) -> list[Case]:
    return [Case(**{**vars(case), "cores": cores}) for cores in (1, 2, 4)]


CASES = [
    Case(Kernel.POINTWISE, 16, 16, 32, 64),
    Case(Kernel.POINTWISE, 16, 16, 64, 64),
    *_scaling(Case(Kernel.POINTWISE, 16, 16, 64, 64)),
    Case(Kernel.POINTWISE, 8, 8, 128, 128),
    Case(Kernel.POINTWISE, 8, 8, 256, 64),
    Case(Kernel.POINTWISE, 8, 8, 512, 16),
    Case(Kernel.POINTWISE, 4, 4, 512, 64),
    Case(Kernel.POINTWISE, 25, 5, 64, 64),
    Case(Kernel.POINTWISE, 7, 7, 64, 64),
    Case(Kernel.POINTWISE, 3, 3, 128, 16),
    Case(Kernel.POINTWISE, 5, 5, 30, 10),
    Case(Kernel.POINTWISE, 1, 8, 512, 11),
    Case(Kernel.CONV, 16, 16, 16, 16, 3, 1, 1),
    *_scaling(Case(Kernel.CONV, 16, 16, 16, 16, 3, 1, 1)),
    Case(Kernel.CONV, 16, 16, 16, 32, 3, 2, 1),
    Case(Kernel.CONV, 16, 16, 32, 32, 3, 1, 1),
    Case(Kernel.CONV, 8, 8, 64, 32, 3, 1, 1),
    Case(Kernel.CONV, 18, 18, 16, 16, 3, 1, 0),
    Case(Kernel.CONV, 32, 32, 16, 16, 3, 1, 1),
    Case(Kernel.CONV, 10, 32, 16, 16, 3, 1, 0),
    Case(Kernel.CONV, 8, 8, 64, 16, 3, 1, 1),
    Case(Kernel.CONV, 17, 17, 32, 32, 3, 2, 0),
    Case(Kernel.CONV, 16, 16, 16, 32, 1, 2, 0),
    Case(Kernel.CONV, 32, 32, 3, 16, 3, 1, 1),
    Case(Kernel.CONV, 34, 34, 3, 32, 3, 2, 0),
    Case(Kernel.CONV, 48, 48, 3, 32, 3, 2, 1),
    Case(Kernel.CONV, 49, 10, 1, 64, 4, 2, 1),
    Case(Kernel.DEPTHWISE, 32, 32, 16, 16, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 16, 16, 32, 32, 3, 1, 1),
    *_scaling(Case(Kernel.DEPTHWISE, 16, 16, 32, 32, 3, 1, 1)),
    Case(Kernel.DEPTHWISE, 8, 8, 128, 128, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 4, 4, 256, 256, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 25, 5, 64, 64, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 5, 5, 64, 64, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 7, 7, 64, 64, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 6, 6, 128, 128, 3, 1, 0),
    Case(Kernel.DEPTHWISE, 18, 7, 64, 64, 3, 1, 0),
    Case(Kernel.DEPTHWISE, 12, 12, 24, 24, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 16, 16, 30, 30, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 16, 16, 15, 15, 3, 1, 1),
    Case(Kernel.DEPTHWISE, 34, 34, 16, 16, 3, 2, 0),
    Case(Kernel.DEPTHWISE, 16, 16, 32, 32, 3, 2, 1),
    Case(Kernel.DEPTHWISE, 8, 8, 128, 128, 3, 2, 1),
    Case(Kernel.DEPTHWISE, 16, 16, 32, 32, 5, 1, 2),
    Case(Kernel.DEPTHWISE, 16, 16, 32, 32, 5, 2, 2),
    Case(Kernel.LINEAR, 1, 1, 640, 64),
    Case(Kernel.LINEAR, 1, 1, 1024, 40),
    Case(Kernel.LINEAR, 1, 1, 128, 128),
    Case(Kernel.LINEAR, 1, 1, 64, 12),
    Case(Kernel.LINEAR, 1, 1, 250, 30),
    *_scaling(Case(Kernel.LINEAR, 1, 1, 640, 32)),
    Case(Kernel.ADD, 16, 16, 32, 32),
    Case(Kernel.AVGPOOL, 8, 8, 64, 64, 8),
    Case(Kernel.AVGPOOL, 4, 4, 256, 256, 4),
    Case(Kernel.MAXPOOL, 16, 16, 32, 32, 2, 2),
    Case(Kernel.MAXPOOL, 16, 16, 32, 32, 3, 2),
    Case(Kernel.CLIP, 16, 16, 32, 32),
    Case(Kernel.MUL, 16, 16, 32, 32),
    Case(Kernel.TABLE, 16, 16, 32, 32),
    Case(Kernel.COPY, 16, 16, 32, 32),
    Case(Kernel.PAD, 18, 18, 32, 32),
    Case(Kernel.IM2COL, 29, 10, 1, 16, 4, 2, 1),
    Case(Kernel.IM2COL, 25, 32, 3, 27, 3, 2, 0),
    Case(Kernel.IM2COL, 16, 16, 3, 27, 3, 1, 1),
    Case(Kernel.IM2COL, 16, 16, 8, 72, 3, 2, 1),
    Case(Kernel.IM2COL, 11, 11, 3, 75, 5, 2, 2),
    Case(Kernel.CONV_SPLIT, 16, 16, 32, 64),
    Case(Kernel.CONV_SPLIT, 16, 16, 16, 32, 3, 1, 1),
    Case(Kernel.CONV_SPLIT, 34, 34, 3, 16, 3, 2, 0),
    Case(Kernel.DEPTHWISE_SPLIT, 16, 16, 32, 32, 3, 1, 1),
    Case(Kernel.DEPTHWISE_SPLIT, 34, 34, 16, 16, 3, 2, 0),
    Case(Kernel.DEPTHWISE_SPLIT, 7, 7, 64, 64, 3, 1, 1),
    Case(Kernel.DEPTHWISE_SPLIT, 16, 16, 32, 32, 5, 1, 2),
    Case(Kernel.LINEAR_SPLIT, 1, 1, 640, 64),
    Case(Kernel.CONV_WIDE, 16, 16, 32, 64),
    Case(Kernel.CONV_WIDE, 16, 16, 16, 32, 3, 1, 1),
    Case(Kernel.CONV_WIDE, 34, 34, 3, 16, 3, 2, 0),
    Case(Kernel.CONV_DIRECT, 16, 16, 32, 32, 3, 1, 1),
    Case(Kernel.DEPTHWISE_WIDE, 16, 16, 32, 32, 3, 1, 1),
    Case(Kernel.DEPTHWISE_WIDE, 34, 34, 16, 16, 3, 2, 0),
    Case(Kernel.DEPTHWISE_WIDE, 7, 7, 64, 64, 3, 1, 1),
    Case(Kernel.DEPTHWISE_WIDE, 16, 16, 32, 32, 5, 1, 2),
    Case(Kernel.LINEAR_WIDE, 1, 1, 640, 64),
]


@dataclass(frozen=True)
class Measurement:
    """`rate`: work per cycle; `share`: of what the instruction set allows these cores; `model`: the cycles that
    the planner's cost model predicts, None for what it doesn't know by itself."""

    kernel: str
    shape: str
    cores: int
    cycles: int
    rate: float
    share: float
    equal: bool
    model: float | None

    @property
    def error(self) -> float | None:
        """(predicted - measured) / measured."""
        return None if self.model is None else (self.model - self.cycles) / self.cycles


def predicted_cycles(case: Case) -> float | None:
    """What the cost model says."""
    if case.kernel in (Kernel.PAD, Kernel.CONV_DIRECT):
        return None

    def column(value: int) -> npt.NDArray[np.int64]:
        return np.array([value])

    is_linear = case.kernel in LINEAR
    tiles = Tiles(
        y_h=column(case.out_y),
        y_w=column(case.out_x),
        y_c=column(case.ch_out),
        x_h=column(1 if is_linear else case.in_y),
        x_w=column(1 if is_linear else case.in_x),
        x_c=column(case.ch_in),
        x_beside=column(0),
    )
    name = case.kernel.value
    form = Form(split=name.endswith("_split"), wide=name.endswith("_wide"))
    window = Window(case.k, case.k, case.stride, case.stride) if not is_linear else Window()
    calls = Calls(case.cores, window, tiles, form)
    if case.kernel in CONV:
        cycles = matrix_cycles(MATRIX, calls)
    elif name.startswith("depthwise"):
        cycles = depthwise_cycles(DEPTHWISE, STRIPS, calls)
    elif is_linear:
        cycles = linear_cycles(LINEAR_CYCLES, calls, case.in_y * case.in_x * case.ch_in)
    elif case.kernel is Kernel.IM2COL:
        cycles = window_cycles(IM2COL, calls)
    elif f"pulp_{name}" in POOLS:
        cycles = pool_cycles(POOLS[f"pulp_{name}"], calls)
    else:
        cycles = element_cycles(ELEMENTS[f"pulp_{name}"], calls)
    return float(cycles[0])


def cases_header(cases: Sequence[Case]) -> str:
    """The C program's cases.h."""
    kinds = ", ".join(f"BENCH_{kernel.name}" for kernel in Kernel)
    rows = "".join(f"  {case.c_initializer()},\n" for case in cases)
    return f"enum {{ {kinds} }};\n\nstatic const bench_case_t bench_cases[] = {{\n{rows}}};\n"


def run(command: Sequence[str | Path]) -> str:
    """What the program printed; ClickException with the end of it if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def simulate(folder: Path, cases: Sequence[Case], kernels: str) -> str:
    """Build the program with these kernels in `folder`, run it and return its lines."""
    (folder / "cases.h").write_text(cases_header(cases))
    toolchain = HERE.parent / "runtime/cmake/pulp_open.cmake"
    build, work = folder / "build", folder / "work"
    run([
        build_tool("cmake"), "-S", HERE / "kernels", "-B", build, "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={build_tool('ninja')}", f"-DCMAKE_TOOLCHAIN_FILE={toolchain.resolve()}",
        f"-DPULP_KERNELS={kernels}", f"-DCASES_DIR={folder.resolve()}",
    ])  # fmt: skip
    run([build_tool("ninja"), "-C", build])
    work.mkdir()
    options = [f"--binary={(build / 'bench').resolve()}", f"--work-dir={work.resolve()}"]
    return run([find_gvsoc(), "--target=pulp-open", *options, "run"])


def measurement(case: Case, cycles: int, *, equal: bool) -> Measurement:
    """A case's cycles as a rate and as a share of the limit."""
    rate = case.work / cycles
    limit = CORE_LIMIT[case.kernel] * case.cores
    share = rate / limit
    return Measurement(
        case.kernel.value, str(case), case.cores, cycles, rate, share, equal, predicted_cycles(case)
    )


def parse(printed: str, cases: Sequence[Case]) -> list[Measurement]:
    """The program's lines `index cycles equal`; ClickException if a case is missing."""
    found = []
    for line in printed.splitlines():
        words = line.split()
        if len(words) == 3 and all(word.isdigit() for word in words):
            index, cycles, equal = map(int, words)
            found.append(measurement(cases[index], cycles, equal=bool(equal)))
    if len(found) != len(cases):
        raise click.ClickException(f"{len(found)} of {len(cases)} cases were measured:\n{printed[-2000:]}")
    return found


def table(measurements: Sequence[Measurement]) -> Table:
    """The measurements, a row each."""
    result = Table("kernel", "shape", "cores", "cycles", "MAC or elements/cycle", "of limit", "model", "result")
    for m in measurements:
        verdict = "equal" if m.equal else "[red]WRONG"
        error = "" if m.error is None else f"{m.error:+.0%}"
        row = (m.kernel, m.shape, str(m.cores), f"{m.cycles:,}", f"{m.rate:.2f}", f"{m.share:.0%}")
        result.add_row(*row, error, verdict)
    return result


def page(measurements: Sequence[Measurement]) -> str:
    """The text of docs/kernels.md."""
    rows = []
    for m in measurements:
        error = "" if m.error is None else f"{m.error:+.0%}"
        numbers = (str(m.cores), f"{m.cycles:,}", f"{m.rate:.2f}", f"{m.share:.0%}", error)
        rows.append(f"| `{m.kernel}` | {m.shape} | {' | '.join(numbers)} |\n")
    return _HEADER + "".join(rows)


def model_errors(measurements: Sequence[Measurement]) -> Table:
    """Mean and largest error of the cost model by kernel."""
    result = Table("kernel", "cases", "mean error of the model", "largest")
    for kernel in Kernel:
        errors = [abs(m.error) for m in measurements if m.kernel == kernel.value and m.error is not None]
        if errors:
            mean, largest = sum(errors) / len(errors), max(errors)
            result.add_row(kernel.value, str(len(errors)), f"{mean:.1%}", f"{largest:.1%}")
    return result


@click.command()
@click.option("--kernels", type=click.Choice(["xpulpv2", "portable"]), default="xpulpv2", show_default=True)
@click.option(
    "--only", type=click.Choice([kernel.value for kernel in Kernel]), multiple=True, help="These kernels."
)
@click.option("--json", "result", type=click.Path(path_type=Path), default=RESULT, show_default=True)
@click.option("--document", type=click.Path(path_type=Path), help=f"Write the page, {DOCUMENT}, here.")
def main(kernels: str, only: tuple[str, ...], result: Path, document: Path | None) -> None:
    """Measure the kernels on GVSoC."""
    try:
        check_tools(Platform.PULP_OPEN)
    except ToolError as error:
        Console().print(f"cycles of the kernels are skipped: {error}", soft_wrap=True)
        return
    cases = [case for case in CASES if not only or case.kernel.value in only]
    with TemporaryDirectory() as folder:
        measurements = parse(simulate(Path(folder), cases, kernels), cases)
    Console().print(table(measurements), model_errors(measurements))
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps([asdict(m) for m in measurements], indent=2) + "\n")
    if document is not None:
        document.write_text(page(measurements))
    if not all(m.equal for m in measurements):
        raise click.ClickException("a kernel's result differs from the portable kernel's")


if __name__ == "__main__":
    main()
