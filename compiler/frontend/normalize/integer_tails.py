"""ConvInteger and MatMulInteger with the float tail that gives their int32 sums a scale become QDQ.

ConvInteger(x, w) -> Cast -> Mul(scale) [-> Add(bias)]   becomes   Conv(DQ(x, 1), DQ(w, scale)) [-> Add(bias)]
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from tvm_pulp.errors import ModelError

from .graph import Array, Graph, attributes_of, input_of

_FLOAT_TYPES = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def expand_integer_operators(graph: Graph) -> None:
    """Rewrite sums that a constant scales; sums without a tail stay int32. ModelError for dynamic scales."""
    for node in graph.of_type("DynamicQuantizeLinear"):
        raise ModelError(
            "its scale is computed at run time (dynamic quantization)",
            where=node.name,
            fix="quantize statically, with calibration data",
        )
    for node in graph.of_type(*_FLOAT_TYPES):
        cast = graph.only_consumer(node.output[0], "Cast")
        scaled = graph.only_consumer(cast.output[0], "Mul") if cast is not None else None
        if cast is not None and scaled is not None and attributes_of(cast).get("to") == TensorProto.FLOAT:
            _expand(graph, node, cast, scaled)


def _expand(graph: Graph, node: onnx.NodeProto, cast: onnx.NodeProto, scaled: onnx.NodeProto) -> None:
    weights = graph.constant(node.input[1])
    (other,) = [name for name in scaled.input if name != cast.output[0]] or [cast.output[0]]
    scale = graph.constant(other)
    if weights is None or scale is None:
        return
    axis = 0 if node.op_type == "ConvInteger" else weights.ndim - 1
    scale = _per_channel(scale, weights.shape[axis], node.op_type)
    if scale is None:
        return
    one = graph.add_constant(f"{node.name}_one", np.array(1, np.float32))
    factor = graph.add_constant(f"{node.name}_scale", scale)
    dequantized = [
        _dequantize(graph, [node.input[0], one, input_of(node, 2)], 0),
        _dequantize(graph, [node.input[1], factor, input_of(node, 3)], axis),
    ]
    inputs = [part.output[0] for part in dequantized]
    real = helper.make_node(_FLOAT_TYPES[node.op_type], inputs, list(scaled.output), name=node.name)
    real.attribute.extend(node.attribute)
    graph.replace(node, dequantized)
    graph.remove(cast)
    graph.replace(scaled, [real])


def _per_channel(scale: Array, channels: int, op_type: str) -> Array | None:
    """A scalar, or a vector with an entry for each output channel; None if it varies otherwise."""
    if scale.size == 1:
        return scale.reshape(())
    behind = 2 if op_type == "ConvInteger" else 0  # axes behind the channels
    shape = (channels,) + (1,) * behind
    padded = scale.shape[-len(shape) :] if scale.ndim >= len(shape) else ()
    return scale.ravel() if padded == shape and scale.size == channels else None


def _dequantize(graph: Graph, inputs: list[str], axis: int) -> onnx.NodeProto:
    output = graph.fresh(f"{inputs[0]}_dequantized")
    names = inputs if inputs[-1] else inputs[:-1]
    return helper.make_node("DequantizeLinear", names, [output], name=output, axis=axis)
