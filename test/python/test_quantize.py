"""`tvm-pulp quantize`: a float network becomes one that compiles, and its loss is told."""

from __future__ import annotations

import networks
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from tvm_pulp.cli import Settings
from tvm_pulp.commands.quantize import command
from tvm_pulp.errors import InputError, ModelError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.frontend.quantize import Activations, quantize

SAMPLES = 4


@pytest.fixture(scope="module")
def float_network(tmp_path_factory):
    path = tmp_path_factory.mktemp("float") / "ad.onnx"
    onnx.save(networks.build("ad"), path)
    return path


@pytest.fixture(scope="module")
def calibration():
    return networks.sample_inputs("ad", SAMPLES, seed=5)[:, 0]


@pytest.mark.parametrize("activations", list(Activations))
def test_result_is_quantized_and_close(float_network, calibration, activations, tmp_path):
    seen = []
    result = quantize(
        float_network,
        {"input": calibration},
        tmp_path / "int8.onnx",
        activations=activations,
        progress=lambda *step: seen.append(step),
    )
    (loss,) = result.losses
    assert result.samples == SAMPLES
    assert loss.name == "output"
    assert loss.sqnr_db > 20
    assert ("calibrating", SAMPLES, SAMPLES) in seen
    assert ("comparing", SAMPLES, SAMPLES) in seen
    mod, _ = load_onnx(tmp_path / "int8.onnx")
    assert str(mod["main"]).count("qnn.quantize") >= 11
    stored = {
        str(onnx.numpy_helper.to_array(t).dtype) for t in onnx.load(tmp_path / "int8.onnx").graph.initializer
    }
    assert activations.value in stored


def test_command_reports_the_loss(float_network, calibration, tmp_path):
    np.savez(tmp_path / "data.npz", input=calibration)
    out = tmp_path / "int8.onnx"
    arguments = [str(float_network), "--calibration", str(tmp_path / "data.npz"), "-o", str(out)]
    result = CliRunner().invoke(command, arguments, obj=Settings())
    assert result.exit_code == 0, result.output
    assert f"What quantization loses on {SAMPLES} calibration samples" in result.output
    assert f"compile it with `tvmc compile --target pulp {out}`" in result.output
    assert load_onnx(out)


def test_symbolic_batch_becomes_one(calibration, tmp_path):
    model = networks.build("ad")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, tmp_path / "float.onnx")
    quantize(tmp_path / "float.onnx", {"input": calibration}, tmp_path / "int8.onnx")
    (value,) = onnx.load(tmp_path / "int8.onnx").graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [1, 640]


def test_quantized_network_is_refused(calibration, tmp_path):
    onnx.save(networks.quantized("ad"), tmp_path / "int8.onnx")
    with pytest.raises(ModelError, match="is quantized already"):
        quantize(tmp_path / "int8.onnx", {"input": calibration}, tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()


def test_samples_are_checked(float_network, tmp_path):
    with pytest.raises(InputError, match="no array named input"):
        quantize(float_network, {"image": np.zeros((1, 640), np.float32)}, tmp_path / "int8.onnx")
