"""What TVM's part takes of L2: at least what its build then allocates, and not much more."""

from __future__ import annotations

from pathlib import Path

import networks
import onnx
import pytest
from tvm_pulp.api import compile_model
from tvm_pulp.errors import PlanError
from tvm_pulp.options import PulpOptions
from tvm_pulp.report import read_report


@pytest.mark.parametrize("name", ["kws", "ad"])
def test_estimate_and_build(tmp_path: Path, name: str) -> None:
    model = tmp_path / f"{name}.onnx"
    onnx.save(networks.quantized(name), model)
    package = compile_model(model, tmp_path / f"{name}.tar")
    outside = read_report(package).l2_outside
    built = package.metadata["pulp"]["tvm_workspace_bytes"]
    assert built <= outside <= 2 * built + 64
    used = outside + sum(region["l2_used"] for region in package.metadata["pulp"]["regions"])
    tight = compile_model(model, tmp_path / "tight.tar", options=PulpOptions(l2=used))
    assert outside + sum(region["l2_used"] for region in tight.metadata["pulp"]["regions"]) <= used


def with_argmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with an operator that stays with TVM behind its output."""
    (old,) = model.graph.output
    model.graph.node.append(onnx.helper.make_node("ArgMax", [old.name], ["best"], axis=1))
    model.graph.output.append(onnx.helper.make_tensor_value_info("best", onnx.TensorProto.INT64, (1, 1)))
    del model.graph.output[0]
    return model


def test_nothing_left(tmp_path: Path) -> None:
    model = tmp_path / "kws.onnx"
    onnx.save(with_argmax(networks.quantized("kws")), model)
    with pytest.raises(PlanError, match=r"network: what lies between .* takes \d+ bytes of L2, 20 may be used"):
        compile_model(model, tmp_path / "kws.tar", options=PulpOptions(l2=20))
