"""Space in the L2 arena over time: what lies where between which marks, and where there is room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from tvm_pulp.codegen.align import align


@dataclass(frozen=True)
class Rect:
    """`size` bytes at `offset`, in use from mark number `start` up to, not including, `end`; `name` tells
    those apart that are to be placed."""

    name: str
    start: int
    end: int
    offset: int
    size: int

    @property
    def top(self) -> int:
        """The first aligned offset behind it."""
        return self.offset + align(self.size)

    def meets(self, other: Rect) -> bool:
        """True if there is a time at which both are in use."""
        return self.start < other.end and other.start < self.end


def arena_bytes(rects: Iterable[Rect]) -> int:
    """Bytes of an arena that holds them."""
    return max((rect.top for rect in rects), default=0)


def find_room(rects: Iterable[Rect], start: int, end: int, size: int, limit: int) -> int | None:
    """The lowest offset of `size` bytes below `limit` that are free from mark `start` to `end`; None if there
    are none."""
    offset, needed = 0, align(size)
    beside = [rect for rect in rects if rect.start < end and start < rect.end]
    for rect in sorted(beside, key=attrgetter("offset")):
        if offset + needed <= rect.offset:
            break
        offset = max(offset, rect.top)
    return offset if offset + needed <= limit else None
