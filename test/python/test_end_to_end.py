"""ONNX file to bytes: what the generated C computes is what the legalized module computes, to the last bit."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import NETWORKS, quantized, sample_inputs
from onnx_layers import Kind, QdqLayer, QdqModel, chain
from onnx_strategies import qdq_models
from onnx_writer import Quantization, WeightType
from tvm_pulp.api import compile_model
from tvm_pulp.errors import PlanError, ToolError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE
from tvm_pulp.reference import run_reference
from tvm_pulp.runner import run_package
from tvm_pulp.toolchain import Platform, check_tools

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
TRAINED = ("kws_dscnn", "vww_mobilenet", "ic_resnet8", "ad_autoencoder")
CORES = (1, 2, 4, 8)


def has_tools(platform: Platform) -> str | None:
    """The reason why a platform can't be used here."""
    try:
        check_tools(platform)
    except ToolError as error:
        return str(error)
    return None


needs_trained = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"no trained networks in {MODELS} (set PULP_MODELS)"
)
needs_rv32 = pytest.mark.skipif(
    has_tools(Platform.RV32) is not None, reason=has_tools(Platform.RV32) or "tools are there"
)


def random_inputs(model: onnx.ModelProto, count: int = 3) -> np.ndarray:
    """Samples that use every byte of the first quantization: [count, *shape without the batch]."""
    values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    quantize = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    scale, zero_point = values[quantize.input[1]], values[quantize.input[2]]
    limits = np.iinfo(zero_point.dtype)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    bytes_ = np.random.default_rng(0).integers(limits.min, limits.max + 1, (count, *shape[1:]))
    return ((bytes_ - int(zero_point)) * scale).astype(np.float32)


def check_cores(model: onnx.ModelProto, inputs: np.ndarray, folder: Path, cores=CORES) -> None:
    """Compiles for each number of cores; all give the bytes of the legalized module."""
    file, name = folder / "model.onnx", model.graph.input[0].name
    onnx.save(model, file)
    mod, params = load_onnx(file)
    expected = None
    for count in cores:
        package = compile_model(
            mod, folder / f"cores{count}.tar", params=params, options=PulpOptions(cores=count)
        )
        if expected is None:
            legalized = package.read(LEGALIZED_FILE).decode()
            expected = run_reference(legalized, [{name: sample[np.newaxis]} for sample in inputs])
        (found,) = run_package(package, {name: inputs}, workdir=folder / "build").outputs.values()
        assert found.tobytes() == np.stack([outputs[0] for outputs in expected]).tobytes(), f"{count} cores"


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_exact_on_every_number_of_cores(name, tmp_path):
    check_cores(quantized(name), sample_inputs(name, 3, seed=1)[:, 0], tmp_path)


@needs_trained
@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks_are_exact(name, tmp_path):
    model = onnx.load(MODELS / "mlperf_tiny" / f"{name}.onnx")
    check_cores(model, random_inputs(model), tmp_path, cores=(8,))


@needs_rv32
def test_resnet8_is_exact_on_rv32(tmp_path):
    onnx.save(quantized("ic"), tmp_path / "ic.onnx")
    package = compile_model(tmp_path / "ic.onnx", tmp_path / "ic.tar")
    inputs = {package.inputs[0].name: sample_inputs("ic", 2, seed=3)[:, 0]}
    result = run_package(package, inputs, Platform.RV32, check=True)
    assert (result.compared_bytes, result.mismatched_bytes) == (2 * 10 * 4, 0)


@needs_rv32
def test_softmax_is_exact_on_rv32(tmp_path):
    """The exponential of a C library differs from platform to platform; ours is a polynomial."""
    spec = QdqModel((QdqLayer(Kind.GLOBAL_AVGPOOL), QdqLayer(Kind.FLATTEN), QdqLayer(Kind.SOFTMAX)), (24, 5, 5))
    onnx.save(spec.build(), tmp_path / "model.onnx")
    package = compile_model(tmp_path / "model.onnx", tmp_path / "model.tar")
    result = run_package(package, {"input": spec.sample_inputs(200)[:, 0]}, Platform.RV32, check=True)
    assert (result.compared_bytes, result.mismatched_bytes) == (200 * 24 * 4, 0)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Shared by the drawn models, so that kernels and platform are built once."""
    return tmp_path_factory.mktemp("drawn")


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=qdq_models(), cores=st.sampled_from(CORES), l1=st.sampled_from([3_000, 8_000, 38_000]))
def test_drawn_models_are_exact(spec, cores, l1, workdir):
    onnx.save(spec.build(), workdir / "model.onnx")
    try:
        package = compile_model(
            workdir / "model.onnx", workdir / "model.tar", options=PulpOptions(l1=l1, cores=cores)
        )
    except PlanError as error:
        assert f"{l1} bytes of L1" in str(error)
        return
    result = run_package(
        package, {"input": spec.sample_inputs(3)[:, 0]}, check=True, sanitize=True, workdir=workdir
    )
    assert result.compared_bytes > 0
    assert result.mismatched_bytes == 0


NETWORKS = {
    "asymmetric weights": QdqModel(chain("classifier"), quantization=Quantization(weights=WeightType.UINT8)),
    "softmax": QdqModel((*chain("classifier"), QdqLayer(Kind.SOFTMAX))),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_whole_networks_are_exact(case, tmp_path):
    spec = NETWORKS[case]
    onnx.save(spec.build(), tmp_path / "model.onnx")
    package = compile_model(tmp_path / "model.onnx", tmp_path / "model.tar")
    result = run_package(package, {"input": spec.sample_inputs(3)[:, 0]}, check=True)
    assert result.compared_bytes > 0
    assert result.mismatched_bytes == 0
