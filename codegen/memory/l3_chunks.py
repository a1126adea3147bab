"""What one transfer between L3 and L2 moves: parameter blocks, bands of rows of an activation, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from tvm_pulp.codegen.graph import Tensor
from tvm_pulp.codegen.memory.marks import MarkTimes
from tvm_pulp.codegen.plan import ROW_BYTES, ROWS_AT_ONCE, ROWS_IN_L2, Box, L3Kind, LayerPlan, Mark

WORD = 4


@dataclass(frozen=True)
class Chunk:
    """`size` bytes at `l3_offset` of the packed parameters of layer `layer`, of `tensor` or of a table, for its
    steps `first` to `last`; of the table of transfers, its rows `first` to `last`.

    Bytes that come to L2 must be there at mark number `need`, where the first load of them to L1 is started,
    and may be overwritten from mark number `free` on, when the last has arrived. Bytes that leave L2 are in use
    from mark number `begin`, are complete at `earliest` and must have left at `need`. No transfer may start
    before `earliest`.
    """

    kind: L3Kind
    layer: int
    tensor: str
    first: int
    last: int
    l3_offset: int
    size: int
    need: int
    free: int = 0
    begin: int = 0
    earliest: int = 0


def params_chunks(
    plan: LayerPlan, index: int, marks: MarkTimes, most_bytes: int, *, again: bool = False
) -> list[Chunk]:
    """The parameters of the `index`-th layer in chunks of at most `most_bytes`, or of one block if that is
    larger; in the order of their need. Each comes once, or `again` for each pass through the parameters."""
    passes = params_passes(plan) if again else [range(len(plan.steps))]
    chunks: list[Chunk] = []
    for part in (part for steps in passes for part in _merged(_blocks(plan, steps), most_bytes)):
        chunks.append(
            Chunk(
                kind=L3Kind.PARAMS,
                layer=index,
                tensor="",
                first=part.first,
                last=part.last,
                l3_offset=part.offset,
                size=part.size,
                need=marks.number(Mark(index, part.first - 1)),
                free=marks.number(Mark(index, part.last)),
            )
        )
    return sorted(chunks, key=lambda chunk: (chunk.need, chunk.l3_offset))


@dataclass(frozen=True)
class _Block:
    """First and last step that load a block, its offset and size."""

    first: int
    last: int
    offset: int
    size: int


def params_passes(plan: LayerPlan) -> list[range]:
    """A layer's steps in runs, as long as may be, that load no parameters twice."""
    starts, loaded = [0], set[int]()
    for index, step in enumerate(plan.steps):
        if step.load_params and step.params_offset in loaded:
            starts.append(index)
            loaded.clear()
        if step.load_params:
            loaded.add(step.params_offset)
    return [range(*ends) for ends in pairwise([*starts, len(plan.steps)])]


def _blocks(plan: LayerPlan, steps: range) -> list[_Block]:
    """What these steps load, by offset."""
    blocks: dict[int, _Block] = {}
    for index in steps:
        step = plan.steps[index]
        if step.load_params:
            first = blocks[step.params_offset].first if step.params_offset in blocks else index
            blocks[step.params_offset] = _Block(first, index, step.params_offset, step.params_size)
    return [block for _, block in sorted(blocks.items())]


def _merged(blocks: Sequence[_Block], most_bytes: int) -> Iterator[_Block]:
    """Runs of blocks of at most `most_bytes`."""
    run: _Block | None = None
    for block in blocks:
        follows = run is not None and block.offset == run.offset + run.size
        if run is not None and follows and run.size + block.size <= most_bytes:
            first, last = min(run.first, block.first), max(run.last, block.last)
            run = _Block(first, last, run.offset, run.size + block.size)
            continue
        if run is not None:
            yield run
        run = block
    if run is not None:
        yield run


# ---- Tables --------------------------------------------------------------------------------------------------


def steps_chunk(plan: LayerPlan, index: int, marks: MarkTimes, size: int) -> Chunk:
    """The step table of the `index`-th layer: there before the first step, until the last one is read, which is
    before it begins."""
    last = len(plan.steps) - 1
    return Chunk(
        kind=L3Kind.STEPS,
        layer=index,
        tensor="",
        first=0,
        last=last,
        l3_offset=0,
        size=size,
        need=marks.begins[index],
        free=marks.number(Mark(index, last)),
    )


def with_rows(chunks: Sequence[Chunk], marks: MarkTimes) -> list[Chunk]:
    """The ordered chunks and among them, one more each, those that bring their rows of the table of transfers:
    the first ones at once, and `ROWS_AT_ONCE` others as soon as the rows are started that they overwrite."""
    found = [_rows_chunk(0, ROWS_IN_L2, marks, 0)]
    for number, chunk in enumerate(chunks):
        at = len(found)
        if at % ROWS_AT_ONCE == 0 and len(chunks) - number > ROWS_AT_ONCE:
            found.append(_rows_chunk(at + ROWS_AT_ONCE, ROWS_AT_ONCE, marks, found[-1].need))
        found.append(chunk)
    return [_cut(one, len(found)) if one.kind is L3Kind.ROWS else one for one in found]


def _rows_chunk(first: int, count: int, marks: MarkTimes, need: int) -> Chunk:
    return Chunk(
        kind=L3Kind.ROWS,
        layer=min(marks.mark(need).layer, len(marks.begins) - 2),
        tensor="",
        first=first,
        last=first + count - 1,
        l3_offset=ROW_BYTES * first,
        size=ROW_BYTES * count,
        need=need,
    )


def _cut(rows: Chunk, count: int) -> Chunk:
    """As many of the rows as there are in a table of `count`."""
    last = min(rows.last, count - 1)
    return replace(rows, last=last, size=ROW_BYTES * (last + 1 - rows.first))


# ---- Activations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Band:
    """Steps `first` to `last` of a layer, and the whole rows of a tensor that they read or write."""

    first: int
    last: int
    row: int
    rows: int


def step_groups(plan: LayerPlan) -> list[tuple[int, int]]:
    """First and last step of each row of tiles, for a plan that goes row by row."""
    groups = [list(group) for _, group in groupby(range(len(plan.steps)), lambda i: plan.steps[i].y.h0)]
    return [(group[0], group[-1]) for group in groups]


def bands(plan: LayerPlan, groups: Sequence[tuple[int, int]], *, of_input: bool) -> list[Band]:
    """The rows of a layer's inputs, or of its output, that groups of steps touch."""
    found = []
    for first, last in groups:
        boxes = [_box(plan, index, of_input) for index in range(first, last + 1)]
        row = min(box.h0 for box in boxes)
        found.append(Band(first, last, row, max(box.h0 + box.h for box in boxes) - row))
    return found


def _box(plan: LayerPlan, index: int, of_input: bool) -> Box:
    return plan.steps[index].x if of_input else plan.steps[index].y


def joined(groups: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Every `count` neighbouring groups as one."""
    return [(groups[at][0], groups[min(at + count, len(groups)) - 1][1]) for at in range(0, len(groups), count)]


def band_bytes(tensor: Tensor, band: Band) -> int:
    """Bytes of a band, whole words."""
    size = band.rows * tensor.width * tensor.channels
    return size + -size % WORD


@dataclass(frozen=True)
class Flow:
    """The marks of a region, and the transfers that bring a tensor to L3."""

    marks: MarkTimes
    stores: Sequence[Chunk]


def stored_chunks(
    tensor: Tensor, plan: LayerPlan, index: int, parts: Sequence[Band], marks: MarkTimes
) -> list[Chunk]:
    """The bands of an output on their way to L3: each from the mark at which its last step's store has been
    awaited, and, as two are in use in turns, to the one at which the next but one begins."""
    chunks = []
    end = marks.begins[index + 1]
    for number, band in enumerate(parts):
        stored = marks.number(Mark(index, band.last + 2)) if band.last + 2 < len(plan.steps) else end
        later = parts[number + 2] if number + 2 < len(parts) else None
        need = end if later is None else max(stored, marks.number(Mark(index, later.first)))
        chunks.append(
            Chunk(
                kind=L3Kind.STORE,
                layer=index,
                tensor=tensor.name,
                first=band.first,
                last=band.last,
                l3_offset=band.row * tensor.width * tensor.channels,
                size=band_bytes(tensor, band),
                need=need,
                begin=marks.number(Mark(index, band.first)),
                earliest=stored,
            )
        )
    return chunks


def loaded_chunks(
    tensor: Tensor, plan: LayerPlan, index: int, parts: Sequence[Band], flow: Flow
) -> list[Chunk]:
    """The bands of an input on their way from L3."""
    chunks = []
    marks, stores = flow.marks, flow.stores
    for band in parts:
        loads = [step for step in range(band.first, band.last + 1) if plan.steps[step].load_x]
        if not loads:
            continue
        l3_offset, size = band.row * tensor.width * tensor.channels, band_bytes(tensor, band)
        sources = [store.earliest for store in stores if store.l3_offset < l3_offset + size]
        chunks.append(
            Chunk(
                kind=L3Kind.LOAD,
                layer=index,
                tensor=tensor.name,
                first=band.first,
                last=band.last,
                l3_offset=l3_offset,
                size=size,
                need=marks.number(Mark(index, loads[0] - 1)),
                free=marks.number(Mark(index, loads[-1])),
                earliest=max(sources),
            )
        )
    return chunks
