"""When things happen in a region: its marks in order, and the predicted cycles at which they are reached."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from tvm_pulp.codegen.cost.layer import StepCosts
from tvm_pulp.codegen.plan import Mark


@dataclass(frozen=True)
class MarkTimes:
    """The marks of a region, numbered from 0; `cycles[i]` is when mark `i` is reached if nothing waits for L3,
    `begins[j]` the number of layer j's first mark (j = number of layers: the end)."""

    begins: tuple[int, ...]
    cycles: tuple[int, ...]

    def number(self, mark: Mark) -> int:
        """The mark's number."""
        return self.begins[mark.layer] + mark.step + 1

    def mark(self, number: int) -> Mark:
        """The mark of this number."""
        layer = min(bisect_right(self.begins, number) - 1, len(self.begins) - 1)
        return Mark(layer, number - self.begins[layer] - 1)

    def begin(self, layer: int) -> int:
        """Cycles at which a layer begins; layer = number of layers: the end of the region."""
        return self.cycles[self.begins[layer]]

    @property
    def total(self) -> int:
        """Cycles of all layers."""
        return self.cycles[-1]


def mark_times(costs: Sequence[StepCosts]) -> MarkTimes:
    """The marks of layers that run one after the other."""
    begins = tuple(accumulate((cost.compute.size + 1 for cost in costs), initial=0))
    cycles: list[int] = []
    now = 0
    for cost in costs:
        steps = cost.intervals
        first = now + cost.lead
        cycles += [now, *(first + int(before) for before in np.cumsum(steps) - steps)]
        now += cost.cycles
    return MarkTimes(begins, (*cycles, now))
