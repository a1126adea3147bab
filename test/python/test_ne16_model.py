"""The functional model of NE16, through its API, against NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from harness import c_compiler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ne16_library import Convolution, Ne16Library
from tvm_pulp.codegen.engines.ne16.weights import pack_weights, packed_bytes

pytestmark = pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
MANY = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Ne16Library:
    return Ne16Library(tmp_path_factory.mktemp("ne16"))


def sums(conv: Convolution) -> npt.NDArray[np.int64]:
    top, bottom, left, right = conv.pads
    padded = np.pad(conv.x.astype(np.int64), ((top, bottom), (left, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (conv.kernel, conv.kernel), axis=(0, 1))
    windows = windows[:: conv.stride, :: conv.stride]  # y, x, channel, kernel row, kernel column
    weights = conv.weights.astype(np.int64)
    return np.einsum("yxcij,cij->yxc" if conv.depthwise else "yxcij,oijc->yxo", windows, weights)


def expected(conv: Convolution) -> npt.NDArray[np.int64]:
    """The product wraps at 32 bits, adding the bias saturates, the shift floors."""
    result = sums(conv)
    if conv.scale is None:
        return result
    wrapped = (result * conv.scale).astype(np.uint32).astype(np.int32).astype(np.int64)
    biased = np.clip(wrapped + (0 if conv.bias is None else conv.bias), -(2**31), 2**31 - 1)
    return np.clip(biased >> conv.shift, *((0, 255) if conv.relu else (-128, 127)))


def convolution(
    size: tuple[int, int],
    channels: tuple[int, int],
    *,
    kernel: int = 3,
    stride: int = 1,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    depthwise: bool = False,
    seed: int = 0,
) -> Convolution:
    """Uniform inputs and weights; scales of 32 bits that spread the outputs."""
    rng = np.random.default_rng(seed)
    ci, co = channels
    x = rng.integers(0, 256, (*size, ci), np.uint8)
    weights = rng.integers(-128, 128, (co, kernel, kernel) + (() if depthwise else (ci,)), np.int8)
    scale = rng.integers(300, 3000, co)
    bias = rng.integers(-(1 << 20), 1 << 20, co)
    shift = int(np.log2(3000 * kernel * 128 * 74 * (1 if depthwise else ci) ** 0.5 / 128))
    return Convolution(x, weights, stride, pads, scale, bias, shift)


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    kernel = draw(st.sampled_from([1, 3, 3]))
    depthwise = kernel == 3 and draw(st.booleans())
    stride = draw(st.sampled_from([1, 2])) if kernel == 3 else 1
    pads = tuple(draw(st.integers(0, 1)) for _ in range(4)) if kernel == 3 else (0, 0, 0, 0)
    least = kernel if stride == 1 else kernel + 1
    h, w = draw(st.integers(least, 15)), draw(st.integers(least, 15))
    ci = draw(st.integers(1, 50))
    co = ci if depthwise else draw(st.integers(1, 70))
    if stride == 2:  # an odd number of output channels has no half of a stride
        co += co % 2
        ci = co if depthwise else ci
    conv = convolution(
        (h, w),
        (ci, co),
        kernel=kernel,
        stride=stride,
        pads=pads,
        depthwise=depthwise,
        seed=draw(st.integers(0, 99)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    match draw(st.sampled_from(["32 bits", "8 bits", "wraps", "no bias", "signed", "sums"])):
        case "8 bits":
            return replace(conv, scale=rng.integers(0, 256, co), shift=conv.shift - 4)
        case "wraps":
            return replace(conv, scale=rng.integers(0, 2**32, co), bias=rng.integers(-(2**31), 2**31, co))
        case "no bias":
            return replace(conv, bias=None)
        case "signed":
            return replace(conv, relu=False)
        case "sums":
            return conv if stride == 2 else replace(conv, scale=None, bias=None)
    return conv


@MANY
@given(conv=convolutions())
def test_a_convolution(library: Ne16Library, conv: Convolution) -> None:
    np.testing.assert_array_equal(library.run(conv), expected(conv))


@pytest.mark.parametrize("late", ["late", "early"])
def test_several_tasks_in_the_queue(library: Ne16Library, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    monkeypatch.setenv("PULP_NE16", late)
    conv = convolution((11, 9), (20, 34), stride=2, pads=(1, 1, 1, 1))
    np.testing.assert_array_equal(library.run(conv), expected(conv))


def test_outputs_are_spread() -> None:
    """The cases above compare more than zeros."""
    values = expected(convolution((9, 9), (40, 40)))
    assert 0.2 < np.mean((values > 0) & (values < 255)) < 1


def test_layout_of_weights() -> None:
    """Bit b of the 16 channels of a kernel element are two bytes; channels that aren't there are 0."""
    weights = np.zeros((2, 1, 1, 17), np.int8)
    weights[1, 0, 0, 16] = -127  # stored as 1
    packed = np.frombuffer(pack_weights(weights), np.uint8).reshape(2, 2, 8, 2)
    assert packed[1, 1].tolist() == [[1, 0], *[[0, 0]] * 7]
    assert packed[0, 0].tolist() == [*[[0, 0]] * 7, [255, 255]]  # 0 is stored as 128
    assert packed[0, 1].tolist() == [*[[0, 0]] * 7, [1, 0]]


@pytest.mark.parametrize(
    ("shape", "depthwise", "size"),
    [((8, 3, 3, 20), False, 8 * 2 * 8 * 18), ((5, 1, 1, 16), False, 5 * 8 * 2), ((33, 3, 3), True, 3 * 8 * 18)],
)
def test_size_of_weights(shape: tuple[int, ...], depthwise: bool, size: int) -> None:
    assert packed_bytes(shape, depthwise) == size
    assert len(pack_weights(np.ones(shape, np.int8), depthwise)) == size
