"""The page of offloaded operators is the one that the patterns make."""

from __future__ import annotations

from pathlib import Path

from onnx import defs
from tvm_pulp.codegen.graph import LayerKind
from tvm_pulp.passes.patterns.page import operators_page
from tvm_pulp.passes.patterns.table import OPERATORS, served_operators

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == operators_page(), "make docs"


def test_operators_are_those_of_onnx() -> None:
    known = {schema.name for schema in defs.get_all_schemas()}
    assert served_operators() <= known


def test_every_kind_of_layer_has_an_operator() -> None:
    assert {kind for operator in OPERATORS for kind in operator.kinds} == set(LayerKind) - {
        LayerKind.FUSED,
        LayerKind.IM2COL,
    }
