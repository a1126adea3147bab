"""The one place in code generation that knows Relay: an external function becomes a layer graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..passes.legalize.read import operator_name
from ..passes.legalize.spans import SEPARATOR
from ..passes.patterns.operator import Operands, shape_of
from ..passes.patterns.table import find_operator
from .graph import Layer, LayerGraph, LayerKind, Tensor


def _identifier(text: str) -> str:
    """`text` as a C identifier, lower case."""
    name = re.sub(r"\W+", "_", text).strip("_").lower()
    return name if name and not name[0].isdigit() else f"l_{name}"


def _map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width, channels of a batch-1 tensor; a row of N is a 1x1 map of N channels."""
    if len(shape) == 4:
        return shape[1], shape[2], shape[3]
    return 1, 1, int(np.prod(shape[1:]))


def _weights(operands: Operands, kind: LayerKind) -> npt.NDArray[np.int8] | None:
    """Weights in the kernels' order, from HWIO (HWOI when depthwise) or (N, K)."""
    if operands.weights is None:
        return None
    values = np.asarray(operands.weights.data.numpy())
    if kind is LayerKind.DEPTHWISE:
        values = values[..., 0].transpose(2, 0, 1)
    elif kind is not LayerKind.LINEAR:
        values = values.transpose(3, 0, 1, 2)
    return np.ascontiguousarray(values, np.int8)


def _sources(body: relay.Call) -> tuple[str, ...]:
    """The user's operators that a composite stands for, its main one first."""
    found = dict.fromkeys(operator_name(body).split(SEPARATOR))
    order: list[relay.Expr] = []
    relay.analysis.post_order_visit(body, order.append)
    for expr in order:
        if isinstance(expr, relay.Call):
            found.update(dict.fromkeys(operator_name(expr).split(SEPARATOR)))
    return tuple(name for name in found if name)


class _Reader:
    """Collects tensors and layers of one external function."""

    def __init__(self, symbol: str, func: relay.Function) -> None:
        self._symbol = symbol
        self._func = func
        self._tensors: dict[str, Tensor] = {}
        self._names: dict[relay.Expr, str] = {}
        self._layers: list[Layer] = []

    def read(self) -> LayerGraph:
        for index, param in enumerate(self._func.params):
            self._add_tensor(param, f"in{index}")
        order: list[relay.Expr] = []
        relay.analysis.post_order_visit(self._func.body, order.append)
        for expr in order:
            if isinstance(expr, relay.Call) and isinstance(expr.op, relay.Function):
                self._add_layer(expr)
        outputs = tuple(self._names[expr] for expr in self._results())
        inputs = tuple(self._names[param] for param in self._func.params)
        return LayerGraph(self._symbol, self._tensors, inputs, outputs, tuple(self._layers))

    def _results(self) -> Iterator[relay.Expr]:
        body = self._func.body
        yield from body.fields if isinstance(body, relay.Tuple) else (body,)

    def _add_tensor(self, expr: relay.Expr, wanted: str, source: str = "") -> str:
        name, number = wanted, 1
        while name in self._tensors:
            number += 1
            name = f"{wanted}_{number}"
        self._tensors[name] = Tensor(name, *_map_shape(shape_of(expr)), source=source)
        self._names[expr] = name
        return name

    def _set_zero_point(self, name: str, value: int | None) -> None:
        if value is not None:
            self._tensors[name] = replace(self._tensors[name], zero_point=value)

    def _add_layer(self, call: relay.Call) -> None:
        composite = call.op
        operands = find_operator(str(composite.attrs["Composite"])).read(composite.body)
        arguments = dict(zip(composite.params, call.args, strict=True))
        inputs = tuple(self._names[arguments[operand]] for operand in operands.inputs)
        self._set_zero_point(inputs[0], operands.pad_value)
        sources = _sources(composite.body)
        main = operator_name(composite.body).split(SEPARATOR)[0]
        name = f"l{len(self._layers)}_{_identifier(main or operands.kind.value)}"
        output = self._add_tensor(call, f"{name}_out", main)
        self._layers.append(
            Layer(
                name=name,
                kind=operands.kind,
                inputs=inputs,
                output=output,
                window=operands.window,
                weights=_weights(operands, operands.kind),
                requant=operands.requant,
                sources=sources,
            )
        )


def read_region(symbol: str, func: relay.Function) -> LayerGraph:
    """Layer graph of an external function made by `partition-regions`.

    `symbol` is its C name. Tensors are named after the layer that makes them; sources are the user's operators.
    """
    return _Reader(symbol, func).read()
