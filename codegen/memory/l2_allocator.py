"""Addresses in the region's L2 arena of what has a fixed time there.

Two rectangles that meet in time must not share bytes, unless they are a layer's output and the input that it
may overwrite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, combinations

import numpy as np
from tvm_pulp.codegen.align import ALIGNMENT, align
from tvm_pulp.codegen.cost.arrays import IntArray
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
    order = sorted(range(len(rects)), key=lambda i: (-rects[i].size, rects[i].start))
    starts = np.array([rects[i].start for i in order], np.int64)
    ends = np.array([rects[i].end for i in order], np.int64)
    sizes = np.array([align(rects[i].size) for i in order], np.int64)
    special = {name for pair in distances for name in pair}
    offsets = np.zeros_like(sizes)
    for index, number in enumerate(order):
        rivals = np.flatnonzero((starts[:index] < ends[index]) & (starts[index] < ends[:index]))
        below, above = offsets[rivals] - sizes[index], offsets[rivals] + sizes[rivals]
        rect = rects[number]
        for at, rival in enumerate(rivals if rect.name in special else ()):
            other = rects[order[rival]]
            below[at] = offsets[rival] - _distance(rect, other, distances)
            above[at] = offsets[rival] + _distance(other, rect, distances)
        offsets[index] = _lowest_free(below, above)
    places = dict(zip(order, offsets.tolist(), strict=True))
    return [replace(rect, offset=places[number]) for number, rect in enumerate(rects)]


def _lowest_free(below: IntArray, above: IntArray) -> int:
    """The lowest offset that isn't, for any number, between the two: at them things touch."""
    by_below = np.argsort(below, kind="stable")
    tops = np.maximum.accumulate(np.concatenate(([0], above[by_below])))
    gaps = np.flatnonzero(below[by_below] >= tops[:-1])
    return int(tops[gaps[0] if gaps.size else -1])


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
