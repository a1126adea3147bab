"""The functional model of NE16 behind its API, as a shared library called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.engines.ne16.weights import OFFSET, pack_weights

RUNTIME = Path(__file__).parents[2] / "runtime"
TASK_BYTES = 256  # more than an ne16_task_t
GUARD_BYTE = 0xA5  # the arena's content before a run
LAYER_WISE, NORM_32, RELU, IDENTITY = 1 << 15, 2 << 12, 0, 1 << 23

Map = npt.NDArray[np.uint8]


class Quant(ctypes.Structure):
    """ne16_quant_t."""

    _fields_ = [("shift", ctypes.c_uint8), ("function", ctypes.c_int), ("rounding", ctypes.c_int)]


class Norm(ctypes.Structure):
    """ne16_norm_t."""

    _fields_ = [("mode", ctypes.c_int), ("bias", ctypes.c_int), ("shift", ctypes.c_int)]


@dataclass(frozen=True)
class Convolution:
    """One convolution on NE16. `x` is (h, w, ci) uint8, `weights` int8 (co, k, k, ci) or depthwise (c, k, k);
    `pads` top, bottom, left, right. Without `scale` the output are the int32 sums."""

    x: Map
    weights: npt.NDArray[np.int8]
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    scale: npt.NDArray[np.int64] | None = None
    bias: npt.NDArray[np.int64] | None = None
    shift: int = 0
    relu: bool = True

    @property
    def depthwise(self) -> bool:
        return self.weights.ndim == 3

    @property
    def kernel(self) -> int:
        return int(self.weights.shape[1])

    @property
    def out_shape(self) -> tuple[int, int, int]:
        h, w, _ = self.x.shape
        top, bottom, left, right = self.pads
        rows = (h + top + bottom - self.kernel) // self.stride + 1
        columns = (w + left + right - self.kernel) // self.stride + 1
        return rows, columns, self.weights.shape[0]


class Ne16Library:
    """Builds the library into `folder`."""

    def __init__(self, folder: Path) -> None:
        path = folder / "libne16.so"
        parts = ("accel/ne16", "accel/ne16/model", "platform/common", "platform/host")
        sources = [source for part in parts for source in sorted((RUNTIME / part).glob("*.c"))]
        command = ["cc", "-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
        command += ["-D_POSIX_C_SOURCE=200809L", f"-I{RUNTIME}/include", f"-I{RUNTIME}/platform/common"]
        subprocess.run([*command, *map(str, sources), "-o", str(path)], check=True)
        self._c = ctypes.CDLL(str(path))
        self._c.pulp_l1_arena.restype = ctypes.c_void_p
        self._c.ne16_pulp_get_dev.restype = ctypes.c_void_p
        self._dev = ctypes.c_void_p(self._c.ne16_pulp_get_dev())

    def run(self, conv: Convolution) -> npt.NDArray[np.generic]:
        """The output, uint8 (int8 without relu, int32 without scale), and nothing else in L1 has changed."""
        rows, columns, channels = conv.out_shape
        element = np.int32 if conv.scale is None else np.uint8 if conv.relu else np.int8
        scales = np.empty(0, np.uint8) if conv.scale is None else conv.scale
        bits = 8 if scales.size and int(scales.max()) < 256 else 32
        parts = {
            "x": conv.x.tobytes(),
            "weights": pack_weights(conv.weights, conv.depthwise),
            "scale": scales.astype("<u4" if bits == 32 else "<u1").tobytes(),
            "bias": b"" if conv.bias is None else conv.bias.astype("<i4").tobytes(),
            "y": bytes(rows * columns * channels * np.dtype(element).itemsize),
        }
        offsets, size = {}, 0
        for name, data in parts.items():
            offsets[name], size = size, size + len(data) + 3  # any alignment
        base = self._c.pulp_l1_arena(ctypes.c_uint32(size))
        arena = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(base))
        for name, data in parts.items():
            arena[offsets[name] : offsets[name] + len(data)] = np.frombuffer(data, np.uint8)
        before = arena.copy()
        at = {name: ctypes.c_uint32((base + offset) & 0xFFFFFFFF) for name, offset in offsets.items()}
        self._dispatch(conv, at, np.dtype(element).itemsize, bits)
        begin, end = offsets["y"], offsets["y"] + len(parts["y"])
        result = np.frombuffer(arena[begin:end].tobytes(), element).reshape(rows, columns, channels)
        arena[begin:end] = before[begin:end]
        np.testing.assert_array_equal(arena, before, "NE16 wrote beyond its output")
        return result

    def _dispatch(
        self, conv: Convolution, at: dict[str, ctypes.c_uint32], out_bytes: int, scale_bits: int
    ) -> None:
        c, task = self._c, ctypes.create_string_buffer(TASK_BYTES)
        h, w, ci = conv.x.shape
        rows, columns, co = conv.out_shape
        top, bottom, left, right = conv.pads
        c.ne16_task_init(task)
        c.ne16_task_set_op_to_conv(task, conv.kernel, conv.depthwise, conv.stride)
        c.ne16_task_set_bits(task, 8, 8 * out_bytes, 8)
        c.ne16_task_set_weight_offset(task, LAYER_WISE, OFFSET)
        if conv.scale is not None:
            quant = Quant(conv.shift, RELU if conv.relu else IDENTITY, 0)
            mode = NORM_32 if scale_bits == 32 else 0
            c.ne16_task_set_norm_quant(task, quant, Norm(mode, conv.bias is not None, 0))
            c.ne16_task_set_addr_norm_quant(task, at["scale"], 0, at["bias"])
        strides = (columns * co * out_bytes, co * out_bytes)
        c.ne16_task_set_addr_conv(task, at["x"], w, ci, top, left, at["y"], at["weights"])
        if conv.stride == 2:
            c.ne16_task_set_dims_stride2x2(
                task, h, w, ci, w * ci, ci, rows, columns, co, *strides, conv.kernel, conv.kernel,
                top, bottom, left, right,
            )  # fmt: skip
            c.ne16_nnx_dispatch_stride2x2(self._dev, task, w, ci, rows, columns, co, conv.kernel, conv.kernel)
        else:
            dims = (w, ci, w * ci, ci, rows, columns, co, *strides, top, bottom, left, right)
            c.ne16_task_set_dims(task, *dims)
            assert c.ne16_nnx_dispatch(self._dev, task) == 0
        c.ne16_nnx_resolve_wait(self._dev, task)
