"""Addresses in the region's L2 arena of what has a fixed time there.

Two rectangles that meet in time must not share bytes, unless they are a layer's output and the input that it
may overwrite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

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
    return max((_live_bytes(rects, distances, mark) for mark in {rect.start for rect in rects}), default=0)


def fullest_moments(rects: Sequence[Rect], distances: Distances, limit: int) -> list[int]:
    """The marks from which on more than `limit` bytes are in use, or if there are none the first at which the
    most are."""
    live = {mark: _live_bytes(rects, distances, mark) for mark in sorted({rect.start for rect in rects})}
    fullest = sorted(live, key=lambda mark: -live[mark])[:1]  # none if nothing is to be placed
    return [mark for mark, size in live.items() if size > limit] or fullest


def shared_bytes(low: int, high: int, distance: int) -> int:
    """Bytes that two neighbours of these sizes have in common."""
    return align(low) - max(distance, align(low) - align(high))


def _live_bytes(rects: Sequence[Rect], distances: Distances, mark: int) -> int:
    alive = {rect.name: rect.size for rect in rects if rect.start <= mark < rect.end}
    shared = [
        shared_bytes(alive[low], alive[high], distance)
        for (low, high), distance in distances.items()
        if low in alive and high in alive
    ]
    return sum(map(align, alive.values())) - sum(shared)


def _distance(low: Rect, high: Rect, distances: Distances) -> int:
    return distances.get((low.name, high.name), align(low.size))


def _first_fit(rects: Sequence[Rect], distances: Distances) -> list[Rect]:
    """Largest first, each at the lowest address that is free during its life."""
    placed: list[Rect] = []
    for rect in sorted(rects, key=lambda item: (-item.size, item.start)):
        rivals = [rival for rival in placed if rival.meets(rect)]
        starts = sorted({0, *(rival.offset + _distance(rival, rect, distances) for rival in rivals)})
        free = (at for at in starts if all(_apart(replace(rect, offset=at), one, distances) for one in rivals))
        placed.append(replace(rect, offset=next(free)))
    by_name = {rect.name: rect for rect in placed}
    return [by_name[rect.name] for rect in rects]


def _apart(one: Rect, other: Rect, distances: Distances) -> bool:
    above = other.offset >= one.offset + _distance(one, other, distances)
    return above or one.offset >= other.offset + _distance(other, one, distances)


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
