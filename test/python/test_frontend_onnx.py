"""Reading ONNX: what a user may give, the names that come out, and how the rest is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper
from onnx_layers import QdqModel, chain
from tvm_pulp.errors import ModelError
from tvm_pulp.frontend.onnx import OUTPUT_NAMES_ATTR, load_onnx
from tvm_pulp.frontend.quick_import import quick_import
from tvm_pulp.passes.expressions import as_call


@pytest.fixture
def model() -> onnx.ModelProto:
    return QdqModel(chain("conv-conv")).build()


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def renamed_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    old, model.graph.output[0].name = model.graph.output[0].name, name
    for node in model.graph.node:
        node.output[:] = [name if out == old else out for out in node.output]
    return model


@pytest.mark.parametrize(
    ("name", "identifier"), [("logits", "logits"), ("Identity:0", "Identity_0"), ("7", "output_7")]
)
def test_outputs_keep_their_names(model, name, identifier, tmp_path):
    mod, _ = load_onnx(saved(renamed_output(model, name), tmp_path))
    assert list(mod["main"].attrs[OUTPUT_NAMES_ATTR]) == [identifier]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("int", "return"), ("int_", "return_")),
        (("float", "float_"), ("float_", "float__")),
        (("a b", "A.B"), ("a b", "A_B_")),  # TVM makes a_b of the first; in macros both are A_B
        (("1x", "x"), ("input_1x", "x")),
    ],
)
def test_names_in_c_are_no_keywords_and_differ(model, given, wanted, tmp_path):
    old, model.graph.input[0].name = model.graph.input[0].name, given[0]
    for node in model.graph.node:
        node.input[:] = [given[0] if name == old else name for name in node.input]
    mod, _ = load_onnx(saved(renamed_output(model, given[1]), tmp_path))
    assert [str(param.name_hint) for param in mod["main"].params] == [wanted[0]]
    assert list(mod["main"].attrs[OUTPUT_NAMES_ATTR]) == [wanted[1]]


def test_operands_left_out_at_the_end(model, tmp_path):
    expected, _ = load_onnx(saved(model, tmp_path))
    for node in model.graph.node:
        node.input.extend(["", ""] if node.op_type == "Conv" else [])
    found, _ = load_onnx(saved(model, tmp_path))
    assert tvm.ir.structural_equal(found["main"], expected["main"], map_free_vars=True)


def of_half_precision(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def without_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def with_scale_of_zero(model: onnx.ModelProto) -> None:
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == "input_scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.float32), scale.name))


def with_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["input"], ["r"])],
        "branch",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    model.graph.input.append(helper.make_tensor_value_info("which", TensorProto.BOOL, []))
    model.graph.node.insert(
        0,
        helper.make_node("If", ["which"], ["chosen"], name="choice", then_branch=branch, else_branch=branch),
    )
    model.graph.node[1].input[0] = "chosen"


def with_dynamic_result(model: onnx.ModelProto) -> None:
    output = model.graph.output[0].name
    model.graph.node.append(helper.make_node("NonZero", [output], ["where"], name="where"))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("where", TensorProto.INT64, None))


def with_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type, model.graph.node[0].name = "Foo", "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            of_half_precision,
            "`input` is of type float16, which can't be compiled; export the network in float32",
        ),
        (without_shape, 'input `input` has no shape; give it with `tvmc compile --input-shapes "input:[1,'),
        (with_scale_of_zero, "input_QuantizeLinear: its scale is 0.0; calibrate again"),
        (with_branch, "choice: its condition is computed at run time; export the network without it"),
        (with_dynamic_result, "the shape of output `where` is known at run time only"),
        (with_unknown_operator, "mine: TVM 0.19 can't import it (it does not know Foo)"),
    ],
)
def test_what_has_no_form_in_c_is_refused(change, message, model, tmp_path):
    change(model)
    with pytest.raises(ModelError) as error:
        load_onnx(saved(model, tmp_path))
    assert message in str(error.value)


def test_shape_of_another_rank(model, tmp_path):
    with pytest.raises(ModelError, match="input `input` has 4 dimensions, 3 are given"):
        load_onnx(saved(model, tmp_path), {"input": (1, 8, 9)})


def test_nodes_without_a_name_get_one(model, tmp_path):
    for node in model.graph.node:
        node.name = ""
    mod, _ = load_onnx(saved(model, tmp_path))
    assert '["Conv_4", "Conv"]' in str(mod.attrs["pulp_operators"])


def test_shapes_replace_dynamic_ones(model, tmp_path):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    path = saved(model, tmp_path)
    with pytest.raises(ModelError) as error:
        load_onnx(path)
    assert str(error.value) == (
        f"{path}: input `input` has the dynamic shape [N, 8, 9, 9]; "
        'fix it with `tvmc compile --input-shapes "input:[1,8,9,9]"`'
    )
    mod, _ = load_onnx(path, {"input": (1, 8, 9, 9)})
    assert [int(size) for size in mod["main"].params[0].checked_type.shape] == [1, 8, 9, 9]


def test_unknown_input_in_shapes(model, tmp_path):
    path = saved(model, tmp_path)
    with pytest.raises(ModelError) as error:
        load_onnx(path, {"x": (1,)})
    assert str(error.value) == f"{path}: no input `x`; its inputs are `input`"


def test_float_network_is_refused(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    path = saved(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path)
    with pytest.raises(ModelError) as error:
        load_onnx(path)
    assert str(error.value) == (
        f"{path}: is a float network; "
        f"quantize it: tvm-pulp quantize {path} --calibration samples.npz -o model_int8.onnx"
    )


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 64, np.arange(99, dtype=np.uint8).tobytes()])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        load_onnx(path)
    assert "ONNX file" in str(error.value)
    assert "\n" not in str(error.value)


def test_quick_import_changes_nothing(model, tmp_path):
    """The same Relay as TVM's importer alone makes, spans included, and that is itself again afterwards."""
    from tvm import ir, relay  # noqa: PLC0415 (only this test compares with TVM)

    stock, _ = relay.frontend.from_onnx(model, freeze_params=True)
    with quick_import():
        quick, _ = relay.frontend.from_onnx(model, freeze_params=True)
    again, _ = relay.frontend.from_onnx(model, freeze_params=True)
    assert ir.structural_equal(stock, quick, map_free_vars=True)
    assert ir.save_json(quick) == ir.save_json(again)
    assert as_call(quick["main"].body, "qnn.dequantize") is not None
