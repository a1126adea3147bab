"""The builder of QDQ models: what it writes is valid, runs, and uses the whole range of its types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx_layers import (
    CHAINS,
    FLAT_KINDS,
    KINDS,
    Activation,
    Kind,
    QdqLayer,
    QdqModel,
    chain,
    main,
)
from onnx_writer import ActivationForm, Quantization, WeightType
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (output,) = session.run(["output"], {"input": x})
    return np.asarray(output)


def shape_for(kind: str) -> tuple[int, ...]:
    return (24,) if kind in FLAT_KINDS else (8, 9, 9)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sub"])  # a tensor less itself is 0
def test_single_layer_output_does_not_saturate(kind: str, dtype: str, symmetric: bool) -> None:
    spec = QdqModel((QdqLayer(Kind(kind)),), shape_for(kind), Quantization(dtype, symmetric))
    model = spec.build()
    values = np.stack([run(model, x) for x in spec.sample_inputs(16, seed=7)])
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    quantizer = next(n for n in model.graph.node if n.name == "output_QuantizeLinear")
    scale, zero_point = (constants[name] for name in quantizer.input[1:])
    q = np.rint(values / scale) + zero_point
    limits = np.iinfo(dtype)
    edge = np.mean((q <= limits.min) | (q >= limits.max))
    assert edge < 0.06
    assert np.unique(q).size > 4
    if symmetric:
        assert zero_point == (128 if dtype == "uint8" else 0)


@pytest.mark.parametrize("name", CHAINS)
def test_chains_run(name: str) -> None:
    spec = QdqModel(chain(name))
    assert run(spec.build(), spec.sample_inputs(1)[0]).shape[0] == 1


@pytest.mark.parametrize("form", list(ActivationForm))
@pytest.mark.parametrize("activation", list(Activation))
def test_activation_forms(activation: Activation, form: ActivationForm) -> None:
    layer = QdqLayer(Kind.CONV, activation=activation)
    spec = QdqModel((layer,), quantization=Quantization(form=form))
    model = spec.build()
    nodes = [n.op_type for n in model.graph.node]
    has_node = activation is not Activation.NONE and form is not ActivationForm.FOLDED
    assert ("Relu" in nodes or "Clip" in nodes) == has_node
    values = run(model, spec.sample_inputs(1)[0])
    if activation in (Activation.RELU, Activation.RELU6):
        assert values.min() == 0


@pytest.mark.parametrize(
    ("weights", "dtype", "scales"),
    [
        (WeightType.INT8_PER_CHANNEL, np.int8, 8),
        (WeightType.INT8_PER_TENSOR, np.int8, 1),
        (WeightType.UINT8, np.uint8, 1),
    ],
)
def test_weight_types(weights: WeightType, dtype: type, scales: int) -> None:
    model = QdqModel((QdqLayer(Kind.CONV, name="c"),), quantization=Quantization(weights=weights)).build()
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    assert constants["c_weight_quantized"].dtype == dtype
    assert constants["c_weight_scale"].size == scales


def test_same_seed_same_bytes() -> None:
    spec = QdqModel(chain("classifier"), seed=3)
    assert spec.build().SerializeToString() == spec.build().SerializeToString()


def test_command_line(tmp_path: Path) -> None:
    out = tmp_path / "conv.onnx"
    arguments = [
        "conv",
        "-o",
        str(out),
        "--input",
        "3,11,7",
        "--kernel",
        "5,3",
        "--stride",
        "2",
        "--pads",
        "2,1,2,1",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    output = onnx.load(out).graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in output] == [1, 8, 6, 4]


@pytest.mark.parametrize("kind", [*KINDS, *CHAINS])
def test_command_line_knows_an_input_for_every_kind(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "layer.onnx"
    result = CliRunner().invoke(main, [kind, "-o", str(out), "--low", "0"])
    assert result.exit_code == 0, result.output
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(out).graph.initializer}
    assert constants["input_zero_point"] == 0
