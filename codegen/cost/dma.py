"""Predicted cycles of transfers between L2 and L1."""

from __future__ import annotations

from math import ceil

from tvm_pulp.codegen.machine import DmaModel
from tvm_pulp.codegen.plan import Box


def linear_cycles(model: DmaModel, size_bytes: int) -> int:
    """One contiguous transfer."""
    return model.setup_cycles + ceil(size_bytes / model.bytes_per_cycle)


def box_cycles(model: DmaModel, box: Box) -> int:
    """A box of an HWC tensor, row by row."""
    return linear_cycles(model, box.size_bytes) + ceil(box.h * model.row_cycles)


def gather_cycles(model: DmaModel, box: Box) -> int:
    """A box of an HWC tensor that is brought into CHW order."""
    transfer = box.size_bytes / model.gather_bytes_per_cycle + box.c * model.gather_channel_cycles
    return model.setup_cycles + ceil(transfer)
