"""The outside tools that build and run a package: where they are, and what to install where they are not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from .errors import ToolError


class Platform(Enum):
    """Where a package can be run from here."""

    HOST = "host"
    RV32 = "rv32"


# program -> Debian package
_RV32_TOOLS = {"riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf", "qemu-riscv32": "qemu-user"}


def check_tools(platform: Platform) -> None:
    """ToolError if a compiler or an emulator of the platform is missing."""
    if platform is Platform.HOST:
        find_c_compiler()
        return
    missing = [package for program, package in _RV32_TOOLS.items() if not shutil.which(program)]
    if missing:
        programs = [program for program, package in _RV32_TOOLS.items() if package in missing]
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


def build_tool(name: str) -> str:
    """`cmake` or `ninja`: the one beside this Python (they are dependencies), else the one on PATH."""
    beside = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(name)
    if not found:
        raise ToolError(f"no {name} found", fix=f"install it: pip install {name}")
    return found


def run_tool(command: Sequence[str | Path], *, what: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program. ToolError, with the line of its output that tells most, if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        cause = RuntimeError(f"{' '.join(words)} ended with status {done.returncode}\n{done.stdout}")
        raise ToolError(
            _telling_line(done.stdout, done.returncode), where=what, fix="-v shows all of its output"
        ) from cause


def _telling_line(output: str, status: int) -> str:
    """The first line about an error, else the last one that isn't blank."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if re.search(r"\berror:|\bERROR:|CMake Error", line):
            return line
    return lines[-1] if lines else f"ended with status {status}"
