"""Places in L2 for all transfers at once, where one after the other finds none."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from tvm_pulp.codegen.memory.l2_allocator import place_within
from tvm_pulp.codegen.memory.l2_space import Rect, arena_bytes
from tvm_pulp.codegen.memory.l3_chunks import Chunk
from tvm_pulp.codegen.memory.l3_reserve import Reserved, reserve
from tvm_pulp.codegen.memory.l3_schedule import Placed, in_order, place_chunks
from tvm_pulp.codegen.plan import L3Kind

SECONDS = 1.0


def params(layer: int, need: int, free: int, size: int) -> Chunk:
    return Chunk(L3Kind.PARAMS, layer, "", 0, 0, 0, size, need=need, free=free)


def store(layer: int, begin: int, need: int, size: int) -> Chunk:
    return Chunk(L3Kind.STORE, layer, f"t{layer}", 0, 0, 0, size, need=need, begin=begin, earliest=need)


SHORT, LONG, LARGE = params(0, 0, 2, 8), params(1, 1, 10, 8), params(2, 3, 9, 16)
"""In 24 bytes: first come, first served puts the second in the middle, and the third finds no place."""


def test_places_are_found_where_first_come_first_served_finds_none() -> None:
    chunks = [SHORT, LONG, LARGE]
    assert place_chunks(chunks, [], {}, 24) is None
    found = reserve(chunks, ([], {}), {}, 24, SECONDS)
    assert isinstance(found, Reserved)
    placed = place_chunks(chunks, [], {}, 24, found.loaded)
    assert placed is not None
    assert [(one.chunk, one.start, one.offset) for one in placed] == [
        (SHORT, 0, 0),
        (LONG, 0, 16),
        (LARGE, 2, 0),  # as early as the first one's place is free
    ]


def test_what_is_reserved_stays_free() -> None:
    """What could come early doesn't, where another one's place would be taken."""
    early, late = params(1, 5, 9, 16), params(0, 4, 6, 16)
    chunks = in_order([early, late])
    reserved = {late: Rect("", 4, 6, 0, 16), early: Rect("", 5, 9, 16, 16)}
    placed = place_chunks(chunks, [], {}, 32, reserved)
    assert placed == [Placed(late, 0, 0), Placed(early, 0, 16)]
    placed = place_chunks([early], [Rect("x", 0, 4, 16, 16)], {}, 32, {early: reserved[early]})
    assert placed == [Placed(early, 0, 0)]


def test_too_little_room_is_at_marks() -> None:
    assert reserve([SHORT, LONG, LARGE], ([], {}), {}, 16, SECONDS) == [3]
    assert reserve([SHORT, LONG], ([Rect("x", 1, 2, 0, 8)], {}), {}, 16, SECONDS) == [1]


def test_what_has_left_makes_room_at_the_same_mark() -> None:
    """For what comes after it; tight layers' parameters do."""
    leaving, coming = store(0, 0, 4, 16), params(1, 4, 6, 16)
    stored = {leaving: Rect("t0@0", 0, 4, 0, 16)}
    assert in_order([leaving, coming]) == [coming, leaving]
    assert reserve([coming, leaving], ([], stored), {}, 24, SECONDS) == [4]
    assert in_order([coming, leaving], {1}) == [leaving, coming]
    found = reserve([leaving, coming], ([], stored), {}, 24, SECONDS)
    assert isinstance(found, Reserved)
    assert found.loaded == {coming: Rect("", 4, 6, 0, 16)}
    placed = place_chunks([leaving, coming], [], found.stored, 24, found.loaded)
    assert placed == [Placed(leaving, 4, 0), Placed(coming, 4, 0)]


def test_it_comes_behind_all_that_leave_at_the_mark() -> None:
    first, second = replace(store(0, 0, 4, 8), earliest=2), store(1, 0, 4, 16)
    coming = replace(params(2, 4, 6, 16), earliest=3)
    stored = {first: Rect("t0@0", 0, 4, 0, 8), second: Rect("t1@0", 0, 4, 8, 16)}
    assert in_order([second, coming, first]) == [first, coming, second]
    assert reserve([first, coming, second], ([], stored), {}, 24, SECONDS) == [4]
    assert isinstance(reserve(in_order([*stored, coming], {2}), ([], stored), {}, 24, SECONDS), Reserved)


@st.composite
def transfers(draw: st.DrawFn) -> tuple[list[Chunk], dict[Chunk, Rect], set[int]]:
    """Up to 12 chunks in any order that is possible, those that go to L3 with a time in L2; tight layers."""
    chunks, stored = [], {}
    for layer in range(draw(st.integers(2, 12))):
        begin, size = draw(st.integers(0, 8)), 8 * draw(st.integers(1, 3))
        middle = begin + draw(st.integers(0, 2))
        end = middle + draw(st.integers(0, 2)) + 1
        if draw(st.booleans()):
            chunk = replace(store(layer, begin, end, size), earliest=draw(st.sampled_from([middle, end])))
            stored[chunk] = Rect(f"t{layer}@0", begin, end, 0, size)
        else:
            chunk = replace(params(layer, middle, end, size), earliest=begin)
        chunks.append(chunk)
    return chunks, stored, draw(st.sets(st.integers(0, 11)))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(transfers(), st.integers(4, 8))
def test_what_has_a_place_when_it_is_needed_gets_one(
    drawn: tuple[list[Chunk], dict[Chunk, Rect], set[int]], words: int
) -> None:
    chunks, stored, tight = drawn
    ordered = in_order(chunks, tight)
    fixed = [Rect("x", 2, 5, 0, 8)]
    found = reserve(ordered, (fixed, stored), {}, 8 * words, SECONDS)
    if isinstance(found, Reserved):
        top = arena_bytes([*found.fixed, *found.stored.values(), *found.loaded.values()])
        placed = place_chunks(ordered, found.fixed, found.stored, top, found.loaded)
        assert placed is not None
        assert [one.chunk for one in placed] == ordered
        assert all(one.start <= one.chunk.need for one in placed)


def test_the_solver_places_what_first_fit_does_not() -> None:
    """Largest first takes 64 bytes."""
    sizes = {"a": (4, 7, 24), "b": (2, 6, 16), "c": (0, 2, 24), "d": (2, 3, 8), "e": (0, 3, 24)}
    rects = [Rect(name, start, end, 0, size) for name, (start, end, size) in sizes.items()]
    assert place_within(rects, 48, 0) is None
    placed = place_within(rects, 48, SECONDS)
    assert placed is not None
    assert arena_bytes(placed) == 48
    assert all(
        one.top <= other.offset or other.top <= one.offset
        for one, other in combinations(placed, 2)
        if one.meets(other)
    )
    assert place_within(rects, 40, SECONDS) is None
