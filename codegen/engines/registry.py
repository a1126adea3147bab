"""Engines by their names: those of a machine, and those that a SoC file asks for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from itertools import combinations
from pkgutil import iter_modules

from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.fusion.engines import engines_beside
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import ENGINE_SEPARATOR
from tvm_pulp.errors import PlanError


def engines_of(machine: Machine) -> tuple[Engine, ...]:
    """All engines of a machine, the cluster first."""
    return (CLUSTER, *machine.engines)


def teams_of(machine: Machine) -> tuple[Team, ...]:
    """All pairs of a machine's engines; the cluster is the second of its pairs."""
    return tuple(Team(pair) for pair in combinations((*machine.engines, CLUSTER), 2))


def able_engines(graph: LayerGraph, layer: Layer, machine: Machine, *, teams: bool) -> list[Engine]:
    """The engines, and with `teams` the pairs of them, that can compute a layer, or one layer of a
    group."""
    if layer.parts:
        return [CLUSTER, *engines_beside(graph, layer.parts, machine.engines)]
    units = (*engines_of(machine), *(teams_of(machine) if teams else ()))
    return [one for one in units if one.refusal(graph, layer) is None]


def engine_named(name: str, engines: Iterable[Engine]) -> Engine:
    """The cluster, or the one of these that is called `name`, or the two of a team. Raises PlanError."""
    engines = tuple(engines)
    if name.count(ENGINE_SEPARATOR) == 1:
        first, second = (engine_named(member, engines) for member in name.split(ENGINE_SEPARATOR))
        return Team((first, second))
    for engine in (CLUSTER, *engines):
        if engine.name == name:
            return engine
    raise PlanError(f"there is no engine {name}", where="plan", fix="plan again for this SoC")


def engine_types() -> list[str]:
    """What a SoC file may give as `type` of an engine that is part of this package, beside the cluster."""
    package = import_module(__package__ or "")
    return [module.name for module in iter_modules(package.__path__) if engine_class(module.name) is not None]


def engine_class(type_: str) -> type[Engine] | None:
    """The class of a SoC file's `type`: the `ENGINE` of a module in `codegen/engines` or, if it has a dot, of
    a module of the user's. None if there is none."""
    module = type_ if "." in type_ else f"tvm_pulp.codegen.engines.{type_}"
    try:
        found = getattr(import_module(module), "ENGINE", None)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            return None
        raise
    return found if isinstance(found, type) and issubclass(found, Engine) else None
