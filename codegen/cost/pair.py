"""Two layers at the same time: which steps follow one another, and when each of them begins.

Core 0 keeps two steps of the first layer with its engine, and goes through the second layer's steps, on the
cores or on another engine, while the engine is at the older of the two. The DMA does one transfer after the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tvm_pulp.codegen.cost.arrays import IntArray

AT_ONCE = 2
"""Steps that an engine has been given, and buffers of an output."""


@dataclass(frozen=True)
class Pace:
    """One of two layers at the same time: when core 0 begins with each of its steps, when its operands have
    come, it has been computed and is stored, and when the two layers end, in cycles from their begin. `counted`
    are the cycles that the layer counts for: the first for all, the second for none."""

    begins: IntArray
    loaded: IntArray
    computed: IntArray
    stored: IntArray
    end: int
    counted: int


@dataclass(frozen=True)
class PacedSteps:
    """Cycles of one layer's steps: loads, computation, what the cores finish, store; and those in which core 0
    gives a step to the engine, if it isn't the cores that compute it."""

    load: IntArray
    compute: IntArray
    finish: IntArray
    store: IntArray
    program: int

    @property
    def count(self) -> int:
        """How many steps there are."""
        return self.compute.size


@dataclass
class _Clock:
    """What core 0 has come to, and when the DMA is done with what it was asked for."""

    now: int = 0
    dma: int = 0

    def wait(self, until: int) -> None:
        self.now = max(self.now, until)

    def transfer(self, cycles: int) -> int:
        """When it is done."""
        self.dma = max(self.dma, self.now) + cycles
        return self.dma


@dataclass
class _Replay:
    """A layer's steps until now: when they began, their operands had come, they were computed and stored."""

    work: PacedSteps
    clock: _Clock
    begins: list[int] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)

    @property
    def left(self) -> bool:
        """True if there are steps that haven't begun."""
        return len(self.begins) < self.work.count

    def pace(self, end: int, counted: int) -> Pace:
        """What has happened; see `Pace`."""
        lists = (self.begins, self.loaded, self.computed, self.stored)
        begins, loaded, computed, stored = (np.array(one, np.int64) for one in lists)
        return Pace(begins, loaded, computed, stored, end, counted)

    def load(self) -> None:
        """Asks for the next step's operands."""
        if len(self.loaded) < self.work.count:
            self.loaded.append(self.clock.transfer(int(self.work.load[len(self.loaded)])))

    def begin(self) -> None:
        """Gives the next step to who computes it."""
        step, clock = len(self.begins), self.clock
        clock.wait(self.loaded[step])
        if step >= AT_ONCE:
            clock.wait(self.stored[step - AT_ONCE])
        self.begins.append(clock.now)
        clock.now += self.work.program
        busy = self.computed[-1] if self.computed else 0
        self.computed.append(max(clock.now, busy) + int(self.work.compute[step]))

    def end(self) -> None:
        """Waits for the oldest step that isn't stored, and stores it."""
        step = len(self.stored)
        self.clock.wait(self.computed[step])
        self.clock.now += int(self.work.finish[step])
        self.stored.append(self.clock.transfer(int(self.work.store[step])))


def list_schedule(first: PacedSteps, second: PacedSteps) -> tuple[int, ...]:
    """How many steps of the second layer are best done before the engine gets another of the first's, for each
    of these: as many as begin while the engine has all that it can take."""
    one, other = _begun(first, second)
    done: list[int] = []
    for _ in range(first.count):
        _next(one)
        while other.left and (not one.left or _busy(one)):
            _whole(other)
        done.append(len(other.begins))
    return tuple(done)


def paces(first: PacedSteps, second: PacedSteps, next_steps: Sequence[int], fixed: int) -> tuple[Pace, Pace]:
    """The two layers' paces with `next_steps` as in the plan; `fixed` are cycles beside those of steps."""
    one, other = _begun(first, second)
    for done in next_steps:
        _next(one)
        while len(other.begins) < done:
            _whole(other)
    while len(one.stored) < first.count:
        one.end()
    end = max(one.clock.now, one.clock.dma)
    return one.pace(end, end + fixed), other.pace(end, 0)


def _begun(first: PacedSteps, second: PacedSteps) -> tuple[_Replay, _Replay]:
    """Two layers whose first operands are on their way."""
    clock = _Clock()
    replays = _Replay(first, clock), _Replay(second, clock)
    for one in replays:
        one.load()
    return replays


def _next(replay: _Replay) -> None:
    """The engine gets another step, when it has ended the one before the last."""
    if len(replay.begins) >= AT_ONCE:
        replay.end()
    if replay.begins:
        replay.load()
    replay.begin()


def _whole(replay: _Replay) -> None:
    """Core 0 waits for a step, while the operands of the next come."""
    replay.begin()
    replay.load()
    replay.end()


def _busy(replay: _Replay) -> bool:
    """True if an engine has been given all that it can take, and isn't done with the oldest of it."""
    return len(replay.begins) >= AT_ONCE and replay.computed[-AT_ONCE] > replay.clock.now
