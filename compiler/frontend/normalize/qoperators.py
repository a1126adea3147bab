"""Operators that take integers (QLinearConv, QGemm, …) become the float operator between DQ and Q."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper
from tvm_pulp.errors import ModelError

from .graph import Graph, attributes_of, input_of

Nodes = list[onnx.NodeProto]


@dataclass(frozen=True)
class Stored:
    """Names of an integer tensor, its scale and its zero point (may be empty)."""

    data: str
    scale: str
    zero_point: str


class Island:
    """Collects the nodes that take the place of one node: DQ of each operand, the operator, Q of the result."""

    def __init__(self, graph: Graph, node: onnx.NodeProto) -> None:
        self.graph = graph
        self.node = node
        self.nodes: Nodes = []

    def operand(self, first: int) -> Stored:
        """Three inputs of the node in a row."""
        return Stored(*(input_of(self.node, first + offset) for offset in range(3)))

    def dequantize(self, stored: Stored, axis: int = 0) -> str:
        """A DQ; the name of the float tensor."""
        output = self.graph.fresh(f"{stored.data}_dequantized")
        inputs = [name for name in (stored.data, stored.scale, stored.zero_point) if name]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [output], name=output, axis=axis))
        return output

    def bias(self, name: str, steps: np.ndarray[Any, Any]) -> str:
        """A DQ of an int32 bias whose units are `steps`, one or one for each output channel."""
        scale = self.graph.add_constant(f"{self.node.name}_bias_scale", steps.astype(np.float32))
        return self.dequantize(Stored(name, scale, ""))

    def add(self, op_type: str, inputs: list[str], attributes: dict[str, Any], name: str = "") -> str:
        """A float operator; the name of its result."""
        output = self.graph.fresh(f"{self.node.name}_real")
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name or output, **attributes))
        return output

    def finish(self, real: str, scale: str, zero_point: str) -> None:
        """Quantize the result and put everything in the node's place."""
        inputs = [name for name in (real, scale, zero_point) if name]
        name = f"{self.node.name}_quantize"
        self.nodes.append(helper.make_node("QuantizeLinear", inputs, list(self.node.output), name=name))
        self.graph.replace(self.node, self.nodes)

    def scale(self, name: str) -> np.ndarray[Any, Any]:
        """A scale's value; ModelError if it is computed at run time."""
        value = self.graph.constant(name)
        if value is None:
            raise ModelError("a scale is computed at run time", where=self.node.name, fix="quantize statically")
        return value


def expand_qoperators(graph: Graph) -> None:
    """Rewrite every operator of the QOperator format, standard or of onnxruntime's own."""
    for node in graph.of_type(*_RULES):
        _RULES[node.op_type](Island(graph, node))


def _convolution(island: Island) -> None:
    x, weights, bias = island.operand(0), island.operand(3), input_of(island.node, 8)
    inputs = [island.dequantize(x), island.dequantize(weights)]
    if bias:
        inputs.append(island.bias(bias, island.scale(x.scale) * island.scale(weights.scale)))
    real = island.add("Conv", inputs, attributes_of(island.node), island.node.name)
    island.finish(real, input_of(island.node, 6), input_of(island.node, 7))


def _matmul(island: Island) -> None:
    right = island.operand(3)
    stored = island.graph.constant(right.data)
    inputs = [
        island.dequantize(island.operand(0)),
        island.dequantize(right, 0 if stored is None else stored.ndim - 1),
    ]
    real = island.add("MatMul", inputs, {}, island.node.name)
    island.finish(real, input_of(island.node, 6), input_of(island.node, 7))


def _gemm(island: Island) -> None:
    """`alpha` scales the product and the bias alike, so it is a part of the weights' scale."""
    graph, node, attributes = island.graph, island.node, attributes_of(island.node)
    a, b, bias = island.operand(0), island.operand(3), input_of(node, 6)
    scale = island.scale(b.scale) * np.float32(attributes.pop("alpha", 1.0))
    b = Stored(b.data, graph.add_constant(f"{node.name}_scale", scale), b.zero_point)
    inputs = [island.dequantize(a), island.dequantize(b, 0 if attributes.get("transB", 0) else 1)]
    if bias:
        inputs.append(island.bias(bias, island.scale(a.scale) * scale))
    real = island.add("Gemm", inputs, attributes, node.name)
    if input_of(node, 7):
        island.finish(real, input_of(node, 7), input_of(node, 8))
        return
    island.nodes[-1].output[0] = node.output[0]
    graph.replace(node, island.nodes)


def _binary(op_type: str) -> Callable[[Island], None]:
    def rule(island: Island) -> None:
        inputs = [island.dequantize(island.operand(first)) for first in (0, 3)]
        real = island.add(op_type, inputs, {}, island.node.name)
        island.finish(real, input_of(island.node, 6), input_of(island.node, 7))

    return rule


def _unary(op_type: str) -> Callable[[Island], None]:
    def rule(island: Island) -> None:
        attributes = attributes_of(island.node)
        channels_last = attributes.pop("channels_last", 0)
        attributes.pop("opset", None)
        real = island.dequantize(island.operand(0))
        if channels_last:
            real = island.add("Transpose", [real], {"perm": [0, 3, 1, 2]})
        real = island.add(op_type, [real], attributes, island.node.name)
        if channels_last:
            real = island.add("Transpose", [real], {"perm": [0, 2, 3, 1]})
        island.finish(real, input_of(island.node, 3), input_of(island.node, 4))

    return rule


def _concat(island: Island) -> None:
    count = (len(island.node.input) - 2) // 3
    inputs = [island.dequantize(island.operand(2 + 3 * index)) for index in range(count)]
    real = island.add("Concat", inputs, attributes_of(island.node), island.node.name)
    island.finish(real, input_of(island.node, 0), input_of(island.node, 1))


_RULES: dict[str, Callable[[Island], None]] = {
    "QLinearConv": _convolution,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": _binary("Add"),
    "QLinearMul": _binary("Mul"),
    "QLinearAveragePool": _unary("AveragePool"),
    "QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
    "QLinearLeakyRelu": _unary("LeakyRelu"),
    "QLinearSigmoid": _unary("Sigmoid"),
    "QLinearSoftmax": _unary("Softmax"),
    "QLinearReduceMean": _unary("ReduceMean"),
    "QLinearConcat": _concat,
}
