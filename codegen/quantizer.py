"""Quantization of float32 in integer arithmetic.

A quantizer's output is how many of its 255 bounds are at most its input: each bound is the least float32 that
gives a byte. Floats are compared as the integers that sort like them, `key`: their bits, those of negative
numbers but the sign inverted. The kernel estimates the byte from the float's leading bits, too small by at most
1, and makes sure with one comparison. With a float unit it multiplies and rounds instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

BOUNDS = 255
LEAST_KEY, GREATEST_KEY = -0x7F800001, 0x7F800000  # of the infinities
NEVER = 2**31 - 1  # above every key
FRACTION_BITS = 8  # of an estimate

Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def key_of(floats: Floats) -> Keys:
    """The integers that sort as the floats do; -0 comes before 0."""
    bits = np.asarray(floats, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def float_of(keys: Keys) -> Floats:
    """The inverse of `key_of`."""
    bits = np.where(keys < 0, keys ^ 0x7FFFFFFF, keys)
    return bits.astype(np.int32).view(np.float32)


def bounds_of(quantize: Callable[[Floats], npt.NDArray[np.uint8]]) -> Floats:
    """The least float32 that gives each byte from 1 to 255, or a greater one, (255,).

    `quantize` must not fall, and map the infinities to 0 and 255.
    """
    byte = np.arange(1, BOUNDS + 1)
    below, reached = np.full(BOUNDS, LEAST_KEY, np.int64), np.full(BOUNDS, GREATEST_KEY, np.int64)
    while (reached - below > 1).any():
        middle = (below + reached) // 2
        enough = quantize(float_of(middle)) >= byte
        below, reached = np.where(enough, below, middle), np.where(enough, middle, reached)
    return float_of(reached)


def sortable_bounds(bounds: Floats) -> Keys:
    """What the kernel compares with, (256,): a byte of at least i + 1 has a key above entry i."""
    return np.append(key_of(bounds) - 1, NEVER)


@dataclass(frozen=True)
class Estimator:
    """A byte from a float's sign, exponent e and leading 16 bits m of the mantissa:
    `clip((+-m * multiplier >> (exponent - e)) + offset) >> 8`, the shift between 0 and 31.

    Multiplier 0: there is none that is right for all floats, the kernel has to search its bounds.
    """

    multiplier: int
    exponent: int
    offset: int

    def bytes_of(self, keys: Keys) -> Keys:
        """The estimates; they rise with the keys."""
        negative = keys < 0
        bits = np.where(negative, ~keys, keys)  # of the absolute value
        product = ((bits >> 8 & 0x7FFF) | 0x8000) * self.multiplier
        shift = np.clip(self.exponent - (bits >> 23), 0, 31)
        shifted = np.where(negative, ~product, product) >> shift
        return np.asarray(np.clip(shifted + self.offset, 0, 0xFFFF) >> FRACTION_BITS)

    def is_right(self, bounds: Floats) -> bool:
        """Whether each estimate is the byte or one less. As bytes and estimates rise with the floats, those
        beside the bounds say it for all."""
        byte, keys = np.arange(1, BOUNDS + 1), key_of(bounds)
        enough = (self.bytes_of(keys) >= byte - 1).all()
        return bool(enough and (self.bytes_of(keys - 1) <= byte - 1).all())


SEARCH = Estimator(0, 0, 0)


@dataclass(frozen=True)
class Scaling:
    """A byte from its float scaled: `clip(round(x * factor) + zero_point)` in float32, halves away from 0.

    Factor 0: there is none that is right for all floats.
    """

    factor: np.float32
    zero_point: int

    @property
    def factor_bits(self) -> int:
        """The factor's float32."""
        return int(self.factor.view(np.int32))

    def bytes_of(self, floats: Floats) -> Keys:
        """The bytes; those of numbers rise with them."""
        with np.errstate(over="ignore"):
            scaled = (floats * self.factor).astype(np.float64)
        units = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
        return np.asarray(np.clip(units + self.zero_point, 0, BOUNDS), np.int64)

    def is_right(self, bounds: Floats) -> bool:
        """Whether each byte is what the bounds say: as it rises with the floats, those beside the bounds say it
        for all."""
        byte = np.arange(1, BOUNDS + 1)
        enough = (self.bytes_of(bounds) >= byte).all()
        return bool(enough and (self.bytes_of(float_of(key_of(bounds) - 1)) < byte).all())


NO_SCALING = Scaling(np.float32(0), 0)
NEAR_FACTORS = 8
"""Floats beside an estimated factor that are tried, on each side: it comes from two rounded bounds."""


def _per_unit(bounds: Floats) -> float:
    """Bounds in a unit of the input, on average; infinite if there is no such number."""
    first, last = float(bounds[0]), float(bounds[-1])
    rising = bool(np.isfinite([first, last]).all()) and first < last
    return (BOUNDS - 1) / (last - first) if rising else inf


def scaling_of(bounds: Floats) -> Scaling:
    """The scaling that has these bounds, else `NO_SCALING`."""
    with np.errstate(over="ignore", under="ignore"):
        factor = np.float32(_per_unit(bounds))
    if not np.isfinite(factor):
        return NO_SCALING
    zero_point = round(0.5 - float(bounds[0]) * float(factor))
    near = sorted(range(-NEAR_FACTORS, NEAR_FACTORS + 1), key=abs)
    factors = float_of(key_of(np.array(factor)) + np.array(near))
    scalings = (Scaling(one, zero_point) for one in factors if 0 < one < np.inf)
    return next((one for one in scalings if one.is_right(bounds)), NO_SCALING)


def estimator_of(bounds: Floats) -> Estimator:
    """The estimator of bounds that are evenly spread, else `SEARCH`."""
    per_unit = _per_unit(bounds)
    if not np.isfinite(per_unit):
        return SEARCH
    fraction, power = np.frexp(per_unit)  # in [0.5, 1)
    offset = (0.75 - float(bounds[0]) * per_unit) * 2**FRACTION_BITS
    if abs(offset) > 2**24:
        return SEARCH
    # A float is m * 2^(e - 142), the multiplier per_unit * 2^(15 - power).
    found = Estimator(int(fraction * 2**15), 15 - int(power) + 142 - FRACTION_BITS, round(offset))
    return found if found.is_right(bounds) else SEARCH
