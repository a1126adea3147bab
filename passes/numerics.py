"""The numerics contract: real-valued scales become integer multipliers, offsets and one shift for a layer.

    y = clip((k[c] * acc[c] + offset[c]) >> shift, lo, hi)

Rounding (half a unit), bias, zero points of input and output are folded into the offset. The shift is the
largest for which `k * acc` and `k * acc + offset` are proven to stay inside int32, from the actual weights.
No TVM here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
MAX_SHIFT = 31
MAX_WIDE_SHIFT = 62
MOST_LOW_BITS = 12
"""Of a multiplier in two parts: 3x3 depthwise kernels know no more, and no sum of theirs needs less."""

MAX_BYTE = 255
LARGEST_ERROR = 0.5  # of multipliers, in units of the output
PRECISE_ERROR = 0.001  # where it would grow from layer to layer
MIN_OFFSET_BITS = 8  # behind the point of a unit of the output, where offsets are rounded

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Exact = npt.NDArray[np.object_]  # Python's integers, which do not wrap


@dataclass(frozen=True)
class Quantization:
    """What a byte means: real = scale * (byte - zero_point), with 0 <= zero_point <= 255."""

    scale: float
    zero_point: int

    def nearest_byte(self, real: float) -> int:
        """The byte that stands for a real number best; half a unit rounds up, as in every layer."""
        steps = min(
            MAX_BYTE + 1.0, max(-1.0, real / self.scale + self.zero_point + 0.5)
        )  # a limit may be infinite
        return min(MAX_BYTE, max(0, math.floor(steps)))


@dataclass(frozen=True)
class Range:
    """Inclusive clipping bounds, in bytes."""

    lo: int = 0
    hi: int = MAX_BYTE


@dataclass(frozen=True)
class Accumulator:
    """Proven bounds of the integer sums of a layer, per channel (int64 arrays of one shape).

    `low <= acc <= high` for raw input bytes; `constant` is what is added to the sum before scaling: the bias
    less the input zero point's share.
    """

    low: Ints
    high: Ints
    constant: Ints


@dataclass(frozen=True)
class Multipliers:
    """`k`, `offset` (int64 arrays, an entry per channel), the shift, and whether products need 64 bits."""

    k: Ints
    offset: Ints
    shift: int
    wide: bool


def accumulator_of(weights: npt.NDArray[np.integer], bias: Ints, zero_point: int) -> Accumulator:
    """Bounds for weights of shape (channels, ...) and inputs 0..255."""
    flat = weights.reshape(weights.shape[0], -1).astype(np.int64)
    return Accumulator(
        low=MAX_BYTE * np.minimum(flat, 0).sum(axis=1),
        high=MAX_BYTE * np.maximum(flat, 0).sum(axis=1),
        constant=bias.astype(np.int64) - zero_point * flat.sum(axis=1),
    )


def _rounded(values: Reals) -> Exact:
    return np.array([int(value) for value in np.rint(values)], dtype=object)


def _with_shift(
    scale: Reals, acc: Accumulator, zero_point: int, shift: int, exact_at: Ints | None = None
) -> tuple[Exact, Exact]:
    """k and offset; these are exact, but for the offset's rounding, for the sums `exact_at`, or for those that
    stand for 0."""
    k, zero = _rounded(np.ldexp(scale, shift)), (zero_point << shift) + ((1 << shift) >> 1)
    if exact_at is None:
        return k, k * acc.constant.astype(object) + zero
    there = _rounded(np.ldexp(scale * (exact_at + acc.constant), shift))
    return k, there - k * exact_at.astype(object) + zero


def _fits(k: Exact, offset: Exact, acc: Accumulator, limit: int) -> bool:
    """Whether every product and every sum stay inside -limit .. limit."""
    low, high = k * acc.low.astype(object), k * acc.high.astype(object)
    bounds = (low, high, low + offset, high + offset, offset)
    return all(-limit <= value <= limit for bound in bounds for value in (bound.min(), bound.max()))


def _error(scale: Reals, k: npt.NDArray[np.int64 | np.object_], shift: int, reach: Reals) -> float:
    """The largest error of the rounded multipliers in units of the output; `reach` is how far the sums that are
    not clipped are from the exact one."""
    return float(np.max(np.abs(k.astype(float) / 2.0**shift - scale) * reach, initial=0.0))


def _reach_from_zero(scale: Reals, acc: Accumulator) -> Reals:
    """Of sums that are exact where they stand for 0."""
    reach = np.maximum(np.abs(acc.low + acc.constant), np.abs(acc.high + acc.constant)).astype(float)
    return np.asarray(np.minimum(reach, MAX_BYTE / np.maximum(np.abs(scale), np.finfo(float).tiny)))


def _middle(scale: Reals, acc: Accumulator, zero_point: int) -> tuple[Ints, Reals]:
    """The sum in the middle of those that are not clipped, and how far these are from it."""
    step = np.where(scale == 0, np.finfo(float).tiny, scale)
    with np.errstate(over="ignore"):
        ends = [(byte - zero_point) / step - acc.constant for byte in (-0.5, MAX_BYTE + 0.5)]
    first, last = (np.clip(end, acc.low, acc.high) for end in ends)
    middle = np.rint((first + last) / 2)
    return middle.astype(np.int64), np.maximum(np.abs(first - middle), np.abs(last - middle))


def _largest_shift(
    scale: Reals, acc: Accumulator, zero_point: int, most: int, limit: int, *, exact_at: Ints | None = None
) -> int | None:
    """The largest shift up to `most` that keeps everything inside `limit`; None if not even 0 does."""
    largest = float(np.max(np.abs(scale), initial=0.0))
    for shift in range(most, -1, -1):
        if np.rint(np.ldexp(largest, shift)) > INT32_MAX:
            continue  # k itself is int32 in both variants
        if _fits(*_with_shift(scale, acc, zero_point, shift, exact_at), acc, limit):
            return shift
    return None


def _multipliers(k: Exact, offset: Exact, shift: int, *, wide: bool) -> Multipliers:
    return Multipliers(k.astype(np.int64), offset.astype(np.int64), shift, wide)


def choose_multipliers(
    scale: Reals, acc: Accumulator, zero_point: int, narrow_error: float = LARGEST_ERROR
) -> Multipliers | None:
    """Multipliers for `real = scale * (acc + constant)` per channel and an output zero point.

    Where 32-bit products would cost more than `narrow_error` units, offsets are chosen anew, such that there is
    no error in the middle of what isn't clipped. If that isn't enough multipliers have more bits. They come in
    two parts, whose products fit 32 bits (see `low_bits_of`), or if those cost more than `LARGEST_ERROR`, take
    64-bit arithmetic. None: the scales are too large for that, too.
    """
    narrow, reach = _narrow(scale, acc, zero_point), _reach_from_zero(scale, acc)
    if narrow is not None and _error(scale, narrow.k, narrow.shift, reach) <= narrow_error:
        return narrow
    middle, reach = _middle(scale, acc, zero_point)
    centred = _narrow(scale, acc, zero_point, middle)
    fine = centred is not None and centred.shift >= MIN_OFFSET_BITS
    if centred is not None and fine and _error(scale, centred.k, centred.shift, reach) <= narrow_error:
        return centred
    parts = None if narrow is None else _in_two_parts(scale, acc, zero_point, narrow.shift)
    if parts is not None:
        return parts
    shift = _largest_shift(scale, acc, zero_point, MAX_WIDE_SHIFT, INT64_MAX)
    return (
        None if shift is None else _multipliers(*_with_shift(scale, acc, zero_point, shift), shift, wide=True)
    )


def _narrow(
    scale: Reals, acc: Accumulator, zero_point: int, exact_at: Ints | None = None
) -> Multipliers | None:
    """Multipliers whose products fit 32 bits; None if none do."""
    shift = _largest_shift(scale, acc, zero_point, MAX_SHIFT, INT32_MAX, exact_at=exact_at)
    if shift is None:
        return None
    return _multipliers(*_with_shift(scale, acc, zero_point, shift, exact_at), shift, wide=False)


def _in_two_parts(scale: Reals, acc: Accumulator, zero_point: int, high_shift: int) -> Multipliers | None:
    """Multipliers with as many low bits as possible behind those of a shift by `high_shift`, and offsets in
    units of the high bits; None if that isn't precise enough."""
    for low_bits in range(MOST_LOW_BITS, 0, -1):
        shift = high_shift + low_bits
        k, offset = _with_shift(scale, acc, zero_point, shift)
        offset = ((offset + (1 << low_bits >> 1)) >> low_bits) << low_bits
        if int(np.max(np.abs(k), initial=0)) > INT32_MAX or not _fits_parts(low_bits, k, offset, acc):
            continue
        reach = _reach_from_zero(scale, acc)
        precise = high_shift >= MIN_OFFSET_BITS and _error(scale, k, shift, reach) <= LARGEST_ERROR
        return _multipliers(k, offset, shift, wide=True) if precise else None
    return None


def low_bits_of(k: Exact, offset: Exact, shift: int, acc: Accumulator) -> int:
    """How many low bits n to split off multipliers k = high * 2^n + low, such that 32-bit arithmetic gives

        (k * acc + offset) >> shift = (high * acc + (low * acc >> n) + (offset >> n)) >> (shift - n)

    The most that can be, as low products have to fit; 0 if none can. Arrays of Python's integers, an entry per
    channel.
    """
    for low_bits in range(min(MOST_LOW_BITS, shift), max(0, shift - MAX_SHIFT - 1), -1):
        if not np.any(offset & ((1 << low_bits) - 1)) and _fits_parts(low_bits, k, offset, acc):
            return low_bits
    return 0


def _fits_parts(low_bits: int, k: Exact, offset: Exact, acc: Accumulator) -> bool:
    """Whether low products fit int32, and so do multipliers, and the sum's high parts (which may wrap on the
    way)."""
    low_sum, high_sum = (bound.astype(object) for bound in (acc.low, acc.high))
    most = ((1 << low_bits) - 1) * np.maximum(np.abs(low_sum), np.abs(high_sum))
    if int(np.max(most, initial=0)) > INT32_MAX or int(np.max(np.abs(k), initial=0)) > INT32_MAX:
        return False
    ends = [np.minimum(k * low_sum, k * high_sum), np.maximum(k * low_sum, k * high_sum)]
    parts = [((end >> low_bits) + (offset >> low_bits)) for end in ends]
    bounds = (*parts, offset >> low_bits)
    return all(abs(int(value)) <= INT32_MAX for bound in bounds for value in (bound.min(), bound.max()))


@dataclass(frozen=True)
class AddMultipliers:
    """`y = (k_a * a + k_b * b + offset) >> shift`, all inside int32."""

    k_a: int
    k_b: int
    offset: int
    shift: int


def choose_add_multipliers(
    a: Quantization, b: Quantization, out: Quantization, signs: tuple[int, int] = (1, 1)
) -> AddMultipliers | None:
    """Multipliers of `signs[0] * a + signs[1] * b` that round once; None if int32 is too narrow for half a
    unit of error."""
    scale_a, scale_b = signs[0] * a.scale / out.scale, signs[1] * b.scale / out.scale
    for shift in range(MAX_SHIFT, -1, -1):
        k_a, k_b = round(scale_a * 2.0**shift), round(scale_b * 2.0**shift)
        offset = (out.zero_point << shift) + ((1 << shift) >> 1) - k_a * a.zero_point - k_b * b.zero_point
        low, high = (MAX_BYTE * sum(pick(0, k) for k in (k_a, k_b)) for pick in (min, max))
        if max(abs(low), high, abs(offset), abs(low + offset), abs(high + offset)) <= INT32_MAX:
            error = MAX_BYTE * (abs(k_a / 2.0**shift - scale_a) + abs(k_b / 2.0**shift - scale_b))
            return AddMultipliers(k_a, k_b, offset, shift) if error <= 0.5 else None
    return None


def choose_product_multipliers(a: Quantization, b: Quantization, out: Quantization) -> Multipliers | None:
    """Multipliers (one each) of the product of centred bytes; None if int32 is too narrow."""
    corners = [x * y for x in _centred_ends(a) for y in _centred_ends(b)]
    acc = Accumulator(low=np.array([min(corners)]), high=np.array([max(corners)]), constant=np.array([0]))
    found = choose_multipliers(np.array([a.scale * b.scale / out.scale]), acc, out.zero_point)
    return None if found is None or found.wide else found


def _centred_ends(x: Quantization) -> tuple[int, int]:
    return -x.zero_point, MAX_BYTE - x.zero_point


def elements_inside(size: int, outputs: int, kernel: int, stride: int, before: int) -> Ints:
    """How many elements of each window along an axis of `size` elements are no padding: (outputs,)."""
    start = np.arange(outputs) * stride - before
    return np.minimum(start + kernel, size) - np.maximum(start, 0)


def choose_pool_multipliers(x: Quantization, out: Quantization, counts: Ints) -> Multipliers | None:
    """Multipliers of averages over `counts` elements, from their sums; None if int32 is too narrow."""
    acc = Accumulator(low=np.zeros_like(counts), high=MAX_BYTE * counts, constant=-x.zero_point * counts)
    scale = np.asarray(x.scale / (out.scale * counts), np.float64)
    found = choose_multipliers(scale, acc, out.zero_point)
    return None if found is None or found.wide else found


def exact_multipliers(k: Exact, offset: Exact, shift: int, low: Exact, high: Exact) -> Multipliers | None:
    """Multipliers that are given, not chosen; 64-bit where 32 bits can't hold every sum `low` … `high`.

    Arrays of Python's integers, (channels,) or (1,). None if 64 bits are too few.
    """
    if max(abs(int(value)) for value in k) > INT32_MAX:
        return None
    k, offset, low, high = np.broadcast_arrays(k, offset, low, high)
    acc = Accumulator(low.astype(np.int64), high.astype(np.int64), np.zeros(low.shape, np.int64))
    for most, limit, wide in ((MAX_SHIFT, INT32_MAX, False), (MAX_WIDE_SHIFT, INT64_MAX, True)):
        if shift <= most and _fits(k, offset, acc, limit):
            return _multipliers(k, offset, shift, wide=wide)
    return None
