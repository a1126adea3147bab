"""What other exporters write becomes the same layers, parameter for parameter, as onnxruntime's QDQ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_dialects as dialects
import pytest
from layers import ENDS
from onnx import ModelProto, helper, numpy_helper
from onnx_layers import Activation, Kind, QdqLayer, QdqModel, chain
from onnx_writer import ActivationForm, Quantization, WeightType
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.relay_reader import read_region
from tvm_pulp.errors import ModelError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.passes.merge_patterns import MergePatterns
from tvm_pulp.passes.partition_regions import PartitionRegions
from tvm_pulp.reference import run_reference
from tvm_pulp.relay_ext import is_region

CLASSIFIER = QdqModel(chain("classifier"), input_range=(0.0, 1.5))
RESIDUAL = QdqModel(chain("residual"))
FLAT = QdqModel(
    (QdqLayer(Kind.CONV, 6, activation=Activation.RELU), QdqLayer(Kind.FLATTEN), QdqLayer(Kind.GEMM, 5))
)
ALL = {"classifier": CLASSIFIER, "residual": RESIDUAL, "flat": FLAT}
KEPT = replace(FLAT, quantization=Quantization(form=ActivationForm.KEPT))
POOLS = QdqModel(
    (
        QdqLayer(Kind.AVGPOOL, kernel=(2, 2), strides=(2, 2)),
        QdqLayer(Kind.MATMUL, 4, bias=False),
    ),
    input_shape=(4, 4, 4),
)


def legalized(model: ModelProto, folder: Path):
    path = folder / "model.onnx"
    onnx.save(model, path)
    mod, params = load_onnx(path)
    return legalize(prepare(mod, params))


def layers_of(model: ModelProto, folder: Path) -> LayerGraph:
    """The one region of a network."""
    after = PartitionRegions("net")(MergePatterns()(legalized(model, folder)))
    (region,) = ((var, func) for var, func in after.functions.items() if is_region(func))
    return read_region(region[0].name_hint, region[1])


def between_floats(graph: LayerGraph) -> LayerGraph:
    """The graph without the layers at its ends that turn float into bytes and one layout into another."""
    layers = tuple(layer for layer in graph.layers if layer.kind not in ENDS)
    names = dict.fromkeys(name for layer in layers for name in (*layer.inputs, layer.output))
    return replace(graph, layers=layers, tensors={name: graph.tensors[name] for name in names})


def assert_same_layers(ours: LayerGraph, wanted: LayerGraph) -> None:
    """Equal but for names."""
    ours, wanted = between_floats(ours), between_floats(wanted)
    assert [layer.kind for layer in ours.layers] == [layer.kind for layer in wanted.layers]
    numbers = [{name: index for index, name in enumerate(graph.tensors)} for graph in (ours, wanted)]
    for left, right in zip(ours.layers, wanted.layers, strict=True):
        assert left.window == right.window
        inputs = [[n[name] for name in layer.inputs] for n, layer in zip(numbers, (left, right), strict=True)]
        assert inputs[0] == inputs[1]
        assert (left.weights is None) == (right.weights is None)
        if left.weights is not None:
            assert np.array_equal(left.weights, right.weights)
        assert (left.requant is None) == (right.requant is None)
        if left.requant is not None and right.requant is not None:
            assert np.array_equal(left.requant.multiplier, right.requant.multiplier)
            assert np.array_equal(left.requant.offset, right.requant.offset)
            same = [(r.shift, r.wide, r.lo, r.hi) for r in (left.requant, right.requant)]
            assert same[0] == same[1]
    shapes = [
        [(t.height, t.width, t.channels, t.zero_point) for t in graph.tensors.values()]
        for graph in (ours, wanted)
    ]
    assert shapes[0] == shapes[1]


SAME = (
    dialects.share_initializers,
    dialects.float_weights,
    dialects.no_zero_points,
    dialects.offset_weights,
    dialects.vectors_of_one,
    dialects.constant_nodes,
    dialects.identities,
    dialects.dequantize_for_each,
    dialects.negative_axes,
    dialects.qoperators,
)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wanted")
    return {name: layers_of(spec.build(), folder) for name, spec in ALL.items()}


@pytest.mark.parametrize("dialect", SAME, ids=lambda dialect: dialect.__name__)
@pytest.mark.parametrize("name", ALL)
def test_dialect_becomes_the_same_layers(name, dialect, wanted, tmp_path):
    model = ALL[name].build()
    dialect(model)
    assert_same_layers(layers_of(model, tmp_path), wanted[name])


@pytest.mark.parametrize(
    "dialect",
    [dialects.transposed_gemms, dialects.gemm_factors, dialects.stored_moves, dialects.implicit_moves],
    ids=lambda dialect: dialect.__name__,
)
@pytest.mark.parametrize("name", ["classifier", "flat"])
def test_linear_dialect_becomes_the_same_layers(name, dialect, wanted, tmp_path):
    model = ALL[name].build()
    dialect(model)
    assert_same_layers(layers_of(model, tmp_path), wanted[name])


@pytest.mark.parametrize("name", ALL)
def test_channels_last_needs_no_transposition(name, wanted, tmp_path):
    """The layout that the user has is the one that the kernels take."""
    model = ALL[name].build()
    dialects.channels_last(model)
    assert_same_layers(layers_of(model, tmp_path), wanted[name])
    assert "transpose" not in str(legalized(model, tmp_path))


@pytest.mark.parametrize("version", [11, 12, 13, 15, 17, 19, 21])
def test_opsets(version, tmp_path):
    """Per-tensor weights, for per-channel quantization came with opset 13."""
    spec = replace(KEPT, quantization=replace(KEPT.quantization, weights=WeightType.INT8_PER_TENSOR))
    model = spec.build()
    expected = layers_of(model, tmp_path)
    model.opset_import[0].version = version  # these operators did not change
    model.ir_version = 10 if version > 18 else 8
    onnx.checker.check_model(model)
    assert_same_layers(layers_of(model, tmp_path), expected)


def test_convolution_without_bias(tmp_path):
    spec = replace(RESIDUAL, layers=tuple(replace(layer, bias=False) for layer in RESIDUAL.layers))
    with_bias = spec.build()
    for node in with_bias.graph.node:
        if node.op_type == "Conv":
            channels = 8
            name = f"{node.name}_zero"
            dialects.set_constant(with_bias, name, np.zeros(channels, np.float32))
            node.input.append(name)
    assert_same_layers(layers_of(spec.build(), tmp_path), layers_of(with_bias, tmp_path))


@pytest.mark.parametrize("limits", ["constants", "dequantized", "no upper"])
def test_clip_limits(limits, tmp_path):
    """Limits as initializers, behind a DQ, or left out."""
    layer = QdqLayer(Kind.CONV, activation=Activation.CLIP, clip=(0.0, 100.0))
    model = QdqModel((layer,), quantization=Quantization(form=ActivationForm.KEPT)).build()
    expected = layers_of(model, tmp_path)
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    if limits == "no upper":
        del clip.input[2]
    if limits == "dequantized":
        dialects.set_constant(model, "step", np.array(0.5, np.float32))
        dialects.set_constant(model, "stored", np.array(200, np.uint8))
        node = helper.make_node("DequantizeLinear", ["stored", "step"], ["limit"], name="limit")
        model.graph.node.insert(0, node)
        clip = next(node for node in model.graph.node if node.op_type == "Clip")
        clip.input[2] = "limit"
    assert_same_layers(layers_of(model, tmp_path), expected)


def with_batch_norm(gamma: np.ndarray) -> ModelProto:
    """A convolution whose result is normalized before the Q, random statistics."""
    model = QdqModel((QdqLayer(Kind.CONV, 8, pads=(1, 1, 1, 1)), QdqLayer(Kind.CONV, 4))).build()
    rng = np.random.default_rng(3)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    output, conv.output[0] = conv.output[0], "raw"
    values = {"gamma": gamma, "beta": rng.normal(size=8) * 0.1, "mean": rng.normal(size=8) * 0.1}
    values["var"] = rng.uniform(0.5, 2.0, 8)
    for name, value in values.items():
        dialects.set_constant(model, name, value.astype(np.float32))
    norm = helper.make_node("BatchNormalization", ["raw", *values], [output], name="norm", epsilon=1e-3)
    index = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Conv")
    model.graph.node.insert(index + 1, norm)
    onnx.checker.check_model(model)
    return model


def onnxruntime_output(model: ModelProto, x: np.ndarray) -> np.ndarray:
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": x})[0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_batch_normalization_is_folded(sign, tmp_path):
    model = with_batch_norm(
        np.random.default_rng(4).uniform(0.5, 1.5, 8) * np.where(np.arange(8) % 2, 1.0, sign)
    )
    conv, _ = between_floats(layers_of(model, tmp_path)).layers
    assert "norm" in conv.sources
    samples = np.random.default_rng(5).uniform(-1.0, 1.5, (3, 1, 8, 9, 9)).astype(np.float32)
    found = run_reference(legalized(model, tmp_path), [{"input": x} for x in samples])
    constants = dialects.constants_of(model)
    step = float(constants["output_scale"])
    for (ours,), x in zip(found, samples, strict=True):
        assert np.abs(ours - onnxruntime_output(model, x)).max() <= 1.01 * step


def integer_model(op_type: str) -> ModelProto:
    """uint8 input -> ConvInteger or MatMulInteger -> Cast -> Mul -> Add -> Relu -> Q."""
    rng = np.random.default_rng(0)
    conv = op_type == "ConvInteger"
    shape = (1, 3, 6, 6) if conv else (1, 12)
    weights = rng.integers(-127, 128, (4, 3, 3, 3) if conv else (12, 4)).astype(np.int8)
    constants = {
        "w": weights,
        "x_zero": np.array(7, np.uint8),
        "scale": rng.uniform(1e-4, 3e-4, (1, 4, 1, 1) if conv else 4).astype(np.float32),
        "bias": rng.uniform(0.5, 1.5, (1, 4, 1, 1) if conv else 4).astype(np.float32),
        "out_scale": np.array(0.01, np.float32),
        "out_zero": np.array(5, np.uint8),
    }
    nodes = [
        helper.make_node(op_type, ["x", "w", "x_zero"], ["sums"], name="layer"),
        helper.make_node("Cast", ["sums"], ["float_sums"], to=1),
        helper.make_node("Mul", ["float_sums", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["biased"]),
        helper.make_node("Relu", ["biased"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "out_scale", "out_zero"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "integer",
        [info("x", onnx.TensorProto.UINT8, shape)],
        [info("y", onnx.TensorProto.UINT8, (1, 4, 4, 4) if conv else (1, 4))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("op_type", ["ConvInteger", "MatMulInteger"])
def test_integer_operators_with_their_tail(op_type, tmp_path):
    model = integer_model(op_type)
    graph = layers_of(model, tmp_path)
    assert len(between_floats(graph).layers) == 1
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    samples = np.random.default_rng(1).integers(0, 256, (4, *shape)).astype(np.uint8)
    found = run_reference(legalized(model, tmp_path), [{"x": x} for x in samples])
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = np.stack([session.run(None, {"x": x})[0] for x in samples])
    assert np.abs(np.stack([ours for (ours,) in found]).astype(int) - theirs).max() <= 1
    assert theirs.max() > 100


def test_pools_in_qoperator_format(tmp_path):
    spec = QdqModel((QdqLayer(Kind.AVGPOOL, kernel=(2, 2), strides=(2, 2), shared_scale=False),))
    model = spec.build()
    expected = layers_of(model, tmp_path)
    dialects.qoperators(model)
    assert "QLinearAveragePool" in {node.op_type for node in model.graph.node}
    assert_same_layers(layers_of(model, tmp_path), expected)


def test_matmul_in_qoperator_format(tmp_path):
    model = QdqModel((QdqLayer(Kind.MATMUL, 5, bias=False),), input_shape=(24,)).build()
    expected = layers_of(model, tmp_path)
    dialects.qoperators(model)
    assert "QLinearMatMul" in {node.op_type for node in model.graph.node}
    assert_same_layers(layers_of(model, tmp_path), expected)


def test_dynamic_quantization_is_refused(tmp_path):
    model = integer_model("MatMulInteger")
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    model.graph.node.insert(
        0, helper.make_node("DynamicQuantizeLinear", ["x"], ["x8", "xs", "xz"], name="dynamic")
    )
    model.graph.node[1].input[0] = "x8"
    with pytest.raises(
        ModelError, match=r"dynamic: its scale is computed at run time \(dynamic quantization\)"
    ):
        legalized(model, tmp_path)


def test_blocked_quantization_is_refused(tmp_path):
    model = FLAT.build()
    model.opset_import[0].version = 21
    node = dialects.weight_nodes(model)[-1]
    node.attribute.append(helper.make_attribute("block_size", 16))
    with pytest.raises(ModelError, match="blocked quantization can't be compiled"):
        legalized(model, tmp_path)


def test_symbolic_batch_needs_input_shapes(tmp_path):
    model = CLASSIFIER.build()
    expected = layers_of(model, tmp_path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r'--input-shapes "input:\[1,8,9,9\]"'):
        load_onnx(tmp_path / "model.onnx")
    mod, params = load_onnx(tmp_path / "model.onnx", {"input": [1, 8, 9, 9]})
    after = PartitionRegions("net")(MergePatterns()(legalize(prepare(mod, params))))
    (region,) = ((var, func) for var, func in after.functions.items() if is_region(func))
    assert_same_layers(read_region(region[0].name_hint, region[1]), expected)


@pytest.mark.parametrize(
    ("mode", "pads"), [("SAME_UPPER", (0, 1, 1, 1)), ("SAME_LOWER", (1, 1, 0, 1)), ("VALID", 4 * (0,))]
)
def test_auto_pad(mode, pads, tmp_path):
    """A kernel of 2 x 3 on a map of 8 x 8: one row of padding, a column on either side."""
    spec = QdqModel((QdqLayer(Kind.CONV, 4, kernel=(2, 3), pads=pads),), input_shape=(3, 8, 8))
    model = spec.build()
    expected = layers_of(model, tmp_path)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    kept = [attribute for attribute in conv.attribute if attribute.name != "pads"]
    del conv.attribute[:]
    conv.attribute.extend([*kept, helper.make_attribute("auto_pad", mode)])
    assert_same_layers(layers_of(model, tmp_path), expected)


def test_qoperators_per_channel_in_opset_10(tmp_path):
    """Per channel before opset 13, which QLinearConv allows and Q and DQ do not."""
    model = QdqModel((QdqLayer(Kind.CONV, 4),)).build()
    expected = layers_of(model, tmp_path)
    dialects.qoperators(model)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            del node.attribute[:]
    model.opset_import[0].version = 10
    assert_same_layers(layers_of(model, tmp_path), expected)
