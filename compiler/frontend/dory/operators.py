"""A rule for each operator of an integer network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto
from tvm import relay
from tvm_pulp.errors import ModelError
from tvm_pulp.passes.legalize import build
from tvm_pulp.passes.numerics import Exact, accumulator_of

from ..normalize.graph import Array, Graph, attributes_of, input_of
from .sums import Bytes, Sums, Term, clipped, number, sums_of

Value = Bytes | Sums
_INTEGER_TYPES = tuple(getattr(TensorProto, name) for name in ("INT64", "INT32", "INT16", "INT8", "UINT8"))


@dataclass(frozen=True)
class Operands:
    """A node with what it reads: a value for each input (None for constants), attributes, the graph."""

    graph: Graph
    node: onnx.NodeProto
    values: tuple[Value | None, ...]
    attributes: dict[str, Any]

    def constant(self, index: int) -> Array | None:
        """The value of a constant input."""
        return self.graph.constant(input_of(self.node, index))

    def refuse(self, reason: str) -> ModelError:
        """The error that says why this node can't be compiled."""
        return ModelError(
            f"{reason} ({self.node.op_type})",
            where=self.node.name,
            fix="see docs/onnx-dialects.md for what can be",
        )

    def bytes_(self) -> Bytes:
        """The first input as bytes; what no Clip bounds is clipped to 8 bits, as DORY's kernels do."""
        value = self.values[0]
        if value is None:
            raise self.refuse("its input is a constant")
        return as_bytes(value)

    def sums(self, index: int = 0) -> Sums:
        """An input as something to scale."""
        value = self.values[index]
        if value is None:
            raise self.refuse("its input is a constant")
        return sums_of(value) if isinstance(value, Bytes) else value

    def split(self) -> tuple[Sums, Array]:
        """One input that is computed and one that is constant, in either order."""
        for index, other in ((0, 1), (1, 0)):
            constant = self.constant(other)
            if constant is not None:
                return self.sums(index), constant
        raise self.refuse("it multiplies two tensors that are computed")


def as_bytes(value: Value) -> Bytes:
    """Bytes as they are, sums clipped to 8 bits: unsigned unless they can be negative."""
    if isinstance(value, Bytes):
        return value
    negative = bool(np.any(value.range()[0] < 0))
    return clipped(value, -128 if negative else 0, 127 if negative else 255)


def integers(operands: Operands, values: Array) -> Exact:
    """A constant as Python's integers; ModelError if a number has a fraction."""
    reals = np.asarray(values, np.float64)
    if np.any(reals != np.rint(reals)):
        raise operands.refuse("a constant of it is not a whole number")
    return np.array([int(v) for v in reals.ravel()], dtype=object).reshape(reals.shape)


def _per_channel(operands: Operands, values: Array, sums: Sums) -> Exact:
    """A constant as one number or one for each channel."""
    numbers = integers(operands, values)
    if numbers.size == 1:
        return numbers.ravel()
    channels = sums.feature_map[0]
    behind = 0 if sums.flat else numbers.ndim - 1 - _channel_axis(numbers.shape, channels)
    fits = numbers.size == channels and (sums.flat or behind in (1, 2))
    if not fits:
        raise operands.refuse("a constant of it varies within a channel")
    return numbers.ravel()


def _channel_axis(shape: tuple[int, ...], channels: int) -> int:
    return next((axis for axis, size in enumerate(shape) if size == channels), len(shape))


# ---- Weighted layers ---------------------------------------------------------------------------------------


def _weighted(weights: Array, bias: Exact, data: Bytes, acc: Callable[[str], relay.Expr], shape: Any) -> Sums:
    """Sums of a layer whose weights have the output channel first."""
    bounds = accumulator_of(weights, np.zeros(len(weights), np.int64), data.zero_point)
    low, high, constant = (values.astype(object) for values in (bounds.low, bounds.high, bounds.constant))
    feature_map, flat = shape
    return Sums((Term(acc, low, high, number(1)),), constant + bias, 1, feature_map, flat)


def _weights(operands: Operands) -> Array:
    values = operands.constant(1)
    if values is None:
        raise operands.refuse("its weights are no constant")
    stored = integers(operands, values)
    if stored.min() < -128 or stored.max() > 127:
        raise operands.refuse("its weights don't fit 8 bits")
    return stored.astype(np.int8)


def _bias(operands: Operands, channels: int) -> Exact:
    values = operands.constant(2)
    if values is None:
        if input_of(operands.node, 2):
            raise operands.refuse("its bias is no constant")
        return np.zeros(channels, np.int64).astype(object)
    return np.broadcast_to(integers(operands, values).ravel(), (channels,))


def _pair(values: Any, default: int) -> tuple[int, int]:
    """Two numbers for (h, w); a 1-D operator runs on maps of height 1."""
    given = [int(value) for value in values] if values else [default, default]
    return (default, given[0]) if len(given) == 1 else (given[0], given[1])


def _pads(operands: Operands) -> build.Padding:
    attributes = operands.attributes
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise operands.refuse("its padding is not written as numbers")
    given = [int(value) for value in attributes.get("pads", [])]
    if len(given) == 2:
        return (0, given[0], 0, given[1])
    return (given[0], given[1], given[2], given[3]) if given else (0, 0, 0, 0)


def _slid(size: tuple[int, int], padding: build.Padding, kernel: Any, strides: Any, dilation: Any) -> list[int]:
    padded = size[0] + padding[0] + padding[2], size[1] + padding[1] + padding[3]
    return [(padded[axis] - (kernel[axis] - 1) * dilation[axis] - 1) // strides[axis] + 1 for axis in range(2)]


def convolution(operands: Operands) -> Sums:
    """Conv, 1-D or 2-D, with the Pads in front of it."""
    data, weights = operands.bytes_(), _weights(operands)
    if weights.ndim == 3:
        weights = weights[:, :, np.newaxis, :]
    own = _pads(operands)
    padding = tuple(a + b for a, b in zip(own, data.padding, strict=True))
    strides = _pair(operands.attributes.get("strides"), 1)
    dilation = _pair(operands.attributes.get("dilations"), 1)
    groups = int(operands.attributes.get("group", 1))
    shape = build.ConvShape(
        strides, (padding[0], padding[1], padding[2], padding[3]), dilation, groups, data.zero_point
    )

    def acc(dtype: str) -> relay.Expr:
        return build.convolution(data.expr, weights, shape, dtype)

    height, width = _slid(data.feature_map[1:], shape.padding, weights.shape[2:], strides, dilation)
    channels = len(weights)
    return _weighted(weights, _bias(operands, channels), data, acc, ((channels, height, width), False))


def linear(operands: Operands) -> Sums:
    """Gemm and MatMul with constant weights; a map in front of it is flattened in the user's order."""
    data, weights = operands.bytes_(), _weights(operands)
    if operands.attributes.get("transA", 0) or weights.ndim != 2 or not data.flat:
        raise operands.refuse("its operands are no row and matrix")
    if not operands.attributes.get("transB", 0):
        weights = weights.T
    outputs = len(weights)
    ordered = weights.reshape(outputs, *data.feature_map).transpose(0, 2, 3, 1).reshape(outputs, -1)
    ordered = np.ascontiguousarray(ordered)
    if any(float(operands.attributes.get(name, 1.0)) != 1.0 for name in ("alpha", "beta")):
        raise operands.refuse("alpha or beta is not 1")

    def acc(dtype: str) -> relay.Expr:
        return build.dense(data.expr, ordered, dtype)

    return _weighted(ordered, _bias(operands, outputs), data, acc, ((outputs, 1, 1), True))


# ---- Scaling -----------------------------------------------------------------------------------------------


def multiply(operands: Operands) -> Sums:
    """Mul by whole numbers."""
    sums, constant = operands.split()
    return sums.times(_per_channel(operands, constant, sums))


def add(operands: Operands) -> Sums:
    """Add of whole numbers, or of two tensors of one shape."""
    if all(value is not None for value in operands.values):
        a, b = operands.sums(0), operands.sums(1)
        if a.feature_map != b.feature_map or a.flat != b.flat:
            raise operands.refuse("its inputs have different shapes")
        return a.plus_sums(b)
    sums, constant = operands.split()
    return sums.plus(_per_channel(operands, constant, sums))


def divide(operands: Operands) -> Sums:
    """Div by a whole number; NEMO writes some large powers of two as 2^n - 1, DORY shifts by n for them."""
    constant = operands.constant(1)
    divisor = int(integers(operands, constant).ravel()[0]) if constant is not None and constant.size == 1 else 0
    if divisor < 1:
        raise operands.refuse("it does not divide by a whole number above 0")
    is_meant_as_power = divisor >= 2**16 and (divisor & (divisor + 1)) == 0
    return operands.sums().divided(divisor + 1 if is_meant_as_power else divisor)


def floor(operands: Operands) -> Sums:
    """Floor."""
    return operands.sums().floor()


def cast(operands: Operands) -> Value:
    """Casts between types that hold the same integers; to an integer type it rounds down."""
    value = operands.values[0]
    if not isinstance(value, Sums):
        return operands.bytes_()
    integer = int(operands.attributes["to"]) in _INTEGER_TYPES
    return replace(value.floor() if integer else value, integer=integer)


def clip(operands: Operands) -> Bytes:
    """Clip to 8 bits, signed or unsigned."""
    low, high = _limits(operands)
    if not (0 <= low <= high <= 255 or -128 <= low <= high <= 127):
        raise operands.refuse(f"it clips to {low} … {high}, which is no range of 8 bits")
    return clipped(operands.sums(), low, high)


def relu(operands: Operands) -> Bytes:
    """Relu: a Clip to 0 … 255."""
    return clipped(operands.sums(), 0, 255)


def _limits(operands: Operands) -> tuple[int, int]:
    limits = []
    for index, name in ((1, "min"), (2, "max")):
        constant = operands.constant(index)
        value = operands.attributes.get(name) if constant is None else constant
        if value is None:
            raise operands.refuse("a limit of it is missing")
        limits.append(int(integers(operands, np.asarray(value)).ravel()[0]))
    return limits[0], limits[1]


# ---- Pools and shapes --------------------------------------------------------------------------------------


def _pool(operands: Operands, data: Bytes) -> tuple[build.Pool, tuple[int, int, int]]:
    if operands.node.op_type.startswith("Global"):
        window = data.feature_map[1], data.feature_map[2]
        pool = build.Pool(window, (1, 1), (0, 0, 0, 0))
    else:
        attributes = operands.attributes
        window = _pair(attributes["kernel_shape"], 1)
        pool = build.Pool(window, _pair(attributes.get("strides"), 1), _pads(operands))
    if operands.attributes.get("ceil_mode", 0) or any(
        int(d) != 1 for d in operands.attributes.get("dilations", [])
    ):
        raise operands.refuse("ceil_mode and dilations are not supported")
    height, width = _slid(data.feature_map[1:], pool.padding, pool.window, pool.strides, (1, 1))
    return pool, (data.feature_map[0], height, width)


def padded(data: Bytes) -> Bytes:
    """The bytes with their border."""
    if not any(data.padding):
        return data
    top, left, bottom, right = data.padding
    channels, height, width = data.feature_map
    shape = (channels, height + top + bottom, width + left + right)
    return Bytes(build.pad(data.expr, data.padding, data.zero_point), data.zero_point, shape)


def max_pool(operands: Operands) -> Bytes:
    """MaxPool."""
    data = padded(operands.bytes_())
    pool, shape = _pool(operands, data)
    expr = relay.nn.max_pool2d(
        data.expr, pool_size=pool.window, strides=pool.strides, padding=pool.padding, layout="NHWC"
    )
    return Bytes(expr, data.zero_point, shape)


def average_pool(operands: Operands) -> Sums:
    """AveragePool and GlobalAveragePool: the window's sum, divided by its size."""
    data = padded(operands.bytes_())
    pool, shape = _pool(operands, data)
    if any(pool.padding) and not operands.attributes.get("count_include_pad", 0):
        raise operands.refuse("windows at the border divide by fewer elements")
    count = pool.window[0] * pool.window[1]

    def acc(dtype: str) -> relay.Expr:
        total = build.window_sum(data.expr, data.feature_map, pool, data.zero_point)
        return total if dtype == "int32" else relay.cast(total, dtype)

    term = Term(acc, number(0), number(255 * count), number(1))
    return Sums((term,), number(-data.zero_point * count), count, shape, False)


def pad(operands: Operands) -> Bytes:
    """Pad with zeros around height and width: left to the operator behind it."""
    data = operands.bytes_()
    given = operands.attributes.get("pads")
    numbers = operands.constant(1) if given is None else np.asarray(given)
    value = operands.constant(2) if given is None else np.asarray(operands.attributes.get("value", 0))
    if numbers is None or (value is not None and np.any(value != 0)):
        raise operands.refuse("it does not pad with a known number of zeros")
    if operands.attributes.get("mode", b"constant") != b"constant":
        raise operands.refuse("it does not pad with zeros")
    sizes = [int(number) for number in numbers]
    half = len(sizes) // 2
    before, after = sizes[:half], sizes[half:]
    if any(before[:2]) or any(after[:2]) or min(sizes) < 0 or data.flat:
        raise operands.refuse("it pads other axes than height and width")
    top, left = _pair(before[2:], 0)
    bottom, right = _pair(after[2:], 0)
    own = data.padding
    return replace(data, padding=(own[0] + top, own[1] + left, own[2] + bottom, own[3] + right))


def flatten(operands: Operands) -> Bytes:
    """Flatten, and Reshape to one row: the bytes stay where they are."""
    data = padded(operands.bytes_())
    shape = operands.constant(1) if operands.node.op_type == "Reshape" else np.array([1, -1])
    if shape is None or len(shape) != 2 or operands.attributes.get("axis", 1) != 1:
        raise operands.refuse("it does not flatten to one row")
    size = int(np.prod(data.feature_map))
    return replace(data, expr=build.reshape(data.expr, (1, size)), flat=True)


RULES: dict[str, Callable[[Operands], Value]] = {
    "Conv": convolution,
    "Gemm": linear,
    "MatMul": linear,
    "Mul": multiply,
    "Add": add,
    "Div": divide,
    "Floor": floor,
    "Cast": cast,
    "Clip": clip,
    "Relu": relu,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": average_pool,
    "Pad": pad,
    "Flatten": flatten,
    "Reshape": flatten,
}


def operands_of(graph: Graph, node: onnx.NodeProto, values: dict[str, Value]) -> Operands:
    """A node and what it reads."""
    return Operands(graph, node, tuple(values.get(name) for name in node.input), attributes_of(node))
