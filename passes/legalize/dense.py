"""Linear layer: Gemm and MatMul with constant weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm import relay

from ..expressions import as_call
from . import build
from .island import Island, Refusal
from .values import Layout, Quantized
from .weighted import Weights, multipliers_of, peel_bias, read_weights


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


def legalize_dense(island: Island) -> Quantized | Refusal:
    """`nn.dense [-> bias]` of (M, K) x (N, K)."""
    core, bias = peel_bias(island.core)
    call = as_call(core, "nn.dense", "nn.matmul")
    assert call is not None
    x = island.value(call.args[0])
    if x is None or x.layout is Layout.NHWC:
        return Refusal("its input is not a quantized matrix")
    weights = _weights_of(call)
    if isinstance(weights, Refusal):
        return weights
    multipliers = multipliers_of(weights, bias, x.quantization, island.out)
    if isinstance(multipliers, Refusal):
        return multipliers
    acc = build.dense(x.expr, _in_byte_order(weights.values, x), build.sum_dtype(multipliers.wide))
    expr = build.requantize(acc, multipliers, island.bounds)
    return Quantized(expr, island.out, Layout.SAME, island.shape, island.dtype)
