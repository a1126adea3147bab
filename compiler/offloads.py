"""What tvmc's `--dump-offloads` writes: which operator runs where, in the order of the network."""

from __future__ import annotations

from collections.abc import Iterator

from .report import CompilationReport, OperatorReport

OURS = "pulp"
TVMS = "generic"


def offloads_text(report: CompilationReport) -> str:
    """A line for each of the user's operators, those of a layer below it; reasons beside what TVM computes."""
    head = [
        "Total number of operators and distribution by targets",
        f"Total: {len(report.operators)}",
        f"{OURS}: {len(report.offloaded)}",
        f"{TVMS}: {len(report.refused)}",
        "",
    ]
    return "\n".join([*head, *_lines(report)]) + "\n"


def _lines(report: CompilationReport) -> Iterator[str]:
    layer = None
    for operator in report.operators:
        if operator.layer is not None and operator.layer != layer:
            yield f"{OURS:<15}<-     {operator.layer}"
        layer = operator.layer
        yield _line(operator)


def _line(operator: OperatorReport) -> str:
    name = f"{operator.name} ({operator.op_type})"
    if operator.offloaded:
        return f"{OURS:<15}<-          {name}"
    return f"{TVMS:<15}<-     {name}: {operator.reason}"
