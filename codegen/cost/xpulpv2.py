"""Predicted cycles of the XpulpV2 kernels: the busiest core's work, from the numbers in `measured`.

Each function takes the tiles' sizes as arrays and follows the kernel of its family in
`runtime/kernels/xpulpv2`: how the work is divided over the cores, in what pieces, and what a piece costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.cost.arrays import FloatArray, IntArray, Tiles, ceil_div
from tvm_pulp.codegen.cost.measured import (
    DepthwiseCycles,
    ElementCycles,
    LinearCycles,
    MatrixCycles,
    PoolCycles,
    StripCycles,
    WindowCycles,
)
from tvm_pulp.codegen.graph import Window

BLOCK = 4  # output channels, and pixels, of a matrix product's register block
PAIR = 2  # channels that depthwise 3x3 and the kernel that keeps weights in registers take together
PAIR_WORDS = 7  # of a window of the latter
STRIP_OUTPUTS = 8  # of depthwise windows, that are computed at a time
ROWS = 8  # outputs of a fully connected layer in a pass over its inputs
WORD = 4  # bytes
_ROW_WORDS, _WEIGHT_WORDS = 168, 108  # that depthwise_any.c has room for
_STALLING_CORES = 8  # on which shares of stalls are measured


@dataclass(frozen=True)
class Form:
    """How sums become outputs: in 32 bits, with multipliers in two parts, in 64 bits."""

    split: bool = False
    wide: bool = False

    def extra(self, t: MatrixCycles | DepthwiseCycles | StripCycles | LinearCycles) -> float:
        """What an output's cycles are more than with 32 bits."""
        return t.wide if self.wide else t.split if self.split else 0.0


@dataclass(frozen=True)
class Calls:
    """Calls of a kernel on `cores` cores, one for each tile."""

    cores: int
    window: Window
    tiles: Tiles
    form: Form = Form()

    @property
    def padding_rows(self) -> IntArray:
        """Rows that the kernel adds to its input: what the windows need beyond it and its explicit padding."""
        window, tiles = self.window, self.tiles
        rows = (tiles.y_h - 1) * window.stride_h + window.extent_h - tiles.x_h
        missing: IntArray = np.where(tiles.x_beside > 0, 0, np.maximum(rows, 0))
        return missing

    @property
    def padding_columns(self) -> IntArray:
        """The same of columns."""
        window, tiles = self.window, self.tiles
        columns = (tiles.y_w - 1) * window.stride_w + window.extent_w - tiles.x_w - tiles.x_beside
        missing: IntArray = np.maximum(columns, 0)
        return missing

    @property
    def map_columns(self) -> IntArray:
        """Columns of the input that an output row's windows cover."""
        window = self.window
        return (self.tiles.y_w - 1) * window.stride_w + window.extent_w - self.padding_columns

    def stalls(self, share: float) -> float:
        """Factor for what cores lose to each other, a share measured on 8."""
        return 1 + share * (self.cores - 1) / (_STALLING_CORES - 1)


# ---- Matrix products ---------------------------------------------------------------------------------------


def matrix_cycles(t: MatrixCycles, calls: Calls) -> FloatArray:
    """Convolution and pointwise, with the split of pixels and channels that is best."""
    splits = [1 << log for log in range(calls.cores.bit_length())]
    product = _Product(t, calls)
    fastest: FloatArray = np.stack([product.cycles(ways) for ways in splits]).min(axis=0)
    return fastest


@dataclass(frozen=True)
class _Product:
    t: MatrixCycles
    calls: Calls

    def cycles(self, channel_ways: int) -> FloatArray:
        """With `channel_ways` cores that share the channels."""
        tiles, window = self.calls.tiles, self.calls.window
        sharers = self.calls.cores // channel_ways
        pixels = ceil_div(tiles.y_h * tiles.y_w, sharers)
        blocks = ceil_div(ceil_div(tiles.y_c, BLOCK), channel_ways)
        if window.kernel_h * window.kernel_w == 1 and window.stride_h * window.stride_w == 1:
            words = tiles.x_c // WORD
            tails = np.where(tiles.x_c % WORD == 0, 0.0, blocks * BLOCK * pixels * self.t.tail)
            return self.t.call + self._run(pixels, blocks, words, 1) + tails
        direct = self.t.call + self._rows(pixels, blocks, sharers)
        copied = self.t.call + self._batches(pixels, blocks)
        return np.where(tiles.x_c % WORD == 0, direct, copied)

    def _block(
        self, pixels: IntArray | int, words: IntArray | FloatArray, segments: IntArray | int
    ) -> FloatArray:
        """A block of channels and this many pixels, for windows of `segments` times `words` words."""
        t = self.t
        inner = (t.word_weights + t.word_pixel * pixels) * words * segments * self.calls.stalls(t.stall)
        outputs = t.block + (t.pixel + self.calls.form.extra(t)) * pixels
        result: FloatArray = inner + outputs + t.segment * (segments - 1)
        return result

    def _run(self, pixels: IntArray, blocks: IntArray, words: IntArray, segments: IntArray | int) -> FloatArray:
        """Pixels that follow one another, for some blocks of channels."""
        whole, rest = pixels // BLOCK, pixels % BLOCK
        work = whole * self._block(BLOCK, words, segments)
        work = work + np.where(rest > 0, self._block(rest, words, segments), 0.0)
        calls = np.where(pixels > 0, self.t.run, 0.0) + np.where((rest > 0) & (whole > 0), self.t.rest, 0.0)
        result: FloatArray = blocks * work + whole * self.t.group + calls
        return result

    def _rows(self, pixels: IntArray, blocks: IntArray, sharers: int) -> FloatArray:
        """Straight from the input: groups of pixels of a row, those that are left over and those at the rows'
        ends in groups below each other."""
        window, tiles, t = self.calls.window, self.calls.tiles, self.t
        words = window.kernel_w * tiles.x_c // WORD
        width = np.minimum(tiles.y_w, pixels)
        lines = np.maximum(pixels // np.maximum(width, 1), 1)
        ends = np.minimum(self.calls.padding_columns, width)
        groups, rest = (width - ends) // BLOCK, (width - ends) % BLOCK
        beside = np.where(rest > 0, lines * self._block(rest, words, window.kernel_h), 0.0)
        below = rest * self._below(lines, words)
        end = ends * self._below(lines, words * (window.kernel_w - 1) / window.kernel_w)
        inner = lines * groups * self._block(BLOCK, words, window.kernel_h)
        work = inner + np.where(rest * ceil_div(lines, BLOCK) < lines, below, beside) + end
        outside = self._rows_outside(sharers)
        pieces = (np.minimum(groups, 1) + np.minimum(rest, 1) + ends) * (1 + outside)
        inside = 1 - np.minimum(outside / lines, 1) / window.kernel_h
        cycles: FloatArray = blocks * work * inside * (pixels / (lines * width)) + pieces * t.piece
        return cycles

    def _below(self, lines: IntArray, words: IntArray | FloatArray) -> FloatArray:
        """A column of pixels, one on each line."""
        rest, segments = lines % BLOCK, self.calls.window.kernel_h
        part = np.where(rest > 0, self._block(rest, words, segments), 0.0)
        cycles: FloatArray = lines // BLOCK * self._block(BLOCK, words, segments) + part
        return cycles

    def _rows_outside(self, sharers: int) -> IntArray:
        """Rows of windows that leave the map, in the part of the core that has fewest of them."""
        return self.calls.padding_rows // sharers if sharers <= 2 else 0 * self.calls.padding_rows

    def _batches(self, pixels: IntArray, blocks: IntArray) -> FloatArray:
        """From copies of the windows."""
        t, window, tiles = self.t, self.calls.window, self.calls.tiles
        filter_bytes = window.kernel_h * window.kernel_w * tiles.x_c
        words = ceil_div(filter_bytes, WORD)
        behind = pixels * tiles.y_c // (tiles.y_c + WORD * words) // 2  # outputs; halves of what is left
        batch = np.maximum(np.where(words <= 8, 16, np.where(words <= 16, 8, 4)), behind)
        batches = pixels / batch
        runs = batches * self._run(batch, blocks, words, 1)
        ends = np.minimum(self.calls.padding_columns / tiles.y_w, 1) * t.border
        copies = t.copy + t.copy_row * window.kernel_h + t.copy_byte * filter_bytes
        general = runs + pixels * (copies + ends) + batches * t.batch
        pairs = BLOCK // PAIR * blocks
        pair = t.pair_pixel + (t.pair_split if self.calls.form.split else 0.0)
        in_pairs = pixels * (pairs * pair + t.pair_copy + ends) + batches * (pairs * t.pair + t.batch)
        use_pairs = (words == PAIR_WORDS) & (not self.calls.form.wide)
        cycles: FloatArray = np.where(use_pairs, in_pairs, general)
        return cycles


# ---- Depthwise ---------------------------------------------------------------------------------------------


def depthwise_cycles(t: DepthwiseCycles, other: StripCycles, calls: Calls) -> FloatArray:
    """3x3 with strides up to 2 by pairs of channels where the map has 3 rows and columns, any other by strips
    of rows."""
    window = calls.window
    blocks = _blocks_of_a_strip(window)
    any_window = _by_strips(other, calls, blocks) if blocks > 0 else _by_outputs(other, calls)
    if (window.kernel_h, window.kernel_w) != (3, 3) or max(window.stride_h, window.stride_w) > 2:
        return any_window
    tiles = calls.tiles
    padded = tiles.x_beside > 0
    fits = (tiles.x_w + tiles.x_beside >= window.kernel_w) & ((tiles.x_h >= window.kernel_h) | padded)
    return np.where(fits, _by_pairs(t, calls), any_window)


def _by_pairs(t: DepthwiseCycles, calls: Calls) -> FloatArray:
    tiles = calls.tiles
    rows, chunks, pairs = _largest_share(ceil_div(tiles.y_c, PAIR), tiles.y_h, calls.cores)
    row = t.row + t.column * calls.map_columns + (t.output + calls.form.extra(t)) * tiles.y_w
    runs = 1 + np.minimum(calls.padding_rows, 2)  # the rows at the map's borders are runs of their own
    cycles: FloatArray = t.call + chunks * t.chunk + pairs * (t.pair + runs * t.run) + rows * row
    return cycles


def _largest_share(pairs: IntArray, rows: IntArray, cores: int) -> tuple[IntArray, IntArray, IntArray]:
    """What the core with most of it gets of so many pairs of channels with `rows` rows each: rows, chunks and
    pairs, where those of which it gets some rows count, too. The cores get whole pairs if all get as many, else
    rows."""
    own = ceil_div(pairs * rows, cores)
    ends = np.minimum(own * np.arange(cores + 1)[:, None], pairs * rows)
    begins, ends = ends[:-1], ends[1:]
    touched = np.where(ends > begins, (ends - 1) // rows - begins // rows + 1, 0)
    first, last = begins % rows != 0, ends % rows != 0
    cut = np.where(touched > 1, first * 1 + last, first | last)
    chunks: IntArray = (cut + (touched > cut)).max(axis=0)
    most: IntArray = touched.max(axis=0)
    return own, chunks, most


def _windows_in_word(window: Window) -> int:
    return WORD // window.stride_w


def _words_of_windows(window: Window) -> int:
    """Of a row, that the windows touch that begin in a word."""
    return ((_windows_in_word(window) - 1) * window.stride_w + window.kernel_w + WORD - 1) // WORD


def _filter_words(window: Window) -> int:
    return window.kernel_h * _words_of_windows(window) * _windows_in_word(window)


def _blocks_of_a_strip(window: Window) -> int:
    """Blocks of 8 outputs for which there is room; 0 if there are no strips."""
    if window.stride_w > 2 or _filter_words(window) > _WEIGHT_WORDS:
        return 0
    first = _words_of_windows(window) + STRIP_OUTPUTS // _windows_in_word(window) - 1
    room = _ROW_WORDS // (BLOCK * window.kernel_h)
    return max(room - first, -1) // (STRIP_OUTPUTS // WORD * window.stride_w) + 1


def _by_strips(t: StripCycles, calls: Calls, strip_blocks: int) -> FloatArray:
    window, tiles = calls.window, calls.tiles
    filter_words, height = _filter_words(window), window.kernel_h
    size = min(BLOCK, _WEIGHT_WORDS // filter_words)
    rows = ceil_div(ceil_div(tiles.y_c, size) * tiles.y_h, calls.cores)
    parts = np.where((rows % tiles.y_h != 0) & (tiles.y_h % np.maximum(rows, 1) != 0), 1, 0)
    groups, used = ceil_div(rows, tiles.y_h) + parts, np.minimum(tiles.y_c, size)
    blocks = ceil_div(tiles.y_w, STRIP_OUTPUTS)
    strips = ceil_div(blocks, strip_blocks)
    copies = rows * min(window.stride_h, height) + groups * max(height - window.stride_h, 0)
    columns = calls.map_columns + (strips - 1) * max(window.kernel_w - window.stride_w, 0)
    products = height * (3 + _words_of_windows(window) * (STRIP_OUTPUTS + 6))
    block = t.block + t.product * products + calls.form.extra(t)
    prepared = groups * (t.group + t.weight * used * filter_words)
    cycles: FloatArray = (
        t.call + prepared + copies * (t.copy * strips + t.column * columns) + rows * used * blocks * block
    )
    return cycles


def _by_outputs(t: StripCycles, calls: Calls) -> FloatArray:
    window, tiles = calls.window, calls.tiles
    outputs = ceil_div(tiles.y_h * tiles.y_w, calls.cores) * tiles.y_c
    cycles: FloatArray = t.call + outputs * (t.output + t.element * window.kernel_h * window.kernel_w)
    return cycles


# ---- The others --------------------------------------------------------------------------------------------


def linear_cycles(t: LinearCycles, calls: Calls, inputs: int) -> FloatArray:
    """Fully connected: each core's outputs in passes over the inputs."""
    outputs = ceil_div(calls.tiles.y_c, calls.cores)
    passes = ceil_div(outputs, ROWS)
    words, tail = inputs // WORD, t.tail if inputs % WORD else 0.0
    output = t.weight_word * words + tail + calls.form.extra(t)
    cycles: FloatArray = t.call + passes * (t.run + t.input_word * words) + outputs * output
    return cycles


def pool_cycles(t: PoolCycles, calls: Calls) -> FloatArray:
    """Pixels times groups of 4 channels."""
    window, tiles = calls.window, calls.tiles
    units = ceil_div(tiles.y_h * tiles.y_w * ceil_div(tiles.y_c, WORD), calls.cores)
    return t.call + units * (t.output + window.kernel_h * (t.row + window.kernel_w * t.element))


def window_cycles(t: WindowCycles, calls: Calls) -> FloatArray:
    """Windows beside each other go row by row where they are more than a window has rows, others one by one."""
    window, tiles = calls.window, calls.tiles
    copied = window.kernel_h * (t.row + tiles.x_c * window.kernel_w // WORD * t.word)
    pixels = ceil_div(tiles.y_h * tiles.y_w, calls.cores)
    border = np.minimum(ceil_div(calls.padding_columns, window.stride_w), tiles.y_w)
    beside = np.minimum(tiles.y_w - border, pixels)
    in_rows = beside > window.kernel_h
    outside = np.where(calls.padding_rows > 0, 1.0, border / tiles.y_w)
    one_by_one = t.pixel + outside * t.filled * ceil_div(tiles.y_c, WORD)
    alone = np.where(in_rows, border / tiles.y_w, 1.0) * pixels
    runs = np.where(in_rows, ceil_div(pixels, tiles.y_w) * window.kernel_h, 0)
    cycles: FloatArray = t.call + pixels * copied + alone * one_by_one + runs * t.run
    return cycles


def element_cycles(t: ElementCycles, calls: Calls) -> FloatArray:
    """Words of elements."""
    return t.call + ceil_div(ceil_div(calls.tiles.y_bytes, WORD), calls.cores) * t.word


def sums_cycles(t: ElementCycles, calls: Calls) -> FloatArray:
    """Pixels times groups of 4 channels."""
    tiles = calls.tiles
    units = tiles.y_h * tiles.y_w * ceil_div(tiles.y_c, WORD)
    return t.call + ceil_div(units, calls.cores) * t.word
