"""The byte of every float32: bounds, their integers, the kernel's estimate; against the legalized module."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt
import pytest
import tvm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from runtime_library import RuntimeLibrary
from tvm import relay
from tvm_pulp.codegen.quantizer import (
    BOUNDS,
    NO_SCALING,
    SEARCH,
    Estimator,
    Scaling,
    bounds_of,
    estimator_of,
    float_of,
    key_of,
    scaling_of,
    sortable_bounds,
)
from tvm_pulp.passes.lower_quantize import LowerQuantize
from tvm_pulp.passes.patterns.quantize import quantized
from tvm_pulp.reference import run_reference

Floats = npt.NDArray[np.float32]
SCALES = st.floats(2.0**-40, 2.0**40, width=32) | st.floats(2.0**-125, 2.0**125, width=32)
ZERO_POINTS = st.integers(0, 255)
SPECIAL = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38])
NAN_BITS = np.uint32([0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF]).view(np.float32)


def quantizer(scale: float, zero_point: int) -> Floats:
    factor = np.float32(1) / np.float32(scale)
    return bounds_of(lambda x: quantized(x, factor, np.float32(zero_point)))


def beside(bounds: Floats) -> Floats:
    """The bounds and the floats next to them, what is special, and any others."""
    keys = key_of(bounds)
    anything = np.random.default_rng(0).integers(0, 2**32, 2000, np.uint32).view(np.float32)
    return np.concatenate([bounds, float_of(keys - 1), float_of(keys + 1), SPECIAL, NAN_BITS, anything])


def test_keys_sort_as_floats_do() -> None:
    floats = np.float32([-np.inf, -3.4e38, -1, -1e-45, -0.0, 0.0, 1e-45, 1, 3.4e38, np.inf])
    keys = key_of(floats)
    assert (np.diff(keys) > 0).all()
    assert keys[4:6].tolist() == [-1, 0]
    np.testing.assert_array_equal(float_of(keys).view(np.int32), floats.view(np.int32))


def test_bounds_of_a_unit_scale() -> None:
    bounds = quantizer(1.0, 0)
    np.testing.assert_array_equal(bounds, np.arange(BOUNDS) + np.float32(0.5))
    assert sortable_bounds(bounds)[[0, -2, -1]].tolist() == [0x3EFFFFFF, 0x437E7FFF, 0x7FFFFFFF]


@given(st.floats(2.0**-40, 2.0**40, width=32) | st.floats(2.0**-125, 2.0**119, width=32), ZERO_POINTS)
@example(1.0, 255)
@example(2.0**-125, 0)
def test_an_even_quantizer_has_an_estimator(scale: float, zero_point: int) -> None:
    bounds = quantizer(scale, zero_point)
    estimator = estimator_of(bounds)
    assert estimator != SEARCH
    floats = beside(bounds)
    keys = key_of(floats[~np.isnan(floats)])
    byte = (keys[:, np.newaxis] > sortable_bounds(bounds)).sum(axis=1)
    assert np.isin(byte - estimator.bytes_of(keys), (0, 1)).all()


def test_bounds_beyond_all_floats_are_searched() -> None:
    assert np.isinf(quantizer(2.0**124, 0)[-1])
    assert estimator_of(quantizer(2.0**124, 0)) == SEARCH


def test_a_wrong_estimator_is_found_out() -> None:
    bounds = quantizer(0.1, 7)
    right = estimator_of(bounds)
    assert right.is_right(bounds)
    assert not Estimator(right.multiplier, right.exponent, right.offset + 128).is_right(bounds)
    assert not Estimator(right.multiplier - 200, right.exponent, right.offset).is_right(bounds)
    assert estimator_of(np.sort(np.random.default_rng(1).normal(size=BOUNDS)).astype(np.float32)) == SEARCH


@given(st.floats(2.0**-40, 2.0**40, width=32) | st.floats(2.0**-125, 2.0**119, width=32), ZERO_POINTS)
@example(1.0, 255)
@example(2.0**-125, 0)
def test_an_even_quantizer_is_a_scaling(scale: float, zero_point: int) -> None:
    bounds = quantizer(scale, zero_point)
    scaling = scaling_of(bounds)
    assert scaling != NO_SCALING
    floats = beside(bounds)
    numbers = floats[~np.isnan(floats)]
    byte = (key_of(numbers)[:, np.newaxis] > sortable_bounds(bounds)).sum(axis=1)
    np.testing.assert_array_equal(scaling.bytes_of(numbers), byte)


def test_a_wrong_scaling_is_found_out() -> None:
    bounds = quantizer(0.1, 7)
    right = scaling_of(bounds)
    assert right == Scaling(np.float32(10), 7)
    assert right.is_right(bounds)
    assert not Scaling(np.float32(10), 8).is_right(bounds)
    assert not Scaling(np.nextafter(np.float32(10), np.float32(11)), 7).is_right(bounds)
    uneven = bounds.copy()
    uneven[100] = np.nextafter(uneven[100], np.float32(-100))
    assert scaling_of(uneven) == NO_SCALING
    assert scaling_of(quantizer(2.0**124, 0)) == NO_SCALING


class _Estimator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("multiplier", "exponent", "offset")]


class _Scaling(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("factor", "zero_point")]


@pytest.fixture(scope="module", params=["portable", "xpulpv2"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RuntimeLibrary:
    return RuntimeLibrary(tmp_path_factory.mktemp("runtime"), request.param)


def run_kernel(
    runtime: RuntimeLibrary, floats: Floats, bounds: Floats, estimator: Estimator, planes: int = 1
) -> npt.NDArray[np.uint8]:
    out, elements = np.zeros(floats.size, np.uint8), ctypes.c_uint32(floats.size // planes)
    table = sortable_bounds(bounds).astype(np.int32)
    fields = _Estimator(estimator.multiplier, estimator.exponent, estimator.offset)
    scaling = scaling_of(bounds)
    scaling_fields = _Scaling(scaling.factor_bits, scaling.zero_point)
    arguments = (ctypes.byref(fields), ctypes.byref(scaling_fields), ctypes.c_uint32(planes), elements)
    runtime.run(3, "pulp_quantize", floats.view(np.int32), out, table, *arguments)
    return out


@settings(max_examples=30, deadline=None)
@given(SCALES, ZERO_POINTS, st.booleans())
def test_the_kernel_is_the_legalized_module(
    runtime: RuntimeLibrary, scale: float, zero_point: int, search: bool
) -> None:
    """Every float beside a bound, infinities, NaNs, denormals, both zeros, on LLVM and in the kernel."""
    bounds = quantizer(scale, zero_point)
    floats = beside(bounds)
    x = relay.var("x", shape=(1, floats.size), dtype="float32")
    quantize = relay.qnn.op.quantize(
        x, relay.const(np.float32(scale)), relay.const(zero_point, "int32"), out_dtype="uint8"
    )
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(quantize))
    [[expected]] = run_reference(LowerQuantize()(mod), [{"x": floats.reshape(1, -1)}])
    actual = run_kernel(runtime, floats, bounds, SEARCH if search else estimator_of(bounds))
    np.testing.assert_array_equal(actual, expected[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 70), st.integers(0, 999))
def test_planes_become_pixels(runtime: RuntimeLibrary, planes: int, elements: int, seed: int) -> None:
    bounds = quantizer(0.5, 100)
    floats = np.random.default_rng(seed).uniform(-80, 100, (planes, elements)).astype(np.float32)
    pixels = run_kernel(runtime, np.ascontiguousarray(floats.T).ravel(), bounds, estimator_of(bounds))
    actual = run_kernel(runtime, floats.ravel(), bounds, estimator_of(bounds), planes)
    np.testing.assert_array_equal(actual, pixels)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300), st.integers(1, 8), st.integers(0, 999))
def test_dequantize(runtime: RuntimeLibrary, elements: int, cores: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, table = rng.integers(0, 256, elements, np.uint8), rng.normal(size=256).astype(np.float32)
    out = np.zeros(elements, np.float32)
    runtime.run(cores, "pulp_dequantize", x, out, table, elements)
    np.testing.assert_array_equal(out, table[x])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(0, 999))
def test_transpose(runtime: RuntimeLibrary, rows: int, cols: int, cores: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, 256, (rows, cols), np.uint8)
    out = np.zeros((cols, rows), np.uint8)
    runtime.run(cores, "pulp_transpose", x, out, rows, cols)
    np.testing.assert_array_equal(out, x.T)
