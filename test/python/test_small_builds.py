"""What TVM is spared in a compilation: patterns that can't match, and the bodies of regions."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx_layers import QdqModel, chain
from tvm import relay
from tvm_pulp.api import compile_model
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, partition_for_pulp, prepare
from tvm_pulp.passes.expressions import as_call
from tvm_pulp.passes.patterns.table import OPERATORS, pattern_table
from tvm_pulp.relay_ext import is_region


def saved(folder: Path) -> Path:
    onnx.save(QdqModel(chain("classifier")).build(), folder / "net.onnx")
    return folder / "net.onnx"


def names(present: list[str] | None) -> list[str]:
    return [name for name, *_ in pattern_table(lambda match, reason: None, present)]


def test_patterns_whose_operators_are_missing_are_left_out() -> None:
    assert names(None) == [operator.name for operator in OPERATORS]
    assert names(["transpose", "reshape"]) == ["pulp.transpose", "pulp.reshape"]
    assert names(["cast", "nn.dense"]) == ["pulp.sums", "pulp.flip"]


def test_what_matches_is_never_left_out(tmp_path: Path) -> None:
    """Each composite of a network comes from a pattern that its operators let through."""
    mod = legalize(prepare(*load_onnx(saved(tmp_path))))

    def merged(present: list[str] | None) -> str:
        table = pattern_table(lambda match, reason: None, present)
        return str(relay.transform.MergeComposite(table)(mod).astext(show_meta_data=False))

    some = list(relay.analysis.list_op_freqs(mod))
    assert len(names(some)) < len(OPERATORS)
    assert merged(some) == merged(None)


def test_regions_go_to_tvm_without_their_bodies(tmp_path: Path) -> None:
    path = saved(tmp_path)
    mod = partition_for_pulp(*load_onnx(path))
    (region,) = (function for function in mod.functions.values() if is_region(function))
    assert as_call(region.body, "zeros") is not None
    package = compile_model(path, tmp_path / "net.tar", name="net")
    text = package.read("src/net.relay").decode()
    assert 'Composite="pulp.conv2d"' in text
    assert not [name for name in ("pulp_files", "pulp_plan", "pulp_timeline", "pulp_legalized") if name in text]
