"""Bytes in and bytes out: the same numbers as with float32, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_layers import Kind, QdqLayer, QdqModel, chain
from onnx_strategies import qdq_models
from onnx_writer import Quantization, Shape
from tvm_pulp.api import compile_model
from tvm_pulp.errors import InputError, ModelError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package, TensorInfo
from tvm_pulp.partition import prepare
from tvm_pulp.passes.integer_io import IntegerIo, integer_tensors
from tvm_pulp.passes.legalize_qdq import LegalizeQdq
from tvm_pulp.passes.numerics import Quantization as Meaning
from tvm_pulp.reference import run_reference
from tvm_pulp.runner import run_package

MAP = (1, 2, 3, 5)  # in NCHW: every axis has another size


def compiled(path: Path, io: str) -> Package:
    return compile_model(path, path.with_name(f"{io}.tar"), options=PulpOptions(io=io), name="net")


def real(tensor: TensorInfo | Meaning, bytes_: np.ndarray) -> np.ndarray:
    """What bytes stand for."""
    assert tensor.scale is not None and tensor.zero_point is not None
    values = np.float32(tensor.scale) * (bytes_.astype(np.float32) - np.float32(tensor.zero_point))
    return values.astype(np.float32)


def channels_first(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, -1, -3) if array.ndim >= 4 else array


def map_model(dtype: str = "uint8", shape: Shape = MAP[1:]) -> onnx.ModelProto:
    """A convolution: its input and its output are maps."""
    layer = QdqLayer(Kind.CONV, channels=4, kernel=(2, 3), pads=(0, 1, 1, 0))
    return QdqModel((layer,), input_shape=shape, quantization=Quantization(dtype)).build()


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_float32_and_bytes_give_the_same_numbers(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(map_model(dtype), path)
    packages = {io: compiled(path, io) for io in ("float", "integer", "integer-hwc")}
    (float_input,), (byte_input,) = packages["float"].inputs, packages["integer"].inputs
    assert (float_input.dtype, float_input.scale, float_input.zero_point) == ("float32", None, None)
    assert (byte_input.dtype, byte_input.shape) == ("uint8", MAP)
    (last_input,), (last_output,) = packages["integer-hwc"].inputs, packages["integer-hwc"].outputs
    assert (last_input.shape, last_output.shape[-1]) == ((1, 3, 5, 2), 4)
    assert (last_input.scale, last_input.zero_point) == (byte_input.scale, byte_input.zero_point)

    samples = np.random.default_rng(0).integers(0, 256, (4, *last_input.shape[1:]), np.uint8)
    inputs = {
        "integer-hwc": samples,
        "integer": channels_first(samples),
        "float": channels_first(real(last_input, samples)),
    }
    results = {
        io: run_package(package, {package.inputs[0].name: inputs[io]}, check=True)
        for io, package in packages.items()
    }
    assert [result.mismatched_bytes for result in results.values()] == [0, 0, 0]
    outputs = {io: next(iter(result.outputs.values())) for io, result in results.items()}
    assert outputs["integer"].dtype == np.uint8 and len(np.unique(outputs["integer"])) > 10
    assert np.array_equal(outputs["float"], real(packages["integer"].outputs[0], outputs["integer"]))
    assert np.array_equal(outputs["integer"], channels_first(outputs["integer-hwc"]))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(qdq_models(), st.booleans())
def test_drawn_networks_mean_the_same(tmp_path: Path, model: QdqModel, channels_last: bool) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(model.build(), path)
    legalized = LegalizeQdq()(prepare(*load_onnx(path)))
    integer = IntegerIo(channels_last=channels_last)(legalized)
    tensors = integer_tensors(integer)
    assert tensors is not None
    (meaning,), (result,) = tensors.inputs, tensors.outputs
    assert meaning is not None
    (variable,) = integer["main"].params
    shape = tuple(int(size) for size in variable.type_annotation.shape)
    bytes_ = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    name = variable.name_hint
    turned = channels_first if channels_last else np.asarray
    ((wanted,),) = run_reference(legalized, [{name: turned(real(meaning, bytes_))}])
    ((found,),) = run_reference(integer, [{name: bytes_}])
    if result is not None:
        found = real(result, found)
    assert np.array_equal(turned(found), wanted)


def test_one_channel_is_last_anyway(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(map_model(shape=(1, 7, 6)), path)
    package = compiled(path, "integer-hwc")
    (x,) = package.inputs
    assert x.shape == (1, 7, 6, 1)
    assert "transpose" not in package.read(LEGALIZED_FILE).decode()
    samples = np.random.default_rng(0).integers(0, 256, (2, 7, 6, 1), np.uint8)
    assert run_package(package, {x.name: samples}, check=True).mismatched_bytes == 0


def test_the_application_reads_scales_in_a_header(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(QdqModel(chain("classifier")).build(), path)
    package = compiled(path, "integer")
    header = package.read("codegen/host/include/tvmgen_net_quantization.h").decode()
    (x,), (y,) = package.inputs, package.outputs
    for tensor in (x, y):
        prefix = f"#define TVMGEN_NET_{tensor.name.upper()}"
        assert f"{prefix}_SCALE {np.float32(tensor.scale)}f\n" in header
        assert f"{prefix}_ZERO_POINT {tensor.zero_point}\n" in header
    assert Package.open(package.path).inputs == package.inputs
    with pytest.raises(KeyError):
        compiled(path, "float").read("codegen/host/include/tvmgen_net_quantization.h")


def test_float32_samples_are_refused_with_the_way_to_quantize_them(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(map_model(), path)
    package = compiled(path, "integer")
    (x,) = package.inputs
    with pytest.raises(InputError) as refused:
        run_package(package, {x.name: np.zeros(MAP, np.float32)})
    assert str(refused.value) == (
        f"input {x.name}: dtype is float32, the network takes uint8; "
        f"quantize it: clip(round(x / {x.scale:.9g}) + {x.zero_point}, 0, 255)"
    )


def test_an_input_that_is_also_read_as_float32_is_refused(tmp_path: Path) -> None:
    model = map_model()
    node = onnx.helper.make_node("Sin", [model.graph.input[0].name], ["sine"], name="sine")
    model.graph.node.append(node)
    model.graph.output.append(onnx.helper.make_tensor_value_info("sine", onnx.TensorProto.FLOAT, MAP))
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError) as refused:
        compiled(path, "integer")
    assert str(refused.value) == (
        f"input {model.graph.input[0].name}: operator sine reads it as float32; "
        "compile without -io=, or quantize the input once, before all that reads it"
    )
    assert not (tmp_path / "integer.tar").exists()


def test_an_input_that_the_network_permutes_itself_stays_as_it_is(tmp_path: Path) -> None:
    """A network of NHWC that begins with a transposition has its channels last already."""
    model = map_model()
    graph = model.graph
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    graph.node.insert(0, onnx.helper.make_node("Transpose", ["hwc"], ["chw"], perm=[0, 3, 1, 2]))
    first.input[0] = "chw"
    graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("hwc", onnx.TensorProto.FLOAT, (1, 3, 5, 2)))
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    package = compiled(path, "integer-hwc")
    assert package.inputs[0].shape == (1, 3, 5, 2)
    legalized = package.read(LEGALIZED_FILE).decode()
    assert "transpose" not in legalized
    samples = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 2), np.uint8)
    assert run_package(package, {"hwc": samples}, check=True).mismatched_bytes == 0
