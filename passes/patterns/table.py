"""All operators that can be offloaded, and the pattern table that TVM's partitioning takes."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern

from .add import ADD
from .conv2d import CONV2D
from .linear import LINEAR
from .lookup import TABLE
from .moves import CONCATENATE, RESIZE, SLICE
from .multiply import MULTIPLY
from .needs import needed_operators
from .operator import OperatorPattern
from .order import RESHAPE, TRANSPOSE
from .padding import PAD
from .pool import AVERAGE_POOL, MAX_POOL
from .quantize import DEQUANTIZE, FLIP, QUANTIZE
from .requantize import REQUANTIZE
from .softmax import SOFTMAX
from .sums import SUMS

OPERATORS: tuple[OperatorPattern, ...] = (
    CONV2D,
    LINEAR,
    ADD,
    MULTIPLY,
    AVERAGE_POOL,
    MAX_POOL,
    REQUANTIZE,
    SUMS,
    TABLE,
    SOFTMAX,
    CONCATENATE,
    SLICE,
    RESIZE,
    QUANTIZE,
    DEQUANTIZE,
    FLIP,
    TRANSPOSE,
    RESHAPE,
    PAD,
)

FREE_OPERATORS = frozenset(["Flatten", "Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze"])
"""Operators of ONNX that become part of others, or an order of bytes."""

Refuse = Callable[[relay.Call, str], None]
TableEntry = tuple[str, DFPattern, Callable[[relay.Call], bool]]


def served_operators() -> frozenset[str]:
    """Every operator of ONNX that may be offloaded."""
    return FREE_OPERATORS.union(*(operator.onnx for operator in OPERATORS))


def find_operator(composite: str) -> OperatorPattern:
    """The operator behind a composite function's name."""
    return next(operator for operator in OPERATORS if operator.name == composite)


def pattern_table(refuse: Refuse, present: Collection[str] | None = None) -> list[TableEntry]:
    """Name, pattern and predicate for each operator; `refuse` is told each refused match and the reason.

    Only of those that can match where the operators of Relay that are `present` are known: TVM goes over the
    whole module for each.
    """

    def accept(operator: OperatorPattern) -> Callable[[relay.Call], bool]:
        def predicate(match: relay.Call) -> bool:
            reason = operator.check(match) or _check_inputs(operator, match)
            if reason is not None:
                refuse(match, reason)
            return reason is None

        return predicate

    patterns = [(operator, operator.pattern()) for operator in OPERATORS]
    return [
        (operator.name, pattern, accept(operator))
        for operator, pattern in patterns
        if present is None or needed_operators(pattern) <= set(present)
    ]


def _check_inputs(operator: OperatorPattern, match: relay.Call) -> str | None:
    """A constant has no tensor in a region's memory; what is made of one is left for TVM to fold."""
    constant = any(isinstance(operand, relay.Constant) for operand in operator.read(match).inputs)
    return "one of its inputs is a constant" if constant else None
