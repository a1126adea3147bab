"""What networks are made of once they are partitioned: a network that comes in NCHW ends with at most one
transposition at its input and one at its output, and a real one is a single region."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx_layers import Kind, QdqLayer, QdqModel, chain
from tvm_pulp.codegen.graph import LayerGraph, LayerKind
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.operators import report_operators
from tvm_pulp.partition import legalize, prepare, region_graphs
from tvm_pulp.passes.expressions import as_call, post_order
from tvm_pulp.passes.merge_patterns import MergePatterns
from tvm_pulp.passes.partition_regions import PartitionRegions

logging.getLogger("te_compiler").setLevel(logging.ERROR)
ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
FLOAT_NETWORKS = ("yunet_n_320.onnx",)
NETWORKS = sorted(file for file in MODELS.rglob("*.onnx") if file.name not in FLOAT_NETWORKS)
LEAST_SHARE = 0.99
needs_models = pytest.mark.skipif(not NETWORKS, reason=f"no networks in {MODELS} (set PULP_MODELS)")

GENERATED = {
    "to a row": chain("classifier"),
    "to a map": chain("residual"),
    "softmax": (*chain("classifier"), QdqLayer(Kind.SOFTMAX)),
}


@dataclass(frozen=True)
class Partitioned:
    """The regions' layer graphs, how many transpositions TVM's part has, and the share of the network's
    multiply-accumulates that is offloaded."""

    graphs: list[LayerGraph]
    left: int
    share: float


def partitioned(path: Path) -> Partitioned:
    model = onnx.load(path)
    (value,) = model.graph.input
    shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
    imported = prepare(*load_onnx(path, {value.name: shape}))
    legalized = legalize(imported)
    mod = PartitionRegions("net")(MergePatterns()(legalized))
    calls = post_order(mod["main"].body)
    left = sum(as_call(expr, "transpose", "layout_transform") is not None for expr in calls)
    graphs = region_graphs(legalized, "net")
    operators = report_operators(imported, mod, graphs)
    offloaded = sum(operator.macs for operator in operators if operator.offloaded)
    return Partitioned(graphs, left, offloaded / sum(operator.macs for operator in operators))


def assert_transpositions(found: Partitioned, most: int) -> None:
    layers = [
        (layer.inputs[0], layer.output)
        for graph in found.graphs
        for layer in graph.layers
        if layer.kind is LayerKind.TRANSPOSE
    ]
    assert len(layers) + found.left <= most, (layers, found.left)


@needs_models
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: str(path.relative_to(MODELS)))
def test_real_networks(path: Path) -> None:
    """All of them end with a row, which lies the same way in either order."""
    found = partitioned(path)
    assert_transpositions(found, 1)
    assert len(found.graphs) == 1
    assert found.share >= LEAST_SHARE


@pytest.mark.parametrize(("name", "most"), [("to a row", 1), ("to a map", 2), ("softmax", 1)])
def test_generated_networks(name: str, most: int, tmp_path: Path) -> None:
    onnx.save(QdqModel(GENERATED[name]).build(), tmp_path / "model.onnx")
    assert_transpositions(partitioned(tmp_path / "model.onnx"), most)
