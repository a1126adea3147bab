"""Walks an integer network and writes it in the canonical integer form, exact to the last bit."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import onnx
import tvm
from tvm import relay
from tvm_pulp.errors import ModelError
from tvm_pulp.passes.legalize import build
from tvm_pulp.passes.legalize.spans import SEPARATOR, named
from tvm_pulp.passes.legalize.values import Layout, Quantized, from_user_layout, in_user_form
from tvm_pulp.passes.numerics import Quantization

from ..normalize.constants import inline_constants
from ..normalize.graph import Graph, attributes_of
from .golden import tail_of
from .operators import RULES, Value, as_bytes, operands_of, padded
from .sums import Bytes
from .tails import TAILS

_ON_BYTES = (
    "Conv",
    "Gemm",
    "MatMul",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Pad",
    "Flatten",
    "Reshape",
)


@dataclass(frozen=True)
class IntegerNetwork:
    """A network as Relay, and its outputs as a function of its last integer layer, if there is only one."""

    mod: tvm.IRModule
    tail: tvm.IRModule | None


def read_integer_network(model: onnx.ModelProto, shapes: dict[str, list[int]]) -> IntegerNetwork:
    """Relay of an integer network, its constants inlined; inputs are uint8 tensors of the file's shapes.

    Outputs are uint8 or int8 behind a Clip, int32 behind a last layer without one, and what float operators
    make of them. Raises ModelError that names the node for what integers can't express.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy)
    inline_constants(graph)
    reader = _Reader(graph)
    params = [reader.input(name, shape) for name, shape in shapes.items()]
    for node in graph.nodes:
        reader.node(node)
    outputs = [reader.output(value.name) for value in model.graph.output]
    body = outputs[0] if len(outputs) == 1 else relay.Tuple(outputs)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(params, body)))
    return IntegerNetwork(mod, tail_of(outputs, reader.last))


class _Reader:
    """Values by tensor: integers (`values`) or finished expressions in the user's form (`results`).

    `sources` are the operators whose work a value holds that has no name yet.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values: dict[str, Value] = {}
        self._results: dict[str, relay.Expr] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._rank = 4
        self.last: list[relay.Expr] = []  # results of integer layers that leave, or that float operators read

    def input(self, name: str, shape: list[int]) -> relay.Var:
        identifier = re.sub(r"\W", "_", name, flags=re.ASCII)
        identifier = f"input_{identifier}" if not identifier or identifier[0].isdigit() else identifier
        var = relay.var(identifier, shape=shape, dtype="uint8")
        self._rank = len(shape)
        if shape[0] != 1 or self._rank not in (2, 3, 4):
            raise ModelError(
                f"batch {shape[0]} can't be compiled", where=f"input `{name}`", fix="give it a batch of 1"
            )
        if self._rank == 2:
            self._values[name] = Bytes(var, 0, (shape[1], 1, 1), flat=True)
            return var
        maps = (1, shape[1], 1, shape[2]) if self._rank == 3 else tuple(shape)
        data = var if self._rank == 4 else build.reshape(var, maps)
        value = from_user_layout(data, Quantization(1.0, 0), maps, "uint8")
        self._values[name] = Bytes(named(value.expr, ""), 0, value.feature_map)
        return var

    def node(self, node: onnx.NodeProto) -> None:
        """Apply the node's rule."""
        if all(name not in self._values for name in node.input) or node.op_type not in RULES:
            self._tail(node)
            return
        if node.op_type in _ON_BYTES:
            self._to_bytes(node.input[0])
        sources = [source for name in node.input for source in self._sources.get(name, ())]
        value = RULES[node.op_type](operands_of(self._graph, node, self._values))
        self._set(node.output[0], value, (*dict.fromkeys(sources), node.name))

    def _set(self, name: str, value: Value, sources: tuple[str, ...]) -> None:
        """Keep a value; bytes are named after everything that they took to make."""
        if isinstance(value, Bytes) and isinstance(value.expr, relay.Call) and value.expr.span is None:
            value = replace(value, expr=named(value.expr, SEPARATOR.join(sources)))
            sources = ()
        self._values[name] = value
        self._sources[name] = sources

    def _to_bytes(self, name: str) -> None:
        value = self._values.get(name)
        if value is not None:
            self._set(name, as_bytes(value), self._sources.get(name, ()))

    def _tail(self, node: onnx.NodeProto) -> None:
        if node.op_type not in TAILS:
            raise ModelError(
                f"there is no integer form of {node.op_type}",
                where=node.name,
                fix="see docs/onnx-dialects.md for what there is",
            )
        constants = [value for name in node.input[1:] if (value := self._graph.constant(name)) is not None]
        data = self.output(node.input[0])
        expr = TAILS[node.op_type](data, constants, attributes_of(node))
        self._results[node.output[0]] = named(expr, node.name)

    def output(self, name: str) -> relay.Expr:
        """A tensor in the user's form."""
        if name not in self._results:
            self._results[name] = named(self._finished(name), SEPARATOR.join(self._sources.get(name, ())))
            self.last.append(self._results[name])
        return self._results[name]

    def _finished(self, name: str) -> relay.Expr:
        if name not in self._values:
            raise ModelError("it is a constant, or nothing computes it", where=f"tensor `{name}`")
        value = self._values[name]
        shape = (1, *value.feature_map)
        if isinstance(value, Bytes):
            value = padded(value)
            meaning, dtype = Quantization(1.0, value.zero_point), "int8" if value.zero_point else "uint8"
            layout = Layout.FLAT_HWC if value.flat else Layout.NHWC
            flat = (1, shape[1] * shape[2] * shape[3])
            user = Quantized(
                value.expr, meaning, layout, flat if value.flat else shape, dtype, value.feature_map
            )
            expr = in_user_form(user)
        else:
            expr = value.expression("int32")
            expr = expr if value.flat else build.transpose(expr, (0, 3, 1, 2))
        if self._rank == 3 and not value.flat:
            expr = build.reshape(expr, (1, shape[1], shape[3]))
        return expr
