"""Places in L2 for everything at once, where placing what comes from L3 one after the other finds none.

Each chunk has a place from the moment at which it is needed; the activations and what goes to L3 are placed
together with them. A chunk may still come earlier, and lie elsewhere, where that takes no other one's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tvm_pulp.codegen.memory.l2_allocator import Distances, fullest_moments, place_within
from tvm_pulp.codegen.memory.l2_space import Rect
from tvm_pulp.codegen.memory.l3_chunks import Chunk
from tvm_pulp.codegen.plan import L3Kind


@dataclass(frozen=True)
class Reserved:
    """The places of activations, of chunks that go to L3, and of those that come from there."""

    fixed: Sequence[Rect]
    stored: Mapping[Chunk, Rect]
    loaded: Mapping[Chunk, Rect]


def reserve(
    chunks: Sequence[Chunk],
    kept: tuple[Sequence[Rect], Mapping[Chunk, Rect]],
    distances: Distances,
    limit: int,
    seconds: float,
) -> Reserved | list[int]:
    """Places within `limit` bytes, found in `seconds` of the solver's count, for all `chunks`, in their order,
    and for what is `kept` at fixed times: the activations, and the chunks that go to L3. If none are found, the
    numbers of the marks at which there is too little room."""
    fixed, stored = kept
    loaded = _needed(chunks)
    rects = [*map(_halves, fixed), *(_leaving(rect) for rect in stored.values()), *loaded.values()]
    placed = place_within(rects, limit, seconds, distances)
    if placed is None:
        return [moment // 2 for moment in fullest_moments(rects, distances, limit)]
    offsets = iter([rect.offset for rect in placed])
    return Reserved(
        fixed=[replace(rect, offset=next(offsets)) for rect in fixed],
        stored={chunk: replace(rect, offset=next(offsets)) for chunk, rect in stored.items()},
        loaded={chunk: Rect("", chunk.need, chunk.free, next(offsets), chunk.size) for chunk in loaded},
    )


# A mark has two halves here: what has to leave by then has left at the end of the first.


def _needed(chunks: Sequence[Chunk]) -> dict[Chunk, Rect]:
    """When each of the ordered chunks that come from L3 needs its place."""
    found: dict[Chunk, Rect] = {}
    leaves = {chunk.need: number for number, chunk in enumerate(chunks) if chunk.kind is L3Kind.STORE}
    for number, chunk in enumerate(chunks):
        if chunk.kind not in (L3Kind.STORE, L3Kind.ROWS):
            start = 2 * chunk.need + (leaves.get(chunk.need, number) < number)  # behind the last that leaves
            found[chunk] = Rect(f"chunk {number}", start, 2 * chunk.free, 0, chunk.size)
    return found


def _leaving(rect: Rect) -> Rect:
    return replace(rect, start=2 * rect.start, end=2 * rect.end + 1)


def _halves(rect: Rect) -> Rect:
    return replace(rect, start=2 * rect.start, end=2 * rect.end)
