"""The constraint solver, loaded where there is something to solve: it takes half a second to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

SEED = 1


def new_model() -> cp_model.CpModel:
    """A model without variables."""
    from ortools.sat.python import cp_model  # noqa: PLC0415 (see above)

    return cp_model.CpModel()


def solved(model: cp_model.CpModel, seconds: float) -> cp_model.CpSolver | None:
    """A solver with the best solution found in `seconds` of its own count, the same each time; None if none
    was."""
    from ortools.sat.python import cp_model  # noqa: PLC0415 (see above)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.max_deterministic_time = seconds
    return solver if solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None
