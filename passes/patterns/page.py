"""The page of the documentation on what is offloaded, made from the table of patterns."""

from __future__ import annotations

from collections.abc import Iterable

from ...codegen.check.kernel_limits import kernels_of
from ...codegen.graph import LayerKind
from .operator import Exactness, OperatorPattern
from .table import FREE_OPERATORS, OPERATORS

_HEAD = """\
# What is offloaded

Made by `make docs` from the patterns in `passes/patterns/`; do not edit. Every operator stands between
dequantized inputs and a quantized output (8 bit, one scale and zero point for a tensor), with batch 1 and
no dimension above 65,535. A Relu, Clip, Min or Max behind it is part of it. What an operator here refuses,
and every operator that is not here, stays with TVM's C and works; `tvm-pulp inspect` names each one and the
reason.

Whatever runs on the cluster gives the bytes of the legalized module, on every platform. The last column
says how near those are to the real numbers.
"""


def operators_page() -> str:
    """Markdown: a table of the operators, then what costs nothing."""
    rows = [_row(operator) for operator in OPERATORS]
    columns = ("operator", "ONNX", "conditions", "engine", "kernels", "exactness")
    lines = [_HEAD, _line(columns), _line(["---"] * len(columns)), *map(_line, rows), ""]
    lines += [
        f"{_joined(FREE_OPERATORS)} cost nothing where the order of bytes stays, and where",
        "a border is taken by the window behind it.",
        "",
        *_exactness(),
    ]
    return "\n".join(lines)


def _row(operator: OperatorPattern) -> list[str]:
    sums = operator.exactness is Exactness.SUMS
    kernels = dict.fromkeys(name for kind in operator.kinds for name in kernels_of(kind, sums=sums))
    return [
        f"{operator.name.removeprefix('pulp.')}: {operator.description}",
        ", ".join(sorted(operator.onnx)),
        "; ".join(operator.conditions),
        "none, or a copy by the cluster" if operator.kinds == (LayerKind.COPY,) else "cluster",
        ", ".join(f"`{name}`" for name in kernels),
        operator.exactness.name.lower(),
    ]


def _exactness() -> list[str]:
    return [f"- {kind.name.lower()}: {kind.value}" for kind in Exactness] + [""]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _joined(names: Iterable[str]) -> str:
    *most, last = sorted(names)
    return f"{', '.join(most)} and {last}"
