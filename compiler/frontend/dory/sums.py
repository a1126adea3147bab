"""Integer arithmetic between two clips: sums that are scaled, added and divided, and how they become bytes.

Everything is exact: factors and offsets are Python's integers, a division rounds down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tvm import relay
from tvm_pulp.passes.legalize import build
from tvm_pulp.passes.numerics import MAX_BYTE, AddMultipliers, Exact, Range, exact_multipliers

MapShape = tuple[int, int, int]
INT32_MAX = 2**31 - 1


def number(value: int) -> Exact:
    """One integer for all channels, as an array of one element."""
    return np.array([value], dtype=object)


@dataclass(frozen=True)
class Bytes:
    """8-bit integers, each `byte - zero_point`.

    `expr` is uint8, (1, H, W, C) or, if `flat`, (1, H*W*C) in that order; `feature_map` is (C, H, W). `padding`
    (top, left, bottom, right) is a border of the integer 0 that is still to be added.
    """

    expr: relay.Expr
    zero_point: int
    feature_map: MapShape
    flat: bool = False
    padding: build.Padding = (0, 0, 0, 0)


@dataclass(frozen=True)
class Term:
    """`factor * acc`: `acc` makes the expression for a dtype, each channel of it in `low` … `high`.

    `factor`, `low` and `high` are arrays of Python's integers, (channels,) or (1,). `data` is the uint8
    expression if `acc` only widens it; `floored` are the sums that were rounded down to make the term.
    """

    acc: Callable[[str], relay.Expr]
    low: Exact
    high: Exact
    factor: Exact
    data: relay.Expr | None = None
    floored: Sums | None = None


@dataclass(frozen=True)
class Sums:
    """`floor((sum of the terms + offset) / divisor)`; with `exact` it is not rounded down yet.

    `integer` says that the tensor's type in the file is an integer type, where every division rounds down.
    """

    terms: tuple[Term, ...]
    offset: Exact
    divisor: int
    feature_map: MapShape
    flat: bool
    exact: bool = True
    integer: bool = False

    def times(self, factors: Exact) -> Sums:
        """Multiplied by integers, one or one for each channel."""
        base = self.settled()
        terms = tuple(replace(term, factor=term.factor * factors) for term in base.terms)
        return replace(base, terms=terms, offset=base.offset * factors)

    def plus(self, addend: Exact) -> Sums:
        """With integers added."""
        base = self.settled()
        return replace(base, offset=base.offset + addend * base.divisor)

    def plus_sums(self, other: Sums) -> Sums:
        """The sum of both."""
        a, b = self.settled(), other.settled()
        common = math.lcm(a.divisor, b.divisor)
        a, b = (sums._over(common) for sums in (a, b))
        return replace(a, terms=a.terms + b.terms, offset=a.offset + b.offset)

    def divided(self, divisor: int) -> Sums:
        """Divided, and rounded down if the tensor is of an integer type."""
        base = self.settled()
        return replace(base, divisor=base.divisor * divisor, exact=not base.integer).reduced()

    def floor(self) -> Sums:
        """Rounded down."""
        return replace(self, exact=self.divisor == 1)

    def settled(self) -> Sums:
        """The same numbers as something that can be scaled: what was rounded down is a term of its own."""
        if self.exact:
            return self
        low, high = self.range()
        term = Term(self.expression, low // self.divisor, high // self.divisor, number(1), floored=self)
        return Sums((term,), number(0), 1, self.feature_map, self.flat, integer=self.integer)

    def reduced(self) -> Sums:
        """Without what divisor, factors and offset have in common; a lone rounded term is itself again."""
        numbers = [int(value) for array in self._arrays() for value in np.ravel(array)]
        common = math.gcd(self.divisor, *numbers)
        terms = tuple(replace(term, factor=term.factor // common) for term in self.terms)
        result = replace(self, terms=terms, offset=self.offset // common, divisor=self.divisor // common)
        (first, *others) = result.terms
        alone = not others and result.divisor == 1 and not np.any(result.offset) and np.all(first.factor == 1)
        if alone and first.floored is not None:
            return replace(first.floored, integer=self.integer)
        return result

    def range(self) -> tuple[Exact, Exact]:
        """Least and largest sum of the terms and the offset, for each channel."""
        low = high = self.offset
        for term in self.terms:
            ends = term.factor * term.low, term.factor * term.high
            low, high = low + np.minimum(*ends), high + np.maximum(*ends)
        return low, high

    def expression(self, dtype: str) -> relay.Expr:
        """The numbers as an expression of `dtype`, computed wide enough."""
        low, high = self.range()
        inner = "int32" if _inside(low, high, self) else "int64"
        total = self._total(inner)
        if self.divisor > 1:
            total = relay.floor_divide(total, build.constant(self.divisor, inner))
        return total if inner == dtype else relay.cast(total, dtype)

    def _total(self, dtype: str) -> relay.Expr:
        total: relay.Expr | None = None
        for term in self.terms:
            scaled = term.acc(dtype)
            if np.any(term.factor != 1):
                scaled = relay.multiply(scaled, build.constant(term.factor, dtype))
            total = scaled if total is None else relay.add(total, scaled)
        return relay.add(total, build.constant(self.offset, dtype)) if np.any(self.offset) else total

    def _over(self, divisor: int) -> Sums:
        scale = divisor // self.divisor
        terms = tuple(replace(term, factor=term.factor * scale) for term in self.terms)
        return replace(self, terms=terms, offset=self.offset * scale, divisor=divisor)

    def _arrays(self) -> tuple[Exact, ...]:
        return (*(term.factor for term in self.terms), self.offset)


def _inside(low: Exact, high: Exact, sums: Sums) -> bool:
    """Whether int32 holds the sum and everything on the way to it."""
    parts = [low, high, sums.offset]
    for term in sums.terms:
        parts += [term.factor, term.factor * term.low, term.factor * term.high]
    total = sum(max(abs(int(v)) for v in np.ravel(part)) for part in parts[2:])
    return total <= INT32_MAX


def sums_of(data: Bytes) -> Sums:
    """The integers of bytes, to be scaled."""
    term = Term(lambda dtype: relay.cast(data.expr, dtype), number(0), number(255), number(1), data=data.expr)
    return Sums((term,), number(-data.zero_point), 1, data.feature_map, data.flat)


def clipped(sums: Sums, low: int, high: int) -> Bytes:
    """The sums as bytes, clipped to `low` … `high`, which is inside -128 … 127 or 0 … 255."""
    zero_point = 0 if low >= 0 else 128
    bounds = Range(low + zero_point, high + zero_point)
    shift = _shift_of(sums.divisor)
    if shift is None:
        total = relay.clip(sums.expression("int32"), low, high)
        moved = relay.add(total, build.constant(zero_point, "int32"))
        expr = relay.cast(moved, "uint8")
    else:
        expr = _shifted(sums, shift, zero_point, bounds)
    return Bytes(expr, zero_point, sums.feature_map, sums.flat)


def _shift_of(divisor: int) -> int | None:
    """The power of two that a divisor is; None if it is none."""
    return divisor.bit_length() - 1 if divisor & (divisor - 1) == 0 else None


def _opened(sums: Sums) -> Sums:
    """The same sums; where a lone term was rounded down, what its divisor divides comes out whole, and the rest
    is bytes of its own, if they can hold it: `floor((m * a + d * b) / d) = floor(m * a / d) + b`."""
    (term, *others) = sums.terms
    inner = term.floored
    if others or inner is None:
        return sums
    whole = [part for part in inner.terms if not np.any(part.factor % inner.divisor)]
    rest = replace(inner, terms=tuple(part for part in inner.terms if np.any(part.factor % inner.divisor)))
    low, high = rest.range()
    if not whole or not rest.terms or np.any(low < 0) or np.any(high // inner.divisor > MAX_BYTE):
        return sums
    (rounded,) = sums_of(clipped(rest, 0, MAX_BYTE)).terms
    parts = (*(replace(part, factor=part.factor // inner.divisor) for part in whole), rounded)
    return replace(sums, terms=tuple(replace(part, factor=part.factor * term.factor) for part in parts))


def _shifted(sums: Sums, shift: int, zero_point: int, bounds: Range) -> relay.Expr:
    sums = _opened(sums)
    offset = sums.offset + (zero_point << shift)
    if len(sums.terms) == 1:
        (term,) = sums.terms
        found = exact_multipliers(term.factor, offset, shift, term.low, term.high)
        if found is not None:
            return build.requantize(term.acc(build.sum_dtype(found.wide)), found, bounds)
    if len(sums.terms) == 2 and all(term.data is not None and term.factor.size == 1 for term in sums.terms):
        a, b = sums.terms
        k_a, k_b = int(a.factor[0]), int(b.factor[0])
        small = offset.size == 1 and 255 * (abs(k_a) + abs(k_b)) + abs(int(offset[0])) <= INT32_MAX
        if small and shift <= 31:
            return build.addition(a.data, b.data, AddMultipliers(k_a, k_b, int(offset[0]), shift), bounds)
    wide = replace(sums, offset=offset, divisor=1)._total("int64")
    return build.clip_to_byte(wide, shift, bounds, "int64")
