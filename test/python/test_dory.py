"""Integer networks: every byte of every layer is what the network's own golden files say."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from golden_layers import LAYERS, golden_input, golden_layers, in_golden_order, with_outputs
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.api import compile_model
from tvm_pulp.cli import run
from tvm_pulp.codegen.graph import LayerKind
from tvm_pulp.errors import InputError, ModelError
from tvm_pulp.frontend.dory.recognise import is_integer_network
from tvm_pulp.frontend.onnx import Dialect, load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.partition import legalize, prepare, region_graphs
from tvm_pulp.reference import run_reference
from tvm_pulp.runner import run_package

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models")) / "dory"
needs_models = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"no integer networks in {MODELS} (set PULP_MODELS)"
)


def legalized(path: Path, dialect: Dialect = Dialect.AUTO):
    mod, params = load_onnx(path, dialect=dialect)
    return legalize(prepare(mod, params))


@needs_models
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_golden(name, tmp_path):
    (path,) = (MODELS / name).glob("*.onnx")
    model = onnx.load(path)
    onnx.save(with_outputs(model, LAYERS[name]), tmp_path / "model.onnx")
    mod = legalized(tmp_path / "model.onnx")
    (found,) = run_reference(mod, [{mod["main"].params[0].name_hint: golden_input(MODELS / name, model)}])
    for tensor, values, golden in zip(LAYERS[name], found, golden_layers(MODELS / name), strict=True):
        assert np.array_equal(in_golden_order(name, values), golden), f"tensor {tensor}"


@needs_models
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_network_gives_the_golden_result(name, tmp_path):
    """The last layer as generated C computes it; what float operators make of it is left out."""
    (path,) = (MODELS / name).glob("*.onnx")
    model = onnx.load(path)
    onnx.save(with_outputs(model, LAYERS[name][-1:]), tmp_path / "model.onnx")
    package = compile_model(tmp_path / "model.onnx", tmp_path / "net.tar", options=PulpOptions(soc="gap9"))
    x = golden_input(MODELS / name, model)
    result = run_package(package, {package.inputs[0].name: x}, check=True)
    (found,) = result.outputs.values()
    assert np.array_equal(found.ravel(), golden_layers(MODELS / name)[-1])
    assert result.compared_bytes > 0
    assert result.mismatched_bytes == 0


@needs_models
@pytest.mark.parametrize("name", LAYERS)
def test_run_takes_the_golden_files_beside_a_network(name, tmp_path):
    """From the golden inputs comes what the operators behind the last layer make of its golden result."""
    (path,) = (MODELS / name).glob("*.onnx")
    package = compile_model(path, tmp_path / "net.tar", options=PulpOptions(soc="gap9"))
    result = run_package(package, check=True, workdir=tmp_path / "work")
    assert sum(comparison.compared_bytes for comparison in result.golden) == result.compared_bytes > 0
    assert (result.mismatched_bytes, result.golden_mismatched_bytes) == (0, 0)


# ---- Small networks ----------------------------------------------------------------------------------------


def network(nodes, constants, shape=(1, 3, 6, 6), outputs=("y",)) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def layer(index: int, source: str, target: str, bounds: tuple[float, float], divisor: float):
    """Conv -> Mul -> Add -> Div -> Floor -> Clip, as QuantLab writes it."""
    name = f"l{index}"
    nodes = [
        helper.make_node("Conv", [source, f"{name}_w"], [f"{name}_acc"], name=name, pads=[1, 1, 1, 1]),
        helper.make_node("Mul", [f"{name}_acc", f"{name}_k"], [f"{name}_scaled"]),
        helper.make_node("Add", [f"{name}_scaled", f"{name}_o"], [f"{name}_sum"]),
        helper.make_node("Div", [f"{name}_sum", f"{name}_d"], [f"{name}_real"]),
        helper.make_node("Floor", [f"{name}_real"], [f"{name}_floor"]),
        helper.make_node("Clip", [f"{name}_floor", f"{name}_low", f"{name}_high"], [target]),
    ]
    return nodes, {f"{name}_d": divisor, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}


def two_layers(low: float, high: float, divisor: float) -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    first, limits = layer(0, "x", "h", (low, high), divisor)
    second, more = layer(1, "h", "y", (0, 255), divisor)
    constants = {**limits, **more}
    for name, inputs in (("l0", 3), ("l1", 4)):
        constants[f"{name}_w"] = rng.integers(-128, 128, (4, inputs, 3, 3))
        constants[f"{name}_k"] = rng.integers(1, 9, (1, 4, 1, 1))
        constants[f"{name}_o"] = rng.integers(-3000, 3000, (1, 4, 1, 1))
    return network([*first, *second], constants)


def float64_result(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What onnxruntime computes; sums of these small networks are exact in float32."""
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x.astype(np.float32)})[0])


@pytest.mark.parametrize("bounds", [(0, 255), (-128, 127), (0, 15), (-8, 7)])
@pytest.mark.parametrize("divisor", [512, 1000])
def test_clips_and_divisors(bounds, divisor, tmp_path):
    """Unsigned, signed and narrow clips; a divisor that is no power of two is exact, too, in TVM's C."""
    model = two_layers(*bounds, divisor)
    assert is_integer_network(model)
    onnx.save(model, tmp_path / "model.onnx")
    samples = np.random.default_rng(2).integers(0, 256, (3, 1, 3, 6, 6)).astype(np.uint8)
    mod = legalized(tmp_path / "model.onnx")
    for (ours,), x in zip(run_reference(mod, [{"x": x} for x in samples]), samples, strict=True):
        assert np.array_equal(ours, float64_result(model, x))
        assert len(np.unique(ours)) > 2


def test_sum_that_is_rounded_down_twice(tmp_path):
    """`floor(floor((53 h + 128 g) / 128) * 54 / 64)` is no single sum, but 128 g comes out of the inner one."""
    model = two_layers(0, 255, 512)
    steps = [
        ("Mul", "h", 53, "a"),
        ("Mul", "g", 128, "b"),
        ("Add", "a", "b", "ab"),
        ("Div", "ab", 128, "real"),
        ("Floor", "real", None, "floor"),
        ("Mul", "floor", 54, "scaled"),
        ("Div", "scaled", 64, "quotient"),
        ("Floor", "quotient", None, "whole"),
        ("Relu", "whole", None, "y"),
    ]
    model.graph.node[-1].output[0] = "g"
    for operator, first, second, result in steps:
        name = f"{result}_factor" if isinstance(second, int) else second
        if isinstance(second, int):
            model.graph.initializer.append(numpy_helper.from_array(np.array(second, np.float32), name))
        model.graph.node.append(helper.make_node(operator, [first, *([name] if name else [])], [result]))
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(2).integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
    mod = legalized(tmp_path / "model.onnx")
    ((ours,),) = run_reference(mod, [{"x": x}])
    assert np.array_equal(ours, np.minimum(float64_result(model, x), 255))
    (graph,) = region_graphs(mod, "net")
    kinds = [layer.kind for layer in graph.layers]
    assert kinds[-3:] == [LayerKind.AVGPOOL, LayerKind.ADD, LayerKind.TRANSPOSE]


def test_signed_output_is_int8(tmp_path):
    model = two_layers(0, 255, 512)
    model.graph.node[-1].input[1], model.graph.node[-1].input[2] = "signed_low", "signed_high"
    for name, value in (("signed_low", -128), ("signed_high", 127)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    onnx.save(model, tmp_path / "model.onnx")
    x = np.random.default_rng(2).integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
    ((ours,),) = run_reference(legalized(tmp_path / "model.onnx"), [{"x": x}])
    assert ours.dtype == np.int8
    assert np.array_equal(ours, float64_result(model, x))


def with_golden_files(folder: Path) -> Path:
    """A network of two layers with its input and last layer in files beside it; the path of the network."""
    model = two_layers(0, 255, 512)
    onnx.save(model, folder / "model.onnx")
    x = np.random.default_rng(2).integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
    y = float64_result(model, x)
    for name, values in (("input", x), ("out_layer0", x), ("out_layer1", y)):
        in_rows = np.moveaxis(values, 1, -1).ravel()
        (folder / f"{name}.txt").write_text("# a remark\n" + "".join(f"{int(v)},\n" for v in in_rows))
    return folder / "model.onnx"


def test_golden_files_are_compared_by_the_command(tmp_path, capfd):
    path, words = with_golden_files(tmp_path), ["run", str(tmp_path / "net.tar"), "--check"]
    compile_model(path, tmp_path / "net.tar")
    assert run(words) == 0
    shown = capfd.readouterr().out
    assert "check: 0 of 144 output bytes differ from the legalized network" in shown
    assert "check: 0 of 144 output bytes differ from the network's golden files" in shown
    lines = (tmp_path / "out_layer1.txt").read_text().splitlines()
    lines[5] = "17," if lines[5] != "17," else "18,"
    (tmp_path / "out_layer1.txt").write_text("\n".join(lines))
    compile_model(path, tmp_path / "net.tar")
    assert run(words) == 1
    assert "check: 1 of 144 output bytes differ from the network's golden files" in capfd.readouterr().out


def test_golden_files_of_another_network(tmp_path):
    path = with_golden_files(tmp_path)
    (tmp_path / "out_layer1.txt").write_text("# a remark\n1,\n2,\n")
    with pytest.raises(
        ModelError, match=r"holds 2 numbers from 1 to 2, the network's tensor is uint8 \[1, 4, 6, 6\]"
    ):
        load_onnx(path)


def test_inputs_are_needed_without_golden_files(tmp_path):
    onnx.save(two_layers(0, 255, 512), tmp_path / "model.onnx")
    package = compile_model(tmp_path / "model.onnx", tmp_path / "net.tar")
    with pytest.raises(InputError, match="the network came without golden files, so it needs inputs"):
        run_package(package)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fraction", r"l0: a constant of it is not a whole number \(Conv\)"),
        ("limits", "it clips to -300 … 127, which is no range of 8 bits"),
        ("operator", "there is no integer form of Erf"),
    ],
)
def test_refusals_name_the_node(change, message, tmp_path):
    model = two_layers(0, 255, 512)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    if change == "fraction":
        values = numpy_helper.to_array(constants["l0_w"]) + np.float32(0.5)
        constants["l0_w"].CopyFrom(numpy_helper.from_array(values, "l0_w"))
    elif change == "limits":
        for name, value in (("l0_low", -300), ("l0_high", 127)):
            constants[name].CopyFrom(numpy_helper.from_array(np.array(value, np.float32), name))
    else:
        model.graph.node.append(helper.make_node("Erf", ["y"], ["z"], name="erf"))
        model.graph.output[0].name = "z"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=message):
        load_onnx(tmp_path / "model.onnx", dialect=Dialect.DORY)


def test_float_network_is_no_integer_network(tmp_path):
    model = two_layers(0, 255, 512)
    values = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "l0_w")
    weights.CopyFrom(numpy_helper.from_array(values, "l0_w"))
    assert not is_integer_network(model)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="is a float network"):
        load_onnx(tmp_path / "model.onnx")
