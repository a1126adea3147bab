"""The committed digit networks: their inputs, outputs, encodings, and the accuracy their README states."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
import quantize
from data import load_split
from onnx_run import count_right, run_onnx

FOLDER = Path(quantize.__file__).parent
FILES = ("digits_float.onnx", "digits_int8.onnx")
LIMIT_BYTES = 200_000


def tensor(info: onnx.ValueInfoProto) -> tuple[str, int, list[int]]:
    kind = info.type.tensor_type
    return info.name, kind.elem_type, [d.dim_value for d in kind.shape.dim]


@pytest.mark.parametrize("name", FILES)
def test_input_and_output(name: str) -> None:
    model = onnx.load(FOLDER / name)
    onnx.checker.check_model(model, full_check=True)
    (image,), (logits,) = model.graph.input, model.graph.output
    assert tensor(image) == ("image", onnx.TensorProto.FLOAT, [1, 1, 8, 8])
    assert tensor(logits) == ("logits", onnx.TensorProto.FLOAT, [1, 10])


def test_quantized_types() -> None:
    """uint8 activations, int8 weights with a scale per channel."""
    model = onnx.load(FOLDER / "digits_int8.onnx")
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {constants[node.input[2]].dtype.name for node in quantizers} == {"uint8"}
    weights = [name for name in constants if name.endswith("_weight_quantized")]
    assert {constants[name].dtype.name for name in weights} == {"int8"}
    assert all(
        constants[name.replace("_quantized", "_scale")].shape == constants[name].shape[:1] for name in weights
    )


@pytest.mark.parametrize("name", FILES)
def test_accuracy_is_what_the_readme_states(name: str) -> None:
    row = re.search(rf"`{name}`.*\| (\d+) \(", (FOLDER / "README.md").read_text())
    assert row is not None
    split = load_split()
    right = count_right(run_onnx(FOLDER / name, split.test_x), split.test_y)
    assert right == int(row[1]) == 357


def test_size() -> None:
    assert all((FOLDER / name).stat().st_size < LIMIT_BYTES for name in FILES)
