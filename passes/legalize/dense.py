"""Linear layer: Gemm and MatMul with constant weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call
from . import build
from .island import Island, Refusal, Values
from .values import Layout, Quantized
from .weighted import WeightedLayer, Weights, peel_bias, read_weights, requantized


def _in_byte_order(weights: npt.NDArray[np.integer], x: Quantized) -> npt.NDArray[np.integer]:
    """Weight columns in the order of the input's bytes: a flattened feature map lies in HWC order."""
    if x.layout is not Layout.FLAT_HWC:
        return weights
    outputs = weights.shape[0]
    permuted = weights.reshape(outputs, *x.feature_map).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(permuted.reshape(outputs, -1))


def _weights_of(call: relay.Call) -> Weights | Refusal:
    """Weights as (N, K), whichever way round the operator takes them."""
    if call.op.name == "nn.dense" or call.attrs.transpose_b:
        return read_weights(call.args[1])
    return read_weights(relay.transpose(call.args[1]))


def read_linear(expr: relay.Expr, values: Values) -> WeightedLayer | Refusal:
    """`nn.dense [-> bias]` of (M, K) x (N, K)."""
    core, bias = peel_bias(expr)
    call = as_call(core, "nn.dense", "nn.matmul")
    assert call is not None
    x = values(call.args[0])
    if x is None or x.layout is Layout.NHWC:
        return Refusal("its input is not a quantized matrix")
    weights = _weights_of(call)
    if isinstance(weights, Refusal):
        return weights
    ordered = _in_byte_order(weights.values, x)
    return WeightedLayer(x, weights, bias, lambda dtype: build.dense(x.expr, ordered, dtype), Layout.SAME)


def legalize_dense(island: Island) -> Quantized | Refusal:
    """A linear layer to bytes."""
    layer = read_linear(island.core, island.value)
    return layer if isinstance(layer, Refusal) else requantized(layer, island)
