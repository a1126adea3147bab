"""Addresses in the region's L2 arena of what has a fixed time there.

Two rectangles that meet in time must not share bytes, unless they are a layer's output and the input that it
may overwrite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, combinations

from tvm_pulp.codegen.align import ALIGNMENT, align
from tvm_pulp.codegen.memory.l2_space import Rect, arena_bytes
from tvm_pulp.codegen.solver import new_model, solved

Distances = Mapping[tuple[str, str], int]
"""(lower name, upper name) -> the least difference of their offsets, where it isn't the lower one's size."""


def place(rects: Sequence[Rect], seconds: float, distances: Distances | None = None) -> list[Rect]:
    """Offsets that make the arena small: proven least where that takes at most `seconds` of the solver's count,
    else the best found, at least first fit."""
    distances = distances or {}
    greedy = _first_fit(rects, distances)
    least = least_arena(rects, distances)
    if arena_bytes(greedy) == least or not seconds:
        return greedy
    return _solve(rects, greedy, distances, (least, arena_bytes(greedy), seconds)) or greedy


def place_within(
    rects: Sequence[Rect], limit: int, seconds: float, distances: Distances | None = None
) -> list[Rect] | None:
    """Offsets with an arena of at most `limit` bytes; None if none are found in `seconds` of the solver's
    count."""
    distances = distances or {}
    if least_arena(rects, distances) > limit:
        return None
    greedy = _first_fit(rects, distances)
    if arena_bytes(greedy) <= limit:
        return greedy
    return _solve(rects, greedy, distances, (limit, limit, seconds)) if seconds else None


def least_arena(rects: Sequence[Rect], distances: Distances) -> int:
    """Bytes in use at the fullest moment; no arena is smaller."""
    return max(_live_bytes(rects, distances).values(), default=0)


def fullest_moments(rects: Sequence[Rect], distances: Distances, limit: int) -> list[int]:
    """The marks from which on more than `limit` bytes are in use, or if there are none the first at which the
    most are, if there is one."""
    live = _live_bytes(rects, distances)
    return [mark for mark, size in live.items() if size > limit] or sorted(live, key=lambda one: -live[one])[:1]


def shared_bytes(low: int, high: int, distance: int) -> int:
    """Bytes that two neighbours of these sizes have in common."""
    return align(low) - max(distance, align(low) - align(high))


def _live_bytes(rects: Sequence[Rect], distances: Distances) -> dict[int, int]:
    """The bytes in use from each mark on at which something begins to be, in order."""
    changes = {mark: 0 for rect in rects for mark in (rect.start, rect.end)}
    for rect in rects:
        changes[rect.start] += align(rect.size)
        changes[rect.end] -= align(rect.size)
    by_name = {rect.name: rect for rect in rects}
    for (low_name, high_name), distance in distances.items():
        low, high = by_name.get(low_name), by_name.get(high_name)
        if low is not None and high is not None and low.meets(high):
            shared = shared_bytes(low.size, high.size, distance)
            changes[max(low.start, high.start)] -= shared
            changes[min(low.end, high.end)] += shared
    marks = sorted(changes)
    live = dict(zip(marks, accumulate(changes[mark] for mark in marks), strict=True))
    return {mark: live[mark] for mark in sorted({rect.start for rect in rects})}


def _distance(low: Rect, high: Rect, distances: Distances) -> int:
    return distances.get((low.name, high.name), align(low.size))


def _first_fit(rects: Sequence[Rect], distances: Distances) -> list[Rect]:
    """Largest first, each at the lowest address that is free during its life."""
    placed: list[Rect] = []
    for rect in sorted(rects, key=lambda item: (-item.size, item.start)):
        taken = sorted(
            (rival.offset - _distance(rect, rival, distances), rival.offset + _distance(rival, rect, distances))
            for rival in placed
            if rival.meets(rect)
        )
        offset = 0
        for below, above in taken:  # neither offset is: at them the two touch
            if below >= offset:
                break
            offset = max(offset, above)
        placed.append(replace(rect, offset=offset))
    by_name = {rect.name: rect for rect in placed}
    return [by_name[rect.name] for rect in rects]


def _solve(
    rects: Sequence[Rect], greedy: Sequence[Rect], distances: Distances, limits: tuple[int, int, float]
) -> list[Rect] | None:
    """Of every two rectangles that meet one lies above the other, below the lowest top that is found. `limits`:
    a top that is low enough, the highest that will do, and seconds of the solver's count."""
    enough, top, seconds = limits
    model = new_model()
    offsets = [model.new_int_var(0, (top - align(r.size)) // ALIGNMENT, r.name) for r in rects]
    height = model.new_int_var(enough // ALIGNMENT, top // ALIGNMENT, "arena")
    for (one, at), (other, other_at) in combinations(zip(rects, offsets, strict=True), 2):
        if one.meets(other):
            above = model.new_bool_var(f"{other.name} above {one.name}")
            low = _distance(one, other, distances) // ALIGNMENT
            high = _distance(other, one, distances) // ALIGNMENT
            model.add(at + low <= other_at).only_enforce_if(above)
            model.add(other_at + high <= at).only_enforce_if(~above)
    for offset, first_fit, rect in zip(offsets, greedy, rects, strict=True):
        model.add(offset + align(rect.size) // ALIGNMENT <= height)
        model.add_hint(offset, first_fit.offset // ALIGNMENT)
    model.minimize(height)
    solver = solved(model, seconds)
    if solver is None:
        return None
    return [
        replace(rect, offset=ALIGNMENT * solver.value(offset))
        for rect, offset in zip(rects, offsets, strict=True)
    ]
