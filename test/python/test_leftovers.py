"""Quantized operators that no rule takes give what onnxruntime gives, to the last byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.api import compile_model
from tvm_pulp.codegen.graph import LayerKind
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
    "resize with ceil": (
        helper.make_node(
            "Resize",
            ["a", "", "factors"],
            ["r"],
            coordinate_transformation_mode="asymmetric",
            nearest_mode="ceil",
        ),
        None,
    ),
    "nearest neighbours of odd sizes": (helper.make_node("Resize", ["a", "", "", "sizes"], ["r"]), None),
    "from the end": (helper.make_node("Gather", ["a", "indices"], ["r"], axis=-2), None),
    "sum over axes of an input": (helper.make_node("ReduceSum", ["a", "last"], ["r"], keepdims=0), None),
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
        "sizes": np.array([1, 5, 13, 4]),
        "indices": np.array([-9, -1, 3]),
        "axes": np.array([-1, 2]),
        "last": np.array([-1]),
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
    check_equal(network(*CASES[name], dtype), tmp_path)


@pytest.mark.parametrize(("operand", "value"), [("factors", [1, 1, 2, 3]), ("sizes", [1, 5, 13, 4])])
def test_interpolation_is_off_by_ties_alone(operand: str, value: list[int], tmp_path: Path) -> None:
    inputs = ["a", "", "c"] if operand == "factors" else ["a", "", "", "sizes"]
    node = helper.make_node("Resize", inputs, ["r"], name="up", mode="linear")
    check_equal(network(node, np.array(value), np.uint8), tmp_path, units=1)


def check_equal(model: onnx.ModelProto, folder: Path, units: int = 0) -> tvm.IRModule:
    """The legalized module, once its bytes are onnxruntime's, give or take `units` of y."""
    onnx.save(model, folder / "model.onnx")
    x = np.random.default_rng(1).uniform(-1, 2, SHAPE).astype(np.float32)
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    mod = legalize(prepare(*load_onnx(folder / "model.onnx")))
    ((ours,),) = run_reference(mod, [{"x": x}])
    wanted = session.run(None, {"x": x})[0]
    assert ours.shape == wanted.shape
    assert np.rint(np.abs(ours - wanted) / 0.05).max() <= units
    assert len(np.unique(ours)) > 2
    assert region_graphs(mod, "net")
    return mod


def test_operator_that_tvm_computes_between_layers_is_not_called_offloaded(tmp_path: Path) -> None:
    node, _ = CASES["product from the left"]
    onnx.save(network(node, None, np.uint8), tmp_path / "model.onnx")
    report = read_report(compile_model(tmp_path / "model.onnx", tmp_path / "model.tar"))
    (product,) = report.operators
    assert (product.op_type, product.offloaded, product.layer) == ("MatMul", False, None)
    assert (product.reason, product.macs) == ("it works on float32, the kernels on uint8", 5 * 6 * 9 * 7)
    assert {layer.kind for region in report.regions for layer in region.layers} == {"quantize", "dequantize"}


REFUSED = {
    "factors that make no whole size": (
        helper.make_node("Resize", ["a", "", "c"], ["r"], name="up", mode="linear"),
        np.array([1, 1, 1.5, 2], np.float32),
        r"up: its factors \[1.0, 1.0, 1.5, 2.0\] make no whole sizes of \[1, 5, 9, 7\]; give it sizes",
    ),
    "border that wraps": (
        helper.make_node("Pad", ["a", "pads"], ["r"], name="border", mode="wrap"),
        None,
        "border: TVM 0.19 can't pad with mode wrap; use another mode",
    ),
    "axes of the run": (
        helper.make_node("ReduceSum", ["a", "where"], ["r"], name="sum"),
        None,
        "sum: its axes are computed at run time; make them a constant",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_tvm_gets_wrong_is_refused(name: str, tmp_path: Path) -> None:
    node, constant, message = REFUSED[name]
    model = network(node, constant, np.uint8)
    model.graph.input.append(helper.make_tensor_value_info("where", TensorProto.INT64, [1]))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=message):
        load_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("op_type", ["ReduceMean", "ReduceMax", "ReduceL2"])
def test_axes_of_opset_18(op_type: str, tmp_path: Path) -> None:
    """All of them count, not only the first."""
    model = network(helper.make_node(op_type, ["a", "axes"], ["r"]), None, np.uint8)
    model.opset_import[0].version = 18
    check_equal(model, tmp_path)


def test_border_of_chosen_axes(tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["a", "widths", "", "axes"], ["r"])
    model = network(node, None, np.uint8)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 0, 3]), "widths"))
    model.opset_import[0].version = 18
    check_equal(model, tmp_path)


def test_bytes_padded_with_the_edge_before_a_convolution_are_no_constant_border(tmp_path: Path) -> None:
    """The user's own layout is the kernels', and his border looks like theirs."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "zero"], ["bytes"]),
        helper.make_node("Pad", ["bytes", "pads"], ["padded"], mode="edge"),
        helper.make_node("DequantizeLinear", ["padded", "x_scale", "zero"], ["a"]),
        helper.make_node("Transpose", ["a"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w"], axis=0),
        helper.make_node("Conv", ["turned", "w"], ["r"]),
        *quantized("r", "y", "y_scale"),
    ]
    constants = {
        "zero": np.array(3, np.uint8),
        "x_scale": np.array(0.01, np.float32),
        "y_scale": np.array(0.05, np.float32),
        "pads": np.array([0, 1, 1, 0, 0, 1, 1, 0]),
        "w_q": RNG.integers(-127, 128, (4, 7, 3, 3)).astype(np.int8),
        "w_scale": RNG.uniform(0.001, 0.004, 4).astype(np.float32),
        "w_zero": np.zeros(4, np.int8),
    }
    graph = helper.make_graph(
        nodes,
        "edge",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    mod = check_equal(model, tmp_path, units=1)
    kinds = [layer.kind for region in region_graphs(mod, "net") for layer in region.layers]
    assert LayerKind.CONV2D in kinds
