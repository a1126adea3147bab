"""The factors of a Gemm become a part of what they scale: alpha of the weights' scale, beta of the bias."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from .graph import Graph, attributes_of, input_of, set_attributes


def fold_gemm_factors(graph: Graph) -> None:
    """Write every Gemm on dequantized constant weights with alpha = beta = 1."""
    for node in graph.of_type("Gemm"):
        attributes = attributes_of(node)
        alpha, beta = float(attributes.get("alpha", 1.0)), float(attributes.get("beta", 1.0))
        if alpha != 1.0 and _scaled(graph, node, 1, alpha):
            set_attributes(node, alpha=None)
        if beta != 1.0 and (not input_of(node, 2) or _scaled(graph, node, 2, beta)):
            set_attributes(node, beta=None)


def _scaled(graph: Graph, node: onnx.NodeProto, index: int, factor: float) -> bool:
    """Multiply a constant operand by a factor above 0; whether that was possible."""
    name = node.input[index]
    value = graph.constant(name)
    if value is not None:
        node.input[index] = graph.add_constant(f"{name}_scaled", (value * factor).astype(np.float32))
        return True
    source = graph.producer(name)
    if source is None or source.op_type != "DequantizeLinear" or factor <= 0:
        return False
    stored, scale = graph.constant(source.input[0]), graph.constant(source.input[1])
    if stored is None or scale is None:
        return False
    new_scale = graph.add_constant(f"{name}_scale", (scale * factor).astype(np.float32))
    output = graph.fresh(f"{name}_scaled")
    copy = helper.make_node("DequantizeLinear", [source.input[0], new_scale, *source.input[2:]], [output])
    copy.name = output
    copy.attribute.extend(source.attribute)
    node.input[index] = output
    graph.replace(source, [source, copy])
    return True
