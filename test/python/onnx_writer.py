"""QDQ building blocks: scales and zero points as onnxruntime chooses them, and a writer of ONNX graphs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 14
IR_VERSION = 8

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer[Any]]
Shape = tuple[int, ...]


class ActivationForm(Enum):
    """How an activation appears in the quantized graph."""

    FOLDED = "folded"  # no node: the range of the following QuantizeLinear ends where the activation clips
    KEPT = "kept"  # operator → activation → QuantizeLinear
    SEPARATE = "separate"  # operator → Q → DQ → activation → Q, both with the same scale


class WeightType(Enum):
    """Quantization of weights; UINT8 is asymmetric and per-tensor."""

    INT8_PER_CHANNEL = "int8"
    INT8_PER_TENSOR = "int8-per-tensor"
    UINT8 = "uint8"


@dataclass(frozen=True)
class Quantization:
    """Type and zero point of the activations.

    `form` None takes what onnxruntime does: FOLDED with asymmetric activations, SEPARATE with symmetric ones.
    """

    dtype: str = "uint8"  # or "int8"
    symmetric: bool = False  # zero point 128 (uint8) or 0 (int8)
    weights: WeightType = WeightType.INT8_PER_CHANNEL
    form: ActivationForm | None = None

    @property
    def activation_form(self) -> ActivationForm:
        """The form in force."""
        return self.form or (ActivationForm.SEPARATE if self.symmetric else ActivationForm.FOLDED)


@dataclass(frozen=True)
class Encoding:
    """Real number = `scale` * (q - `zero_point`); an array of scales goes along `axis`."""

    scale: npt.NDArray[np.float32]
    zero_point: IntArray
    axis: int | None = None

    def quantize(self, values: npt.NDArray[np.floating]) -> IntArray:
        """Round half to even and saturate."""
        shape = [1] * values.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        limits = np.iinfo(self.zero_point.dtype)
        scaled = np.rint(values / self.scale.reshape(shape)) + self.zero_point.reshape(shape)
        quantized: IntArray = np.clip(scaled, limits.min, limits.max).astype(self.zero_point.dtype)
        return quantized


def activation_encoding(low: float, high: float, quantization: Quantization) -> Encoding:
    """Encode low..high (widened to hold 0) as onnxruntime does."""
    low, high = min(low, 0.0), max(high, 0.0)
    limits = np.iinfo(quantization.dtype)
    if quantization.symmetric:
        scale = np.float32(max(-low, high, 1e-6) / 127)
        zero_point = 128 if quantization.dtype == "uint8" else 0
    else:
        scale = np.float32(max(high - low, 1e-6) / 255)
        zero_point = round(limits.min - low / float(scale))
    return Encoding(np.array(scale), np.array(zero_point, quantization.dtype))


def weight_encoding(weight: FloatArray, kind: WeightType, axis: int) -> Encoding:
    """Encode weights; `axis` is the one of the output channels."""
    if kind is WeightType.UINT8:
        return activation_encoding(float(weight.min()), float(weight.max()), Quantization("uint8"))
    if kind is WeightType.INT8_PER_TENSOR:
        return Encoding(np.array(np.abs(weight).max() / 127, np.float32), np.array(0, np.int8))
    peak = np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis))
    return Encoding((peak / 127).astype(np.float32), np.zeros(peak.shape, np.int8), axis)


class Writer:
    """Collects nodes and initializers."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def node(self, op: str, name: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.initializers[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def encoding(self, tensor: str, encoding: Encoding) -> list[str]:
        scale = self.constant(f"{tensor}_scale", encoding.scale)
        return [scale, self.constant(f"{tensor}_zero_point", encoding.zero_point)]

    def dequantized_constant(self, name: str, output: str, values: IntArray, encoding: Encoding) -> str:
        """Write `name` as a quantized initializer and its DequantizeLinear."""
        axis = {} if encoding.axis is None else {"axis": encoding.axis}
        prefix = f"{name}_quantized" if output == name else name  # as onnxruntime names a bias and a weight
        inputs = [self.constant(f"{name}_quantized", values), *self.encoding(prefix, encoding)]
        return self.node("DequantizeLinear", f"{name}_DequantizeLinear", inputs, output, **axis)

    def quantize(self, tensor: str, source: str, encoding: list[str], output: str = "") -> str:
        """Write Q and DQ of `tensor`, which is called `source` before; return the dequantized name."""
        q, dq = f"{tensor}_QuantizeLinear", f"{tensor}_DequantizeLinear"
        self.node("QuantizeLinear", q, [source, *encoding], f"{q}_Output")
        return self.node("DequantizeLinear", dq, [f"{q}_Output", *encoding], output or f"{dq}_Output")

    def model(self, input_shape: Shape, outputs: dict[str, Shape | None]) -> ModelProto:
        def info(name: str, shape: Shape | None) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            "qdq",
            [info("input", (1, *input_shape))],
            [info(name, shape) for name, shape in outputs.items()],
            list(self.initializers.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="onnx_layers"
        )
