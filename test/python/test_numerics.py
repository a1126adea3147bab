"""Multipliers stay inside their integers and are as precise as these allow."""

import numpy as np
import pytest
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
    low_bits_of,
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


@st.composite
def wide_scales(draw, channels):
    """So far apart that 32-bit multipliers are too coarse for some channels."""
    return np.array(
        [2.0**exponent for exponent in draw(st.lists(st.floats(-16, 0), min_size=channels, max_size=channels))]
    )


@given(acc=accumulators(), zero_point=st.integers(0, 255), data=st.data())
def test_multipliers_in_two_parts_compute_the_same_in_32_bits(acc, zero_point, data):
    scale = data.draw(wide_scales(acc.low.size))
    found = choose_multipliers(scale, acc, zero_point)
    assert found is not None
    k, offset = exact(found.k), exact(found.offset)
    bits = low_bits_of(found.k.astype(object), found.offset.astype(object), found.shift, acc)
    if not found.wide or bits == 0:
        return
    for channel, (m, o) in enumerate(zip(k, offset, strict=True)):
        sum_ = data.draw(st.integers(int(acc.low[channel]), int(acc.high[channel])))
        upper, lower = m >> bits, m & (2**bits - 1)
        total = wrapped(wrapped(upper * sum_) + (wrapped(lower * sum_) >> bits) + (o >> bits))
        assert 0 <= found.shift - bits <= 31
        assert total >> (found.shift - bits) == (m * sum_ + o) >> found.shift


def wrapped(value):
    """What 32 bits keep of a number."""
    return (value + 2**31) % 2**32 - 2**31


@given(acc=accumulators(), zero_point=st.integers(0, 255), data=st.data())
def test_offsets_of_wide_multipliers_are_within_a_thousandth(acc, zero_point, data):
    """Of a unit, that is: 2^-9 at most, and the multipliers' error is what decides between the forms."""
    scale = data.draw(wide_scales(acc.low.size))
    found = choose_multipliers(scale, acc, zero_point)
    if found.wide:
        half = 1 << found.shift >> 1
        for k, offset, constant in zip(exact(found.k), exact(found.offset), exact(acc.constant), strict=True):
            assert abs(k * constant + (zero_point << found.shift) + half - offset) * 2**9 <= 2**found.shift


@given(acc=accumulators(), zero_point=st.integers(0, 255), data=st.data())
def test_narrow_multipliers_are_as_precise_as_asked(acc, zero_point, data):
    scale = data.draw(wide_scales(acc.low.size))
    error = data.draw(st.sampled_from([0.5, 0.1, 0.01]))
    found = choose_multipliers(scale, acc, zero_point, error)
    assert found is not None
    sums = [data.draw(st.integers(int(low), int(high))) for low, high in zip(acc.low, acc.high, strict=True)]
    real = scale * (sums + acc.constant) + zero_point
    ours = (
        found.k.astype(object) * sums + found.offset.astype(object) - (1 << found.shift >> 1)
    ) / 2**found.shift
    off = np.abs(np.clip(ours.astype(float), -0.5, 255.5) - np.clip(real, -0.5, 255.5))
    assert off.max() <= (0.5 if found.wide else error) + (2**-9 if found.wide else 2.0**-found.shift)


def test_offsets_are_exact_in_the_middle_of_what_is_not_clipped():
    """The second channel's multiplier is 0, 0.4 too little: times the constant that would be 38 units, but
    times the 500,000 to the middle it is 0.2."""
    acc = Accumulator(np.array([-(2**20), 0]), np.array([2**20, 10**6]), np.array([0, 10**8]))
    found = choose_multipliers(np.array([2.0**-10, 0.4 * 2.0**-20]), acc, 0)
    assert (found.wide, found.shift, found.k.tolist()) == (False, 20, [1024, 0])
    assert found.offset.tolist() == [2**19, 40_200_000 + 2**19]


def test_known_multipliers_in_two_parts():
    """Sums of 10^5 at scale 1/2 leave a shift of 15, at which the other channel's multiplier is only 10."""
    acc = Accumulator(np.full(2, -(10**5)), np.full(2, 10**5), np.array([0, 7]))
    found = choose_multipliers(np.array([0.5, 1.3 / 2**12]), acc, 5)
    assert (found.k.tolist(), found.shift, found.wide) == ([2**26, 42598], 27, True)
    assert found.offset.tolist() == [180224 << 12, 180297 << 12]  # 5.5 * 2^15, and 7 * 42598 more


@pytest.mark.parametrize(
    ("k", "offset", "shift", "most", "bits"),
    [
        ([1 << 20], [1 << 12], 30, 1000, 12),
        ([1 << 20], [1 << 11], 30, 1000, 11),  # the offset has one bit less
        ([1 << 20], [1], 30, 1000, 0),  # ... or none
        ([1 << 20], [1 << 12], 30, 2**20 - 1, 11),  # the lower product would not fit with 12
        ([1 << 20], [1 << 12], 5, 1000, 5),  # no more than the shift
        ([1 << 20], [1 << 12], 43, 1000, 12),
        ([1 << 20], [1 << 12], 44, 1000, 0),  # what is left of the shift is above 31
        ([1 << 31], [1 << 12], 30, 1000, 0),  # k isn't of 32 bits
        ([1 << 30], [1 << 12], 30, 10**5, 0),  # the sum isn't, with as few low bits as its lower product allows
    ],
)
def test_low_bits(k, offset, shift, most, bits):
    acc = Accumulator(np.array([-most]), np.array([most]), np.array([0]))
    assert low_bits_of(np.array(k, object), np.array(offset, object), shift, acc) == bits


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
