"""Plans as JSON: readable, stable from run to run, with a version.

Every data class is an object with its fields' names, every enum its value.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from tvm_pulp.codegen.plan import Mark, Plan
from tvm_pulp.errors import PlanError

VERSION = 2
INDENT = 1
LARGEST = 2**31 - 1  # every number counts bytes, elements, cycles or indices on a 32-bit machine


def plan_to_json(plan: Plan) -> str:
    """The plan's text; one line for each step, box and buffer."""
    body = {"version": VERSION, **_plain(plan)}
    return _layout(body, 0) + "\n"


def plan_from_json(text: str) -> Plan:
    """The plan of a text that `plan_to_json` wrote. Raises PlanError if it is anything else."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise PlanError(f"not JSON ({error})", where="plan") from error
    version = body.pop("version", None) if isinstance(body, dict) else None
    if version != VERSION:
        raise PlanError(f"version {version} of the plan format, expected {VERSION}", where="plan")
    plan: Plan = _build(Plan, body, "plan")
    return plan


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _layout(value: Any, depth: int) -> str:
    """JSON with lists of objects and objects with lists broken into lines, everything else on one line."""
    if not _holds_objects(value):
        return json.dumps(value)
    indent = "\n" + " " * (INDENT * (depth + 1))
    end = "\n" + " " * (INDENT * depth)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_layout(item, depth + 1)}" for key, item in value.items()]
        return "{" + indent + ("," + indent).join(items) + end + "}"
    return "[" + indent + ("," + indent).join(_layout(item, depth + 1) for item in value) + end + "]"


def _holds_objects(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(item, list) for item in value.values())
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _build(wanted: Any, value: Any, where: str) -> Any:
    """`value` as the type `wanted`: a data class of plan.py, an enum, a homogeneous tuple, or a plain value."""
    if is_dataclass(wanted) and isinstance(wanted, type):
        return _build_object(wanted, value, where)
    if get_origin(wanted) is tuple:
        if not isinstance(value, list):
            raise PlanError("not a list", where=where)
        return tuple(_build(get_args(wanted)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        try:
            return wanted(value)
        except ValueError as error:
            raise PlanError(f"{value!r} is none of {[item.value for item in wanted]}", where=where) from error
    if type(value) is not wanted:
        raise PlanError(f"{value!r} isn't {getattr(wanted, '__name__', wanted)}", where=where)
    return value


def _check_number(wanted: type, name: str, value: Any, where: str) -> None:
    least = -1 if (wanted, name) == (Mark, "step") else 0
    if type(value) is int and not least <= value <= LARGEST:
        raise PlanError(f"{value} isn't between {least} and {LARGEST}", where=f"{where}.{name}")


def _build_object(wanted: type, value: Any, where: str) -> Any:
    """A data class; fields that have a default may be left out."""
    hints = _hints(wanted)
    if not isinstance(value, dict):
        raise PlanError(f"expected an object with the fields {', '.join(hints)}", where=where)
    for name in value:
        if name not in hints:
            raise PlanError(f"unknown field {name!r}; fields: {', '.join(hints)}", where=where)
    for field in fields(wanted):
        if field.name not in value and field.default is MISSING:
            raise PlanError(f"the field {field.name!r} is missing", where=where)
    for name, item in value.items():
        _check_number(wanted, name, item, where)
    return wanted(**{name: _build(hints[name], item, f"{where}.{name}") for name, item in value.items()})


@cache
def _hints(wanted: type) -> dict[str, Any]:
    return get_type_hints(wanted)
