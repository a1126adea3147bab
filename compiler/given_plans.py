"""Plans that the user gives with `-plan=`: read, checked against the network and the machine, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.cost.layer import region_costs
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.plan_json import plan_from_json

from .errors import PlanError, TargetError
from .options import WHERE

FIX = "correct it, or leave out -plan"


@dataclass(frozen=True)
class GivenPlan:
    """A plan and the file that it stands in."""

    file: Path
    plan: Plan


def read_given_plans(path: str | None) -> dict[str, GivenPlan]:
    """Plans by region: of one file, or of all in a folder such as a package's `plan/`; none where `path` is.

    Raises TargetError if there is nothing to read, PlanError for what is no plan.
    """
    if path is None:
        return {}
    given: dict[str, GivenPlan] = {}
    for file in _files(Path(path)):
        found = _read(file)
        if found.plan.region in given:
            raise PlanError(
                f"region {found.plan.region} has another plan in {given[found.plan.region].file}",
                where=str(file),
                fix="keep one of them",
            )
        given[found.plan.region] = found
    return given


def check_regions(given: Mapping[str, GivenPlan], graphs: Sequence[LayerGraph]) -> None:
    """PlanError if a plan is for a region that the network doesn't have."""
    names = [graph.name for graph in graphs]
    for region, found in given.items():
        if region not in names:
            there = ", ".join(names) if names else "none"
            raise PlanError(
                f"made for region {region}; the network's are: {there}", where=str(found.file), fix=FIX
            )


def accept_plan(given: GivenPlan, graph: LayerGraph, machine: Machine) -> Plan:
    """The plan, with the limits of the machine and predictions of the present cost model.

    Raises PlanError with the first fault if it isn't right for the region and the machine.
    """
    plan = given.plan
    if plan.soc != machine.soc:
        raise PlanError(f"made for {plan.soc}, the target is {machine.soc}", where=str(given.file), fix=FIX)
    try:
        check_plan(graph, machine, plan)
    except PlanError as error:
        raise _in_file(error, given.file) from error
    costs = region_costs(as_planned(graph, plan), plan.layers, machine)
    layers = tuple(
        replace(layer_plan, cycles=cost.cycles) for layer_plan, cost in zip(plan.layers, costs, strict=True)
    )
    return replace(plan, l1_bytes=machine.l1_bytes, l2_bytes=machine.l2_bytes, layers=layers)


def _files(path: Path) -> list[Path]:
    where = f"{WHERE}: option -plan={path}"
    if path.is_dir():
        files = sorted(file for file in path.glob("*.json") if not file.name.endswith(".timeline.json"))
        if not files:
            raise TargetError(
                "no plan in this folder", where=where, fix="give a package's plan/ or one of its files"
            )
        return files
    if not path.is_file():
        raise TargetError(
            "no such file or folder", where=where, fix="give a plan of a package, plan/<region>.json"
        )
    return [path]


def _read(file: Path) -> GivenPlan:
    try:
        return GivenPlan(file, plan_from_json(file.read_text(encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise PlanError("not a text file", where=str(file), fix=FIX) from error
    except OSError as error:
        raise PlanError((error.strerror or "cannot be read").lower(), where=str(file), fix=FIX) from error
    except PlanError as error:
        raise _in_file(error, file) from error


def _in_file(error: PlanError, file: Path) -> PlanError:
    return PlanError(error.what, where=f"{file}: {error.where}", fix=FIX)
