"""The benchmark networks: their size, and that onnxruntime's quantization of them works."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnxruntime import InferenceSession
from qdq_model import evaluate

MACS = {"kws": 2_656_768, "vww": 7_489_664, "ic": 12_501_632, "ad": 264_192}
OUTPUTS = {"kws": 12, "vww": 2, "ic": 10, "ad": 640}


@pytest.fixture(scope="module", params=networks.NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def quantized(name: str) -> onnx.ModelProto:
    return networks.quantized(name)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["output"], {"input": x})[0])


def test_multiply_accumulates(name: str) -> None:
    assert networks.macs(networks.build(name)) == MACS[name]


def test_layers() -> None:
    ops = Counter(node.op_type for node in networks.build("ic").graph.node)
    assert ops == {
        "Conv": 9,
        "Relu": 7,
        "Add": 3,
        "GlobalAveragePool": 1,
        "Flatten": 1,
        "Gemm": 1,
        "Softmax": 1,
    }


def test_padding_is_tensorflows() -> None:
    stem = networks.build("kws").graph.node[0]
    pads = next(a.ints for a in stem.attribute if a.name == "pads")
    assert list(pads) == [4, 1, 5, 1]


def test_quantized_network_follows_the_float_one(name: str, quantized: onnx.ModelProto) -> None:
    x = networks.sample_inputs(name, 1, seed=5)[0]
    exact, coarse = run(networks.build(name), x), run(quantized, x)
    assert exact.shape == coarse.shape == (1, OUTPUTS[name])
    assert np.abs(exact - coarse).max() < 0.1 * np.abs(exact).max()


def test_quantization_is_deterministic(name: str, quantized: onnx.ModelProto) -> None:
    assert networks.quantized(name).SerializeToString() == quantized.SerializeToString()


def test_contract_expresses_the_whole_network(name: str, quantized: onnx.ModelProto) -> None:
    x = networks.sample_inputs(name, 1, seed=5)[0]
    ours = evaluate(quantized, {"input": x}).outputs["output"]
    assert np.abs(ours - run(quantized, x)).max() < 0.1 * np.abs(ours).max()


def test_unsigned_per_tensor() -> None:
    model = networks.quantized("ad", activations="uint8", per_channel=False)
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    assert constants["input_zero_point"].dtype == np.uint8
    assert constants["fc1_weight_scale"].size == 1


def test_command_line(tmp_path: Path) -> None:
    out = tmp_path / "kws.onnx"
    result = CliRunner().invoke(networks.main, ["kws", "-o", str(out), "--float"])
    assert result.exit_code == 0, result.output
    assert onnx.load(out) == networks.build("kws")
