"""The model of the numerics contract: its rules, and its distance from onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_layers import Activation, Kind, QdqLayer, QdqModel, chain
from onnx_strategies import qdq_models
from onnx_writer import ActivationForm, Quantization, WeightType
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from qdq_arithmetic import UnsupportedError, to_bytes
from qdq_model import Evaluation, evaluate

INT32_MAX = 2**31 - 1
MODELS = Path(os.environ.get("PULP_MODELS", Path(__file__).parents[3] / "shared/models"))
TRAINED = [
    "mlperf_tiny/kws_dscnn.onnx",
    "mlperf_tiny/vww_mobilenet.onnx",
    "mlperf_tiny/ic_resnet8.onnx",
    "mlperf_tiny/ad_autoencoder.onnx",
    "mobilenet/mobilenet_v1_0.25_128_ptq_qdq.onnx",
]


def onnxruntime_bytes(model: onnx.ModelProto, x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the bytes of every quantized activation; x is (N, 1, …)."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    names = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    runs = [session.run(names, {model.graph.input[0].name: image}) for image in x]
    stacked = {name: np.concatenate(v) for name, v in zip(names, zip(*runs, strict=True), strict=True)}
    return {name: to_bytes(v) for name, v in stacked.items()}


def largest_layer_difference(model: onnx.ModelProto, x: npt.NDArray[np.float32]) -> int:
    """Compare every tensor, each layer reading onnxruntime's bytes; x is (N, 1, …)."""
    theirs = onnxruntime_bytes(model, x)
    ours = evaluate(model, {model.graph.input[0].name: x[:, 0]}, theirs).tensors
    return max(int(np.abs(ours[n].astype(int) - theirs[n].astype(int)).max()) for n in theirs)


def largest_difference(spec: QdqModel) -> int:
    return largest_layer_difference(spec.build(), spec.sample_inputs(4))


def evaluate_spec(spec: QdqModel) -> Evaluation:
    return evaluate(spec.build(), {"input": spec.sample_inputs(1)[:, 0]})


LAYERS = [
    QdqLayer(Kind.CONV, 16, (3, 3), pads=(1, 1, 1, 1)),
    QdqLayer(Kind.CONV, 5, (5, 2), (2, 3), (2, 0, 1, 1), bias=False, activation=Activation.RELU),
    QdqLayer(Kind.DEPTHWISE, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 0, 0), activation=Activation.RELU6),
    QdqLayer(Kind.POINTWISE, 9, activation=Activation.CLIP),
    QdqLayer(Kind.ADD),
    QdqLayer(Kind.MAXPOOL, kernel=(3, 2), pads=(1, 0, 1, 1)),
    QdqLayer(Kind.AVGPOOL, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=True),
    QdqLayer(Kind.AVGPOOL, kernel=(2, 3), shared_scale=False),
    QdqLayer(Kind.GLOBAL_AVGPOOL),
    QdqLayer(Kind.FLATTEN),
    QdqLayer(Kind.RESHAPE),
    QdqLayer(Kind.GEMM, 10),
    QdqLayer(Kind.MATMUL, 10, bias=False),
]


@pytest.mark.parametrize("form", [ActivationForm.FOLDED, ActivationForm.KEPT])
@pytest.mark.parametrize(("dtype", "symmetric"), [("uint8", False), ("int8", False), ("int8", True)])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind.value)
def test_single_layer_is_within_one_unit_of_onnxruntime(
    layer: QdqLayer, dtype: str, symmetric: bool, form: ActivationForm
) -> None:
    shape = (24,) if layer.kind in (Kind.GEMM, Kind.MATMUL) else (8, 9, 9)
    spec = QdqModel((layer,), shape, Quantization(dtype, symmetric, form=form))
    assert largest_difference(spec) <= 1


@settings(max_examples=80, deadline=None)
@given(qdq_models())
def test_drawn_layers_are_within_one_unit_of_onnxruntime(spec: QdqModel) -> None:
    assert largest_difference(spec) <= 1


@pytest.mark.parametrize("name", ["conv-conv", "residual", "classifier"])
def test_layers_of_a_chain_are_within_one_unit_of_onnxruntime(name: str) -> None:
    assert largest_difference(QdqModel(chain(name))) <= 1


@pytest.mark.parametrize("path", TRAINED)
def test_layers_of_trained_networks_are_within_one_unit_of_onnxruntime(path: str) -> None:
    file = MODELS / path
    if not file.exists():
        pytest.skip(f"{file} is not there; set PULP_MODELS to the folder of the trained networks")
    model = onnx.load(file)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
    assert largest_layer_difference(model, x) <= 1


def test_bias_of_a_matmul_is_an_add() -> None:
    requants = evaluate_spec(QdqModel((QdqLayer(Kind.MATMUL, 10),), (24,))).requants
    assert requants["matmul0"].multiplier.size == 10
    assert requants["matmul0_add"].multiplier.size == 2


def test_contract_by_hand() -> None:
    """One 1x1 convolution, two channels, computed here with Python's integers."""
    spec = QdqModel((QdqLayer(Kind.POINTWISE, 2, name="c"),), (3, 1, 1))
    model, x = spec.build(), spec.sample_inputs(1)[:, 0]
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    found = evaluate(model, {"input": x})
    requant = found.requants["c"]
    weights = constants["c_weight_quantized"].reshape(2, 3).astype(int).tolist()
    z_in, z_out = int(constants["input_zero_point"]), int(constants["output_zero_point"])
    scales = float(constants["input_scale"]) * constants["c_weight_scale"].astype(float)
    scales = scales / float(constants["output_scale"])
    bytes_in = found.tensors["input_QuantizeLinear_Output"].reshape(3).tolist()
    for c in range(2):
        s, k = requant.shift, int(requant.multiplier[c])
        bias = int(constants["c_bias_quantized"][c])
        offset = k * (bias - z_in * sum(weights[c])) + (z_out << s) + (1 << (s - 1))
        assert k == round(scales[c] * 2**s)
        assert offset == requant.offset[c]
        acc = sum(w * b for w, b in zip(weights[c], bytes_in, strict=True))
        assert found.tensors["output_QuantizeLinear_Output"].reshape(2)[c] == min(
            max((k * acc + offset) >> s, 0), 255
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 99))
def test_shift_is_the_largest_that_is_safe(channels_in: int, channels: int, seed: int) -> None:
    """The next shift would leave int32 in some channel, and this one does not."""
    spec = QdqModel((QdqLayer(Kind.CONV, channels, (2, 2), name="c"),), (channels_in, 2, 2), seed=seed)
    model = spec.build()
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    requant = evaluate(model, {"input": spec.sample_inputs(1)[:, 0]}).requants["c"]
    if requant.wide:
        return
    weights = constants["c_weight_quantized"].reshape(channels, -1).astype(int)
    high, low = (255 * f(weights, 0).sum(axis=1) for f in (np.maximum, np.minimum))
    totals = [requant.multiplier * acc + part for acc in (high, low) for part in (0, requant.offset)]
    assert max(int(np.abs(t).max()) for t in totals) <= INT32_MAX
    doubled = max(int(np.abs(2 * t).max()) for t in totals)
    assert requant.shift == 31 or doubled > INT32_MAX - 2 * int(high.max() - low.min()) - 512


def test_large_layer_is_wide() -> None:
    """Few bits are left for k when the accumulator may be large."""
    spec = QdqModel((QdqLayer(Kind.GEMM, 4, name="fc"),), (4000,))
    requant = evaluate_spec(spec).requants["fc"]
    assert requant.wide
    assert requant.multiplier.max() >= 2**13
    assert largest_difference(spec) <= 1


def test_relu_becomes_a_lower_bound() -> None:
    layer = QdqLayer(Kind.CONV, activation=Activation.RELU, name="c")
    how = Quantization("int8", symmetric=True, form=ActivationForm.KEPT)
    found = evaluate_spec(QdqModel((layer,), quantization=how))
    assert (found.requants["c"].lo, found.requants["c"].hi) == (128, 255)
    assert found.tensors["output_QuantizeLinear_Output"].min() == 128


def test_zero_point_is_the_padding() -> None:
    """A convolution whose input is all zeros gives the bias everywhere, at the border too."""
    spec = QdqModel((QdqLayer(Kind.CONV, 4, pads=(1, 1, 1, 1)),), (2, 5, 5))
    zeros = np.zeros((1, 2, 5, 5), np.float32)
    out = evaluate(spec.build(), {"input": zeros}).tensors["output_QuantizeLinear_Output"]
    assert (out == out[:, :, :1, :1]).all()


@pytest.mark.parametrize(
    ("layer", "weights", "reason"),
    [
        (QdqLayer(Kind.CONV), WeightType.UINT8, "int8"),
        (QdqLayer(Kind.AVGPOOL, pads=(1, 1, 1, 1), ceil_mode=True), WeightType.INT8_PER_CHANNEL, "ceil_mode"),
    ],
)
def test_what_the_contract_does_not_express(layer: QdqLayer, weights: WeightType, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        evaluate_spec(QdqModel((layer,), quantization=Quantization(weights=weights)))
