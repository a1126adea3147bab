"""The outside tools that build and run a package: where they are, and what to install where they are not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from pathlib import Path

from tvm_pulp.codegen.plan import CLUSTER_NAME

from .errors import ToolError, ToolTimeoutError


class Platform(Enum):
    """Where a package can be run from here."""

    HOST = "host"
    RV32 = "rv32"
    PULP_OPEN = "pulp-open"

    @property
    def folder(self) -> str:
        """Its name in runtime/platform and, unless it is the host, that of its toolchain file."""
        return self.value.replace("-", "_")


# program -> Debian package
_RISCV_GCC = {"riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf"}
_TOOLS = {Platform.RV32: {**_RISCV_GCC, "qemu-riscv32": "qemu-user"}, Platform.PULP_OPEN: _RISCV_GCC}

USUAL_L1_BYTES = 65_536
RESERVED_L1_BYTES = 21_504
"""Of PULP-open's L1, for stacks and runtime (runtime/platform/pulp_open/pulp_open.ld)."""


def check_tools(platform: Platform) -> None:
    """ToolError if a compiler, an emulator or the simulator of the platform is missing."""
    if platform is Platform.HOST:
        find_c_compiler()
        return
    if platform is Platform.PULP_OPEN:
        find_gvsoc()
    tools = _TOOLS[platform]
    missing = [package for program, package in tools.items() if not shutil.which(program)]
    if missing:
        programs = [program for program, package in tools.items() if package in missing]
        raise ToolError(
            f"no {' and no '.join(programs)} found on PATH",
            where=f"platform {platform.value}",
            fix=f"install them: apt install {' '.join(missing)} picolibc-riscv64-unknown-elf",
        )


def find_c_compiler() -> str:
    """The host's C compiler: what CC names, else cc, gcc or clang."""
    chosen = os.environ.get("CC", "")
    if chosen:
        if not shutil.which(chosen.split()[0]):
            raise ToolError(f"CC names {chosen}, which is not found on PATH", fix="correct or unset CC")
        return chosen
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    raise ToolError(
        "no C compiler found (cc, gcc or clang)", fix="install one: apt install gcc, or set CC to yours"
    )


def check_gvsoc_engines(engines: Set[str]) -> None:
    """ToolError if GVSoC's cluster lacks one of these engines: a program that waits for it hangs."""
    others = sorted(engines - {CLUSTER_NAME, "ne16"})
    if others:
        raise ToolError(
            f"the simulator has no {others[0]}, which the network uses",
            where=f"platform {Platform.PULP_OPEN.value}",
            fix=f"run on {Platform.HOST.value}, or compile with -engines=cluster",
        )
    generator = _gvsoc_cluster("cluster.py")
    if "ne16" in engines and generator.is_file() and "has_ne16 = False" in generator.read_text():
        raise ToolError(
            "this GVSoC has no NE16, which the network uses",
            where=f"platform {Platform.PULP_OPEN.value}",
            fix=f"compile with -engines=cluster, or build GVSoC with has_ne16 = True in {generator.name}",
        )


def gvsoc_l1_bytes() -> int:
    """L1 of GVSoC's cluster."""
    file = _gvsoc_cluster("cluster.json")
    if not file.is_file():
        return USUAL_L1_BYTES
    return int(json.loads(file.read_text())["l1"]["mapping"]["size"], 0)


def check_gvsoc_l1(arena: int) -> None:
    """ToolError if GVSoC's cluster hasn't so many bytes of L1 for the generated code."""
    there = gvsoc_l1_bytes() - RESERVED_L1_BYTES
    if arena > there:
        raise ToolError(
            f"this GVSoC has {there} bytes of L1 for the network, which uses {arena}",
            where=f"platform {Platform.PULP_OPEN.value}",
            fix=f"compile with -l1={there}, or enlarge l1 in GVSoC's {_gvsoc_cluster('cluster.json').name}",
        )


def _gvsoc_cluster(name: str) -> Path:
    """A file that GVSoC makes its cluster from."""
    return Path(find_gvsoc()).resolve().parents[1] / "generators" / "pulp" / "chips" / "pulp_open" / name


def find_gvsoc() -> str:
    """GVSoC's command: in the installation that GVSOC_HOME names, else on PATH."""
    home = os.environ.get("GVSOC_HOME", "")
    found = shutil.which("gvsoc", path=str(Path(home, "bin"))) if home else shutil.which("gvsoc")
    if found:
        return str(Path(found).absolute())
    raise ToolError(
        f"GVSOC_HOME is {home}, which holds no bin/gvsoc" if home else "no gvsoc found on PATH",
        where=f"platform {Platform.PULP_OPEN.value}",
        fix="set GVSOC_HOME to the folder where GVSoC (target pulp-open) is installed",
    )


def find_pulp_nn() -> Path | None:
    """The folder of the genuine PULP-NN that PULP_NN_DIR names; None if it names none."""
    named = os.environ.get("PULP_NN_DIR", "")
    if named and not Path(named, "32bit", "src", "pulp_nn_matmul.c").is_file():
        raise ToolError(
            f"PULP_NN_DIR is {named}, which holds no 32bit/src/pulp_nn_matmul.c",
            fix="set it to a folder of pulp-platform/pulp-nn, or unset it",
        )
    return Path(named).absolute() if named else None


def build_tool(name: str) -> str:
    """`cmake` or `ninja`: the one beside this Python (they are dependencies), else the one on PATH."""
    beside = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(name)
    if not found:
        raise ToolError(f"no {name} found", fix=f"install it: pip install {name}")
    return found


def run_tool(
    command: Sequence[str | Path],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> None:
    """Run a program. ToolError, with the line of its output that tells most, if it fails, and if it takes more
    than `seconds`."""
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that it can be ended with the programs that it starts
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise ToolTimeoutError(f"has not ended after {seconds:g} s", where=what) from error
    if process.returncode:
        cause = RuntimeError(f"{' '.join(words)} ended with status {process.returncode}\n{output}")
        raise ToolError(
            _telling_line(output, process.returncode), where=what, fix="-v shows all of its output"
        ) from cause


def _telling_line(output: str, status: int) -> str:
    """What our own programs say, else the first line about an error, else the last one that isn't blank."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern in (r"^pulp: ", r"\berror:|\bERROR:|CMake Error"):
        for line in lines:
            if re.search(pattern, line):
                return line
    return lines[-1] if lines else f"ended with status {status}"
