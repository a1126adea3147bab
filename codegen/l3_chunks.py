"""Packed parameters cut into what one transfer brings from L3 to L2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tvm_pulp.codegen.plan import LayerPlan, Mark
from tvm_pulp.codegen.timeline import Timeline


@dataclass(frozen=True)
class Chunk:
    """Consecutive parameter blocks of layer `layer`, `size` bytes at `l3_offset` of its packed parameters.

    Steps `first` to `last` load them to L1. They must be in L2 at mark number `need`, where the first of these
    loads is started, and may be overwritten from mark number `free` on, when the last has arrived.
    """

    layer: int
    first: int
    last: int
    l3_offset: int
    size: int
    need: int
    free: int


def params_chunks(plan: LayerPlan, index: int, marks: Timeline, most_bytes: int) -> list[Chunk]:
    """The parameters of the `index`-th layer in chunks of at most `most_bytes`, or of one block if that is
    larger; in the order of their need."""
    chunks: list[Chunk] = []
    for first, last, offset, size in _blocks(plan):
        before = chunks[-1] if chunks else None
        if before is not None and before.size + size <= most_bytes:
            first, last = min(before.first, first), max(before.last, last)  # noqa: PLW2901
            offset, size = before.l3_offset, before.size + size  # noqa: PLW2901
            chunks.pop()
        need, free = marks.number(Mark(index, first - 1)), marks.number(Mark(index, last))
        chunks.append(Chunk(index, first, last, offset, size, need, free))
    return sorted(chunks, key=lambda chunk: (chunk.need, chunk.l3_offset))


def _blocks(plan: LayerPlan) -> Iterator[tuple[int, int, int, int]]:
    """First and last step that load a block, its offset and its size, by offset."""
    blocks: dict[int, tuple[int, int, int]] = {}
    for index, step in enumerate(plan.steps):
        if step.load_params:
            first = blocks[step.params_offset][0] if step.params_offset in blocks else index
            blocks[step.params_offset] = (first, index, step.params_size)
    for offset, (first, last, size) in sorted(blocks.items()):
        yield first, last, offset, size
