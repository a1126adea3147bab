"""Runs one network compiled in one way on GVSoC and gathers what there is to know of it.

Raw results stay in the folder of the run: package, build, `data/stats.json` as the program wrote it, the
outputs, and `sections.txt`, what `size` says of the program.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np
from stock_tvm import Array
from tvm_pulp.package import REPORT_FILE, Package
from tvm_pulp.report import read_report
from tvm_pulp.runner import RunResult, run_package
from tvm_pulp.toolchain import Platform
from variants import Variant, timed_compile

INPUT_SEED = 7
RUN_SECONDS = 1800  # what a run of the simulator gets
_GCC = "riscv64-unknown-elf-"
_SECTION = re.compile(r"^\.(?P<name>\w+) +(?P<bytes>\d+) +\d+$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """One network, compiled in one way, one inference.

    `cycles` are those of the whole call, `region_cycles` those of the regions on the cluster (0 without).
    `code_bytes` is the program's .text, `constant_bytes` its .rodata, `data_bytes` .data and .bss. `l1_bytes`
    and `l2_bytes` are the peaks of what the network itself uses, parameters in L2 included. `differing_bytes`
    counts output bytes, of `output_bytes`, that differ from TVM's llvm build of the same integer network.
    """

    network: str
    variant: str
    title: str
    cycles: int
    region_cycles: int
    code_bytes: int
    constant_bytes: int
    data_bytes: int
    l1_bytes: int
    l2_bytes: int
    compile_seconds: float
    output_bytes: int
    differing_bytes: int


@dataclass(frozen=True)
class Omission:
    """A way to compile a network that was not measured, and why."""

    variant: str
    title: str
    reason: str


def measure(network: str, variant: Variant, model: Path, folder: Path) -> Measurement:
    """Compile `model`, run it on one input and check the output. What was in `folder` is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    package, seconds = timed_compile(variant, model, folder / "package", network)
    sample = networks.sample_inputs(network, 1, INPUT_SEED)[0]
    result = run_on_gvsoc(package, sample, folder)
    (output,) = result.outputs.values()
    differs = output.view(np.uint8) != variant.reference(package, model, sample).view(np.uint8)
    sections = program_sections(folder)
    l1_bytes, l2_bytes = network_memory(package)
    return Measurement(
        network=network,
        variant=variant.key,
        title=variant.title,
        cycles=result.stats["inference_cycles"],
        region_cycles=result.stats["cluster_cycles"],
        code_bytes=sections["text"],
        constant_bytes=sections["rodata"],
        data_bytes=sections["data"] + sections["bss"],
        l1_bytes=l1_bytes,
        l2_bytes=l2_bytes,
        compile_seconds=round(seconds, 2),
        output_bytes=differs.size,
        differing_bytes=int(np.count_nonzero(differs)),
    )


def run_on_gvsoc(package: Package, sample: Array, folder: Path) -> RunResult:
    """Build and run a package with one input on one sample. Raises ToolError, also after RUN_SECONDS."""
    inputs = {package.inputs[0].name: sample}
    return run_package(package, inputs, Platform.PULP_OPEN, workdir=folder, seconds=RUN_SECONDS)


def program_sections(folder: Path) -> dict[str, int]:
    """Bytes of the program's sections by name without the dot; the text is kept as `sections.txt`."""
    program = folder / f"build-{Platform.PULP_OPEN.value}" / "runner"
    command = [f"{_GCC}size", "-A", str(program)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (folder / "sections.txt").write_text(text)
    return parse_sections(text)


def parse_sections(text: str) -> dict[str, int]:
    """Section name without the dot -> bytes, from what `size -A` prints."""
    return {match["name"]: int(match["bytes"]) for match in _SECTION.finditer(text)}


def network_memory(package: Package) -> tuple[int, int]:
    """Peak bytes of L1 and L2: regions (arena and parameters) and TVM's own workspace with its constants."""
    workspace = int(package.metadata["pulp"]["tvm_workspace_bytes"])
    if not (package.path / REPORT_FILE).exists():
        return 0, workspace
    regions = read_report(package).regions
    l1_bytes = max((region.l1_used for region in regions), default=0)
    return l1_bytes, workspace + sum(region.l2_used for region in regions)


def build_conditions(folder: Path) -> Mapping[str, str]:
    """Compiler and flags of a finished run, from CMake's cache."""
    cache = (folder / f"build-{Platform.PULP_OPEN.value}" / "CMakeCache.txt").read_text()
    values = dict(re.findall(r"^(\w+):[A-Z]+=(.*)$", cache, re.MULTILINE))
    done = subprocess.run([f"{_GCC}gcc", "--version"], capture_output=True, text=True, check=True)
    flags = f"{values['CMAKE_C_FLAGS']} {values['CMAKE_C_FLAGS_RELWITHDEBINFO']}"
    return {"compiler": done.stdout.splitlines()[0], "flags": flags}
