"""What the cycle benchmark compares: ways to compile one network, as packages for PULP-open.

Each variant makes a package folder, which the usual runner then builds and runs. What a variant changes about
the build is written into the package's own CMakeLists.txt.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from stock_tvm import Array, Layout, compile_stock, stock_output
from tvm_pulp.api import compile_model
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package
from tvm_pulp.reference import input_names, load_legalized, run_reference

SOC = "pulp_open"
L2_BYTES = 0x190000  # of the SoC, all of it
# Network -> bytes of L1 and L2 that the plan may use; where nothing is said here, what the SoC file leaves.
LIMITS = {"v1_25": (38_000, 380_000), "v1_100": (38_000, 380_000)}
# Before the runtime's own choice, in a CMakeLists.txt of a package.
_PROJECT = "add_subdirectory(runtime)\n"


class Kernels(Enum):
    """A folder of runtime/kernels."""

    XPULPV2 = "xpulpv2"
    PORTABLE = "portable"


@dataclass(frozen=True)
class Ours:
    """This compiler, on `cores` cores of the cluster."""

    cores: int
    kernels: Kernels = Kernels.XPULPV2

    @property
    def key(self) -> str:
        """Name in the results: `ours-8`, `portable-8`."""
        return f"{'ours' if self.kernels is Kernels.XPULPV2 else self.kernels.value}-{self.cores}"

    @property
    def title(self) -> str:
        """What tables call it."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return f"tvm-pulp, {cores}{', portable kernels' if self.kernels is Kernels.PORTABLE else ''}"

    def compile(self, model: Path, folder: Path, name: str) -> Package:
        """The package of an ONNX file, in `folder`."""
        l1, l2 = LIMITS.get(name, (None, None))
        options = PulpOptions(soc=SOC, cores=self.cores, l1=l1, l2=l2)
        package = compile_model(model, folder, options=options, name=name)
        _edit(folder, before=f'set(PULP_KERNELS {self.kernels.value} CACHE STRING "")\n')
        return package

    def reference(self, package: Package, model: Path, sample: Array) -> Array:
        """The output of the package's legalized network in TVM's llvm build."""
        legalized = load_legalized(package.read(LEGALIZED_FILE).decode())
        ((output,),) = run_reference(legalized, [dict.fromkeys(input_names(legalized), sample)])
        return output


@dataclass(frozen=True)
class Stock:
    """TVM without this project, on the fabric controller."""

    layout: Layout

    @property
    def key(self) -> str:
        """Name in the results: `stock-nchw`."""
        return f"stock-{self.layout.value}"

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"TVM, {self.layout.title}"

    def compile(self, model: Path, folder: Path, name: str) -> Package:
        """The package of an ONNX file, in `folder`."""
        package = compile_stock(model, folder, self.layout, name=name)
        # TVM's integer code is up to 1.7 times as fast when the compiler may tell its pointers apart by type.
        # Packages go without, for code that looks at the bits of floats; the check of the output guards that.
        _edit(folder, after=f"target_compile_options(tvmgen_{name}_tvm PRIVATE -fstrict-aliasing)\n")
        return package

    def reference(self, package: Package, model: Path, sample: Array) -> Array:
        """The output of TVM's integer network in its llvm build."""
        return stock_output(model, sample)


Variant = Ours | Stock

VARIANTS: tuple[Variant, ...] = (
    *(Stock(layout) for layout in Layout),
    *(Ours(cores) for cores in (1, 2, 4, 8)),
    Ours(8, Kernels.PORTABLE),
)


def timed_compile(variant: Variant, model: Path, folder: Path, name: str) -> tuple[Package, float]:
    """The package and how many seconds it took from the ONNX file to the written package."""
    start = time.perf_counter()
    package = variant.compile(model, folder, name)
    return package, time.perf_counter() - start


def _edit(folder: Path, *, before: str = "", after: str = "") -> None:
    """Add lines to a package's CMakeLists.txt, before the runtime is read and at the end."""
    file = folder / "CMakeLists.txt"
    text = file.read_text()
    if text.count(_PROJECT) != 1:
        raise ValueError(f"{file} has no line {_PROJECT!r} to build on")
    file.write_text(text.replace(_PROJECT, before + _PROJECT) + after)
