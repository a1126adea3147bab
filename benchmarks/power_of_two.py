"""The networks of `networks.py` quantized for engines that shift and don't multiply: all scales are powers of
two, one for each tensor; on request with weights -1, 0 and 1 and activations of 6 bits, as DIANA's analog array
has them. The input has 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import networks
import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

Array = npt.NDArray[np.float32]

BYTE_BITS, ANALOG_BITS = 8, 6
LARGEST_WEIGHT = 127
KEPT_WEIGHTS = 0.7
"""Of ternary weights: those of more than so many times the mean magnitude aren't 0."""

_WEIGHTED = ("Conv", "Gemm")
_MOVES = ("Flatten",)
"""Operators whose output has the scale of their input."""


@dataclass(frozen=True)
class Scale:
    """Of a quantized tensor: a value is `scale * (byte - zero_point)`, bytes are 0 to `largest`."""

    scale: float
    zero_point: int
    largest: int

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return -self.scale * self.zero_point, self.scale * (self.largest - self.zero_point)


def quantized(name: str, *, ternary: bool = False) -> ModelProto:
    """The QDQ network of `networks.build(name)`, as uint8 activations and int8 weights."""
    model = networks.build(name)
    weights = _quantized_weights(model, ternary=ternary)
    ranges = _ranges(_with_weights(model, weights), networks.sample_inputs(name, 4, networks.CALIBRATION_SEED))
    return _Quantizer(model, weights, ranges, ANALOG_BITS if ternary else BYTE_BITS).model()


@dataclass(frozen=True)
class _Weights:
    values: npt.NDArray[np.int8]
    scale: float


def _power_of_two(value: float) -> float:
    """The next one, upwards."""
    return float(2.0 ** np.ceil(np.log2(max(value, 1e-12))))


def _quantized_weights(model: ModelProto, *, ternary: bool) -> dict[str, _Weights]:
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    names = [node.input[1] for node in model.graph.node if node.op_type in _WEIGHTED]
    return {name: _ternary(constants[name]) if ternary else _eight_bits(constants[name]) for name in names}


def _eight_bits(values: Array) -> _Weights:
    scale = _power_of_two(float(np.abs(values).max()) / LARGEST_WEIGHT)
    return _Weights(np.rint(values / scale).astype(np.int8), scale)


def _ternary(values: Array) -> _Weights:
    kept = np.abs(values) > KEPT_WEIGHTS * np.abs(values).mean()
    return _Weights((np.sign(values) * kept).astype(np.int8), _power_of_two(float(np.abs(values[kept]).mean())))


def _with_weights(model: ModelProto, weights: dict[str, _Weights]) -> ModelProto:
    """The float network with the values that its weights have when they are quantized."""
    changed = ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.name in weights:
            own = weights[tensor.name]
            tensor.CopyFrom(numpy_helper.from_array(own.values.astype(np.float32) * own.scale, tensor.name))
    return changed


def _ranges(model: ModelProto, samples: Array) -> dict[str, tuple[float, float]]:
    """The smallest and the largest value of every tensor."""
    names = [output for node in model.graph.node for output in node.output]
    known = {one.name for one in model.graph.output}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in known
    )
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = {"input": (0.0, 1.0)}
    for sample in samples:
        for name, values in zip(names, session.run(names, {"input": sample}), strict=True):
            low, high = found.get(name, (0.0, 0.0))
            found[name] = (min(low, float(np.min(values))), max(high, float(np.max(values))))
    return found


@dataclass
class _Quantizer:
    """Writes the quantized network, operator by operator."""

    float_model: ModelProto
    weights: dict[str, _Weights]
    ranges: dict[str, tuple[float, float]]
    bits: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    scales: dict[str, Scale] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of a float tensor's quantized and dequantized values

    def model(self) -> ModelProto:
        """The network."""
        graph = self.float_model.graph
        self._quantize("input", "input", BYTE_BITS)
        followed = {node.input[0]: node.op_type for node in graph.node}
        for node in graph.node:
            self._operator(node, quantizes=followed.get(node.output[0]) != "Relu")
        body = helper.make_graph(self.nodes, graph.name, graph.input, graph.output, self.constants)
        made = helper.make_model(body, opset_imports=self.float_model.opset_import)
        made.ir_version = self.float_model.ir_version
        onnx.checker.check_model(made, full_check=True)
        return made

    def _operator(self, node: NodeProto, *, quantizes: bool) -> None:
        copy = NodeProto()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(self._input(node, index) for index in range(len(node.input)))
        self.nodes.append(copy)
        output = node.output[0]
        if node.op_type in _MOVES:
            self.names[output], self.scales[output] = output, self.scales[node.input[0]]
        elif node.op_type != "Softmax" and quantizes:
            self._quantize(output, output, self.bits)

    def _input(self, node: NodeProto, index: int) -> str:
        name = str(node.input[index])
        if node.op_type not in _WEIGHTED or index == 0:
            return self.names.get(name, name)
        own, source = self.weights[node.input[1]], self.scales[node.input[0]]
        if index == 1:
            return self._dequantized(name, own.values, own.scale, TensorProto.INT8)
        bias = next(one for one in self.float_model.graph.initializer if one.name == name)
        scale = own.scale * source.scale
        values = np.rint(numpy_helper.to_array(bias) / scale).astype(np.int32)
        return self._dequantized(name, values, scale, TensorProto.INT32)

    def _dequantized(self, name: str, values: npt.NDArray[np.int8 | np.int32], scale: float, kind: int) -> str:
        """A constant that is stored as integers."""
        zero = np.zeros((), helper.tensor_dtype_to_np_dtype(kind))
        for suffix, value in (("q", values), ("s", np.array(scale, np.float32)), ("z", zero)):
            self.constants.append(numpy_helper.from_array(value, f"{name}_{suffix}"))
        inputs = [f"{name}_{suffix}" for suffix in "qsz"]
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_dq"], name=f"{name}_dq"))
        return f"{name}_dq"

    def _quantize(self, name: str, source: str, bits: int) -> None:
        """Clips a tensor to what so many bits hold, where that isn't what a byte does, and quantizes it."""
        scale = _scale(*self.ranges[name], bits)
        values = {"s": np.array(scale.scale, np.float32), "z": np.array(scale.zero_point, np.uint8)}
        if bits < BYTE_BITS:
            values |= {
                end: np.array(bound, np.float32)
                for end, bound in zip(("low", "high"), scale.bounds, strict=True)
            }
            inputs = [source, f"{name}_low", f"{name}_high"]
            self.nodes.append(helper.make_node("Clip", inputs, [f"{name}_clip"], name=f"{name}_clip"))
            source = f"{name}_clip"
        for suffix, value in values.items():
            self.constants.append(numpy_helper.from_array(value, f"{name}_{suffix}"))
        parameters = [f"{name}_s", f"{name}_z"]
        quantize, dequantize = f"{name}_q", f"{name}_dq"
        self.nodes += [
            helper.make_node("QuantizeLinear", [source, *parameters], [quantize], name=quantize),
            helper.make_node("DequantizeLinear", [quantize, *parameters], [dequantize], name=dequantize),
        ]
        self.names[name], self.scales[name] = dequantize, scale


def _scale(low: float, high: float, bits: int) -> Scale:
    largest = (1 << bits) - 1
    if low >= 0:
        return Scale(_power_of_two(high / largest), 0, largest)
    return Scale(_power_of_two(max(-low, high) / (largest // 2)), (largest + 1) // 2, largest)
