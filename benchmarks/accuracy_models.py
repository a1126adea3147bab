"""Networks made comparable: cut before the softmax, with a batch of 1, and inputs that use every byte."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.generic]
_ONLY_SHAPES = ("Reshape", "Flatten", "Squeeze")


def without_softmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network up to the last dequantized tensor in front of its softmax."""
    softmax = next((node for node in model.graph.node if node.op_type == "Softmax"), None)
    if softmax is not None:
        del model.graph.output[:]
        value = helper.make_tensor_value_info(softmax.input[0], onnx.TensorProto.FLOAT, None)
        inferred = onnx.shape_inference.infer_shapes(model)
        known = {info.name: info for info in inferred.graph.value_info}
        model.graph.output.append(known.get(softmax.input[0], value))
    return model


def fixed_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with a batch of 1."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    return model


def output_step(model: onnx.ModelProto) -> float:
    """One unit of the output: its scale where it is real, else 1."""
    producers = {name: node for node in model.graph.node for name in node.output}
    node = producers[model.graph.output[0].name]
    while node.op_type in _ONLY_SHAPES:
        node = producers[node.input[0]]
    if node.op_type != "DequantizeLinear":
        return 1.0
    return float(_constants(model)[node.input[1]].ravel()[0])


def random_inputs(model: onnx.ModelProto, count: int) -> Array:
    """Inputs that use every byte of the first quantization, or of uint8 in an integer network:
    [count, *shape]."""
    value = model.graph.input[0]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    quantize = next((node for node in model.graph.node if node.op_type == "QuantizeLinear"), None)
    if dtype != np.float32 or quantize is None:
        limits = np.iinfo(np.uint8 if dtype == np.float32 else dtype)
        drawn: Array = rng.integers(limits.min, limits.max + 1, (count, *shape)).astype(dtype)
        return drawn
    constants = _constants(model)
    scale, zero_point = (constants[name].ravel()[0] for name in quantize.input[1:3])
    limits = np.iinfo(zero_point.dtype)
    bytes_ = rng.integers(limits.min, limits.max + 1, (count, *shape))
    real: Array = ((bytes_ - int(zero_point)) * scale).astype(np.float32)
    return real


def with_next_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network where each weight's scale is the next float32 above: as near as another number can be."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    names = set(_weight_scales(changed))
    for tensor in changed.graph.initializer:
        if tensor.name in names:
            above = np.nextafter(numpy_helper.to_array(tensor), np.float32(np.inf))
            tensor.CopyFrom(numpy_helper.from_array(above, tensor.name))
    return changed


def _weight_scales(model: onnx.ModelProto) -> Iterator[str]:
    constants = _constants(model)
    for node in model.graph.node:
        constant = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if constant is not None and constant.ndim > 1:
            yield node.input[1]


def _constants(model: onnx.ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
