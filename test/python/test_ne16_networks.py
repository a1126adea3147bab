"""ONNX networks on NE16: its model on the host, and GVSoC's, which must have been built with it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_layers import Activation, Kind, QdqLayer, QdqModel
from tvm_pulp.api import compile_model
from tvm_pulp.cycles import measured_cycles
from tvm_pulp.errors import ToolError
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import Package
from tvm_pulp.report import read_report
from tvm_pulp.runner import run_package
from tvm_pulp.toolchain import Platform, check_gvsoc_engines, check_gvsoc_l1, check_tools, gvsoc_l1_bytes

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
SAME = (1, 1, 1, 1)
RELU = Activation.RELU
LAYERS = (
    QdqLayer(Kind.CONV, 16, activation=RELU),
    QdqLayer(Kind.CONV, 40, pads=SAME, activation=RELU),
    QdqLayer(Kind.DEPTHWISE, pads=SAME, activation=RELU),
    QdqLayer(Kind.POINTWISE, 48, activation=RELU),
    QdqLayer(Kind.CONV, 32, strides=(2, 2), pads=SAME, activation=RELU),
    QdqLayer(Kind.DEPTHWISE, strides=(2, 2), pads=SAME, activation=RELU),
    QdqLayer(Kind.FLATTEN),
    QdqLayer(Kind.GEMM, 10),
)
MODEL = QdqModel(LAYERS, input_shape=(8, 20, 17))
KERNELS = {"ne16_3x3", "ne16_3x3_stride2", "ne16_1x1"}


def lacks(*engines: str) -> str | None:
    """Why GVSoC can't be used here."""
    try:
        check_tools(Platform.PULP_OPEN)
        check_gvsoc_engines(set(engines))
    except ToolError as error:
        return str(error)
    return None


needs_ne16 = pytest.mark.skipif(lacks("ne16") is not None, reason=lacks("ne16") or "GVSoC has NE16")


@pytest.fixture(scope="module", params=[(20_000, "auto"), (44_032, "off")], ids=["small tiles", "large tiles"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("ne16")
    onnx.save(MODEL.build(), folder / "net.onnx")
    l1, fusion = request.param
    options = PulpOptions(soc="pulp_open_ne16", l1=l1, fusion=fusion)
    return compile_model(folder / "net.onnx", folder / "net.tar", options=options)


def samples() -> dict[str, np.ndarray]:
    return {"input": MODEL.sample_inputs(3)[:, 0]}


def test_on_the_host(package: Package) -> None:
    layers = [layer for region in read_report(package).regions for layer in region.layers]
    assert {kernel for layer in layers for kernel in layer.kernel.split(" + ")} >= KERNELS
    result = run_package(package, samples(), check=True)
    assert (result.compared_bytes, result.mismatched_bytes) == (3 * 10 * 4, 0)


@needs_ne16
def test_on_gvsoc(package: Package) -> None:
    host = run_package(package, samples(), check=True)
    device = run_package(package, samples(), Platform.PULP_OPEN, check=True)
    assert (device.compared_bytes, device.mismatched_bytes) == (3 * 10 * 4, 0)
    np.testing.assert_array_equal(device.outputs["output"], host.outputs["output"])


@needs_ne16
def test_first_layer(tmp_path: Path) -> None:
    """Of three channels and stride 2: the cores make a pixel of each window."""
    layers = (
        QdqLayer(Kind.CONV, 16, strides=(2, 2), pads=(0, 0, 1, 1), activation=RELU),
        QdqLayer(Kind.POINTWISE, 9),
    )
    model = QdqModel(layers, input_shape=(3, 53, 38))
    onnx.save(model.build(), tmp_path / "net.onnx")
    options = PulpOptions(soc="pulp_open_ne16")
    package = compile_model(tmp_path / "net.onnx", tmp_path / "net.tar", options=options)
    reported = [layer for region in read_report(package).regions for layer in region.layers]
    assert any(layer.kernel.endswith("pulp_im2col + ne16_1x1") for layer in reported)
    inputs = {"input": model.sample_inputs(2)[:, 0]}
    assert run_package(package, inputs, check=True).mismatched_bytes == 0
    assert run_package(package, inputs, Platform.PULP_OPEN, check=True).mismatched_bytes == 0


@needs_ne16
def test_prediction(tmp_path: Path) -> None:
    """A large layer takes what the cost model says, and loading, starting and storing a little more."""
    layers = (QdqLayer(Kind.CONV, 64, activation=RELU), QdqLayer(Kind.CONV, 64, pads=SAME, activation=RELU))
    model = QdqModel(layers, input_shape=(16, 26, 26))
    onnx.save(model.build(), tmp_path / "net.onnx")
    options = PulpOptions(soc="pulp_open_ne16")
    package = compile_model(tmp_path / "net.onnx", tmp_path / "net.tar", options=options)
    result = run_package(package, {"input": model.sample_inputs(2)[:, 0]}, Platform.PULP_OPEN)
    cycles = measured_cycles(result.stats)
    assert cycles is not None
    reported = [layer for region in read_report(package).regions for layer in region.layers]
    (index,) = (index for index, layer in enumerate(reported) if layer.name.endswith("conv1"))
    assert reported[index].engine == "ne16"
    assert cycles.layers[index].total == pytest.approx(reported[index].cycles, rel=0.05)
    assert reported[index].macs / cycles.layers[index].total > 120


def test_a_simulator_with_too_little_l1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "bin" / "gvsoc"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("GVSOC_HOME", str(tmp_path))
    assert gvsoc_l1_bytes() == 65_536  # unless it says otherwise
    check_gvsoc_l1(44_032)
    file = tmp_path / "generators" / "pulp" / "chips" / "pulp_open" / "cluster.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"l1": {"mapping": {"base": "0x10000000", "size": "0x00020000"}}}')
    check_gvsoc_l1(109_568)
    with pytest.raises(ToolError) as caught:
        check_gvsoc_l1(109_569)
    assert str(caught.value) == (
        "platform pulp-open: this GVSoC has 109568 bytes of L1 for the network, which uses 109569; "
        "compile with -l1=109568, or enlarge l1 in GVSoC's cluster.json"
    )


def test_a_simulator_without_ne16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "bin" / "gvsoc"
    generator = tmp_path / "generators" / "pulp" / "chips" / "pulp_open" / "cluster.py"
    for file, text in ((command, "#!/bin/sh\n"), (generator, "        has_ne16 = False\n")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    command.chmod(0o755)
    monkeypatch.setenv("GVSOC_HOME", str(tmp_path))
    check_gvsoc_engines({"cluster"})
    with pytest.raises(ToolError) as caught:
        check_gvsoc_engines({"cluster", "ne16"})
    assert str(caught.value) == (
        "platform pulp-open: this GVSoC has no NE16, which the network uses; "
        "compile with -engines=cluster, or build GVSoC with has_ne16 = True in cluster.py"
    )


@pytest.mark.skipif(not MODELS.is_dir(), reason=f"no trained networks in {MODELS} (set PULP_MODELS)")
@pytest.mark.parametrize("model", ["mlperf_tiny/kws_dscnn", "mlperf_tiny/ic_resnet8"])
def test_trained_networks(tmp_path: Path, model: str) -> None:
    file = MODELS / f"{model}.onnx"
    package = compile_model(file, tmp_path / "net.tar", options=PulpOptions(soc="gap9"))
    engines = [layer.engine for region in read_report(package).regions for layer in region.layers]
    assert any("ne16" in engine for engine in engines)
    (name, shape), *_ = [(tensor.name, tensor.shape) for tensor in package.inputs]
    data = np.random.default_rng(0).uniform(-2, 2, (2, *shape[1:])).astype(np.float32)
    result = run_package(package, {name: data}, check=True)
    assert result.mismatched_bytes == 0
    assert result.compared_bytes > 0
