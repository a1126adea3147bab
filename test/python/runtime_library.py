"""The kernels and the host platform as a shared library, called from Python by a team of cores.

PULP_TEST_CFLAGS adds compiler flags, e.g. sanitizers (whose runtime must then be preloaded).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RUNTIME = Path(__file__).parents[2] / "runtime"
EXTRA_FLAGS = os.environ.get("PULP_TEST_CFLAGS", "").split()
# Bytes on both sides of a buffer that must stay as they are; none where a sanitizer knows the buffer's bounds.
GUARD = 0 if EXTRA_FLAGS else 64
GUARD_BYTE = 0x5C
# How much later than core 0 the others start, so that a missing barrier shows.
CORE_DELAY_S = 0.001

WINDOW_FIELDS = (
    *("in_x", "in_y", "ch_in", "out_x", "out_y", "ch_out", "k_x", "k_y"),
    *("pad_top", "pad_bottom", "pad_left", "pad_right", "stride_x", "stride_y"),
)
BORDER_FIELDS = ("rows", "cols", "channels", "top", "bottom", "left", "right")

_LIBC = ctypes.CDLL(None)
_LIBC.malloc.restype = ctypes.c_void_p
_LIBC.malloc.argtypes = [ctypes.c_size_t]
_LIBC.free.argtypes = [ctypes.c_void_p]


class Window(ctypes.Structure):
    """pulp_window_t."""

    _fields_ = [(name, ctypes.c_uint16) for name in WINDOW_FIELDS]


class Border(ctypes.Structure):
    """pulp_border_t."""

    _fields_ = [(name, ctypes.c_uint16) for name in BORDER_FIELDS]


class Groups(ctypes.Structure):
    """pulp_groups_t."""

    _fields_ = [
        *((name, ctypes.c_uint16) for name in ("dilation_x", "dilation_y", "ch_in", "ch_out", "first")),
        ("weight_offset", ctypes.c_int16),
    ]


class Buffer:
    """A copy of an array in memory of exactly its size; `check` finds writes beyond it."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        size = values.nbytes
        start: int = _LIBC.malloc(size + 2 * GUARD)
        weakref.finalize(self, _LIBC.free, start)
        self.address = start + GUARD
        self._memory = np.ctypeslib.as_array((ctypes.c_uint8 * (size + 2 * GUARD)).from_address(start))
        self._memory[:] = GUARD_BYTE
        self.array = self._memory[GUARD : GUARD + size].view(values.dtype).reshape(values.shape)
        self.array[...] = values

    def check(self) -> None:
        size = self.array.nbytes
        assert (self._memory[:GUARD] == GUARD_BYTE).all(), "bytes before the buffer were overwritten"
        assert (self._memory[GUARD + size :] == GUARD_BYTE).all(), "bytes after the buffer were overwritten"


def kernel_sources(kernels: str) -> list[Path]:
    """The C files of a folder of kernels and, for what it lacks, the portable ones."""
    portable = {path.name: path for path in (RUNTIME / "kernels" / "portable").glob("*.c")}
    own = {path.name: path for path in (RUNTIME / "kernels" / kernels).glob("*.c")}
    return [path for _, path in sorted({**portable, **own}.items())]


class RuntimeLibrary:
    """Builds the library with these kernels into `folder` and calls its functions with a team of cores."""

    def __init__(self, folder: Path, kernels: str = "portable") -> None:
        path = folder / "libpulp.so"
        sources = kernel_sources(kernels) + [
            source
            for part in ("common", "host")
            for source in sorted((RUNTIME / "platform" / part).glob("*.c"))
        ]
        command = ["cc", "-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
        command += ["-D_POSIX_C_SOURCE=200809L", f"-I{RUNTIME}/include", f"-I{RUNTIME}/platform/common"]
        subprocess.run([*command, *EXTRA_FLAGS, *map(str, sources), "-o", str(path)], check=True)
        self._library = ctypes.CDLL(str(path))

    def run(self, cores: int, function: str, *args: object) -> None:
        """Calls `function` on each of `cores` cores.

        Arrays are passed as pointers to copies, which are written back; all other arguments as ctypes does.
        """
        buffers = [(a, Buffer(a)) for a in args if isinstance(a, np.ndarray)]
        addresses = iter([ctypes.c_void_p(buffer.address) for _, buffer in buffers])
        c_args = [next(addresses) if isinstance(a, np.ndarray) else a for a in args]
        kernel: Callable[..., object] = self._library[function]

        def member(_: object) -> None:
            is_core_0 = self._library.pulp_core_id() == 0
            if not is_core_0:
                time.sleep(CORE_DELAY_S)
            kernel(*c_args)
            if is_core_0:  # all of the result is there, or the kernel lacks its barrier
                for array, buffer in buffers:
                    array[...] = buffer.array

        team_function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(member)
        assert self._library.pulp_cluster_run(team_function, None, ctypes.c_uint(cores)) == 0
        for _, buffer in buffers:
            buffer.check()
