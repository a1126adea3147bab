"""Single ONNX operators that the drawn models don't hold: the C is exact and within a unit of onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from layers import ENDS
from onnx import TensorProto, helper
from onnx_writer import IR_VERSION, OPSET, Encoding, Writer
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.api import compile_model
from tvm_pulp.options import PulpOptions
from tvm_pulp.report import CompilationReport, report_from_json
from tvm_pulp.runner import run_package

SCALE, ZERO_POINT = np.float32(0.05), 120
MAP = (1, 6, 7, 8)


@dataclass(frozen=True)
class Case:
    """One operator on an input of `shape`; `weights` are int8 of that shape, other operands `constants`.

    `kinds` are the layers it becomes; `refused` the reason if it is left to TVM. A `real` result stays float.
    """

    op: str
    shape: tuple[int, ...] = MAP
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    constants: tuple[np.ndarray, ...] = ()
    outputs: int = 1
    kinds: tuple[str, ...] = ()
    refused: str = ""
    real: bool = False

    def model(self) -> onnx.ModelProto:
        writer = Writer()
        encoding = writer.encoding("tensor", Encoding(np.array(SCALE), np.array(ZERO_POINT, np.uint8)))
        inputs = [writer.quantize("input", "input", encoding)]
        if self.weights:
            inputs.append(self._weights(writer))
        inputs += [writer.constant(f"constant{index}", value) for index, value in enumerate(self.constants)]
        names = [f"result{index}" for index in range(self.outputs)]
        writer.nodes.append(helper.make_node(self.op, inputs, names, name="operator", **self.attributes))
        outputs = (
            names
            if self.real
            else [writer.quantize(name, name, encoding, f"output{index}") for index, name in enumerate(names)]
        )
        element = TensorProto.INT64 if self.op == "ArgMax" else TensorProto.FLOAT
        graph = helper.make_graph(
            writer.nodes,
            "operator",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(name, element, None) for name in outputs],
            list(writer.initializers.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _weights(self, writer: Writer) -> str:
        rng, channels = np.random.default_rng(3), self.weights[0]
        values = rng.integers(-127, 128, self.weights).astype(np.int8)
        scale = rng.uniform(0.01, 0.03, channels) / np.sqrt(np.prod(self.weights[1:]))
        encoding = Encoding(scale.astype(np.float32), np.zeros(channels, np.int8), 0)
        return writer.dequantized_constant("weights", "weights_real", values, encoding)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


RAMP = np.linspace(-1, 2, 6, dtype=np.float32).reshape(6, 1, 1)
CEIL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
CASES = {
    "conv1d": Case("Conv", (1, 6, 20), {"pads": [1, 2], "strides": [2]}, (5, 6, 3), kinds=("conv2d",)),
    "dilated conv1d": Case(
        "Conv", (1, 6, 20), {"pads": [4, 4], "dilations": [4]}, (5, 6, 3), kinds=("conv_direct",)
    ),
    "depthwise conv1d": Case("Conv", (1, 6, 20), {"group": 6}, (6, 1, 3), kinds=("depthwise",)),
    "two groups": Case(
        "Conv", (1, 8, 7, 9), {"group": 2, "pads": [1, 1, 1, 1]}, (6, 4, 3, 3), kinds=("conv2d", "conv2d")
    ),
    "two pointwise groups": Case(
        "Conv", (1, 8, 7, 9), {"group": 2}, (6, 4, 1, 1), kinds=("pointwise", "pointwise")
    ),
    "two channels for one": Case("Conv", MAP, {"group": 6}, (12, 1, 3, 3), kinds=("conv_direct",)),
    "several rows": Case("Gemm", (3, 8), {"transB": 1}, (5, 8), kinds=("pointwise",)),
    "conv to float": Case(
        "Conv",
        MAP,
        {"pads": [1, 1, 1, 1]},
        (5, 6, 3, 3),
        (RAMP[:5].ravel(),),
        kinds=("conv_direct",),
        real=True,
    ),
    "conv1d to float": Case("Conv", (1, 6, 20), {"strides": [2]}, (5, 6, 3), kinds=("conv_direct",), real=True),
    "depthwise to float": Case("Conv", MAP, {"group": 6}, (6, 1, 3, 3), kinds=("conv_direct",), real=True),
    "gemm to float": Case(
        "Gemm", (1, 37), {"transB": 1}, (6, 37), (RAMP.ravel(),), kinds=("linear",), real=True
    ),
    "several rows to float": Case("Gemm", (3, 8), {"transB": 1}, (5, 8), kinds=("conv_direct",), real=True),
    "max_pool1d": Case("MaxPool", (1, 6, 20), {"kernel_shape": [3]}, kinds=("maxpool",)),
    "avg_pool1d": Case("AveragePool", (1, 6, 20), {"kernel_shape": [3], "pads": [1, 1]}, kinds=("avgpool",)),
    "ceil_mode with padding": Case("AveragePool", attributes=CEIL, kinds=("avgpool",)),
    "mean of a map": Case("ReduceMean", attributes={"axes": [2, 3], "keepdims": 0}, kinds=("avgpool",)),
    "factor per channel": Case("Mul", constants=(RAMP,), kinds=("depthwise",)),
    "factor": Case("Mul", constants=(np.array(0.3, np.float32),), kinds=("table",)),
    "elu": Case("Elu", kinds=("table",)),
    "split": Case("Split", attributes={"axis": 1}, constants=(ints(2, 4),), outputs=2),
    "slice of the map": Case("Slice", constants=(ints(1, 0), ints(6, 7), ints(2, 3), ints(2, 3))),
    "slice of channels": Case("Slice", constants=(ints(1), ints(6), ints(1), ints(2)), refused="other channel"),
    "pad alone": Case(
        "Pad",
        constants=(ints(0, 0, 1, 2, 0, 0, 1, 0), np.array(0, np.float32)),
        kinds=("table",) * 5,  # the parts of its border
    ),
    "large pad": Case(
        "Pad",
        constants=(ints(0, 0, 9, 0, 0, 0, 0, 0), np.array(0, np.float32)),
        refused="its border is larger than the map",
    ),
    "softmax of channels": Case("Softmax", attributes={"axis": 1}, real=True),
    "softmax of a row": Case("Softmax", (1, 300), real=True),
    "softmax of columns": Case(
        "Softmax", attributes={"axis": 2}, refused="its axis is neither the channels' nor the last", real=True
    ),
    "argmax": Case("ArgMax", attributes={"axis": 1}, refused="there is no kernel for ArgMax", real=True),
}


def onnxruntime(model: onnx.ModelProto, sample: np.ndarray) -> list[np.ndarray]:
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, {"input": sample})]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that kernels and platform are built once."""
    return tmp_path_factory.mktemp("operators")


def compiled(model: onnx.ModelProto, folder: Path) -> tuple[Any, CompilationReport]:
    onnx.save(model, folder / "model.onnx")
    package = compile_model(folder / "model.onnx", folder / "model.tar", options=PulpOptions(l1=6000))
    return package, report_from_json(package.read("report.json").decode(), file="report.json")


def kinds_between_floats(report: CompilationReport) -> tuple[str, ...]:
    """The layers, and those in fused ones, but those at the ends, from and to float and the user's layout."""
    kinds = (kind for region in report.regions for layer in region.layers for kind in layer.kind.split(" + "))
    return tuple(kind for kind in kinds if kind not in [end.value for end in ENDS])


@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, workdir: Path) -> None:
    case = CASES[name]
    model = case.model()
    package, report = compiled(model, workdir)
    (operator,) = report.operators
    assert case.refused in (operator.reason or "")
    assert operator.offloaded == (not case.refused)
    assert kinds_between_floats(report) == case.kinds
    bytes_ = np.random.default_rng(0).integers(0, 256, (2, *case.shape[1:]))
    samples = ((bytes_ - ZERO_POINT) * SCALE).astype(np.float32)
    if case.shape[0] > 1:
        samples = np.broadcast_to(samples[:, np.newaxis], (2, *case.shape)).astype(np.float32)
    result = run_package(package, {"input": samples}, check=True, sanitize=True, workdir=workdir)
    assert result.mismatched_bytes == 0
    for index in range(2):
        sample = samples[index] if case.shape[0] > 1 else samples[index : index + 1]
        for wanted, found in zip(onnxruntime(model, sample), result.outputs.values(), strict=True):
            allowed = 2e-6 * np.abs(wanted).max() if case.real else 1.01 * SCALE
            assert np.abs(wanted.ravel() - found[index].ravel()).max() < allowed


def test_concatenation_and_slice_cost_nothing(workdir: Path) -> None:
    """Both convolutions write into the joined tensor, the last one reads a part of it."""
    from onnx_layers import Kind, QdqLayer, QdqModel

    spec = QdqModel(
        (
            QdqLayer(Kind.CONV, 5),
            QdqLayer(Kind.POINTWISE, 7),
            QdqLayer(Kind.CONCAT, skip=1),
            QdqLayer(Kind.SLICE, start=3, end=10),
            QdqLayer(Kind.CONV, 4),
        )
    )
    package, report = compiled(spec.build(), workdir)
    # each tensor is brought to the output's scale; no copy
    assert kinds_between_floats(report) == ("conv2d", "pointwise", "avgpool", "avgpool", "conv2d")
    assert all(operator.offloaded for operator in report.operators)
    result = run_package(package, {"input": spec.sample_inputs(3)[:, 0]}, check=True, workdir=workdir)
    assert (result.compared_bytes > 0, result.mismatched_bytes) == (True, 0)
