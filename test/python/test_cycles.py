"""Cycles of a run beside the prediction, and the tool that measures them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tvm_pulp.cycles import LayerCycles, measured_cycles
from tvm_pulp.errors import ToolError
from tvm_pulp.report import CompilationReport, LayerReport, RegionReport
from tvm_pulp.toolchain import find_gvsoc

STATS = {
    "network": "net",
    "inferences": 2,
    "inference_cycles": 5000,
    "cluster_cycles": 4400,
    "layers": [
        {"name": "conv", "runs": 2, "cycles": 2000, "dma_wait_cycles": 500, "l3_wait_cycles": 200},
        {"name": "head", "runs": 2, "cycles": 1000, "dma_wait_cycles": 0, "l3_wait_cycles": 0},
        {"name": "conv", "runs": 2, "cycles": 400, "dma_wait_cycles": 2, "l3_wait_cycles": 0},
    ],
}


def layer(name: str, macs: int, cycles: int) -> LayerReport:
    one = (1, 1, 1)
    return LayerReport(
        name, "conv2d", (), (one,), one, "kernel", one, 1, macs, cycles, l1_bytes=0, dma_in=0, dma_out=0
    )


def region(*layers: LayerReport) -> RegionReport:
    return RegionReport("region", layers, l1_used=0, l1_limit=0, l2_used=0, l2_limit=0, l2_arena=0, l2_params=0)


def test_layers_are_those_of_the_report() -> None:
    """Two regions have a layer of the same name."""
    regions = (region(layer("conv", 8000, 900), layer("head", 100, 500)), region(layer("conv", 200, 250)))
    cycles = measured_cycles(STATS, CompilationReport("soc", 8, (), regions))
    assert cycles is not None
    assert cycles.layers == (
        LayerCycles("conv", 1000, 250, 100, macs=8000, predicted=900),
        LayerCycles("head", 500, 0, 0, macs=100, predicted=500),
        LayerCycles("conv", 200, 1, 0, macs=200, predicted=250),
    )
    assert cycles.all_layers == LayerCycles("total", 1700, 251, 100, macs=8300, predicted=1650)
    assert (cycles.cluster, cycles.inference) == (2200, 2500)
    first = cycles.layers[0]
    assert (first.compute, first.macs_per_cycle, first.prediction_error) == (650, 8.0, 0.0)


def test_without_report() -> None:
    cycles = measured_cycles(STATS)
    assert cycles is not None
    assert cycles.all_layers == LayerCycles("total", 1700, 251, 100)
    assert (cycles.all_layers.macs_per_cycle, cycles.all_layers.prediction_error) == (None, None)


def test_a_platform_without_a_clock_has_no_cycles() -> None:
    assert measured_cycles({"network": "net", "inferences": 1, "layers": []}) is None


def test_no_gvsoc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fix = "set GVSOC_HOME to the folder where GVSoC (target pulp-open) is installed"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("GVSOC_HOME", raising=False)
    with pytest.raises(ToolError) as caught:
        find_gvsoc()
    assert str(caught.value) == f"platform pulp-open: no gvsoc found on PATH; {fix}"
    monkeypatch.setenv("GVSOC_HOME", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        find_gvsoc()
    assert str(caught.value) == (
        f"platform pulp-open: GVSOC_HOME is {tmp_path}, which holds no bin/gvsoc; {fix}"
    )


def test_gvsoc_of_gvsoc_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "gvsoc"
    command.parent.mkdir()
    command.touch(mode=0o755)
    monkeypatch.setenv("GVSOC_HOME", str(tmp_path))
    assert find_gvsoc() == str(command)
