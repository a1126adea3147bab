"""The cost model of the XpulpV2 kernels against what GVSoC measured of them, data in L1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from tvm_pulp.codegen.cost.arrays import Tiles
from tvm_pulp.codegen.cost.measured import DEPTHWISE, ELEMENTS, LINEAR, MATRIX, STRIPS
from tvm_pulp.codegen.cost.xpulpv2 import (
    Calls,
    Form,
    depthwise_cycles,
    element_cycles,
    linear_cycles,
    matrix_cycles,
)
from tvm_pulp.codegen.graph import Window

WITHIN = 0.05


def calls(
    shape: tuple[int, int, int, int], window: Window, pad: int = 0, cores: int = 8, form: Form | None = None
) -> Calls:
    """An input of `height x width x channels`, and the output's channels."""
    height, width, c_in, c_out = shape

    def column(value: int) -> npt.NDArray[np.int64]:
        return np.array([value])

    tiles = Tiles(
        y_h=column((height + 2 * pad - window.kernel_h) // window.stride_h + 1),
        y_w=column((width + 2 * pad - window.kernel_w) // window.stride_w + 1),
        y_c=column(c_out),
        x_h=column(height),
        x_w=column(width),
        x_c=column(c_in),
        x_beside=column(0),
    )
    return Calls(cores, window, tiles, form or Form())


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "cores", "measured"),
    [
        ((16, 16, 64, 64), 1, 1, 0, 8, 66_092),
        ((16, 16, 64, 64), 1, 1, 0, 1, 507_574),
        ((8, 8, 512, 16), 1, 1, 0, 8, 26_871),
        ((25, 5, 64, 64), 1, 1, 0, 8, 34_165),
        ((16, 16, 32, 32), 3, 1, 1, 8, 124_404),
        ((16, 16, 16, 32), 3, 2, 1, 8, 21_580),
        ((34, 34, 3, 32), 3, 2, 0, 8, 21_242),
    ],
)
def test_matrix_products(
    *, shape: tuple[int, int, int, int], kernel: int, stride: int, pad: int, cores: int, measured: int
) -> None:
    window = Window(kernel, kernel, stride, stride)
    assert matrix_cycles(MATRIX, calls(shape, window, pad, cores))[0] == pytest.approx(measured, rel=WITHIN)


@pytest.mark.parametrize(
    ("form", "measured"), [(Form(), 41_097), (Form(split=True), 51_879), (Form(wide=True), 79_623)]
)
def test_64_bits_cost_outputs_and_no_products(form: Form, measured: int) -> None:
    cycles = matrix_cycles(MATRIX, calls((16, 16, 32, 64), Window(), form=form))[0]
    assert cycles == pytest.approx(measured, rel=WITHIN)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "cores", "measured"),
    [
        ((16, 16, 32, 32), 3, 1, 1, 8, 12_882),
        ((16, 16, 32, 32), 3, 1, 1, 1, 94_682),
        ((8, 8, 128, 128), 3, 1, 1, 8, 14_163),
        ((34, 34, 16, 16), 3, 2, 0, 8, 8_563),
        ((8, 8, 52, 52), 3, 1, 1, 8, 7_393),
        ((4, 4, 344, 344), 3, 1, 1, 8, 12_396),
        ((16, 16, 52, 52), 3, 2, 1, 8, 8_294),
        ((5, 2, 64, 64), 3, 1, 1, 8, 16_545),
        ((2, 18, 32, 32), 3, 1, 1, 8, 9_119),
        ((16, 16, 32, 32), 5, 1, 2, 8, 49_939),
    ],
)
def test_depthwise(
    *, shape: tuple[int, int, int, int], kernel: int, stride: int, pad: int, cores: int, measured: int
) -> None:
    window = Window(kernel, kernel, stride, stride)
    cycles = depthwise_cycles(DEPTHWISE, STRIPS, calls(shape, window, pad, cores))[0]
    assert cycles == pytest.approx(measured, rel=WITHIN)


def test_add_and_linear() -> None:
    add = element_cycles(ELEMENTS["pulp_add"], calls((8, 8, 64, 64), Window()))[0]
    assert add == pytest.approx(4_454, rel=WITHIN)
    linear = linear_cycles(LINEAR, calls((1, 1, 640, 64), Window()), 640)[0]
    assert linear == pytest.approx(3_305, rel=WITHIN)
