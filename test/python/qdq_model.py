"""Evaluates a QDQ ONNX model by the numerics contract: the bytes that the compiled network must produce.

The arithmetic and its rules are in `qdq_arithmetic`; this is the walk through the graph. Softmax is computed in
float and is not a part of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper
from qdq_arithmetic import (
    BYTE_MAX,
    AnyArray,
    Bytes,
    Constant,
    Float64Array,
    Pending,
    Quantized,
    Real,
    Requant,
    UnsupportedError,
    Value,
    accumulate,
    add,
    average,
    average_inside,
    copy,
    function,
    multiply,
    subtract,
    zero_byte,
)


@dataclass(frozen=True)
class Evaluation:
    """Bytes of every quantized tensor by the name of its QuantizeLinear output, the float graph outputs,
    and the requantization of each operator by its node name (by its output's name if it has none)."""

    tensors: dict[str, Bytes]
    outputs: dict[str, npt.NDArray[np.float32]]
    requants: dict[str, Requant]


@dataclass
class _Walk:
    """Evaluates nodes in order; `values` holds every tensor met so far."""

    values: dict[str, Value]
    forced: Mapping[str, Bytes] = field(default_factory=dict)
    tensors: dict[str, Bytes] = field(default_factory=dict)
    requants: dict[str, Requant] = field(default_factory=dict)

    def node(self, node: NodeProto) -> None:
        """Evaluate one node."""
        if not node.name:
            node = named(node, node.output[0])
        handler = getattr(self, f"_{node.op_type.lower()}", None)
        if handler is None:
            raise UnsupportedError(f"operator {node.op_type} ({node.name})")
        self.values[node.output[0]] = handler(node)

    def _operand(self, node: NodeProto, index: int) -> Value | None:
        present = index < len(node.input) and node.input[index]
        return self.values[node.input[index]] if present else None

    def _activation(self, node: NodeProto, index: int = 0) -> Quantized:
        value = self._operand(node, index)
        if isinstance(value, Constant):
            return value.as_activation()
        if not isinstance(value, Quantized):
            raise UnsupportedError(f"{node.name}: input {index} isn't quantized")
        return value

    def _weight(self, node: NodeProto) -> Constant:
        value = self._operand(node, 1)
        if not isinstance(value, Constant):
            raise UnsupportedError(f"{node.name}: weights aren't a quantized constant")
        return value

    def _array(self, node: NodeProto, index: int) -> AnyArray | None:
        value = self._operand(node, index)
        return value.values if isinstance(value, Real) else None

    def _encoding(self, node: NodeProto) -> tuple[AnyArray, AnyArray]:
        """Return scale (float32) and zero point of a Q or DQ."""
        scale, zero_point = self._array(node, 1), self._array(node, 2)
        if scale is None:
            raise UnsupportedError(f"{node.name}: a scale that isn't constant")
        return scale, np.zeros(scale.shape, np.uint8) if zero_point is None else zero_point

    def _quantizelinear(self, node: NodeProto) -> Value:
        scale, zero_point = self._encoding(node)
        value = self._operand(node, 0)
        if isinstance(value, Quantized):
            value = copy(node.name, value.values, value)
        zero = zero_byte(zero_point, zero_point)
        if isinstance(value, Pending):
            result, requant = value.finish(float(scale.item()), zero)
            self.requants[value.node] = requant
        elif isinstance(value, Real):
            scaled = np.rint(value.values.astype(np.float32) / scale)
            result = np.clip(scaled + zero, 0, BYTE_MAX).astype(np.uint8)
        else:
            raise UnsupportedError(f"{node.name}: a constant is quantized")
        self.tensors[node.output[0]] = result
        result = self.forced.get(node.output[0], result)
        return Quantized(result, float(scale.item()), zero)

    def _dequantizelinear(self, node: NodeProto) -> Value:
        value = self._operand(node, 0)
        if isinstance(value, Quantized):
            return value
        if not isinstance(value, Real):
            raise UnsupportedError(f"{node.name}: input isn't quantized")
        scale, zero_point = self._encoding(node)
        axis = int(attributes(node).get("axis", 1))
        return Constant(value.values, scale.astype(np.float64), zero_point.astype(np.int64), axis)

    def _conv(self, node: NodeProto) -> Value:
        source, weight, at = self._activation(node), self._weight(node), attributes(node)
        if at.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise UnsupportedError(f"{node.name}: auto_pad")
        padded = pad(source.values, at.get("pads", [0] * 4), source.zero_point)
        spread = dilated(weight.values, at.get("dilations", [1, 1]))
        acc = convolve(padded, spread, at.get("strides", [1, 1]), int(at.get("group", 1)))
        rows = weight.values.astype(np.int64).reshape(len(weight.values), -1)
        return accumulate(node.name, acc, weight=weight, rows=rows, source=source, bias=self._operand(node, 2))

    def _gemm(self, node: NodeProto) -> Value:
        at = attributes(node)
        if at.get("alpha", 1.0) != 1.0 or at.get("beta", 1.0) != 1.0 or at.get("transA", 0):
            raise UnsupportedError(f"{node.name}: alpha, beta or transA")
        return self._linear(node, transposed=bool(at.get("transB", 0)), bias=self._operand(node, 2))

    def _matmul(self, node: NodeProto) -> Value:
        return self._linear(node, transposed=False, bias=None)

    def _linear(self, node: NodeProto, *, transposed: bool, bias: Value | None) -> Value:
        source, weight = self._activation(node), self._weight(node)
        rows = (weight.values if transposed else weight.values.T).astype(np.int64)
        if source.values.ndim != 2:
            raise UnsupportedError(f"{node.name}: input isn't a matrix")
        acc = source.values.astype(np.float64) @ rows.T.astype(np.float64)
        return accumulate(node.name, acc, weight=weight, rows=rows, source=source, bias=bias)

    def _add(self, node: NodeProto) -> Value:
        a, b = self._operand(node, 0), self._operand(node, 1)
        for value, other in ((a, b), (b, a)):
            if isinstance(value, Pending) and value.add_bias and isinstance(other, (Constant, Real)):
                return value.add_bias(other.real() if isinstance(other, Constant) else other.values)
        return add(node.name, self._activation(node, 0), self._activation(node, 1))

    def _sub(self, node: NodeProto) -> Value:
        return subtract(node.name, self._activation(node, 0), self._activation(node, 1))

    def _mul(self, node: NodeProto) -> Value:
        return multiply(node.name, self._activation(node, 0), self._activation(node, 1))

    def _concat(self, node: NodeProto) -> Value:
        parts = [self._activation(node, index) for index in range(len(node.input))]
        axis = attributes(node)["axis"]

        def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
            made = [copy(node.name, part.values, part).requantize(scale, zero_point) for part in parts]
            return np.concatenate([values for values, _ in made], axis=axis), made[0][1]

        return Pending(node.name, requantize)

    def _slice(self, node: NodeProto) -> Value:
        source = self._activation(node)
        numbers = [self._array(node, index) for index in (1, 2, 3)]
        start, end, axis = (int(n.item()) for n in numbers if n is not None)
        if axis != 1:
            raise UnsupportedError(f"{node.name}: axis")
        return copy(node.name, source.values[:, start:end], source)

    def _resize(self, node: NodeProto) -> Value:
        source, scales = self._activation(node), self._array(node, 2)
        if scales is None:
            raise UnsupportedError(f"{node.name}: sizes")
        rows = source.values.repeat(int(scales[2]), axis=2)
        return copy(node.name, rows.repeat(int(scales[3]), axis=3), source)

    def _leakyrelu(self, node: NodeProto) -> Value:
        alpha = attributes(node).get("alpha", float(np.float32(0.01)))
        return self._function(node, lambda x: np.where(x < 0, alpha * x, x))

    def _hardswish(self, node: NodeProto) -> Value:
        sixth = float(np.float32(1 / 6))
        return self._function(node, lambda x: x * np.clip(x * sixth + 0.5, 0, 1))

    def _hardsigmoid(self, node: NodeProto) -> Value:
        alpha = float(np.float32(attributes(node).get("alpha", 0.2)))
        return self._function(node, lambda x: np.clip(x * alpha + 0.5, 0, 1))

    def _sigmoid(self, node: NodeProto) -> Value:
        return self._function(node, lambda x: 1 / (1 + np.exp(-x)))

    def _tanh(self, node: NodeProto) -> Value:
        return self._function(node, np.tanh)

    def _function(self, node: NodeProto, real: Callable[[Float64Array], Float64Array]) -> Value:
        return function(node.name, real, self._activation(node))

    def _relu(self, node: NodeProto) -> Value:
        return self._limit(node, 0.0, np.inf)

    def _clip(self, node: NodeProto) -> Value:
        low, high = self._array(node, 1), self._array(node, 2)
        return self._limit(
            node, -np.inf if low is None else float(low.item()), np.inf if high is None else float(high.item())
        )

    def _limit(self, node: NodeProto, low: float, high: float) -> Value:
        value = self._operand(node, 0)
        if isinstance(value, Quantized):
            value = copy(node.name, value.values, value)
        if not isinstance(value, Pending):
            raise UnsupportedError(f"{node.name}: input isn't quantized")
        return replace(value, low=max(value.low, low), high=min(value.high, high), add_bias=None)

    def _maxpool(self, node: NodeProto) -> Value:
        source, at = self._activation(node), self._pool_attributes(node)
        padded = pad(source.values, reach(source.values.shape, at), 0)
        return copy(node.name, np.max(windows(padded, at), axis=0), source)

    def _averagepool(self, node: NodeProto) -> Value:
        source, at = self._activation(node), self._pool_attributes(node)
        pads = at.get("pads", [0] * 4)
        if not at.get("count_include_pad", 0):
            beyond = reach(source.values.shape, at)
            inside = windows(pad(np.ones((1, 1, *source.values.shape[2:]), np.uint8), beyond, 0), at)
            counts = inside.sum(axis=0, dtype=np.int64)[0, 0]
            if np.any(counts != counts[0, 0]):
                sums = windows(pad(source.values, beyond, 0), at).sum(axis=0, dtype=np.int64)
                return average_inside(node.name, sums, counts, source)
            seen = windows(pad(source.values, beyond, 0), at)
            return average(node.name, seen.sum(axis=0, dtype=np.int64), int(counts[0, 0]), source)
        seen = windows(pad(source.values, pads, source.zero_point), at)
        return average(node.name, seen.sum(axis=0, dtype=np.int64), len(seen), source)

    def _globalaveragepool(self, node: NodeProto) -> Value:
        source = self._activation(node)
        sums = source.values.sum(axis=(2, 3), keepdims=True, dtype=np.int64)
        return average(node.name, sums, source.values.shape[2] * source.values.shape[3], source)

    def _pool_attributes(self, node: NodeProto) -> dict[str, Any]:
        at = attributes(node)
        if at.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise UnsupportedError(f"{node.name}: auto_pad")
        if at.get("ceil_mode", 0) and (any(at.get("pads", [0])) or at.get("count_include_pad", 0)):
            raise UnsupportedError(f"{node.name}: ceil_mode with padding")
        if any(d != 1 for d in at.get("dilations", [1])):
            raise UnsupportedError(f"{node.name}: dilation")
        return at

    def _flatten(self, node: NodeProto) -> Value:
        if attributes(node).get("axis", 1) != 1:
            raise UnsupportedError(f"{node.name}: axis")
        return self._reshaped(node, [-1])

    def _reshape(self, node: NodeProto) -> Value:
        shape = self._array(node, 1)
        if shape is None or shape[0] not in (0, 1):
            raise UnsupportedError(f"{node.name}: a shape that isn't constant, or without the batch")
        return self._reshaped(node, [int(n) for n in shape[1:]])

    def _reshaped(self, node: NodeProto, shape: list[int]) -> Value:
        source = self._activation(node)
        return copy(node.name, source.values.reshape(len(source.values), *shape), source)

    def _softmax(self, node: NodeProto) -> Value:
        x = dequantize(self._activation(node)).astype(np.float64)
        axis = attributes(node).get("axis", -1)
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return Real(e / e.sum(axis=axis, keepdims=True))


def named(node: NodeProto, name: str) -> NodeProto:
    """Return a copy of `node` with a name."""
    copied = NodeProto.FromString(node.SerializeToString())
    copied.name = name
    return copied


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def pad(x: Bytes, pads: Sequence[int], value: int) -> Bytes:
    """Pad height and width (top, left, bottom, right) with `value`."""
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def reach(shape: Sequence[int], at: Mapping[str, Any]) -> list[int]:
    """Return the pads; with ceil_mode those that the last windows reach."""
    top, left, bottom, right = at.get("pads", [0] * 4)
    if not at.get("ceil_mode", 0):
        return [top, left, bottom, right]
    kernel, strides = at["kernel_shape"], at.get("strides", [1, 1])
    missing = [-(n - k) % s for n, k, s in zip(shape[2:], kernel, strides, strict=True)]
    return [top, left, bottom + missing[0], right + missing[1]]


def dilated(weight: AnyArray, dilations: Sequence[int]) -> AnyArray:
    """Return the weights with zeros between them."""
    sizes = [(n - 1) * d + 1 for n, d in zip(weight.shape[2:], dilations, strict=True)]
    spread = np.zeros((*weight.shape[:2], *sizes), weight.dtype)
    spread[:, :, :: dilations[0], :: dilations[1]] = weight
    return spread


def windows(x: Bytes, at: Mapping[str, Any]) -> Bytes:
    """Return what each kernel element sees: (elements, N, C, Ho, Wo)."""
    kernel, strides = at["kernel_shape"], at.get("strides", [1, 1])
    size = tuple((n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, strides, strict=True))
    return np.stack([_strided(x, i, j, strides, (size[0], size[1])) for i, j in np.ndindex(*kernel)])


def dequantize(value: Quantized) -> npt.NDArray[np.float32]:
    """Return real values in float32, as DequantizeLinear does."""
    return (value.values.astype(np.float32) - np.float32(value.zero_point)) * np.float32(value.scale)


def evaluate(
    model: ModelProto, inputs: Mapping[str, AnyArray], forced: Mapping[str, Bytes] | None = None
) -> Evaluation:
    """Evaluate `model` on float inputs (N, …), with any N although the model's batch is 1.

    Where `forced` has the output of a QuantizeLinear, the layers after it read those bytes instead of the ones
    computed here: so that each layer can be compared on its own.
    Raises UnsupportedError where the contract has no form for what the model asks.
    """
    constants = {i.name: Real(numpy_helper.to_array(i)) for i in model.graph.initializer}
    walk = _Walk({**constants, **{name: Real(x) for name, x in inputs.items()}}, forced or {})
    for node in model.graph.node:
        walk.node(node)
    return Evaluation(
        walk.tensors, {o.name: _float(o.name, walk.values[o.name]) for o in model.graph.output}, walk.requants
    )


def _float(name: str, value: Value) -> npt.NDArray[np.float32]:
    if isinstance(value, Quantized):
        return dequantize(value)
    if isinstance(value, Real):
        return value.values.astype(np.float32)
    raise UnsupportedError(f"output {name} has no QuantizeLinear")


def convolve(x: AnyArray, weight: AnyArray, strides: Sequence[int], groups: int) -> Float64Array:
    """Convolve padded `x` (N, C, H, W) in float64, which is exact below 2^53."""
    n, channels, height, width = x.shape
    out_channels, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = (height - kernel_h) // strides[0] + 1, (width - kernel_w) // strides[1] + 1
    grouped = weight.astype(np.float64).reshape(groups, out_channels // groups, -1, kernel_h, kernel_w)
    acc = np.zeros((n, groups, out_channels // groups, out_h * out_w))
    for i, j in np.ndindex(kernel_h, kernel_w):
        moved = _strided(x, i, j, strides, (out_h, out_w)).astype(np.float64)
        acc += grouped[..., i, j] @ moved.reshape(n, groups, channels // groups, -1)
    return acc.reshape(n, out_channels, out_h, out_w)


def _strided(x: AnyArray, i: int, j: int, strides: Sequence[int], size: tuple[int, int]) -> AnyArray:
    """Return what kernel element (i, j) sees at each of `size` outputs."""
    end_i, end_j = i + strides[0] * (size[0] - 1) + 1, j + strides[1] * (size[1] - 1) + 1
    return x[:, :, i : end_i : strides[0], j : end_j : strides[1]]
