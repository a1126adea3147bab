"""When and where to data come from L3 and go there: as early as there is room for them in L2.

Transfers are done one after another, in the order in which they must be complete; starting each at the first
mark at which its place is free is best for all later ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil

from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.memory.l2_space import Rect, find_room
from tvm_pulp.codegen.memory.l3_chunks import Chunk
from tvm_pulp.codegen.memory.marks import MarkTimes
from tvm_pulp.codegen.plan import ROW_BYTES, ROWS_AT_ONCE, ROWS_IN_L2, L3Kind

MOST_JOBS = 64  # PULP_L3_MAX_JOBS of the runtime
MOST_JOBS_BY_ROWS = ROWS_AT_ONCE - 1
"""Where rows of the table of transfers come from L3: those that are next have come when the last one before
them is started."""


@dataclass(frozen=True)
class Placed:
    """A chunk, the number of the mark at which its transfer starts, and its place in the L2 arena."""

    chunk: Chunk
    start: int
    offset: int


def in_order(chunks: Sequence[Chunk], tight: Collection[int] = ()) -> list[Chunk]:
    """The order of transfers: as they must be complete, and of several the one that may start first; but what
    `tight` layers need comes when what has to leave by then has left."""
    kinds = list(L3Kind)

    def key(c: Chunk) -> tuple[int, ...]:
        last = c.kind is not L3Kind.STORE and c.layer in tight
        return c.need, c.need if last else c.earliest, -kinds.index(c.kind), c.layer, c.l3_offset

    return sorted(chunks, key=key)


def place_chunks(
    chunks: Sequence[Chunk],
    fixed: Sequence[Rect],
    stored: Mapping[Chunk, Rect],
    limit: int,
    reserved: Mapping[Chunk, Rect] | None = None,
) -> list[Placed] | None:
    """The earliest start of each of the ordered chunks beside `fixed`; None if one has no place in the arena of
    `limit` bytes even when it is needed. `stored` are the places of those that go to L3.

    At the mark at which a chunk must have left for L3 its place is free for transfers that come after it. What
    is `reserved` is taken by nobody else from the moment at which it is needed. Rows of the table of transfers
    have their place behind the arena.
    """
    reserved = reserved or {}
    most_jobs = MOST_JOBS_BY_ROWS if any(chunk.kind is L3Kind.ROWS for chunk in chunks) else MOST_JOBS
    placed: list[Placed] = []
    leaving = {chunk: replace(rect, end=rect.end + 1) for chunk, rect in stored.items()}
    rects = list(fixed)
    start = 0
    for index, chunk in enumerate(chunks):
        start = max(start, chunk.earliest)
        if index >= most_jobs:
            start = max(start, chunks[index - most_jobs].need)
        if chunk.kind is L3Kind.ROWS:
            placed.append(Placed(chunk, start, ROW_BYTES * (chunk.first % ROWS_IN_L2)))
            continue
        if chunk in stored:
            found: Placed | None = Placed(chunk, start, stored[chunk].offset)
            mine = stored[chunk]
            del leaving[chunk]
        else:
            taken = [*rects, *leaving.values(), *_later(reserved, chunks[index + 1 :], chunk.free)]
            found = _first_room(chunk, start, taken, limit)
            mine = Rect("", start, chunk.free, 0 if found is None else found.offset, chunk.size)
        if found is None or found.start > chunk.need:
            return None
        start = found.start
        rects = [rect for rect in rects if rect.end > start]
        rects.append(replace(mine, start=min(mine.start, start)))
        placed.append(found)
    return placed


def _later(reserved: Mapping[Chunk, Rect], chunks: Sequence[Chunk], end: int) -> list[Rect]:
    """What is reserved of the ordered chunks that are needed before mark `end`."""
    soon = takewhile(lambda one: one.need < end, chunks)
    return [reserved[one] for one in soon if one in reserved]


def _first_room(chunk: Chunk, start: int, rects: Sequence[Rect], limit: int) -> Placed | None:
    moments = sorted({start, *(rect.end for rect in rects if start < rect.end <= chunk.need)})
    for moment in moments:
        offset = find_room(rects, moment, chunk.free, chunk.size, limit)
        if offset is not None:
            return Placed(chunk, moment, offset)
    return None


def waits(placed: Sequence[Placed], marks: MarkTimes, model: L3Model) -> int:
    """Cycles that the region waits for the transfers."""
    return sum(
        replay([Moment(one.start, one.chunk.need, one.chunk.size) for one in placed], marks, model).waits
    )


@dataclass(frozen=True)
class Moment:
    """A transfer of `size` bytes: the numbers of the marks at which it is started and waited for."""

    start: int
    need: int
    size: int


@dataclass(frozen=True)
class Replay:
    """When each transfer begins and ends, in cycles of the region with its waits, and how long it is waited
    for."""

    spans: tuple[tuple[int, int], ...]
    waits: tuple[int, ...]


def replay(transfers: Sequence[Moment], marks: MarkTimes, model: L3Model) -> Replay:
    """The transfers one after the other; what a wait takes delays everything after its mark."""
    waited, channel_free = 0, 0
    stalls: list[tuple[int, int]] = [(0, 0)]  # mark number, all waits up to it
    spans, waits_of = [], []
    for one in transfers:
        while len(stalls) > 1 and stalls[1][0] <= one.start:
            del stalls[0]
        waited_before = stalls[0][1] if stalls[0][0] <= one.start else 0
        begin = max(channel_free, marks.cycles[one.start] + waited_before)
        channel_free = begin + transfer_cycles(model, one.size)
        wait = max(0, channel_free - (marks.cycles[one.need] + waited))
        waited += wait
        stalls.append((one.need, waited))
        spans.append((begin, channel_free))
        waits_of.append(wait)
    return Replay(tuple(spans), tuple(waits_of))


def transfer_cycles(model: L3Model, size: int) -> int:
    """Cycles of one transfer."""
    return model.setup_cycles + ceil(size / model.bytes_per_cycle)
