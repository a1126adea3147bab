"""When and where to parameters come from L3: as early as there is room for them in L2.

Transfers are done one after another, in the order in which their data are needed; starting each at the first
mark at which its place is free is best for all later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tvm_pulp.codegen.l2_space import Rect, find_room
from tvm_pulp.codegen.l3_chunks import Chunk
from tvm_pulp.codegen.machine import L3Model
from tvm_pulp.codegen.timeline import Timeline

MOST_JOBS = 64  # PULP_L3_MAX_JOBS of the runtime


@dataclass(frozen=True)
class Placed:
    """A chunk, the number of the mark at which its transfer starts, and its place in the L2 arena."""

    chunk: Chunk
    start: int
    offset: int


def place_chunks(chunks: Sequence[Chunk], tensors: Sequence[Rect], limit: int) -> list[Placed] | None:
    """The earliest start of each chunk, which are in the order of their need; None if one has no place in the
    arena of `limit` bytes even when it is needed."""
    placed: list[Placed] = []
    rects = list(tensors)
    start = 0
    for index, chunk in enumerate(chunks):
        if index >= MOST_JOBS:
            start = max(start, chunks[index - MOST_JOBS].need)
        found = _first_room(chunk, start, rects, limit)
        if found is None:
            return None
        start = found.start
        rects = [rect for rect in rects if rect.end > start]
        rects.append(Rect(start, chunk.free, found.offset, chunk.size))
        placed.append(found)
    return placed


def _first_room(chunk: Chunk, start: int, rects: Sequence[Rect], limit: int) -> Placed | None:
    moments = sorted({start, *(rect.end for rect in rects if start < rect.end <= chunk.need)})
    for moment in moments:
        offset = find_room(rects, moment, chunk.free, chunk.size, limit)
        if offset is not None:
            return Placed(chunk, moment, offset)
    return None


def waits(placed: Sequence[Placed], marks: Timeline, model: L3Model) -> int:
    """Cycles that the region waits for the transfers."""
    waited, channel_free = 0, 0
    stalls: list[tuple[int, int]] = [(0, 0)]  # mark number, all waits up to it
    for one in placed:
        while len(stalls) > 1 and stalls[1][0] <= one.start:
            del stalls[0]
        waited_before = stalls[0][1] if stalls[0][0] <= one.start else 0
        begin = max(channel_free, marks.cycles[one.start] + waited_before)
        channel_free = begin + transfer_cycles(model, one.chunk.size)
        waited += max(0, channel_free - (marks.cycles[one.chunk.need] + waited))
        stalls.append((one.chunk.need, waited))
    return waited


def transfer_cycles(model: L3Model, size: int) -> int:
    """Cycles of one transfer."""
    return model.setup_cycles + ceil(size / model.bytes_per_cycle)


def bound(params: Sequence[int], live: Sequence[int], marks: Timeline, limit: int, model: L3Model) -> int:
    """Cycles that no choice of transfers and resident parameters can beat.

    `params` are the bytes of each layer's packed parameters, `live` those of the activations in L2 during each
    layer. From the begin of layer i to the begin of layer j > i pass at least the cycles of the layers between,
    and as many as it takes to bring their parameters from L3, less what can have been in L2 already.
    """
    layers = len(params)
    least = [0] * (layers + 1)
    for j in range(1, layers + 1):
        between = 0
        for i in range(j - 1, -1, -1):
            between += params[i]
            compute = marks.begin(j) - marks.begin(i)
            transfer = ceil((between - max(0, limit - live[i])) / model.bytes_per_cycle)
            least[j] = max(least[j], least[i] + max(compute, transfer))
    return least[layers]
