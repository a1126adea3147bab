"""The genuine PULP-NN in the place of our kernels: the same bytes. Needs its sources in PULP_NN_DIR."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks import quantized, sample_inputs
from tvm_pulp.api import compile_model
from tvm_pulp.errors import ToolError
from tvm_pulp.options import PulpOptions
from tvm_pulp.runner import run_package
from tvm_pulp.toolchain import Platform, check_tools

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits" / "digits_int8.onnx"
PULP_NN = os.environ.get("PULP_NN_DIR", "")

needs_pulp_nn = pytest.mark.skipif(not PULP_NN, reason="PULP_NN_DIR names no folder of PULP-NN")


def symbols(program: Path) -> str:
    return subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout


@needs_pulp_nn
@pytest.mark.parametrize("network", ["kws", "ic"])
@pytest.mark.parametrize("cores", [1, 8])
def test_host(network, cores, tmp_path):
    import onnx  # noqa: PLC0415

    file = tmp_path / "model.onnx"
    onnx.save(quantized(network), file)
    package = compile_model(file, tmp_path / "net", options=PulpOptions(l1=30000, cores=cores))
    inputs = {package.inputs[0].name: sample_inputs(network, 2, 0)}
    result = run_package(package, inputs, check=True, workdir=tmp_path / "work")
    assert result.compared_bytes > 0 and result.mismatched_bytes == 0
    assert "pulp_nn_matmul" in symbols(tmp_path / "work" / "build-host" / "runner")  # only upstream has it


@needs_pulp_nn
def test_pulp_open(tmp_path):
    try:
        check_tools(Platform.PULP_OPEN)
    except ToolError as error:
        pytest.skip(str(error))
    package = compile_model(DIGITS, tmp_path / "net", options=PulpOptions(soc="pulp_open"))
    image = np.random.default_rng(0).uniform(0, 16, package.inputs[0].shape).astype(np.float32)
    result = run_package(package, {package.inputs[0].name: image}, Platform.PULP_OPEN, check=True)
    assert result.mismatched_bytes == 0


def test_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PULP_NN_DIR", str(tmp_path))
    package = compile_model(DIGITS, tmp_path / "net")
    image = np.zeros(package.inputs[0].shape, np.float32)
    with pytest.raises(ToolError) as error:
        run_package(package, {package.inputs[0].name: image}, workdir=tmp_path / "work")
    assert str(error.value) == (
        f"PULP_NN_DIR is {tmp_path}, which holds no 32bit/src/pulp_nn_matmul.c; "
        "set it to a folder of pulp-platform/pulp-nn, or unset it"
    )
