"""The numerics contract in NumPy's int64: what each layer of generated C must compute.

Written from the contract alone and independent of the compiler, so that the two check each other. Activations
are bytes, NCHW with any batch; an int8 tensor is the same bytes with the top bit flipped and 128 more in its
zero point. With real scales taken as float64 and `r` the rounding constant `2^(s-1)` (0 for s = 0):

- Conv, Gemm, MatMul: `scale = s_in * s_w / s_out` (in this order), `acc = sum(w * x)` over raw bytes, outside
  the map x = zero point, `y = clip((k * acc + offset) >> s)`, `k = rint(scale * 2^s)`, `offset = k * (bias -
  z_in * sum(w)) + (z_out << s) + r`. `s` is the largest of 0..31 for which `k`, `k * acc` and `k * acc +
  offset` stay inside int32 in every channel, with acc between `255 * sum(min(w, 0))` and `255 * sum(max(w,
  0))`. If there is none, or `|k / 2^s - scale| * reach > 0.5` in some channel, the offset is one that is exact
  in the middle of what isn't clipped: `offset = rint(scale * (m + bias - z_in * sum(w)) * 2^s) - k * m + (z_out
  << s) + r`, where m is rint of half the sum of the ends of these acc, at which y is -0.5 and 255.5 or acc is
  least and greatest; reach is how far m is from the ends, s again the largest. If there is none, or s
  is less than 8, or `|k / 2^s - scale| * reach > 0.5`, the layer is wide: n more bits are appended to the
  multipliers, `k = rint(scale * 2^(s + n))`, the shift is s + n, the offsets are rounded to
  the nearest multiples of 2^n, half upwards. n is the largest of 12..1 for which `k`, `(2^n - 1) * acc`,
  `offset >> n` and `(k * acc >> n) + (offset >> n)` stay inside int32. If there is none, or s is less than 8,
  or that is too coarse, too, `s` is the largest of 0..62 with every `k < 2^31` and products and sums inside
  int64. Reach, but in the second case, is the largest `|acc + bias - z_in * sum(w)|`, or `255 / scale` if that
  is less.
- Add: `k_i = rint(s_i / s_out * 2^s)`, `offset = -k1 * z1 - k2 * z2 + (z_out << s) + r`.
- AveragePool over N elements: `k = rint(s_in / (s_out * N) * 2^s)` on the sum, `offset = -k * N * z_in + …`.
  Where only the elements inside the map count, N and offset are those of each pixel, `s` is one for all.
- Mul: `scale = s_1 * s_2 / s_out`, `acc = (x_1 - z_1) * (x_2 - z_2)`, `k` and `s` as for Conv, int32 only,
  `offset = (z_out << s) + r`. A Sub is an Add whose second scale is negative.
- Concat: each input is requantized to the output's scale. Slice and Resize copy.
- Functions of one tensor: `y = clip(floor(f(s_in * (x - z_in)) / s_out + z_out + 0.5))` in float64.
- Max pool, Relu, Clip, Flatten, Reshape keep the bytes, or requantize as a pool of one element does.
  In all of these `s` is the largest of 0..31 that keeps everything inside int32.
- Relu and Clip limit y to `lo..hi`, a real bound b standing for `floor(b / s_out + z_out + 0.5)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

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
        if narrow is not None and not self._too_coarse(narrow, scale, self._reach(scale)):
            return narrow
        middle, reach = self._middle(scale, zero_out)
        centred = self._largest_shift(scale, zero_out, NARROW_SHIFT_MAX, INT32, middle)
        if centred is not None and centred.shift >= 8 and not self._too_coarse(centred, scale, reach):
            return centred
        if narrow is not None:
            appended = self._with_low_bits(narrow.shift, scale, zero_out)
            coarse = appended is None or self._too_coarse(appended, scale, self._reach(scale))
            if appended is not None and narrow.shift >= 8 and not coarse:
                return appended
        wide = self._largest_shift(scale, zero_out, WIDE_SHIFT_MAX, INT64)
        if wide is None:
            raise UnsupportedError(f"{self.node}: no multiplier fits")
        return replace(wide, wide=True)

    def _with_low_bits(self, narrow_shift: int, scale: Float64Array, zero_out: int) -> Requant | None:
        for n in range(12, 0, -1):
            shift = narrow_shift + n
            k = multipliers(scale, shift)
            exact = [
                m * c + (zero_out << shift) + rounding(shift) for m, c in zip(k, self.correction, strict=True)
            ]
            high = [(o + 2 ** (n - 1)) // 2**n for o in exact]
            channels = zip(k, high, self.low, self.high, strict=True)
            if all(
                _inside(INT32, m, o, (2**n - 1) * low, (2**n - 1) * top, (m * low >> n) + o, (m * top >> n) + o)
                for m, o, low, top in channels
            ):
                offset = np.array([o * 2**n for o in high], np.int64)
                return Requant(np.array(k, np.int64), offset, shift, wide=True)
        return None

    def _reach(self, scale: Float64Array) -> Float64Array:
        """Return how far sums that occur are from the one that stands for 0."""
        bounds = zip(self.low, self.high, self.correction, strict=True)
        reach = np.array([float(max(abs(low + c), abs(high + c))) for low, high, c in bounds])
        return np.asarray(np.minimum(reach, BYTE_MAX / np.maximum(scale, np.finfo(float).tiny)))

    def _middle(self, scale: Float64Array, zero_out: int) -> tuple[list[int], Float64Array]:
        """Return the sum in the middle of those that aren't clipped, and how far these are from it."""
        step = np.maximum(scale, np.finfo(float).tiny)
        with np.errstate(over="ignore"):
            ends = [
                np.clip((byte - zero_out) / step - np.array(self.correction), self.low, self.high)
                for byte in (-0.5, BYTE_MAX + 0.5)
            ]
        middle = np.rint((ends[0] + ends[1]) / 2)
        return [int(m) for m in middle], np.maximum(middle - ends[0], ends[1] - middle)

    @staticmethod
    def _too_coarse(requant: Requant, scale: Float64Array, reach: Float64Array) -> bool:
        """Say whether int32 costs more than half a unit in the last place for sums that occur."""
        k = np.ldexp(requant.multiplier.astype(np.float64), -requant.shift)
        return bool(np.any(np.abs(k - scale) * reach > 0.5))

    def _offsets(self, k: list[int], shift: int, scale: Float64Array, exact_at: list[int] | None) -> list[int]:
        """Return the correction's share of the offsets, exact for these sums or for those that stand for 0."""
        if exact_at is None:
            return [m * c for m, c in zip(k, self.correction, strict=True)]
        there = scale * np.array([at + c for at, c in zip(exact_at, self.correction, strict=True)], np.float64)
        exact = [int(v) for v in np.rint(np.ldexp(there, shift))]
        return [v - m * at for v, m, at in zip(exact, k, exact_at, strict=True)]

    def _largest_shift(
        self,
        scale: Float64Array,
        zero_out: int,
        shift_max: int,
        limits: tuple[int, int],
        exact_at: list[int] | None = None,
    ) -> Requant | None:
        for shift in range(shift_max, -1, -1):
            k = multipliers(scale, shift)
            if max(k) > INT32[1]:
                continue
            constant = (zero_out << shift) + rounding(shift)
            offset = [share + constant for share in self._offsets(k, shift, scale, exact_at)]
            if all(
                _inside(limits, m * low, m * high, m * low + o, m * high + o)
                for m, o, low, high in zip(k, offset, self.low, self.high, strict=True)
            ):
                return Requant(np.array(k, np.int64), np.array(offset, np.int64), shift)
        return None


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
        low, high = sum(min(0, p) for p in products), sum(max(0, p) for p in products)
        if _inside(INT32, *k, low, high, offset, low + offset, high + offset):
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


def subtract(node: str, a: Quantized, b: Quantized) -> Pending:
    """Subtract with one rounding."""
    terms = [(x.values, sign * x.scale, x.zero_point, BYTE_MAX) for x, sign in ((a, 1), (b, -1))]
    return Pending(node, lambda scale, zero_point: weighted_sum(node, terms, scale, zero_point))


def multiply(node: str, a: Quantized, b: Quantized) -> Pending:
    """Multiply two tensors with one rounding."""
    ends = [(-x.zero_point, BYTE_MAX - x.zero_point) for x in (a, b)]
    corners = [x * y for x in ends[0] for y in ends[1]]
    acc = (a.values.astype(np.int64) - a.zero_point) * (b.values.astype(np.int64) - b.zero_point)
    made = Accumulation(node, acc, np.array([a.scale * b.scale]), [0], [min(corners)], [max(corners)])

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        values, requant = made.requantize(scale, zero_point)
        if requant.wide:
            raise UnsupportedError(f"{node}: needs 64 bits")
        return values, requant

    return Pending(node, requantize)


def function(node: str, real: Callable[[Float64Array], Float64Array], source: Quantized) -> Pending:
    """Apply a function of one number to each element, through the 256 that there are."""

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        inputs = np.asarray((np.arange(BYTE_MAX + 1) - source.zero_point) * source.scale, np.float64)
        table = np.clip(np.floor(real(inputs) / scale + zero_point + 0.5), 0, BYTE_MAX).astype(np.uint8)
        return table[source.values], Requant(np.ones(1, np.int64), np.zeros(1, np.int64), 0)

    return Pending(node, requantize)


def average_inside(node: str, sums: Int64Array, counts: Int64Array, source: Quantized) -> Pending:
    """Average windows of which `counts` elements, (H, W), lie inside the map, from their sums."""

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        flat = [int(count) for count in counts.ravel()]
        scales = np.asarray(source.scale / (scale * counts.ravel()), np.float64)
        for shift in range(NARROW_SHIFT_MAX, -1, -1):
            k = multipliers(scales, shift)
            constant = (zero_point << shift) + rounding(shift)
            offset = [constant - m * n * source.zero_point for m, n in zip(k, flat, strict=True)]
            tops = [m * n * BYTE_MAX for m, n in zip(k, flat, strict=True)]
            if _inside(INT32, *k, *tops, *offset, *(t + o for t, o in zip(tops, offset, strict=True))):
                break
        else:
            raise UnsupportedError(f"{node}: the output's scale is too small for int32")
        k_map, offset_map = (np.array(v, np.int64).reshape(counts.shape) for v in (k, offset))
        return (k_map * sums + offset_map) >> shift, Requant(k_map, offset_map, shift)

    return Pending(node, requantize)


def average(node: str, sums: Int64Array, count: int, source: Quantized) -> Pending:
    """Average windows of `count` elements from their sums."""

    def requantize(scale: float, zero_point: int) -> tuple[AnyArray, Requant]:
        term = (sums, source.scale, count * source.zero_point, count * BYTE_MAX)
        return weighted_sum(node, [term], scale * count, zero_point)

    return Pending(node, requantize)
