"""A batch normalization behind a quantized convolution or Gemm becomes a part of its weights and its bias.

    gamma * (conv(x, w) + b - mean) / sqrt(var + eps) + beta = conv(x, w * f) + (b - mean) * f + beta

The integers of the weights stay as they are, but for their sign where the factor f is negative.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from tvm_pulp.passes.legalize.spans import SEPARATOR

from .graph import Array, Graph, attributes_of, input_of


def fold_batch_norms(graph: Graph) -> None:
    """Fold every BatchNormalization whose convolution, Gemm or MatMul has dequantized constant weights."""
    for norm in graph.of_type("BatchNormalization"):
        layer = graph.producer(norm.input[0])
        if layer is None or layer.op_type not in ("Conv", "Gemm"):
            continue
        if graph.only_consumer(layer.output[0], "BatchNormalization") is None:
            continue
        if any(graph.constant(name) is None for name in norm.input[1:]):
            continue
        _fold(graph, layer, norm)


def _fold(graph: Graph, layer: onnx.NodeProto, norm: onnx.NodeProto) -> None:
    gamma, beta, mean, variance = (np.asarray(graph.constant(name), np.float64) for name in norm.input[1:5])
    factor = gamma / np.sqrt(variance + float(attributes_of(norm).get("epsilon", 1e-5)))
    bias = real_constant(graph, input_of(layer, 2)) if input_of(layer, 2) else np.zeros_like(factor)
    weights = _scaled_weights(graph, layer, factor)
    if bias is None or weights is None:
        return
    name = graph.add_constant(f"{layer.name}_bias", ((bias - mean) * factor + beta).astype(np.float32))
    folded = helper.make_node(
        layer.op_type,
        [layer.input[0], weights.output[0], name],
        list(norm.output),
        name=f"{layer.name}{SEPARATOR}{norm.name}",
    )
    folded.attribute.extend(layer.attribute)
    graph.replace(layer, [weights])
    graph.replace(norm, [folded])


def real_constant(graph: Graph, name: str) -> Array | None:
    """The real numbers of a constant or of a per-tensor or per-channel (axis 0) DQ of one."""
    value = graph.constant(name)
    if value is not None:
        return value.astype(np.float64)
    node = graph.producer(name)
    if node is None or node.op_type != "DequantizeLinear" or graph.constant(node.input[0]) is None:
        return None
    stored, scale, zero_point = (np.asarray(graph.constant(part), np.float64) for part in node.input)
    if stored.ndim != 1 and scale.size > 1:
        return None
    real: Array = (stored - zero_point) * scale
    return real


def _scaled_weights(graph: Graph, layer: onnx.NodeProto, factor: Array) -> onnx.NodeProto | None:
    """A DQ of the layer's weights times a factor for each output channel; None where that is no int8 tensor."""
    node = graph.producer(layer.input[1])
    if node is None or node.op_type != "DequantizeLinear":
        return None
    stored, scale, zero_point = (graph.constant(name) for name in node.input)
    if stored is None or scale is None or zero_point is None:
        return None
    axis = 1 if layer.op_type == "Gemm" and not attributes_of(layer).get("transB", 0) else 0
    if scale.size > 1 and int(attributes_of(node).get("axis", 1)) % stored.ndim != axis:
        return None
    shape = [-1 if index == axis else 1 for index in range(stored.ndim)]
    sign = np.where(factor < 0, -1, 1).reshape(shape)
    signed = (stored.astype(np.int64) - zero_point.reshape(shape if zero_point.size > 1 else ())) * sign
    if signed.min() < -128 or signed.max() > 127:
        return None
    inputs = [
        graph.add_constant(f"{layer.name}_weight_folded", signed.astype(np.int8)),
        graph.add_constant(f"{layer.name}_weight_folded_scale", (scale * np.abs(factor)).astype(np.float32)),
        graph.add_constant(f"{layer.name}_weight_folded_zero_point", np.zeros(factor.shape, np.int8)),
    ]
    output = graph.fresh(f"{layer.name}_weight_dequantized")
    return helper.make_node("DequantizeLinear", inputs, [output], name=output, axis=axis)
