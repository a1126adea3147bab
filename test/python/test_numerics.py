"""Multipliers stay inside their integers and are as precise as these allow."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tvm_pulp.passes.numerics import (
    INT32_MAX,
    Accumulator,
    Quantization,
    accumulator_of,
    choose_add_multipliers,
    choose_multipliers,
    choose_pool_multipliers,
)

scales = st.floats(1e-6, 4.0)


@st.composite
def accumulators(draw):
    channels = draw(st.integers(1, 6))
    weights = draw(
        st.lists(st.lists(st.integers(-128, 127), min_size=9, max_size=9), min_size=channels, max_size=channels)
    )
    bias = draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=channels, max_size=channels))
    return accumulator_of(np.array(weights), np.array(bias), draw(st.integers(0, 255)))


def exact(value):
    return [int(v) for v in np.ravel(value)]


@given(acc=accumulators(), scale=scales, zero_point=st.integers(0, 255))
def test_nothing_wraps(acc, scale, zero_point):
    found = choose_multipliers(np.full(acc.low.shape, scale), acc, zero_point)
    assert found is not None
    limit = 2**63 - 1 if found.wide else INT32_MAX
    for k, offset, low, high in zip(
        exact(found.k), exact(found.offset), exact(acc.low), exact(acc.high), strict=True
    ):
        assert 0 <= k <= INT32_MAX
        for bound in (low, high):
            assert abs(k * bound) <= limit
            assert abs(k * bound + offset) <= limit


@given(acc=accumulators(), scale=scales, zero_point=st.integers(0, 255), data=st.data())
def test_result_is_within_a_unit_of_the_real_product(acc, scale, zero_point, data):
    found = choose_multipliers(np.full(acc.low.shape, scale), acc, zero_point)
    sum_ = data.draw(st.integers(int(acc.low[0]), int(acc.high[0])))
    real = scale * (sum_ + int(acc.constant[0])) + zero_point
    byte = (int(found.k[0]) * sum_ + int(found.offset[0])) >> found.shift
    assert abs(min(255, max(0, byte)) - min(255.0, max(0.0, real))) <= 1.0 + 1e-6


def test_small_range_takes_32_bits_and_large_spread_64():
    acc = Accumulator(np.full(2, -(10**7)), np.full(2, 10**7), np.zeros(2, np.int64))
    assert not choose_multipliers(np.array([1e-5, 1e-5]), acc, 0).wide
    assert choose_multipliers(np.array([1e-3, 1e-6]), acc, 0).wide is True


@given(acc=accumulators(), scale=scales, zero_point=st.integers(0, 255))
def test_high_words_are_enough(acc, scale, zero_point):
    """With 64 bits and a large shift the offsets have no low words, which costs 1/64 of a unit at most."""
    found = choose_multipliers(np.full(acc.low.shape, scale), acc, zero_point)
    if found.wide and found.shift >= 37 and max(map(abs, exact(found.offset))) < 2**62:
        assert all(offset % 2**32 == 0 for offset in exact(found.offset))
        precise = [
            int(k) * int(c) + (zero_point << found.shift) + (1 << found.shift >> 1)
            for k, c in zip(found.k, acc.constant, strict=True)
        ]
        assert all(
            abs(a - b) / 2**found.shift <= 1 / 64 for a, b in zip(precise, exact(found.offset), strict=True)
        )


def test_channel_of_small_sums_needs_no_64_bits():
    """Its multiplier is coarse, but times at most ten that costs nothing."""
    acc = Accumulator(np.array([-(10**7), -10]), np.array([10**7, 10]), np.zeros(2, np.int64))
    assert choose_multipliers(np.array([1e-3, 1e-6]), acc, 0).wide is False


def test_known_multipliers():
    """A sum of 255 * 4 at scale 1/4: 2^21 keeps 255 * 4 * k + 2^22 inside 31 bits."""
    acc = Accumulator(np.array([0]), np.array([1020]), np.array([0]))
    found = choose_multipliers(np.array([0.25]), acc, 0)
    assert (found.k.tolist(), found.offset.tolist(), found.shift, found.wide) == ([2**21], [2**22], 23, False)


@given(a=scales, b=scales, out=st.floats(1e-3, 4.0), points=st.tuples(*[st.integers(0, 255)] * 3))
def test_addition_stays_in_int32_and_rounds_once(a, b, out, points):
    meanings = [Quantization(s, z) for s, z in zip((a, b, out), points, strict=True)]
    found = choose_add_multipliers(*meanings)
    if found is None:
        return
    for x in (0, 17, 255):
        for y in (0, 99, 255):
            total = found.k_a * x + found.k_b * y + found.offset
            assert abs(total) <= INT32_MAX
            real = (a * (x - points[0]) + b * (y - points[1])) / out + points[2]
            byte = min(255, max(0, total >> found.shift))
            assert abs(byte - min(255.0, max(0.0, real))) <= 1.0 + 1e-6


def test_pool_of_one_element_keeps_bytes():
    meaning = Quantization(0.5, 7)
    found = choose_pool_multipliers(meaning, meaning, np.array([1]))
    values = (found.k * np.arange(256) + found.offset) >> found.shift
    assert values.tolist() == list(range(256))


def test_bound_half_way_rounds_up():
    assert Quantization(2.0, 10).nearest_byte(3.0) == 12
    assert Quantization(2.0, 10).nearest_byte(-1000.0) == 0
