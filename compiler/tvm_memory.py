"""What TVM's part of a network takes of L2 beside the regions: the tensors between its operators, which hold
the regions' inputs and outputs too, and its constants."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import tvm
from tvm import relay

ALIGNMENT = 16
"""Of each tensor in TVM's arrays."""


def tvm_bytes(partitioned: tvm.IRModule) -> int:
    """Bytes of L2 for TVM's part: its operators are fused as its build fuses them, and the tensors that are
    needed at the same time added up. The network's own inputs and outputs lie in the caller's memory."""
    fuse = tvm.transform.Sequential(
        [relay.transform.InferType(), relay.transform.FuseOps(2), relay.transform.InferType()]
    )
    order = _computed(fuse(partitioned)["main"].body)
    return _peak(order) + sum(_bytes(node.checked_type) for node in order if isinstance(node, relay.Constant))


def _computed(body: relay.Expr) -> list[relay.Expr]:
    """What main computes and reads, operands before what reads them; fused functions count as operators."""
    order: dict[relay.Expr, None] = {}
    stack = [(body, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order[node] = None
        elif node not in order:
            stack += [(node, True), *((operand, False) for operand in reversed(_operands(node)))]
    return list(order)


def _operands(node: relay.Expr) -> list[relay.Expr]:
    if isinstance(node, relay.Call):
        return [*node.args, *_fused_constants(node)]
    if isinstance(node, relay.Tuple):
        return list(node.fields)
    return [node.tuple_value] if isinstance(node, relay.TupleGetItem) else []


def _fused_constants(call: relay.Call) -> list[relay.Expr]:
    """Constants, scalars apart, inside of a fused function."""
    if not isinstance(call.op, relay.Function):
        return []
    inside: list[relay.Expr] = []
    relay.analysis.post_order_visit(call.op.body, inside.append)
    return [node for node in inside if isinstance(node, relay.Constant) and node.data.shape]


def _peak(order: list[relay.Expr]) -> int:
    """Bytes of tensors at the fullest moment."""
    last: dict[relay.Expr, int] = {}
    for moment, node in enumerate(order):
        for made in _tensors_read(node):
            last[made] = moment
    results = set(_made(order[-1])) if order else set()
    alive: dict[relay.Expr, int] = {}
    most = 0
    for moment, node in enumerate(order):
        if isinstance(node, relay.Call) and node not in results:
            alive[node] = _bytes(node.checked_type)
        most = max(most, sum(alive.values()) + _temporaries(node))
        alive = {one: size for one, size in alive.items() if last.get(one, moment) > moment}
    return most


def _temporaries(node: relay.Expr) -> int:
    """Bytes that an operator of TVM may need while it computes, a softmax for its exponentials: as many as its
    result has."""
    computes = isinstance(node, relay.Call) and isinstance(node.op, relay.Function)
    return _bytes(node.checked_type) if computes else 0


def _tensors_read(node: relay.Expr) -> Iterator[relay.Expr]:
    for operand in _operands(node):
        yield from _made(operand)


def _made(node: relay.Expr) -> Iterator[relay.Expr]:
    """The calls whose results a value is made of."""
    if isinstance(node, relay.Call):
        yield node
    else:
        yield from _tensors_read(node)


def _bytes(kind: tvm.ir.Type) -> int:
    if isinstance(kind, relay.TupleType):
        return sum(map(_bytes, kind.fields))
    size = math.prod(map(int, kind.shape)) * np.dtype(str(kind.dtype)).itemsize
    return int(size + -size % ALIGNMENT)
