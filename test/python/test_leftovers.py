"""Quantized operators that no rule takes give what onnxruntime gives, to the last byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.api import compile_model
from tvm_pulp.errors import ModelError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare, region_graphs
from tvm_pulp.reference import run_reference
from tvm_pulp.report import read_report

SHAPE = (1, 5, 9, 7)
RNG = np.random.default_rng(0)
PADS = np.array([0, 0, 1, 1, 0, 0, 2, 1])
CASES = {
    "sum with floats": (
        helper.make_node("Add", ["a", "c"], ["r"]),
        RNG.uniform(0.5, 2, (1, 5, 1, 1)),
    ),
    "sum with a row": (helper.make_node("Add", ["a", "c"], ["r"]), RNG.uniform(0.5, 2, 7)),
    "quotient": (helper.make_node("Div", ["a", "c"], ["r"]), RNG.uniform(0.5, 2, (9, 7))),
    "mean over channels": (helper.make_node("ReduceMean", ["a"], ["r"], axes=[1]), None),
    "padding that is no byte": (helper.make_node("Pad", ["a", "pads", "c"], ["r"]), np.array(0.503)),
    "padding with the edge": (helper.make_node("Pad", ["a", "pads"], ["r"], mode="edge"), None),
    "product from the left": (helper.make_node("MatMul", ["w", "a"], ["r"]), None),
}


def quantized(source: str, target: str, scale: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [source, scale, "zero"], [f"{target}_q"]),
        helper.make_node("DequantizeLinear", [f"{target}_q", scale, "zero"], [target]),
    ]


def network(node: onnx.NodeProto, constant: np.ndarray | None, dtype: type) -> onnx.ModelProto:
    """x -> QDQ -> the operator -> QDQ -> y; a constant is float32, weights `w` are int8 with a scale a row."""
    constants = {
        "zero": np.array(3, dtype),
        "x_scale": np.array(0.01, np.float32),
        "y_scale": np.array(0.05, np.float32),
        "pads": PADS,
        "factors": np.array([1, 1, 2, 2], np.float32),
        "w_q": RNG.integers(-127, 128, (1, 5, 6, 9)).astype(np.int8),
        "w_scale": RNG.uniform(0.001, 0.01, 6).astype(np.float32),
        "w_zero": np.zeros(6, np.int8),
    }
    if constant is not None:
        constants["c"] = constant.astype(np.float32)
    weights = helper.make_node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w"], axis=2)
    nodes = [*quantized("x", "a", "x_scale"), weights, node, *quantized("r", "y", "y_scale")]
    graph = helper.make_graph(
        nodes,
        "leftover",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("name", CASES)
def test_operator_stays_as_the_file_has_it(name: str, dtype: type, tmp_path: Path) -> None:
    model = network(*CASES[name], dtype)
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(1).uniform(-1, 2, SHAPE).astype(np.float32)
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    mod = legalize(prepare(*load_onnx(tmp_path / "model.onnx")))
    ((ours,),) = run_reference(mod, [{"x": x}])
    assert np.array_equal(ours, session.run(None, {"x": x})[0])
    assert len(np.unique(ours)) > 2
    assert region_graphs(mod, "net")


def test_operator_that_tvm_computes_between_layers_is_not_called_offloaded(tmp_path: Path) -> None:
    node, _ = CASES["product from the left"]
    onnx.save(network(node, None, np.uint8), tmp_path / "model.onnx")
    report = read_report(compile_model(tmp_path / "model.onnx", tmp_path / "model.tar"))
    (product,) = report.operators
    assert (product.op_type, product.offloaded, product.layer) == ("MatMul", False, None)
    assert (product.reason, product.macs) == ("it works on float32, the kernels on uint8", 5 * 6 * 9 * 7)
    assert {layer.kind for region in report.regions for layer in region.layers} == {"quantize", "dequantize"}


def test_enlargement_that_tvm_gets_wrong_is_refused(tmp_path: Path) -> None:
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"}
    node = helper.make_node("Resize", ["a", "", "factors"], ["r"], name="up", mode="nearest", **attributes)
    onnx.save(network(node, None, np.uint8), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"up: TVM 0\.19 takes other pixels than asymmetric"):
        legalize(prepare(*load_onnx(tmp_path / "model.onnx")))
