"""Linear layer, with the Flatten in front of it: the bytes of a map are already in a row."""

from __future__ import annotations

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ..expressions import as_call, shape_of
from .conv2d import check_weights, has_wide_weights
from .operator import Operands, OperatorPattern, check_map
from .requantization import read_requant, requantized


def linear_pattern() -> DFPattern:
    """`[reshape ->] dense -> requantize`."""
    data = is_op("reshape")(wildcard()) | wildcard()
    weights = is_op("cast")(is_constant())
    return requantized(is_op("nn.dense")(is_op("cast")(data), weights))


def read_linear(cast: relay.Call) -> Operands:
    """Takes a match apart; the input is the map before the reshape."""
    dense, requant = read_requant(cast)
    data = dense.args[0].args[0]
    if as_call(data, "reshape") is not None:
        data = data.args[0]
    weights = dense.args[1].args[0]
    kind = LayerKind.LINEAR if shape_of(cast)[0] == 1 else LayerKind.POINTWISE
    if has_wide_weights(weights):
        kind = LayerKind.CONV_DIRECT
    return Operands(kind, (data,), Window(), None, requant, weights)


def check_linear(cast: relay.Call) -> str | None:
    """8-bit weights; several rows of inputs are a row of pixels."""
    dense, _ = read_requant(cast)
    operands = read_linear(cast)
    return check_weights(operands.weights) or check_map(dense.args[0].args[0]) or check_map(cast)


LINEAR = OperatorPattern(
    name="pulp.linear",
    description="fully connected layer",
    pattern=linear_pattern,
    check=check_linear,
    read=read_linear,
    kinds=(LayerKind.LINEAR, LayerKind.POINTWISE, LayerKind.CONV_DIRECT),
    onnx=("Gemm", "MatMul"),
    conditions=("constant 8-bit weights, with a scale for all or for each output",),
)
