"""Runs a layer graph and its plan as generated C on the host platform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Dtype, LayerGraph
from tvm_pulp.codegen.plan import Plan

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-g"]
INCLUDES = [f"-I{RUNTIME / 'include'}", f"-I{RUNTIME / 'platform' / 'common'}"]

Map = npt.NDArray[Any]


class Sanitizer(Enum):
    """Compiler flags that make every finding fatal."""

    NONE = ""
    ADDRESS = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    THREAD = "-fsanitize=thread"

    @property
    def flags(self) -> list[str]:
        """One by one. No tuples: Python 3.11.2 takes an empty one in an enumeration for an object."""
        return self.value.split()


class Dma(Enum):
    """When the host's DMA moves the bytes."""

    LATE = "late"
    EARLY = "early"


@dataclass(frozen=True)
class Run:
    """Outputs of all samples, by tensor name, each (samples, height, width, channels); and DMA counters."""

    outputs: dict[str, Map]
    stats: dict[str, Any]


class RunFailed(AssertionError):  # noqa: N818
    """The C compiler or the compiled program failed; the text is what it said."""


@dataclass(frozen=True)
class HostRuntime:
    """Kernels, host platform and runner, compiled once."""

    library: Path
    sanitizer: Sanitizer = Sanitizer.NONE


def c_compiler() -> str | None:
    """The C compiler to use."""
    return os.environ.get("CC") or shutil.which("cc")


def build_runtime(folder: Path, sanitizer: Sanitizer = Sanitizer.NONE) -> HostRuntime:
    """Compiles runtime/ into a static library in `folder`."""
    parts = ("kernels/portable", "accel/*", "accel/*/model", "platform/common", "platform/host")
    sources = [source for part in parts for source in sorted(RUNTIME.glob(f"{part}/*.c"))]
    sources.append(RUNTIME / "platform" / "runner.c")
    flags = [*STRICT, "-O2", "-pthread", "-D_POSIX_C_SOURCE=200809L", *sanitizer.flags, *INCLUDES]
    folder.mkdir(parents=True, exist_ok=True)
    _execute([str(c_compiler()), *flags, "-c", *map(str, sources)], folder)
    library = folder / "libpulp.a"
    _execute(["ar", "rcs", str(library), *sorted(path.name for path in folder.glob("*.o"))], folder)
    return HostRuntime(library, sanitizer)


def compile_graph(
    runtime: HostRuntime,
    graph: LayerGraph,
    plan: Plan,
    folder: Path,
    engines: Sequence[Engine] = (),
    *,
    drivers: Sequence[Path] = (),
) -> Path:
    """Emits the region into `folder` and compiles it, with C files of `drivers` and their headers; the
    program."""
    folder.mkdir(parents=True, exist_ok=True)
    files = emit_region(graph, plan, engines) | {f"{graph.name}_io.c": _network_table(graph)}
    for name, text in files.items():
        (folder / name).write_text(text)
    program = folder / "runner"
    sources = [name for name in files if name.endswith(".c")]
    sources += [word for file in drivers for word in (f"-I{file.parent}", str(file))]
    _execute(
        [
            *(str(c_compiler()), *STRICT, "-O1", *runtime.sanitizer.flags, *INCLUDES),
            *(*sources, "-Wl,--whole-archive", str(runtime.library), "-Wl,--no-whole-archive"),
            *("-pthread", "-o", str(program)),
        ],
        folder,
    )
    return program


def run_program(
    program: Path,
    graph: LayerGraph,
    inputs: dict[str, Map],
    dma: Dma = Dma.LATE,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Runs samples, (samples, height, width, channels) for each input; `variables` for the environment."""
    folder = program.parent
    for index, name in enumerate(graph.inputs):
        data = inputs[name].transpose(0, 3, 1, 2) if graph.tensors[name].planar else inputs[name]
        (folder / f"in_{index}.bin").write_bytes(data.tobytes())
    stats = folder / "stats.json"
    environment = {**os.environ, "PULP_DMA": dma.value, "PULP_STATS": str(stats), **(variables or {})}
    _execute([str(program), str(folder)], folder, environment)
    outputs = {}
    for index, name in enumerate(graph.outputs):
        tensor = graph.tensors[name]
        data = np.fromfile(folder / f"out_{index}.bin", tensor.dtype.value)
        if tensor.planar:
            planes = data.reshape(-1, tensor.channels, tensor.height, tensor.width)
            outputs[name] = planes.transpose(0, 2, 3, 1)
        else:
            outputs[name] = data.reshape(-1, tensor.height, tensor.width, tensor.channels)
    return Run(outputs, json.loads(stats.read_text()))


def random_inputs(graph: LayerGraph, samples: int, seed: int = 0) -> dict[str, Map]:
    """Uniform bytes; the first sample has only the extremes 0 and 255. Floats around 0, and any bits."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        data = rng.integers(0, 256, (samples, tensor.height, tensor.width, tensor.channels), dtype=np.uint8)
        data[0] = np.where(data[0] < 128, 0, 255)
        inputs[name] = data if tensor.dtype is Dtype.UINT8 else _random_floats(rng, data.shape)
    return inputs


def _random_floats(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    bits = rng.integers(0, 2**32, shape, np.uint32).view(np.float32)
    near = (rng.normal(size=shape) * np.exp2(rng.uniform(-8, 10))).astype(np.float32)
    special = rng.choice(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45], np.float32), shape)
    return np.choose(rng.choice(3, shape, p=(0.1, 0.8, 0.1)), (bits, near, special)).astype(np.float32)


def _network_table(graph: LayerGraph) -> str:
    """The runner's table of a region that is a whole network."""
    names = {"inputs": graph.inputs, "outputs": graph.outputs}
    tables = "".join(
        f"static const pulp_io_t {kind}[] = {{"
        + ", ".join(f'{{"{name}", {graph.tensors[name].size_bytes}}}' for name in tensors)
        + "};\n"
        for kind, tensors in names.items()
    )
    arguments = [f"in[{index}]" for index in range(len(graph.inputs))]
    arguments += [f"out[{index}]" for index in range(len(graph.outputs))]
    return (
        f'#include "{graph.name}.h"\n#include "pulp_network.h"\n\n{tables}\n'
        "static int32_t run(void *const *in, void *const *out) {\n"
        f"  return {graph.name}({', '.join(arguments)});\n}}\n\n"
        f'const pulp_network_t pulp_network = {{"{graph.name}", inputs, {len(graph.inputs)}, '
        f"outputs, {len(graph.outputs)}, run}};\n"
    )


def _execute(command: list[str], folder: Path, variables: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RunFailed(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
