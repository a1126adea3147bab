"""Names of the user's operators on the expressions that were made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tvm import relay

from ..expressions import operator_name

SEPARATOR = " + "


def joined_name(operators: Iterable[relay.Call]) -> str:
    """`Conv_0 + Relu_0`: each name once, in order."""
    return SEPARATOR.join(dict.fromkeys(name for op in operators if (name := operator_name(op))))


def with_span(expr: relay.Expr, operators: Sequence[relay.Call], leaves: Sequence[relay.Expr]) -> relay.Expr:
    """`expr` with every new call above `leaves` named after the operators it stands for."""
    return named(expr, joined_name(operators), leaves)


def named(expr: relay.Expr, name: str, leaves: Sequence[relay.Expr] = ()) -> relay.Expr:
    """`expr` with a name on every new call above `leaves`.

    A call that has a span is not new: where permutations cancel, `expr` reaches below its leaves.
    """
    span = relay.Span(relay.SourceName(name), 0, 0, 0, 0)
    done: dict[relay.Expr, relay.Expr] = {leaf: leaf for leaf in leaves}

    def visit(node: relay.Expr) -> relay.Expr:
        if node not in done:
            done[node] = (
                relay.Call(node.op, [visit(arg) for arg in node.args], node.attrs, node.type_args, span)
                if isinstance(node, relay.Call) and node.span is None
                else node
            )
        return done[node]

    return visit(expr)
