"""Every kernel, portable and XpulpV2, against NumPy, over odd shapes and 1 to 8 cores."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runtime_library import EXTRA_FLAGS, WINDOW_FIELDS, Border, Groups, RuntimeLibrary, Window

Array = npt.NDArray[Any]
CORES = st.integers(1, 8)
SEEDS = st.integers(0, 2**32 - 1)
PROPERTY = settings(max_examples=int(os.environ.get("PULP_TEST_EXAMPLES", "40")), deadline=None)
U16 = ctypes.c_uint16


@pytest.fixture(scope="module", params=["portable", "xpulpv2"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RuntimeLibrary:
    """XpulpV2's kernels are built with its instructions written in C."""
    return RuntimeLibrary(tmp_path_factory.mktemp("runtime"), request.param)


@dataclass(frozen=True)
class Case:
    """A window over a map, and the generator of its data."""

    in_y: int
    in_x: int
    ch_in: int
    ch_out: int
    k_y: int
    k_x: int
    stride_y: int
    stride_x: int
    top: int
    bottom: int
    left: int
    right: int
    seed: int

    @property
    def out_y(self) -> int:
        return (self.in_y + self.top + self.bottom - self.k_y) // self.stride_y + 1

    @property
    def out_x(self) -> int:
        return (self.in_x + self.left + self.right - self.k_x) // self.stride_x + 1

    def window(self) -> Window:
        sizes = (self.in_x, self.in_y, self.ch_in, self.out_x, self.out_y, self.ch_out, self.k_x, self.k_y)
        return Window(*sizes, self.top, self.bottom, self.left, self.right, self.stride_x, self.stride_y)

    def nn_sizes(self) -> list[ctypes.c_uint16]:
        """The window in PULP-NN's argument order, which is that of the structure."""
        window = self.window()
        return [U16(getattr(window, name)) for name in WINDOW_FIELDS]

    def windows(self, x: Array, outside: int = 0) -> Array:
        """(out_y, out_x, channels, k_y, k_x) of the HWC map `x`, int64."""
        padding = ((self.top, self.bottom), (self.left, self.right), (0, 0))
        padded = np.pad(x.astype(np.int64), padding, constant_values=outside)
        views = np.lib.stride_tricks.sliding_window_view(padded, (self.k_y, self.k_x), axis=(0, 1))
        return views[:: self.stride_y, :: self.stride_x][: self.out_y, : self.out_x]


@st.composite
def cases(draw: st.DrawFn, *, depthwise: bool = False) -> Case:
    k_y, k_x = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    top, bottom = draw(st.integers(0, k_y)), draw(st.integers(0, k_y))
    left, right = draw(st.integers(0, k_x)), draw(st.integers(0, k_x))
    in_y = draw(st.integers(max(1, k_y - top - bottom), 9))
    in_x = draw(st.integers(max(1, k_x - left - right), 9))
    ch_in = draw(st.integers(1, 11))
    ch_out = ch_in if depthwise else draw(st.integers(1, 11))
    strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return Case(in_y, in_x, ch_in, ch_out, k_y, k_x, *strides, top, bottom, left, right, draw(SEEDS))


def wrap32(values: Array) -> Array:
    return values.astype(np.uint64).astype(np.uint32).view(np.int32).astype(np.int64)


def clip_u8(values: Array) -> Array:
    return np.clip(values, 0, 255).astype(np.uint8)


def nn_output(acc: Array, k: Array, lam: Array, mult: int, shift: int, *, relu: bool, bn: bool) -> Array:
    """The output stage of PULP-NN, channels last."""
    if relu and bn:
        return clip_u8(wrap32(acc * k.astype(np.int64) + lam) >> shift)
    if relu:
        return clip_u8((wrap32(acc * mult) >> shift).astype(np.uint64).astype(np.uint16).view(np.int16))
    return clip_u8(acc >> shift)


def random_u8(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def random_i8(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-128, 128, shape, dtype=np.int8)


def random_requant(rng: np.random.Generator, channels: int) -> tuple[Array, Array, int]:
    """k, lambda and shift; in one case of four anything that fits, so that products wrap."""
    if rng.integers(4) == 0:
        k, lam = rng.integers(-(2**31), 2**31, (2, channels))
        return k.astype(np.int32), lam.astype(np.int32), int(rng.integers(0, 32))
    shift = int(rng.integers(8, 20))
    k = rng.integers(0, max(2, 2**shift // 64), channels, dtype=np.int32)
    return k, rng.integers(-(2**shift), 2 ** (shift + 7), channels, dtype=np.int32), shift


def random_wide_requant(rng: np.random.Generator, channels: int) -> tuple[Array, Array, int]:
    shift = int(rng.integers(20, 51))
    most = 2**shift // 64 if rng.integers(4) == 0 else min(2**shift // 64, 2**31)  # mostly 32 bits
    k = rng.integers(0, most, channels, dtype=np.int64)
    return k, rng.integers(-(2**shift), 2 ** (shift + 7), channels, dtype=np.int64), shift


LOW_BITS = 7
"""Of multipliers in two parts: with them, a product with any sum of these tests fits 32 bits."""


def random_split_requant(rng: np.random.Generator, channels: int) -> tuple[Array, Array, int]:
    """k with `LOW_BITS` bits more than `random_requant` has; in one case of four any, so that sums wrap."""
    if rng.integers(4) == 0:
        k, lam = rng.integers(-(2**31), 2**31, (2, channels))
        return k.astype(np.int32), lam.astype(np.int32), int(rng.integers(0, 32))
    shift = int(rng.integers(8, 20))
    k = rng.integers(0, max(2, 2 ** (shift + LOW_BITS) // 64), channels, dtype=np.int32)
    return k, rng.integers(-(2**shift), 2 ** (shift + 7), channels, dtype=np.int32), shift


def requant_split(acc: Array, k: Array, lam: Array, shift: int) -> Array:
    return clip_u8(wrap32((acc * k.astype(np.int64) >> LOW_BITS) + lam) >> shift)


def requant_32(acc: Array, k: Array, lam: Array, shift: int) -> Array:
    return nn_output(acc, k, lam, 1, shift, relu=True, bn=True)


def requant_wide(acc: Array, k: Array, lam: Array, shift: int) -> Array:
    return clip_u8((acc * k + lam) >> shift)


def conv_scratch_bytes(case: Case, cores: int) -> int:
    filter_bytes = case.ch_in * case.k_y * case.k_x
    padded = -(-filter_bytes // 4) * 4
    batch = 16 if padded <= 32 else 8 if padded <= 64 else 4
    return max(2 * cores * filter_bytes, batch * cores * padded if case.ch_in % 4 else 0)


def with_slack(weight: Array) -> Array:
    """Followed by the 3 bytes that a kernel may read."""
    return np.concatenate([weight.ravel(), np.full(3, 77, np.int8)])


@pytest.mark.parametrize("split", ["Ho", "HoWo", "Co"])
@PROPERTY
@given(case=cases(), cores=CORES, relu=st.booleans(), bn=st.booleans(), with_bias=st.booleans())
@example(  # a first layer
    case=Case(9, 12, 3, 7, 3, 3, 1, 1, 1, 1, 1, 1, 7), cores=2, relu=True, bn=True, with_bias=False
)
def test_nn_conv(
    *, runtime: RuntimeLibrary, split: str, case: Case, cores: int, relu: bool, bn: bool, with_bias: bool
) -> None:
    rng = np.random.default_rng(case.seed)
    x = random_u8(rng, case.in_y, case.in_x, case.ch_in)
    weight = random_i8(rng, case.ch_out, case.k_y, case.k_x, case.ch_in)
    bias = random_i8(rng, case.ch_out)
    k, lam, shift = random_requant(rng, case.ch_out)
    mult = int(rng.integers(1, 2**15))
    im2col = random_u8(rng, conv_scratch_bytes(case, cores))
    out = np.zeros((case.out_y, case.out_x, case.ch_out), np.uint8)
    before = x.copy()
    runtime.run(
        cores, f"pulp_nn_conv_{split}_parallel", x, im2col, bias if with_bias else None, out,
        with_slack(weight), k, lam,
        U16(mult), U16(shift), *case.nn_sizes(), relu, bn,
    )  # fmt: skip
    acc = np.einsum("yxcij,oijc->yxo", case.windows(x), weight.astype(np.int64)) + (bias if with_bias else 0)
    np.testing.assert_array_equal(out, nn_output(acc, k, lam, mult, shift, relu=relu, bn=bn))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("split", ["Ho", "HoWo", "Co"])
@PROPERTY
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)), ch_in=st.integers(1, 40), ch_out=st.integers(1, 20),
    cores=CORES, relu=st.booleans(), bn=st.booleans(), with_bias=st.booleans(), seed=SEEDS,
)  # fmt: skip
def test_nn_pointwise(
    *, runtime: RuntimeLibrary, split: str, size: tuple[int, int], ch_in: int, ch_out: int, cores: int,
    relu: bool, bn: bool, with_bias: bool, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    case = Case(*size, ch_in, ch_out, 1, 1, 1, 1, 0, 0, 0, 0, seed)
    x, weight, bias = random_u8(rng, *size, ch_in), random_i8(rng, ch_out, ch_in), random_i8(rng, ch_out)
    k, lam, shift = random_requant(rng, ch_out)
    mult = int(rng.integers(1, 2**15))
    out = np.zeros((*size, ch_out), np.uint8)
    runtime.run(
        cores, f"pulp_nn_pointwise_{split}_parallel", x, None, bias if with_bias else None, out, weight, k, lam,
        U16(mult), U16(shift), *case.nn_sizes(), relu, bn,
    )  # fmt: skip
    acc = x.astype(np.int64) @ weight.T.astype(np.int64) + (bias if with_bias else 0)
    np.testing.assert_array_equal(out, nn_output(acc, k, lam, mult, shift, relu=relu, bn=bn))


@pytest.mark.parametrize("cores", [4, 8])
@pytest.mark.parametrize("ch_out", range(1, 18))
def test_nn_pointwise_with_fewer_blocks_of_channels_than_cores(
    runtime: RuntimeLibrary, ch_out: int, cores: int
) -> None:
    rng = np.random.default_rng(ch_out)
    case = Case(1, 2, 8, ch_out, 1, 1, 1, 1, 0, 0, 0, 0, 0)
    x, weight = random_u8(rng, 1, 2, 8), random_i8(rng, ch_out, 8)
    k, lam, shift = random_requant(rng, ch_out)
    out = np.zeros((1, 2, ch_out), np.uint8)
    runtime.run(
        cores, "pulp_nn_pointwise_HoWo_parallel", x, None, None, out, weight, k, lam, 1, shift,
        *case.nn_sizes(), True, True,
    )  # fmt: skip
    acc = x.astype(np.int64) @ weight.T.astype(np.int64)
    np.testing.assert_array_equal(out, nn_output(acc, k, lam, 1, shift, relu=True, bn=True))


@pytest.mark.parametrize("suffix", ["", "_less_4_weights"])
@PROPERTY
@given(case=cases(depthwise=True), cores=CORES, relu=st.booleans(), bn=st.booleans(), with_bias=st.booleans())
def test_nn_depthwise(
    *, runtime: RuntimeLibrary, suffix: str, case: Case, cores: int, relu: bool, bn: bool, with_bias: bool
) -> None:
    rng = np.random.default_rng(case.seed)
    x = random_u8(rng, case.in_y, case.in_x, case.ch_in)
    weight, bias = random_i8(rng, case.ch_in, case.k_y, case.k_x), random_i8(rng, case.ch_in)
    k, lam, shift = random_requant(rng, case.ch_in)
    mult = int(rng.integers(1, 2**15))
    tail = case.k_x if not suffix else (case.k_x + 3) // 4 * 4
    buffer_c = random_u8(rng, cores * (case.k_x * (case.in_y + case.top + case.bottom) + tail))
    out = np.zeros((case.out_y, case.out_x, case.ch_in), np.uint8)
    runtime.run(
        cores, f"pulp_nn_depthwise_generic{suffix}", np.ascontiguousarray(x.transpose(2, 0, 1)), buffer_c,
        bias if with_bias else None, out, weight, None, k, lam, U16(mult), U16(shift), *case.nn_sizes(),
        ctypes.c_int8(relu), ctypes.c_int8(bn),
    )  # fmt: skip
    acc = np.einsum("yxcij,cij->yxc", case.windows(x), weight.astype(np.int64)) + (bias if with_bias else 0)
    np.testing.assert_array_equal(out, nn_output(acc, k, lam, mult, shift, relu=relu, bn=bn))


@PROPERTY
@given(
    dim=st.integers(1, 300), outputs=st.integers(1, 30), cores=CORES, relu=st.booleans(), bn=st.booleans(),
    with_bias=st.booleans(), seed=SEEDS,
)  # fmt: skip
def test_nn_linear(
    *,
    runtime: RuntimeLibrary,
    dim: int,
    outputs: int,
    cores: int,
    relu: bool,
    bn: bool,
    with_bias: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    x, weight, bias = random_u8(rng, dim), random_i8(rng, outputs, dim), random_i8(rng, outputs)
    k, lam, shift = random_requant(rng, outputs)
    mult = int(rng.integers(1, 2**15))
    out = np.zeros(outputs, np.uint8)
    runtime.run(
        cores, "pulp_nn_linear", x, bias if with_bias else None, out, weight, k, lam, U16(mult),
        ctypes.c_int8(shift), U16(dim), U16(outputs), relu, bn,
    )  # fmt: skip
    acc = weight.astype(np.int64) @ x.astype(np.int64) + (bias if with_bias else 0)
    np.testing.assert_array_equal(out, nn_output(acc, k, lam, mult, shift, relu=relu, bn=bn))


@PROPERTY
@given(dim=st.integers(1, 300), outputs=st.integers(1, 30), cores=CORES, with_bias=st.booleans(), seed=SEEDS)
def test_nn_linear_out_32(
    *, runtime: RuntimeLibrary, dim: int, outputs: int, cores: int, with_bias: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, weight = random_u8(rng, dim), random_i8(rng, outputs, dim)
    bias = rng.integers(-(2**31), 2**31, outputs).astype(np.int32)
    out = np.zeros(outputs, np.int32)
    bias_arg = bias if with_bias else None
    runtime.run(cores, "pulp_nn_linear_out_32", x, bias_arg, out, weight, U16(dim), U16(outputs))
    acc = weight.astype(np.int64) @ x.astype(np.int64) + (bias if with_bias else 0)
    np.testing.assert_array_equal(out, wrap32(acc))


@PROPERTY
@given(
    pixels=st.integers(1, 9), channels=st.one_of(st.integers(1, 20), st.integers(250, 600)), cores=CORES,
    spread=st.integers(1, 256), scale=st.floats(1e-3, 1.0), with_room=st.booleans(), seed=SEEDS, data=st.data(),
)  # fmt: skip
def test_softmax(
    *, runtime: RuntimeLibrary, pixels: int, channels: int, cores: int, spread: int, scale: float,
    with_room: bool, seed: int, data: st.DataObject,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    x = rng.integers(0, spread, (pixels, channels)).astype(np.uint8)
    exact = (np.exp(-scale * np.arange(256)) * 2**30).astype(np.float32)
    table = np.concatenate([np.rint(exact).astype(np.int32), exact.view(np.int32)])
    first = data.draw(st.integers(0, channels - 1))
    count = data.draw(st.integers(1, channels - first))
    distance = x.max(axis=1, keepdims=True).astype(np.int64) - x
    total = table[distance].astype(np.int64).sum(axis=1, keepdims=True).astype(np.float32)
    out = np.zeros((pixels, count), np.float32)
    room = np.zeros(256, np.int32) if with_room else None
    sizes = (ctypes.c_uint32 * 4)(pixels, channels, first, count)
    runtime.run(cores, "pulp_softmax", x, out, table, room, ctypes.byref(sizes))
    np.testing.assert_array_equal(out, (exact[distance] / total)[:, first : first + count])


WIDE = {"wide": (random_wide_requant, requant_wide), "split": (random_split_requant, requant_split)}


def shifts(form: str, shift: int) -> list[ctypes.c_uint16]:
    """The arguments that are shifts."""
    return [U16(LOW_BITS), U16(shift)] if form == "split" else [U16(shift)]


@dataclass(frozen=True)
class Direct:
    """Some channels of a convolution with groups and dilation: what a kernel gets, and their sums."""

    x: Array
    weight: Array
    window: Window
    groups: Groups
    sums: Array


@st.composite
def direct_convolutions(draw: st.DrawFn) -> Direct:
    """The channels from some channel on, dilated in both directions if it fits."""
    case, groups, dilation = draw(cases()), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    rng = np.random.default_rng(case.seed)
    if (case.k_y - 1) * dilation >= case.in_y or (case.k_x - 1) * dilation >= case.in_x:
        dilation = 1
    extent = replace(case, k_y=(case.k_y - 1) * dilation + 1, k_x=(case.k_x - 1) * dilation + 1)
    first = draw(st.integers(0, groups * case.ch_out - 1))
    offset = draw(st.sampled_from([0, -100, 60]))
    x = random_u8(rng, case.in_y, case.in_x, groups * case.ch_in)
    weight = random_i8(rng, groups * case.ch_out, case.k_y, case.k_x, case.ch_in)
    windows = extent.windows(x)[..., ::dilation, ::dilation]
    parts = [
        np.einsum("yxcij,oijc->yxo", part, whole.astype(np.int64) + offset)
        for part, whole in zip(np.split(windows, groups, axis=2), np.split(weight, groups), strict=True)
    ]
    sums = np.concatenate(parts, axis=-1)[..., first:]
    window = case.window()
    window.ch_in, window.ch_out = groups * case.ch_in, sums.shape[-1]
    window.out_x, window.out_y = extent.out_x, extent.out_y
    of_groups = Groups(dilation, dilation, case.ch_in, case.ch_out, first, offset)
    return Direct(x, np.ascontiguousarray(weight[first:]), window, of_groups, sums)


@PROPERTY
@given(case=direct_convolutions(), cores=CORES, seed=SEEDS)
def test_conv_sums(runtime: RuntimeLibrary, case: Direct, cores: int, seed: int) -> None:
    channels = case.sums.shape[-1]
    bias = np.random.default_rng(seed).integers(-(2**28), 2**28, channels).astype(np.int32)
    out = np.zeros(case.sums.shape, np.int32)
    structures = ctypes.byref(case.window), ctypes.byref(case.groups)
    runtime.run(cores, "pulp_conv_sums", case.x, out, case.weight, bias, *structures)
    np.testing.assert_array_equal(out, case.sums + bias)


@PROPERTY
@given(case=cases(), cores=CORES)
def test_conv_without_buffer(runtime: RuntimeLibrary, case: Case, cores: int) -> None:
    rng = np.random.default_rng(case.seed)
    x, weight = (
        random_u8(rng, case.in_y, case.in_x, case.ch_in),
        random_i8(rng, case.ch_out, case.k_y, case.k_x, case.ch_in),
    )
    k, lam, shift = random_requant(rng, case.ch_out)
    out = np.zeros((case.out_y, case.out_x, case.ch_out), np.uint8)
    runtime.run(cores, "pulp_conv", x, out, with_slack(weight), k, lam, U16(shift), ctypes.byref(case.window()))
    acc = np.einsum("yxcij,oijc->yxo", case.windows(x), weight.astype(np.int64))
    np.testing.assert_array_equal(out, requant_32(acc, k, lam, shift))


@PROPERTY
@given(case=cases(), parts=st.integers(1, 3), cores=CORES)
def test_conv_add(runtime: RuntimeLibrary, case: Case, parts: int, cores: int) -> None:
    """The first part of the input channels overwrites what is there, the others add to it."""
    rng = np.random.default_rng(case.seed)
    sums = rng.integers(-(2**31), 2**31, (case.out_y, case.out_x, case.ch_out)).astype(np.int32)
    expected = np.zeros(sums.shape, np.int64)
    for number in range(parts):
        part = replace(case, ch_in=case.ch_in if number == 0 else 4 * number)
        x, weight = (
            random_u8(rng, case.in_y, case.in_x, part.ch_in),
            random_i8(rng, case.ch_out, case.k_y, case.k_x, part.ch_in),
        )
        first = ctypes.c_int(number == 0)
        runtime.run(cores, "pulp_conv_add", x, sums, weight, first, ctypes.byref(part.window()))
        expected += np.einsum("yxcij,oijc->yxo", part.windows(x), weight.astype(np.int64))
    np.testing.assert_array_equal(sums, expected)


@PROPERTY
@given(size=st.tuples(st.integers(1, 70), st.integers(1, 40)), cores=CORES, seed=SEEDS)
def test_linear_add(runtime: RuntimeLibrary, size: tuple[int, int], cores: int, seed: int) -> None:
    rng, (dim, outputs) = np.random.default_rng(seed), size
    sums = rng.integers(-(2**31), 2**31, outputs).astype(np.int32)
    expected = np.zeros(outputs, np.int64)
    for part in (dim, dim + 3):
        x, weight = random_u8(rng, part), random_i8(rng, outputs, part)
        arguments = (ctypes.c_int(part == dim), ctypes.c_uint32(part), ctypes.c_uint32(outputs))
        runtime.run(cores, "pulp_linear_add", x, sums, weight, *arguments)
        expected += weight.astype(np.int64) @ x.astype(np.int64)
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("form", ["", *WIDE])
@PROPERTY
@given(case=direct_convolutions(), cores=CORES, seed=SEEDS)
def test_conv_direct(runtime: RuntimeLibrary, form: str, case: Direct, cores: int, seed: int) -> None:
    draw, requant = WIDE.get(form, (random_requant, requant_32))
    k, lam, shift = draw(np.random.default_rng(seed), case.sums.shape[-1])
    out = np.zeros(case.sums.shape, np.uint8)
    name = f"pulp_conv_direct_{form}" if form else "pulp_conv_direct"
    structures = ctypes.byref(case.window), ctypes.byref(case.groups)
    runtime.run(cores, name, case.x, out, case.weight, k, lam, *shifts(form, shift), *structures)
    np.testing.assert_array_equal(out, requant(case.sums, k, lam, shift))


@pytest.mark.parametrize("form", WIDE)
@PROPERTY
@given(case=cases(), cores=CORES)
def test_conv_64_bits(runtime: RuntimeLibrary, form: str, case: Case, cores: int) -> None:
    draw, requant = WIDE[form]
    rng = np.random.default_rng(case.seed)
    x = random_u8(rng, case.in_y, case.in_x, case.ch_in)
    weight = random_i8(rng, case.ch_out, case.k_y, case.k_x, case.ch_in)
    k, lam, shift = draw(rng, case.ch_out)
    out = np.zeros((case.out_y, case.out_x, case.ch_out), np.uint8)
    padded = with_slack(weight)
    runtime.run(
        cores, f"pulp_conv_{form}", x, out, padded, k, lam, *shifts(form, shift), ctypes.byref(case.window())
    )
    acc = np.einsum("yxcij,oijc->yxo", case.windows(x), weight.astype(np.int64))
    np.testing.assert_array_equal(out, requant(acc, k, lam, shift))


def check_depthwise(runtime: RuntimeLibrary, form: str, case: Case, cores: int) -> None:
    rng = np.random.default_rng(case.seed)
    x = random_u8(rng, case.in_y, case.in_x, case.ch_in)
    weight = random_i8(rng, case.ch_in, case.k_y, case.k_x)
    draw, requant = WIDE.get(form, (random_requant, requant_32))
    k, lam, shift = draw(rng, case.ch_in)
    out = np.zeros((case.out_y, case.out_x, case.ch_in), np.uint8)
    name = f"pulp_depthwise_{form}" if form else "pulp_depthwise"
    runtime.run(cores, name, x, out, weight, k, lam, *shifts(form, shift), ctypes.byref(case.window()))
    acc = np.einsum("yxcij,cij->yxc", case.windows(x), weight.astype(np.int64))
    np.testing.assert_array_equal(out, requant(acc, k, lam, shift))


@pytest.mark.parametrize("form", ["", *WIDE])
@PROPERTY
@given(case=cases(depthwise=True), cores=CORES)
def test_depthwise(runtime: RuntimeLibrary, form: str, case: Case, cores: int) -> None:
    check_depthwise(runtime, form, case, cores)


@pytest.mark.parametrize("form", ["", *WIDE])
@pytest.mark.parametrize("cores", [1, 3, 8])
@pytest.mark.parametrize(
    ("in_y", "in_x", "channels", "k", "stride", "pad"),
    [
        (5, 5, 64, 3, 1, 1), (7, 7, 6, 3, 1, 0), (4, 4, 18, 3, 1, 1), (25, 5, 9, 3, 1, 1), (6, 6, 4, 3, 2, 1),
        (3, 3, 2, 3, 1, 1), (2, 9, 4, 3, 1, 1), (3, 60, 5, 3, 2, 1), (4, 70, 7, 5, 1, 2), (9, 64, 8, 5, 2, 2),
        (8, 8, 11, 5, 1, 0), (12, 12, 5, 7, 1, 3), (11, 30, 6, 9, 1, 4), (13, 13, 4, 10, 1, 2),
        (9, 9, 3, 5, 1, 1), (5, 40, 4, 4, 1, 1), (7, 31, 13, 2, 3, 0),
    ],
)  # fmt: skip
def test_depthwise_shapes(
    *,
    runtime: RuntimeLibrary,
    form: str,
    in_y: int,
    in_x: int,
    channels: int,
    k: int,
    stride: int,
    pad: int,
    cores: int,
) -> None:
    """Tiles as planners make them, rows longer than the kernels' buffers, large windows."""
    case = Case(in_y, in_x, channels, channels, k, k, stride, stride, pad, pad, pad, pad, seed=in_x)
    check_depthwise(runtime, form, case, cores)


@pytest.mark.parametrize("form", WIDE)
@PROPERTY
@given(size=st.tuples(st.integers(1, 300), st.integers(1, 30)), cores=CORES, seed=SEEDS)
def test_linear_64_bits(
    runtime: RuntimeLibrary, form: str, size: tuple[int, int], cores: int, seed: int
) -> None:
    draw, requant = WIDE[form]
    rng, (dim, outputs) = np.random.default_rng(seed), size
    x, weight = random_u8(rng, dim), random_i8(rng, outputs, dim)
    k, lam, shift = draw(rng, outputs)
    out = np.zeros(outputs, np.uint8)
    sizes = ctypes.c_uint32(dim), ctypes.c_uint32(outputs)
    runtime.run(cores, f"pulp_linear_{form}", x, out, weight, k, lam, *shifts(form, shift), *sizes)
    acc = weight.astype(np.int64) @ x.astype(np.int64)
    np.testing.assert_array_equal(out, requant(acc, k, lam, shift))


@pytest.mark.parametrize("form", ["", *WIDE])
@PROPERTY
@given(pixels=st.integers(1, 40), channels=st.integers(1, 25), cores=CORES, seed=SEEDS)
def test_requantize(
    *, runtime: RuntimeLibrary, form: str, pixels: int, channels: int, cores: int, seed: int
) -> None:
    draw, requant = WIDE.get(form, (random_requant, requant_32))
    rng = np.random.default_rng(seed)
    sums = rng.integers(-(2**20), 2**20, (pixels, channels)).astype(np.int32)
    k, lam, shift = draw(rng, channels)
    out = np.zeros(sums.shape, np.uint8)
    name = f"pulp_requantize_{form}" if form else "pulp_requantize"
    sizes = ctypes.c_uint32(pixels), ctypes.c_uint32(channels)
    runtime.run(cores, name, sums, out, k, lam, *shifts(form, shift), *sizes)
    np.testing.assert_array_equal(out, requant(sums.astype(np.int64), k, lam, shift))


@PROPERTY
@given(elements=st.integers(0, 200), cores=CORES, seed=SEEDS)
def test_add(runtime: RuntimeLibrary, elements: int, cores: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, out = random_u8(rng, elements), random_u8(rng, elements), np.zeros(elements, np.uint8)
    (k1, k2), (lam, _), shift = random_requant(rng, 2)
    multipliers = ctypes.c_int32(k1), ctypes.c_int32(k2), ctypes.c_int32(lam)
    runtime.run(cores, "pulp_add", a, b, out, *multipliers, U16(shift), ctypes.c_uint32(elements))
    total = a.astype(np.int64) * int(k1) + b.astype(np.int64) * int(k2) + int(lam)
    np.testing.assert_array_equal(out, clip_u8(wrap32(total) >> shift))


@PROPERTY
@given(case=cases(depthwise=True), cores=CORES)
def test_avgpool(runtime: RuntimeLibrary, case: Case, cores: int) -> None:
    rng = np.random.default_rng(case.seed)
    x = random_u8(rng, case.in_y, case.in_x, case.ch_in)
    (k,), (lam,), shift = random_requant(rng, 1)
    out = np.zeros((case.out_y, case.out_x, case.ch_in), np.uint8)
    requant = ctypes.c_int32(k), ctypes.c_int32(lam), U16(shift)
    runtime.run(cores, "pulp_avgpool", x, out, *requant, ctypes.byref(case.window()))
    total = case.windows(x).sum(axis=(3, 4)) * int(k) + int(lam)
    np.testing.assert_array_equal(out, clip_u8(wrap32(total) >> shift))


@PROPERTY
@given(case=cases(), value=st.integers(0, 255), cores=CORES)
def test_im2col(runtime: RuntimeLibrary, case: Case, value: int, cores: int) -> None:
    x = random_u8(np.random.default_rng(case.seed), case.in_y, case.in_x, case.ch_in)
    windows = case.windows(x, outside=value).transpose(0, 1, 3, 4, 2)
    window = case.window()
    window.ch_out = case.k_y * case.k_x * case.ch_in
    out = np.zeros((case.out_y, case.out_x, window.ch_out), np.uint8)
    runtime.run(cores, "pulp_im2col", x, out, ctypes.byref(window), ctypes.c_uint8(value))
    np.testing.assert_array_equal(out, windows.reshape(out.shape))


@pytest.mark.parametrize("name", ["pulp_maxpool", "pulp_nn_maxpool"])
@PROPERTY
@given(case=cases(depthwise=True), cores=CORES)
def test_maxpool(runtime: RuntimeLibrary, name: str, case: Case, cores: int) -> None:
    x = random_u8(np.random.default_rng(case.seed), case.in_y, case.in_x, case.ch_in)
    before = x.copy()
    out = np.zeros((case.out_y, case.out_x, case.ch_in), np.uint8)
    sizes = case.nn_sizes()
    if name == "pulp_maxpool":
        runtime.run(cores, name, x, out, ctypes.byref(case.window()))
    else:  # one number of channels, behind the input's size
        runtime.run(cores, name, x, out, *sizes[:5], *sizes[6:])
    np.testing.assert_array_equal(out, case.windows(x).max(axis=(3, 4)))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("channels_first", [False, True])
@PROPERTY
@given(
    inner=st.tuples(st.integers(0, 5), st.integers(0, 5)), channels=st.integers(1, 9),
    border=st.tuples(*[st.integers(0, 3)] * 4), value=st.integers(0, 255), cores=CORES, seed=SEEDS,
)  # fmt: skip
def test_pad(
    *, runtime: RuntimeLibrary, channels_first: bool, inner: tuple[int, int], channels: int,
    border: tuple[int, int, int, int], value: int, cores: int, seed: int,
) -> None:  # fmt: skip
    top, bottom, left, right = border
    rows, cols = inner[0] + top + bottom, inner[1] + left + right
    padded = random_u8(np.random.default_rng(seed), rows, cols, channels)
    expected = np.full_like(padded, value)
    kept = np.s_[top : rows - bottom, left : cols - right]
    expected[kept] = padded[kept]
    sizes = ctypes.byref(Border(rows, cols, channels, *border))
    if channels_first:
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))
        runtime.run(cores, "pulp_pad_chw", planes, sizes, ctypes.c_uint8(value))
        padded = planes.transpose(1, 2, 0)
    else:
        runtime.run(cores, "pulp_pad", padded, sizes, ctypes.c_uint8(value))
    np.testing.assert_array_equal(padded, expected)


@PROPERTY
@given(elements=st.integers(0, 200), lo=st.integers(0, 255), hi=st.integers(0, 255), cores=CORES, seed=SEEDS)
def test_clip(*, runtime: RuntimeLibrary, elements: int, lo: int, hi: int, cores: int, seed: int) -> None:
    data = random_u8(np.random.default_rng(seed), elements)
    expected = np.minimum(np.maximum(data, lo), hi)
    bounds = ctypes.c_uint8(lo), ctypes.c_uint8(hi)
    runtime.run(cores, "pulp_clip", data, ctypes.c_uint32(elements), *bounds)
    np.testing.assert_array_equal(data, expected)


@pytest.mark.skipif(bool(EXTRA_FLAGS), reason="this is the run with a sanitizer")
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_all_of_this_file_with_sanitizers(sanitizer: str) -> None:
    """A few examples of each test above: no data race, nothing read or written out of bounds."""
    libraries = [sanitizer_library(name) for name in sanitizer.split(",")]
    environment = {
        "PULP_TEST_CFLAGS": f"-fsanitize={sanitizer} -fno-sanitize-recover=all",
        "PULP_TEST_EXAMPLES": "5",
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "TSAN_OPTIONS": "exitcode=66",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def sanitizer_library(sanitizer: str) -> str:
    """The run-time library, which must be loaded before the interpreter's own libraries."""
    name = {"thread": "libtsan.so", "address": "libasan.so", "undefined": "libubsan.so"}[sanitizer]
    command = ["cc", f"-print-file-name={name}"]
    path = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if path == name:
        pytest.skip(f"the C compiler has no {name}")
    return path


def test_one_kernel_on_more_cores_than_work(runtime: RuntimeLibrary) -> None:
    out = np.zeros(1, np.uint8)
    one = np.ones(1, np.uint8)
    runtime.run(8, "pulp_add", one, one, out, 2, 3, 4, U16(0), 1)
    assert out[0] == 9
