"""Builds a package for a platform, runs it on samples, and compares the outputs with the reference."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, PulpError, ToolError
from .golden import Golden, golden_of
from .inputs import Samples, check_samples, describe
from .package import LEGALIZED_FILE, Package, TensorInfo
from .profile import trace_of
from .report import read_report
from .toolchain import (
    Platform,
    build_tool,
    check_gvsoc_engines,
    check_gvsoc_l1,
    check_tools,
    find_gvsoc,
    find_pulp_nn,
    gvsoc_l1_bytes,
    run_tool,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """Bytes of an output over all samples, and how many of them differ from the reference."""

    output: str
    compared_bytes: int
    mismatched_bytes: int


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    `outputs` have the network's shape if one sample was given without an axis for samples, else that axis
    first: [N, *shape], or [N, *shape[1:]] where the first dimension is a batch of 1. `stats` are the counters
    of runtime/platform/common/stats.h, sums over all samples; `tvm_pulp.cycles` reads the cycles among them.
    `comparisons` is empty without a check, `golden` also if the inputs weren't the package's golden ones,
    `trace` (a timeline in Chrome's trace format) without a profile.
    """

    outputs: dict[str, Array]
    samples: int
    stats: dict[str, Any] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    golden: tuple[Comparison, ...] = ()
    trace: str = ""

    @property
    def compared_bytes(self) -> int:
        """Output bytes that were compared with the reference."""
        return sum(comparison.compared_bytes for comparison in self.comparisons)

    @property
    def mismatched_bytes(self) -> int:
        """Output bytes that differ from the reference."""
        return sum(comparison.mismatched_bytes for comparison in self.comparisons)

    @property
    def golden_mismatched_bytes(self) -> int:
        """Output bytes that differ from what the network's golden files say."""
        return sum(comparison.mismatched_bytes for comparison in self.golden)


def build_package(
    package: Package, platform: Platform, workdir: Path, *, sanitize: bool = False, profile: bool = False
) -> Path:
    """Build the package's runner program below `workdir` and return its path.

    `sanitize` (host only) adds the address and undefined-behaviour sanitizers, `profile` (pulp-open only) the
    log of a timeline. Raises ToolError.
    """
    if sanitize and platform is not Platform.HOST:
        raise ToolError(
            "sanitizers need the platform host", where=f"platform {platform.value}", fix="leave them out"
        )
    if profile and platform is not Platform.PULP_OPEN:
        raise ToolError(
            "nothing is timed here, so there is no timeline",
            where=f"platform {platform.value}",
            fix="profile on the platform pulp-open",
        )
    check_tools(platform)
    source = package.extract(workdir / "package").resolve()
    kind = f"{'-sanitize' if sanitize else ''}{'-profile' if profile else ''}"
    build = workdir / f"build-{platform.value}{kind}"
    configure: list[str | Path] = [
        *(build_tool("cmake"), "-S", source, "-B", build, "-G", "Ninja"),
        f"-DCMAKE_MAKE_PROGRAM={build_tool('ninja')}",
        f"-DPULP_PLATFORM={platform.folder}",
        f"-DPULP_SANITIZE={'ON' if sanitize else 'OFF'}",
        f"-DPULP_NN_DIR={find_pulp_nn() or ''}",
    ]
    if platform is not Platform.HOST:
        configure.append(f"-DCMAKE_TOOLCHAIN_FILE={source / 'runtime/cmake' / platform.folder}.cmake")
    if platform is Platform.PULP_OPEN:
        configure.append(f"-DPULP_L1_BYTES={gvsoc_l1_bytes()}")
    if profile:
        configure.append("-DPULP_PROFILE=ON")
    run_tool(configure, what=f"configuring {package.name} for {platform.value}")
    run_tool([build_tool("cmake"), "--build", build], what=f"building {package.name} for {platform.value}")
    return build / "runner"


def run_package(
    package: Package | str | Path,
    inputs: Mapping[str, Array] | None = None,
    platform: Platform | str = Platform.HOST,
    *,
    check: bool = False,
    sanitize: bool = False,
    profile: bool = False,
    workdir: Path | None = None,
    seconds: float | None = None,
) -> RunResult:
    """Build a package, run it on samples (see `tvm_pulp.inputs`), and compare with the reference if `check`.

    Without `inputs` those of the package's golden numbers are taken, and the outputs compared with these, too.
    `profile` (pulp-open only) also measures a timeline of the first sample, which takes some more cycles. A run
    that takes more than `seconds` is ended.
    Files go to `workdir`, where a second run builds only what changed, else to a folder that is removed.
    Raises InputError, ToolError, and PulpError if there is no package.
    """
    package = package if isinstance(package, Package) else Package.open(package)
    platform = Platform(platform)
    if platform is Platform.PULP_OPEN:
        check_gvsoc_engines(_engines(package))
        check_gvsoc_l1(max((region["l1_used"] for region in package.metadata["pulp"]["regions"]), default=0))
    golden = _golden(package) if inputs is None else None
    samples = check_samples(package.inputs, _golden_inputs(package, golden) if golden else inputs or {})
    with ExitStack() as stack:
        folder = workdir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tvm-pulp-")))
        folder.mkdir(parents=True, exist_ok=True)
        runner = build_package(package, platform, folder, sanitize=sanitize, profile=profile)
        raw, stats = _execute(package, runner, platform, samples, folder / "data", seconds=seconds)
        trace = trace_of(package, (folder / "data" / "profile.bin").read_bytes(), stats) if profile else ""
    comparisons = _compare(package, samples, raw) if check else ()
    against_golden = _compare_golden(package, golden, raw) if check and golden else ()
    outputs = {
        tensor.name: _shaped(tensor, array, samples) for tensor, array in zip(package.outputs, raw, strict=True)
    }
    return RunResult(outputs, samples.count, stats, comparisons, against_golden, trace)


def _golden(package: Package) -> Golden:
    golden = golden_of(package)
    if golden is None:
        takes = ", ".join(describe(tensor) for tensor in package.inputs)
        raise InputError(
            "the network came without golden files, so it needs inputs",
            where=str(package.path),
            fix=f"give --inputs with an .npz file that holds {takes}",
        )
    return golden


def _golden_inputs(package: Package, golden: Golden) -> dict[str, Array]:
    return {tensor.name: array for tensor, array in zip(package.inputs, golden.inputs, strict=True)}


def _engines(package: Package) -> set[str]:
    """The engines that a package's code uses; none where it doesn't say."""
    try:
        layers = (layer for region in read_report(package).regions for layer in region.layers)
        return {engine for layer in layers for engine in layer.engines}
    except InputError:
        return set()


def _execute(
    package: Package,
    runner: Path,
    platform: Platform,
    samples: Samples,
    folder: Path,
    *,
    seconds: float | None,
) -> tuple[list[Array], dict[str, Any]]:
    """Run the program; outputs as [samples, *shape], and its counters."""
    folder.mkdir(exist_ok=True)
    for index, array in enumerate(samples.arrays):
        (folder / f"in_{index}.bin").write_bytes(array.tobytes())
    if platform is Platform.PULP_OPEN:
        # what the network keeps in L3, where the program on the simulator looks for it
        shutil.copyfile(runner.with_name(f"{runner.name}.l3"), folder / "l3.bin")
    stats = folder / "stats.json"
    run_tool(
        _command(platform, runner, folder),
        what=f"running {package.name}",
        environment={"PULP_STATS": str(stats)},
        seconds=seconds,
    )
    raw = [
        np.fromfile(folder / f"out_{index}.bin", dtype=tensor.dtype).reshape(samples.count, *tensor.shape)
        for index, tensor in enumerate(package.outputs)
    ]
    return raw, json.loads(stats.read_text())


def _command(platform: Platform, runner: Path, folder: Path) -> list[str | Path]:
    """The command that runs the program on the samples in `folder`."""
    if platform is Platform.PULP_OPEN:
        # The program on the simulator has no arguments: it looks for its files where the simulator runs.
        options = ["--target=pulp-open", f"--binary={runner.resolve()}", f"--work-dir={folder.resolve()}"]
        return [find_gvsoc(), *options, "run"]
    return [*(["qemu-riscv32"] if platform is Platform.RV32 else []), runner, folder]


def _compare(package: Package, samples: Samples, raw: list[Array]) -> tuple[Comparison, ...]:
    from .reference import input_names, load_legalized, run_reference  # noqa: PLC0415 (brings TVM, which takes a second to load)

    try:
        legalized = load_legalized(package.read(LEGALIZED_FILE).decode())
    except KeyError as error:
        raise PulpError("holds no legalized module to check against", where=str(package.path)) from error
    names = input_names(legalized)
    expected = run_reference(
        legalized,
        [dict(zip(names, arrays, strict=True)) for arrays in zip(*samples.arrays, strict=True)],
    )
    return _comparisons(package, expected, raw)


def _compare_golden(package: Package, golden: Golden, raw: list[Array]) -> tuple[Comparison, ...]:
    """The outputs beside what the operators behind the last layer make of its golden result."""
    from .reference import load_legalized, run_reference  # noqa: PLC0415 (brings TVM, which takes a second to load)

    tail = load_legalized(golden.tail)
    return _comparisons(package, run_reference(tail, [{"last": golden.last}]), raw)


def _comparisons(
    package: Package, expected: Sequence[tuple[Array, ...]], raw: list[Array]
) -> tuple[Comparison, ...]:
    comparisons = []
    for index, tensor in enumerate(package.outputs):
        reference = np.stack([outputs[index] for outputs in expected])
        differs = raw[index].view(np.uint8) != reference.view(np.uint8)
        comparisons.append(Comparison(tensor.name, differs.size, int(np.count_nonzero(differs))))
    return tuple(comparisons)


def _shaped(tensor: TensorInfo, array: Array, samples: Samples) -> Array:
    if samples.single:
        return array.reshape(tensor.shape)
    shape = tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape
    return array.reshape(samples.count, *shape)
