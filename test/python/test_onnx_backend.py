"""The ONNX standard's node tests: each passes or is refused, and the list in the docs says which."""

from pathlib import Path

from onnx_backend import PASSES, node_tests, outcome, page

LIST = Path(__file__).resolve().parents[2] / "docs" / "onnx-coverage.md"


def test_every_node_test_passes_or_is_refused_as_listed():
    outcomes = [outcome(folder) for folder in node_tests()]
    assert sum(entry.result == PASSES for entry in outcomes) >= 60
    assert LIST.read_text(encoding="utf-8") == page(outcomes), f"make it again: {LIST.name} is stale"
