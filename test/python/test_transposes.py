"""A network that comes in NCHW ends with at most one transposition at its input and one at its output."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import onnx
import pytest
from onnx_layers import Kind, QdqLayer, QdqModel, chain
from tvm_pulp.codegen.graph import LayerGraph, LayerKind
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare, region_graphs
from tvm_pulp.passes.expressions import as_call, post_order
from tvm_pulp.passes.merge_patterns import MergePatterns
from tvm_pulp.passes.partition_regions import PartitionRegions

logging.getLogger("te_compiler").setLevel(logging.ERROR)
ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
FLOAT_NETWORKS = ("yunet_n_320.onnx",)
NETWORKS = sorted(file for file in MODELS.rglob("*.onnx") if file.name not in FLOAT_NETWORKS)
needs_models = pytest.mark.skipif(not NETWORKS, reason=f"no networks in {MODELS} (set PULP_MODELS)")

GENERATED = {
    "to a row": chain("classifier"),
    "to a map": chain("residual"),
    "softmax": (*chain("classifier"), QdqLayer(Kind.SOFTMAX)),
}


def transpositions(path: Path) -> tuple[list[LayerGraph], int]:
    """The regions' layer graphs, and how many transpositions TVM's part has."""
    model = onnx.load(path)
    (value,) = model.graph.input
    shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
    legalized = legalize(prepare(*load_onnx(path, {value.name: shape})))
    main = PartitionRegions("net")(MergePatterns()(legalized))["main"]
    left = sum(as_call(expr, "transpose", "layout_transform") is not None for expr in post_order(main.body))
    return region_graphs(legalized, "net"), left


def assert_at_most(path: Path, most: int) -> None:
    graphs, left = transpositions(path)
    found = [
        (layer.inputs[0], layer.output)
        for graph in graphs
        for layer in graph.layers
        if layer.kind is LayerKind.TRANSPOSE
    ]
    assert len(found) + left <= most, (found, left)


@needs_models
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: str(path.relative_to(MODELS)))
def test_real_networks(path: Path) -> None:
    """All of them end with a row, which lies the same way in either order."""
    assert_at_most(path, 1)


@pytest.mark.parametrize(("name", "most"), [("to a row", 1), ("to a map", 2), ("softmax", 1)])
def test_generated_networks(name: str, most: int, tmp_path: Path) -> None:
    onnx.save(QdqModel(GENERATED[name]).build(), tmp_path / "model.onnx")
    assert_at_most(tmp_path / "model.onnx", most)
