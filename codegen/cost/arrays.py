"""What the cost models work on: sizes of many tiles at once, for a search compares thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.plan import LayerPlan, TileStep

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Tiles:
    """Sizes of tiles in elements, an array entry each: output box and input box (inside the tensor), and the
    columns of explicit padding beside the input box in L1."""

    y_h: IntArray
    y_w: IntArray
    y_c: IntArray
    x_h: IntArray
    x_w: IntArray
    x_c: IntArray
    x_beside: IntArray

    @property
    def y_bytes(self) -> IntArray:
        """Bytes of the output boxes."""
        return self.y_h * self.y_w * self.y_c


def tiles_of(plan: LayerPlan) -> Tiles:
    """The steps of a plan."""
    beside = [step.padding.left + step.padding.right if plan.pad_in_l1 else 0 for step in plan.steps]
    return Tiles(
        y_h=_column(plan.steps, "y", "h"),
        y_w=_column(plan.steps, "y", "w"),
        y_c=_column(plan.steps, "y", "c"),
        x_h=_column(plan.steps, "x", "h"),
        x_w=_column(plan.steps, "x", "w"),
        x_c=_column(plan.steps, "x", "c"),
        x_beside=np.array(beside, np.int64),
    )


def held_up(cycles: IntArray, beside: IntArray, lost: float) -> IntArray:
    """Cycles of work on one engine while another one works for `beside` cycles: it loses a share of the time in
    which both read L1."""
    longer: IntArray = cycles + np.ceil(lost * np.minimum(cycles, beside)).astype(np.int64)
    return longer


def ceil_div(a: IntArray, b: int | IntArray) -> IntArray:
    """Quotients rounded up."""
    return -(-a // b)


def _column(steps: Sequence[TileStep], box: str, size: str) -> IntArray:
    return np.array([getattr(getattr(step, box), size) for step in steps], np.int64)
