"""The benchmark that compares networks with onnxruntime: its measure, its page, what it keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import accuracy
import numpy as np
import onnx
import pytest
from accuracy import Network, Settings, golden_outcome_of, onnxruntime_outputs, outcome_of
from accuracy_doc import golden_row, itself_row, render, row, share
from accuracy_models import output_step, random_inputs, with_next_scales
from accuracy_outcomes import Difference, GoldenOutcome, Outcome, compare, keep, kept, kept_golden
from click.testing import CliRunner
from golden_layers import LAYERS
from networks import quantized
from onnx import numpy_helper

NEAR = Difference(inputs=4, largest=1, mean=0.25, equal=0.75, top1=3, clear_top1=2, clear=2)
OUTCOME = Outcome("net", None, NEAR, replace(NEAR, mean=0.125, top1=4), NEAR, "abc")
GOLDEN = GoldenOutcome("net", (6, 4), 0, "abc")


def test_differences_are_counted_in_units_of_the_output() -> None:
    theirs = np.array([[[0.0, 2.0, 8.0]], [[4.0, 5.0, 0.0]], [[0.0, 0.0, 1.5]]])
    ours = np.array([[[0.0, 2.0, 7.0]], [[5.0, 4.5, 0.0]], [[0.0, 2.0, 1.5]]])
    found = compare(ours, theirs, 0.5)
    assert found == Difference(3, largest=4, mean=9 / 9, equal=5 / 9, top1=1, clear_top1=1, clear=2)


def test_a_single_number_is_always_clear() -> None:
    assert compare(np.array([[3], [4]]), np.array([[3], [5]]), 1.0).clear == 2


def test_goals() -> None:
    assert OUTCOME.missed == ()
    assert replace(OUTCOME, ours=replace(NEAR, mean=0.5)).missed == ("mean",)
    assert replace(OUTCOME, ours=replace(NEAR, clear_top1=1)).missed == ("top-1",)


def test_outcomes_are_kept(tmp_path: Path) -> None:
    precise = replace(OUTCOME, multiplier_error=0.01)
    assert kept(tmp_path, "net") is None
    assert kept_golden(tmp_path, "net") is None
    for one in (OUTCOME, precise, GOLDEN):
        keep(tmp_path / "new", one)
    assert kept(tmp_path / "new", "net") == OUTCOME
    assert kept(tmp_path / "new", "net", 0.01) == precise
    assert kept_golden(tmp_path / "new", "net") == GOLDEN


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    network = Network("net", tmp_path / "no.onnx")
    keep(tmp_path, OUTCOME)
    keep(tmp_path, GOLDEN)
    same = Settings(4, None, tmp_path, again=False, source="abc")
    assert outcome_of(network, same) == OUTCOME
    assert golden_outcome_of(network, same) == GOLDEN
    for other in (replace(same, count=5), replace(same, again=True), replace(same, multiplier_error=0.1)):
        with pytest.raises(FileNotFoundError):
            outcome_of(network, other)


def test_a_network_is_measured_before_its_softmax(tmp_path: Path) -> None:
    onnx.save(quantized("kws"), tmp_path / "kws.onnx")
    network = Network("kws", tmp_path / "kws.onnx")
    found = outcome_of(network, Settings(2, None, tmp_path, again=False, source="abc"))
    assert found.source == "abc"
    assert (found.ours.inputs, found.ours.largest) == (2, 1)
    assert (found.stepped.inputs, found.stepped.largest) == (2, 0)
    model = network.load()
    values = onnxruntime_outputs(model, random_inputs(model, 2)) / output_step(model)
    assert np.abs(values - np.rint(values)).max() < 1e-4
    assert np.abs(values).max() > 2  # a softmax gives at most 1


def test_next_scales_are_those_of_weights() -> None:
    model = quantized("kws")
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in one.graph.initializer}
        for one in (model, with_next_scales(model))
    )
    changed = {name for name, values in before.items() if not np.array_equal(values, after[name])}
    read = {node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    assert changed
    assert changed <= read
    assert all(np.array_equal(after[name], np.nextafter(before[name], np.float32(9))) for name in changed)


def test_rows() -> None:
    assert row(OUTCOME) == ["net", "4", "1", "0.250", "75.00 %", "3", "2 of 2", "met"]
    missed = replace(OUTCOME, ours=replace(NEAR, mean=0.6, clear_top1=0))
    assert row(missed)[-2:] == ["0 of 2", "missed: mean, top-1"]
    assert itself_row(OUTCOME) == ["net", "0.250", "0.125", "75.00 %", "4", "0.250", "75.00 %", "3"]
    assert golden_row(GOLDEN) == ["net", "2", "10", "0"]
    assert [share(part) for part in (1, 0.99999, 0.5)] == ["100.00 %", "99.99 %", "50.00 %"]


def test_page() -> None:
    text = render([OUTCOME], [GOLDEN])
    assert "| net | 4 | 1 | 0.250 | 75.00 % | 3 | 2 of 2 | met |" in text
    assert "Compiled at `abc`." in text
    assert "All goals are met." in text
    assert "Missed by net" in render([replace(OUTCOME, ours=replace(NEAR, mean=0.6))])


def test_command_writes_the_page_of_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(LAYERS))
    (tmp_path / "dory" / name).mkdir(parents=True)
    (tmp_path / "dory" / name / "net.onnx").touch()
    monkeypatch.setattr(accuracy, "MODELS", tmp_path)
    words = ["--inputs", "4", "--folder", str(tmp_path), "--document", str(tmp_path / "page.md")]
    keep(tmp_path, replace(OUTCOME, network=name))
    keep(tmp_path, replace(GOLDEN, network=name))
    done = CliRunner().invoke(accuracy.main, words)
    assert done.exit_code == 0
    assert f"{name}: 0 of 10 golden numbers differ" in done.output
    page = render([replace(OUTCOME, network=name)], [replace(GOLDEN, network=name)])
    assert (tmp_path / "page.md").read_text() == page
    unknown = CliRunner().invoke(accuracy.main, [*words, "unknown"])
    assert unknown.exit_code == 1
    assert "no such networks in" in unknown.output
