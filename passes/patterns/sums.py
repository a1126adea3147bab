"""Layers with weights whose int32 sums are the result, as a network's last one may be."""

from __future__ import annotations

import numpy as np
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import as_call, dtype_of, shape_of
from ..numerics import INT32_MAX, MAX_BYTE
from .conv2d import check_borders, check_weights, convolution_operands, has_wide_weights
from .operator import Exactness, Operands, OperatorPattern, check_map, check_window
from .padding import maybe_padded
from .requantization import integers


def sums_pattern() -> DFPattern:
    """`[pad ->] conv2d [-> add]` and `[reshape ->] dense [-> add]`."""
    weights = is_op("cast")(is_constant())
    conv = is_op("nn.conv2d")(is_op("cast")(maybe_padded()), weights)
    dense = is_op("nn.dense")(is_op("cast")(is_op("reshape")(wildcard()) | wildcard()), weights)
    sums = conv | dense
    return is_op("add")(sums, is_constant()) | sums


def _weighted(call: relay.Call) -> relay.Call:
    return call.args[0] if as_call(call, "add") is not None else call


def read_sums(call: relay.Call) -> Operands:
    """Takes a match apart."""
    core = _weighted(call)
    operands = convolution_operands(core, None) if as_call(core, "nn.conv2d") is not None else _linear(core)
    bias = integers(call.args[1]).ravel() if core is not call else np.zeros(1, np.int64)
    channels = shape_of(call)[-1]
    return operands.with_bias(np.broadcast_to(bias, (channels,)).astype(np.int32))


def _linear(dense: relay.Call) -> Operands:
    data, weights = dense.args[0].args[0], dense.args[1].args[0]
    if as_call(data, "reshape") is not None:
        data = data.args[0]
    one_row = shape_of(dense)[0] == 1 and not has_wide_weights(weights)
    kind = LayerKind.LINEAR if one_row else LayerKind.CONV_DIRECT
    return Operands(kind, (data,), Window(), None, None, weights)


def check_sums(call: relay.Call) -> str | None:
    """8-bit weights, a bias for each channel, and sums that are proven to fit."""
    core = _weighted(call)
    if dtype_of(call) != "int32":
        return f"its sums are {dtype_of(call)}"
    reason = check_weights(core.args[1].args[0]) or _check_bias(call, core)
    if reason is not None:
        return reason
    operands = read_sums(call)
    return (
        _check_layout(core, operands)
        or check_map(core.args[0].args[0])
        or check_map(call, "int32")
        or check_window(operands.window)
    )


def _check_bias(call: relay.Call, core: relay.Call) -> str | None:
    """One number for each channel, with which no sum leaves int32 whatever the weights' signs."""
    channels, weights = shape_of(core)[-1], core.args[1].args[0].data.numpy()
    bias = integers(call.args[1]) if core is not call else np.zeros(1, np.int64)
    if bias.size != 1 and (bias.size != channels or bias.shape[-1] != channels):
        return "what is added to its sums is not one number for each channel"
    most = MAX_BYTE * int(np.abs(weights.astype(np.int64)).max(initial=0)) * (weights.size // channels)
    return "its sums leave 32 bits" if most + int(np.abs(bias).max(initial=0)) > INT32_MAX else None


def _check_layout(core: relay.Call, operands: Operands) -> str | None:
    if as_call(core, "nn.dense") is not None:
        return None
    return check_borders(core, operands) if core.attrs.data_layout == "NHWC" else "it is not in NHWC"


SUMS = OperatorPattern(
    name="pulp.sums",
    description="convolution or fully connected layer whose 32-bit sums are the result, or become float",
    pattern=sums_pattern,
    check=check_sums,
    read=read_sums,
    kinds=(LayerKind.LINEAR, LayerKind.CONV_DIRECT),
    onnx=("Conv", "Gemm", "MatMul"),
    conditions=("weights as above", "the bias in units of the sums"),
    exactness=Exactness.SUMS,
)
