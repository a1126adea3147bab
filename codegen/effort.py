"""How much work a plan may take. Work is counted by the solver, not by the clock: the same effort, the same
plan."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SECONDS = 20


@dataclass(frozen=True)
class Effort:
    """The planner's limit in seconds of two cores, about, and what its parts get of it.

    A search for addresses happens up to twenty times, a choice of what lies in L3 five times. The solver's
    seconds are its own count of work (CP-SAT's deterministic time). `fuses` says that groups of layers are
    tried, too, `shares` that two engines may compute a layer together, `pairs` that two layers may run at the
    same time.
    """

    seconds: int = DEFAULT_SECONDS
    fuses: bool = True
    shares: bool = True
    pairs: bool = True

    @property
    def address_seconds(self) -> float:
        """The solver's seconds for the addresses of one arena."""
        return self.seconds / 40

    @property
    def spill_seconds(self) -> float:
        """The solver's seconds for one choice of activations that lie in L3."""
        return self.seconds / 10

    @property
    def scheduled_steps(self) -> int:
        """Steps that may be scheduled in search of a layer's tile, beside those of the first candidate."""
        return 75 * self.seconds
