"""Drawn graphs of what networks bring: onnxruntime's numbers, or a refusal that names an operator."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from onnx_graphs import Graph, graphs, run_model
from tvm_pulp.api import compile_model
from tvm_pulp.errors import ModelError, PulpError
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.reference import run_reference
from tvm_pulp.runner import run_package

logging.getLogger("te_compiler").setLevel(logging.ERROR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the drawn graphs, so that kernels and platform are built once."""
    return tmp_path_factory.mktemp("drawn")


def saved(graph: Graph, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(graph.build(), path)
    return path


def check_refusal(error: PulpError, graph: Graph) -> None:
    """It names one of the graph's operators or what is between them, and is one line."""
    names = [f"{node.op}_{node.outputs[0]}" for step in graph.steps for node in step.nodes]
    assert any(name in str(error) for name in names)
    assert "\n" not in str(error)


def check_near(graph: Graph, found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Each operator may be off by a unit, and what the one before was off by may stay a unit."""
    for name, ours, theirs in zip(graph.outputs, found, wanted, strict=True):
        assert ours.shape == theirs.shape
        unit = graph.scale(name) or float(np.abs(theirs).max()) / 255 + 1e-6
        assert np.abs(ours.astype(np.float64) - theirs).max() <= (len(graph.steps) + 0.1) * unit


QUICK = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@seed(5)
@settings(QUICK, max_examples=16)
@given(graph=graphs())
def test_numbers_are_onnxruntimes(graph: Graph, folder: Path) -> None:
    path = saved(graph, folder)
    samples = [graph.sample(number) for number in (1, 2)]
    try:
        mod = legalize(prepare(*load_onnx(path)))
    except ModelError as error:
        check_refusal(error, graph)
        return
    results = run_reference(mod, [{"x": sample} for sample in samples])
    model = onnx.load(path)
    for sample, found in zip(samples, results, strict=True):
        check_near(graph, list(found), run_model(model, {"x": sample}))


@seed(6)
@settings(QUICK, max_examples=2)
@given(graph=graphs(least=3))
def test_c_has_the_same_bytes(graph: Graph, folder: Path) -> None:
    path = saved(graph, folder)
    try:
        package = compile_model(path, folder / "model.tar")
    except PulpError as error:
        check_refusal(error, graph)
        return
    samples = np.stack([graph.sample(number) for number in (1, 2)])
    result = run_package(package, {"x": samples}, check=True, workdir=folder)
    assert result.compared_bytes > 0
    assert result.mismatched_bytes == 0
