"""Predicted commands and cycles of transfers between L2 and L1.

A command moves one line, or lines at equal distances in L2, to or from a contiguous place in L1. A box needs
one command where that describes it, else one for each of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.cost.arrays import IntArray, ceil_div
from tvm_pulp.codegen.graph import Tensor
from tvm_pulp.codegen.machine import DmaModel

COMMAND_BYTES = 131_071  # MCHAN's length field has 17 bits


@dataclass(frozen=True)
class Boxes:
    """Boxes of an HWC tensor; `beside` are the bytes in L1 between one row's end and the next row's begin, in
    pixels."""

    h: IntArray
    w: IntArray
    c: IntArray
    beside: IntArray


def line_cycles(model: DmaModel, size_bytes: IntArray) -> IntArray:
    """Contiguous transfers; none where there are no bytes."""
    cycles = ceil_div(size_bytes, COMMAND_BYTES) * model.setup_cycles + size_bytes / model.bytes_per_cycle
    return np.ceil(cycles).astype(np.int64)


def line_commands(size_bytes: IntArray) -> IntArray:
    """Commands of contiguous transfers."""
    return ceil_div(size_bytes, COMMAND_BYTES)


def box_commands(tensor: Tensor, boxes: Boxes) -> IntArray:
    """Commands of HWC transfers."""
    return _commands(tensor, boxes, boxes.c)


def box_cycles(model: DmaModel, tensor: Tensor, boxes: Boxes) -> IntArray:
    """HWC transfers: each command's setup, what each line of it costs, and the bytes."""
    size = boxes.h * boxes.w * boxes.c
    whole_pixels = (boxes.w == 1) | (boxes.c == tensor.pixel_bytes)
    solid_map = (boxes.w * boxes.c == tensor.row_bytes) & (boxes.beside == 0)
    one_line = whole_pixels & ((boxes.h == 1) | solid_map)
    lines = np.where(whole_pixels, boxes.h, boxes.h * boxes.w)
    cycles = (
        box_commands(tensor, boxes) * model.setup_cycles
        + np.where(one_line, 0, lines) * model.row_cycles
        + size / model.bytes_per_cycle
    )
    return np.ceil(cycles).astype(np.int64)


def gather_commands(tensor: Tensor, boxes: Boxes) -> IntArray:
    """Commands of transfers that bring boxes into CHW order: each channel is a box of its own."""
    return boxes.c * _commands(tensor, boxes, np.ones_like(boxes.c))


def gather_cycles(model: DmaModel, tensor: Tensor, boxes: Boxes) -> IntArray:
    """Transfers that bring boxes into CHW order."""
    transfer = boxes.h * boxes.w * boxes.c / model.gather_bytes_per_cycle
    commands = gather_commands(tensor, boxes) * model.gather_channel_cycles
    return np.ceil(model.setup_cycles + transfer + commands).astype(np.int64)


def _commands(tensor: Tensor, boxes: Boxes, channels: IntArray) -> IntArray:
    """Commands of boxes with `channels` contiguous bytes a pixel."""
    solid_rows = (boxes.w == 1) | (channels == tensor.pixel_bytes)
    solid_in_l1 = (boxes.h == 1) | (boxes.beside == 0)
    even_pixels = (boxes.h == 1) | (boxes.w * tensor.pixel_bytes == tensor.row_bytes)
    row_bytes = boxes.w * channels
    one_line = solid_rows & solid_in_l1 & ((boxes.h == 1) | (row_bytes == tensor.row_bytes))
    lines = np.where(solid_rows, boxes.h, boxes.h * boxes.w)
    together = (solid_rows | even_pixels) & solid_in_l1
    spread = boxes.h * np.where(
        solid_rows, ceil_div(row_bytes, COMMAND_BYTES), _lines_commands(boxes.w, channels)
    )
    several = np.where(together, _lines_commands(lines, np.where(solid_rows, row_bytes, channels)), spread)
    return np.where(one_line, ceil_div(boxes.h * row_bytes, COMMAND_BYTES), several)


def _lines_commands(lines: IntArray, line_bytes: IntArray) -> IntArray:
    """Commands for lines at equal distances: as many whole lines in each as its length allows."""
    per_command = np.maximum(1, COMMAND_BYTES // np.maximum(1, line_bytes))
    return np.where(
        line_bytes > COMMAND_BYTES, lines * ceil_div(line_bytes, COMMAND_BYTES), ceil_div(lines, per_command)
    )
