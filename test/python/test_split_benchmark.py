"""The benchmark that compares whole layers with divided ones, and its networks for engines that only shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import power_of_two
import pytest
from onnx import numpy_helper
from split import LARGE_L2, Layer, Outcome, page, soc_file
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine

LAYER = Layer("l3_conv", 9_810, 8_556, "diana_digital 12 rows + diana_analog 20 rows")
DIVIDED = Outcome("diana", "resnet20", "ternary", 1_200_000, 1_188_000, 200_000, 188_000, (LAYER,))
WHOLE = Outcome("darkside", "resnet20", "8 bits, any scale", 2_000_000, 2_000_000, 0, 0, ())


def test_page() -> None:
    lines = page([DIVIDED, WHOLE]).splitlines()
    assert "| diana | ResNet-20 | ternary | 1,200,000 | 1,188,000 | 1.0 % | 6.0 % | 1 |" in lines
    assert "| darkside | ResNet-20 | 8 bits, any scale | 2,000,000 | 2,000,000 | 0.0 % | – | 0 |" in lines
    assert "| `l3_conv` | 9,810 | 8,556 | diana_digital 12 rows + diana_analog 20 rows |" in lines
    assert [line for line in lines if line.startswith("## ")] == ["## ResNet-20 on diana, ternary"]


@pytest.mark.parametrize("soc", ["diana", "darkside"])
def test_only_l2_is_larger(soc: str, tmp_path: Path) -> None:
    larger, own = (load_machine(PulpOptions(soc=str(name))) for name in (soc_file(soc, tmp_path), soc))
    assert larger.l2_bytes > LARGE_L2 // 2 > own.l2_bytes
    assert (larger.engines, larger.l1_bytes, larger.cluster) == (own.engines, own.l1_bytes, own.cluster)


@pytest.mark.parametrize("ternary", [False, True])
def test_scales_are_powers_of_two(*, ternary: bool) -> None:
    model = power_of_two.quantized("ic", ternary=ternary)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    scales = [constants[node.input[1]] for node in model.graph.node if node.op_type.endswith("Linear")]
    assert {float(np.frexp(scale)[0]) for scale in scales} == {0.5}
    weights = [values for values in constants.values() if values.dtype == np.int8 and values.ndim]
    assert {int(np.abs(values).max()) for values in weights} <= ({1} if ternary else set(range(64, 128)))
    clips = [node for node in model.graph.node if node.op_type == "Clip"]
    bounds = [(constants[node.input[1]], constants[node.input[2]]) for node in clips]
    assert len(clips) == (14 if ternary else 0)
    assert all(np.frexp((high - low) / 63)[0] == 0.5 for low, high in bounds)
