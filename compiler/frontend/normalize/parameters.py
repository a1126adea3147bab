"""Scales and zero points of Q and DQ in the one form that TVM's importer takes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from tvm_pulp.errors import ModelError

from .graph import Array, Graph, attributes_of, input_of, set_attributes

_FLOATS = (np.dtype(np.float16), np.dtype(np.float64))


def complete_parameters(graph: Graph) -> None:
    """Give every Q and DQ a zero point, and scalars where one number holds for the whole tensor.

    ModelError for blocked quantization and for scales that are computed at run time.
    """
    for node in graph.of_type("QuantizeLinear", "DequantizeLinear"):
        attributes = attributes_of(node)
        if attributes.get("block_size", 0):
            raise ModelError("blocked quantization can't be compiled", where=node.name, fix=_PER_TENSOR)
        scale, given = graph.constant(node.input[1]), graph.constant(input_of(node, 2))
        if scale is None or (given is None and input_of(node, 2)):
            raise ModelError(
                "its scale or zero point is computed at run time", where=node.name, fix="quantize statically"
            )
        _check_type(graph, node, given)
        _check_scale(graph, node, scale)
        zero_point = given if given is not None else np.zeros(scale.shape, _stored_type(graph, node))
        inputs = [node.input[0]]
        for suffix, value in (("scale", _scale(scale)), ("zero_point", zero_point)):
            inputs.append(graph.add_constant(f"{node.name}_{suffix}", _scalar(value)))
        del node.input[:]
        node.input.extend(inputs)
        set_attributes(node, output_dtype=None, block_size=None, saturate=None)
        if graph.opset < 13:
            _drop_axis(node, scale)


def _drop_axis(node: onnx.NodeProto, scale: Array) -> None:
    """Before opset 13 Q and DQ have no axis, and TVM's importer takes 0."""
    if scale.size > 1 and int(attributes_of(node).get("axis", 1)) != 0:
        raise ModelError(
            "it has a scale for each channel of another axis than 0, which needs opset 13",
            where=node.name,
            fix="convert the file with onnx.version_converter",
        )
    set_attributes(node, axis=None)


def _check_type(graph: Graph, node: onnx.NodeProto, zero_point: Array | None) -> None:
    stored = zero_point.dtype if zero_point is not None else _stored_type(graph, node)
    if str(stored) not in ("int8", "uint8", "int16", "uint16", "int32"):
        given = graph.input_types.get(node.input[0]) if zero_point is None else None
        name = TensorProto.DataType.Name(given).lower() if given else (stored.names or (str(stored),))[0]
        raise ModelError(f"quantization to {name} can't be compiled", where=node.name, fix="quantize to 8 bits")


def _check_scale(graph: Graph, node: onnx.NodeProto, scale: Array) -> None:
    """ModelError for a scale that no number can be divided by; a constant may have one of 0."""
    numbers = scale.astype(np.float32)
    usable = np.isfinite(numbers)
    if graph.constant(node.input[0]) is None:
        with np.errstate(all="ignore"):
            usable &= (numbers > 0) & np.isfinite(np.float32(1) / numbers)
    if not usable.all():
        raise ModelError(
            f"its scale is {numbers[~usable].flat[0]}",
            where=node.name,
            fix="calibrate again, with samples for which the tensor isn't all 0",
        )


_PER_TENSOR = "quantize activations per tensor and weights per output channel"


def _scale(scale: Array) -> Array:
    return scale.astype(np.float32) if scale.dtype in _FLOATS else scale


def _scalar(value: Array) -> Array:
    """One number in any shape as a scalar."""
    return value.reshape(()) if value.size == 1 else value


def _stored_type(graph: Graph, node: onnx.NodeProto) -> np.dtype[np.generic]:
    """The integer type on the quantized side of a node that names no zero point."""
    if node.op_type == "QuantizeLinear":
        chosen = attributes_of(node).get("output_dtype", 0) or TensorProto.UINT8
        stored: np.dtype[np.generic] = helper.tensor_dtype_to_np_dtype(chosen)
        return stored
    source = graph.constant(node.input[0])
    if source is not None:
        return source.dtype
    if node.input[0] in graph.input_types:
        given: np.dtype[np.generic] = helper.tensor_dtype_to_np_dtype(graph.input_types[node.input[0]])
        return given
    producer = graph.producer(node.input[0])
    while producer is not None and producer.op_type != "QuantizeLinear":
        producer = graph.producer(producer.input[0])
    zero_point = None if producer is None else graph.constant(input_of(producer, 2))
    return np.zeros(1, np.uint8).dtype if zero_point is None else zero_point.dtype
