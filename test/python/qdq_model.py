"""The numerics contract, evaluated on a QDQ ONNX model with NumPy's int64: what generated C must compute.

Written from the contract alone and independent of the compiler, so that the two check each other. Activations
are bytes, NCHW with any batch; an int8 tensor is the same bytes with the top bit flipped and 128 more in its
zero point. With real scales taken as float64 and `r` the rounding constant `2^(s-1)` (0 for s = 0):

- Conv, Gemm, MatMul: `scale = s_in * s_w / s_out` (in this order), `acc = sum(w * x)` over raw bytes, outside
  the map x = zero point, `y = clip((k * acc + offset) >> s)`, `k = rint(scale * 2^s)`,
  `offset = k * (bias - z_in * sum(w)) + (z_out << s) + r`. `s` is the largest of 0..31 for which `k`, `k * acc`
  and `k * acc + offset` stay inside int32 in every channel, with acc between `255 * sum(min(w, 0))` and
  `255 * sum(max(w, 0))`. If there is none, or `255 * |k / 2^s - scale| / scale > 0.5` in some channel, the
  layer is wide: `s` is the largest of 0..62 with every `k < 2^31` and products and sums inside int64.
- Add: `k_i = rint(s_i / s_out * 2^s)`, `offset = -k1 * z1 - k2 * z2 + (z_out << s) + r`.
- AveragePool over N elements: `k = rint(s_in / (s_out * N) * 2^s)` on the sum, `offset = -k * N * z_in + …`.
- Max pool, Relu, Clip, Flatten, Reshape keep the bytes, or requantize as a pool of one element does.
  In all of these `s` is the largest of 0..31 that keeps everything inside int32.
- Relu and Clip limit y to `lo..hi`, a real bound b standing for `floor(b / s_out + z_out + 0.5)`.

Softmax is computed in float and is not a part of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

Bytes = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
AnyArray = npt.NDArray[Any]

BYTE_MAX = 255
INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
NARROW_SHIFT_MAX = 31
WIDE_SHIFT_MAX = 62


class UnsupportedError(Exception):
    """The model holds something that the contract doesn't express."""


@dataclass(frozen=True)
class Requant:
    """The integers of `clip((k * acc + offset) >> shift, lo, hi)`, an entry per output channel or operand."""

    multiplier: Int64Array
    offset: Int64Array
    shift: int
    wide: bool = False
    lo: int = 0
    hi: int = BYTE_MAX


@dataclass(frozen=True)
class Evaluation:
    """Bytes of every quantized tensor by the name of its QuantizeLinear output, the float graph outputs,
    and the requantization of each operator by its node name (by its output's name if it has none)."""

    tensors: dict[str, Bytes]
    outputs: dict[str, npt.NDArray[np.float32]]
    requants: dict[str, Requant]


@dataclass(frozen=True)
class Quantized:
    """An activation: bytes, and the real value `scale * (byte - zero_point)` of each."""

    values: Bytes
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Constant:
    """A quantized initializer: integers of its own type, scales along `axis` or a single one."""

    values: AnyArray
    scale: Float64Array
    zero_point: Int64Array
    axis: int

    def as_activation(self) -> Quantized:
        """Take an 8-bit constant with one scale as an activation."""
        if self.scale.size != 1:
            raise UnsupportedError("a constant operand with a scale per channel")
        return Quantized(
            to_bytes(self.values), float(self.scale.item()), zero_byte(self.zero_point, self.values)
        )

    def real(self) -> Float64Array:
        """Return the real values."""
        shape = [1] * self.values.ndim
        if self.scale.size > 1:
            shape[self.axis] = -1
        return (self.values.astype(np.int64) - self.zero_point.reshape(shape)) * self.scale.reshape(shape)


@dataclass(frozen=True)
class Real:
    """A float tensor."""

    values: AnyArray


@dataclass(frozen=True)
class Pending:
    """An operator's result that waits for the scale of its output.

    `requantize(scale, zero_point)` computes bytes and integers; low..high is what activations limited the real
    value to, `node` is the operator's name.
    """

    node: str
    requantize: Callable[[float, int], tuple[AnyArray, Requant]]
    low: float = -np.inf
    high: float = np.inf
    add_bias: Callable[[Float64Array], Pending] | None = None

    def finish(self, scale: float, zero_point: int) -> tuple[Bytes, Requant]:
        """Requantize and clip."""
        values, requant = self.requantize(scale, zero_point)
        lo, hi = (bound_byte(bound, scale, zero_point) for bound in (self.low, self.high))
        return np.clip(values, lo, hi).astype(np.uint8), replace(requant, lo=lo, hi=hi)


Value = Quantized | Constant | Real | Pending


def to_bytes(values: AnyArray) -> Bytes:
    """Return uint8 as it is and int8 with the top bit flipped."""
    if values.dtype == np.int8:
        return values.view(np.uint8) ^ np.uint8(0x80)
    if values.dtype != np.uint8:
        raise UnsupportedError(f"an activation of type {values.dtype}")
    return values


def zero_byte(zero_point: AnyArray, values: AnyArray) -> int:
    """Return the zero point of `values` as a byte."""
    return int(zero_point.item()) + (128 if values.dtype == np.int8 else 0)


def bound_byte(bound: float, scale: float, zero_point: int) -> int:
    """Return the byte of a real bound, cut to 0..255."""
    return int(np.clip(np.floor(bound / scale + zero_point + 0.5), 0, BYTE_MAX))


def rounding(shift: int) -> int:
    """Return half of 2^shift."""
    return (1 << shift) >> 1


def multipliers(scale: Float64Array, shift: int) -> list[int]:
    """Return `rint(scale * 2^shift)` as Python integers, which don't overflow."""
    return [int(k) for k in np.rint(np.ldexp(scale, shift))]


def _inside(limits: tuple[int, int], *values: int) -> bool:
    return all(limits[0] <= v <= limits[1] for v in values)


# --- convolutions and linear layers ---


@dataclass(frozen=True)
class Accumulation:
    """`acc` with channels on axis 1, and what is known of each channel: `scale` is s_in * s_w, `correction` is
    bias - z_in * sum(w), and acc lies in `low`..`high`."""

    node: str
    acc: Int64Array
    scale: Float64Array
    correction: list[int]
    low: list[int]
    high: list[int]

    def pending(self) -> Pending:
        """Wait for the output's scale; until then a bias may be added."""
        return Pending(self.node, self.requantize, add_bias=self._add_bias)

    def _add_bias(self, bias: Float64Array) -> Pending:
        units = np.rint(np.broadcast_to(bias.reshape(-1), self.scale.shape) / self.scale)
        correction = [c + int(b) for c, b in zip(self.correction, units, strict=True)]
        return replace(self, correction=correction).pending()

    def requantize(self, scale_out: float, zero_out: int) -> tuple[AnyArray, Requant]:
        """Apply the contract's first line; int64 is proven to be enough."""
        requant = self._requant(self.scale / scale_out, zero_out)
        shape = [1, -1, *[1] * (self.acc.ndim - 2)]
        k, offset = requant.multiplier.reshape(shape), requant.offset.reshape(shape)
        return (k * self.acc + offset) >> requant.shift, requant

    def _requant(self, scale: Float64Array, zero_out: int) -> Requant:
        narrow = self._largest_shift(scale, zero_out, NARROW_SHIFT_MAX, INT32)
        if narrow is not None and not _too_coarse(narrow, scale):
            return narrow
        wide = self._largest_shift(scale, zero_out, WIDE_SHIFT_MAX, INT64)
        if wide is None:
            raise UnsupportedError(f"{self.node}: no multiplier fits")
        return replace(wide, wide=True)

    def _largest_shift(
        self, scale: Float64Array, zero_out: int, shift_max: int, limits: tuple[int, int]
    ) -> Requant | None:
        for shift in range(shift_max, -1, -1):
            k = multipliers(scale, shift)
            if max(k) > INT32[1]:
                continue
            constant = (zero_out << shift) + rounding(shift)
            offset = [m * c + constant for m, c in zip(k, self.correction, strict=True)]
            if all(
                _inside(limits, m * low, m * high, m * low + o, m * high + o)
                for m, o, low, high in zip(k, offset, self.low, self.high, strict=True)
            ):
                return Requant(np.array(k, np.int64), np.array(offset, np.int64), shift)
        return None


def _too_coarse(requant: Requant, scale: Float64Array) -> bool:
    """Say whether int32 costs more than half a unit in the last place in some channel."""
    error = np.abs(np.ldexp(requant.multiplier.astype(np.float64), -requant.shift) - scale)
    return bool(np.any(BYTE_MAX * error > 0.5 * scale))


def accumulate(
    node: str,
    acc: Float64Array,
    *,
    weight: Constant,
    rows: Int64Array,
    source: Quantized,
    bias: Value | None,
) -> Pending:
    """Describe `acc` of a layer whose weights of channel c are `rows[c]`."""
    if weight.values.dtype != np.int8 or weight.zero_point.any():
        raise UnsupportedError(f"{node}: weights must be int8 with zero point 0")
    scale = np.broadcast_to(source.scale * weight.scale.reshape(-1), len(rows))
    units = _bias_units(bias, scale)
    made = Accumulation(
        node,
        np.rint(acc).astype(np.int64),
        scale,
        [int(b) - source.zero_point * int(total) for b, total in zip(units, rows.sum(axis=1), strict=True)],
        [int(v) for v in BYTE_MAX * np.minimum(rows, 0).sum(axis=1)],
        [int(v) for v in BYTE_MAX * np.maximum(rows, 0).sum(axis=1)],
    )
    return made.pending()


def _bias_units(bias: Value | None, scale: Float64Array) -> AnyArray:
    """Return the bias in units of `scale`; int32 with these very scales is taken as it is."""
    if bias is None:
        return np.zeros(scale.shape)
    if isinstance(bias, Constant) and _in_units_of(bias, scale):
        return bias.values.reshape(-1)
    if not isinstance(bias, (Constant, Real)):
        raise UnsupportedError("a bias that isn't constant")
    real = bias.real() if isinstance(bias, Constant) else bias.values
    return np.rint(real.reshape(-1).astype(np.float64) / scale)


def _in_units_of(bias: Constant, scale: Float64Array) -> bool:
    same_scale = np.allclose(bias.scale, scale, rtol=1e-6, atol=0)
    return bias.values.dtype == np.int32 and not bias.zero_point.any() and same_scale


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


# --- add, pools, copies ---


def weighted_sum(
    node: str,
    terms: Sequence[tuple[AnyArray, float, int, int]],
    scale_out: float,
    zero_out: int,
) -> tuple[AnyArray, Requant]:
    """Requantize a sum of terms, each of (integers, scale, zero point, largest integer)."""
    scales = np.array([scale for _, scale, _, _ in terms]) / scale_out
    for shift in range(NARROW_SHIFT_MAX, -1, -1):
        k = multipliers(scales, shift)
        products = [m * top for m, (_, _, _, top) in zip(k, terms, strict=True)]
        constant = (zero_out << shift) + rounding(shift)
        offset = constant - sum(m * zero for m, (_, _, zero, _) in zip(k, terms, strict=True))
        if _inside(INT32, *k, *products, sum(products), offset, sum(products) + offset):
            break
    else:
        raise UnsupportedError(f"{node}: the output's scale is too small for int32")
    scaled = [m * values.astype(np.int64) for m, (values, *_) in zip(k, terms, strict=True)]
    total: AnyArray = reduce(np.add, scaled)  # broadcasts a constant operand
    return (total + offset) >> shift, Requant(np.array(k, np.int64), np.array([offset], np.int64), shift)


def copy(node: str, values: Bytes, source: Quantized) -> Pending:
    """Move bytes; where the scale or the zero point changes, requantize them."""

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        if (scale, zero_point) == (source.scale, source.zero_point):
            return values, Requant(np.ones(1, np.int64), np.zeros(1, np.int64), 0)
        return weighted_sum(node, [(values, source.scale, source.zero_point, BYTE_MAX)], scale, zero_point)

    return Pending(node, requantize)


def add(node: str, a: Quantized, b: Quantized) -> Pending:
    """Add with one rounding."""
    terms = [(x.values, x.scale, x.zero_point, BYTE_MAX) for x in (a, b)]
    return Pending(node, lambda scale, zero_point: weighted_sum(node, terms, scale, zero_point))


def average(node: str, sums: Int64Array, count: int, source: Quantized) -> Pending:
    """Average windows of `count` elements from their sums."""

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        term = (sums, source.scale, count * source.zero_point, count * BYTE_MAX)
        return weighted_sum(node, [term], scale * count, zero_point)

    return Pending(node, requantize)


# --- the walk through the graph ---


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
        if any(d != 1 for d in at.get("dilations", [1])) or at.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise UnsupportedError(f"{node.name}: dilation or auto_pad")
        padded = pad(source.values, at.get("pads", [0] * 4), source.zero_point)
        acc = convolve(padded, weight.values, at.get("strides", [1, 1]), int(at.get("group", 1)))
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
        padded = pad(source.values, at.get("pads", [0] * 4), 0)
        return copy(node.name, np.max(windows(padded, at), axis=0), source)

    def _averagepool(self, node: NodeProto) -> Value:
        source, at = self._activation(node), self._pool_attributes(node)
        pads = at.get("pads", [0] * 4)
        if any(pads) and not at.get("count_include_pad", 0):
            raise UnsupportedError(f"{node.name}: padding that isn't counted")
        seen = windows(pad(source.values, pads, source.zero_point), at)
        return average(node.name, seen.sum(axis=0, dtype=np.int64), len(seen), source)

    def _globalaveragepool(self, node: NodeProto) -> Value:
        source = self._activation(node)
        sums = source.values.sum(axis=(2, 3), keepdims=True, dtype=np.int64)
        return average(node.name, sums, source.values.shape[2] * source.values.shape[3], source)

    def _pool_attributes(self, node: NodeProto) -> dict[str, Any]:
        at = attributes(node)
        if at.get("ceil_mode", 0) or at.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise UnsupportedError(f"{node.name}: ceil_mode or auto_pad")
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
