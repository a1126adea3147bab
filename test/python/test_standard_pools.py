"""Pools against the standard's text: every result is the real number's nearest byte, either one at a tie."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import run_model
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.reference import run_reference

SHAPE = (1, 5, 10, 9)
X_SCALE, Y_SCALE, X_ZERO, Y_ZERO = 0.015, 0.012, 97, 110
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dilated": ("MaxPool", {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1]}),
    "part of a window": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1}),
    "last window left out": ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1}),
    "average without padding": ("AveragePool", {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1}),
    "average of what is inside": (
        "AveragePool",
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    ),
    "average that counts padding": (
        "AveragePool",
        {
            "kernel_shape": [3, 4],
            "strides": [2, 3],
            "pads": [1, 1, 1, 1],
            "ceil_mode": 1,
            "count_include_pad": 1,
        },
    ),
}


def pooled(op: str, x: np.ndarray, attributes: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Real numbers in float64, window by window, for an output of `shape`."""
    kernel, pads = attributes["kernel_shape"], attributes.get("pads", [0] * 4)
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    counts_padding = attributes.get("count_include_pad", 0)
    out = np.zeros(shape)
    for i, j in product(range(shape[2]), range(shape[3])):
        inside, count = [], 0
        for a, b in product(range(kernel[0]), range(kernel[1])):
            row, column = (i * strides[0] + a * dilations[0], j * strides[1] + b * dilations[1])
            row, column = row - pads[0], column - pads[1]
            if 0 <= row < SHAPE[2] and 0 <= column < SHAPE[3]:
                inside.append(x[:, :, row, column])
                count += 1
            elif counts_padding:
                count += -pads[0] <= row < SHAPE[2] + pads[2] and -pads[1] <= column < SHAPE[3] + pads[3]
        out[:, :, i, j] = np.max(inside, axis=0) if op == "MaxPool" else np.sum(inside, axis=0) / count
    return out


def network(op: str, attributes: dict[str, Any], y_scale: float) -> onnx.ModelProto:
    constants = {
        "x_scale": np.array(X_SCALE, np.float32),
        "y_scale": np.array(y_scale, np.float32),
        "x_zero": np.array(X_ZERO, np.uint8),
        "y_zero": np.array(Y_ZERO, np.uint8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["a"]),
        helper.make_node(op, ["a"], ["r"], **attributes),
        helper.make_node("QuantizeLinear", ["r", "y_scale", "y_zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.parametrize("y_scale", [X_SCALE, Y_SCALE])
@pytest.mark.parametrize("name", CASES)
def test_pool(name: str, y_scale: float, tmp_path: Path) -> None:
    op, attributes = CASES[name]
    model = network(op, attributes, y_scale)
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    (theirs,) = run_model(model, {"x": x})
    ((ours,),) = run_reference(legalize(prepare(*load_onnx(tmp_path / "model.onnx"))), [{"x": x}])
    assert ours.shape == theirs.shape
    scale, wanted_scale = np.float32(X_SCALE), np.float32(y_scale)
    real = pooled(op, (x - np.float64(X_ZERO)) * np.float64(scale), attributes, theirs.shape)
    units = np.clip(real / np.float64(wanted_scale) + Y_ZERO, 0, 255)
    assert np.abs(ours - units).max() < 0.5 + 1e-4
    assert np.abs(theirs - units).max() < 0.5 + 1e-4
