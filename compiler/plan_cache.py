"""Plans of earlier compilations, so that the same network for the same machine isn't planned twice.

A plan depends on shapes and on the machine, not on the values of weights. It is kept as the JSON that packages
hold, under a key made of both and of the planner's own sources, and checked like a new one when it is read: a
file that is damaged, or of another version, is as good as none.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tvm_pulp.codegen
from tvm_pulp.codegen.check.plan import check_plan
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region

from .errors import PlanError

MOST_PLANS = 200


def checked_plan(
    graph: LayerGraph, machine: Machine, folder: Path | None, effort: Effort | None = None
) -> Plan:
    """The plan of a region, from `folder` or new, and then kept there; checked. Raises PlanError."""
    effort = effort or Effort()
    file = None if folder is None else folder / f"{_key(graph, machine, effort)}.json"
    kept = None if file is None else _read(file, graph, machine)
    if kept is not None:
        return kept
    plan = plan_region(graph, machine, effort)
    check_plan(graph, machine, plan)
    if file is not None:
        _write(file, plan_to_json(plan))
    return plan


def _read(file: Path, graph: LayerGraph, machine: Machine) -> Plan | None:
    try:
        plan = plan_from_json(file.read_text(encoding="utf-8"))
        check_plan(graph, machine, plan)
    except (OSError, UnicodeDecodeError, PlanError):
        return None
    with suppress(OSError):
        file.touch()  # the least recently used go first
    return plan


def _write(file: Path, text: str) -> None:
    """Keeps a plan as a whole or not at all; a folder that can't be written to is no reason to fail."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
        kept = sorted(file.parent.glob("*.json"), key=lambda plan: plan.stat().st_mtime)
        for old in kept[:-MOST_PLANS]:
            old.unlink()


def _key(graph: LayerGraph, machine: Machine, effort: Effort) -> str:
    return sha256(repr((_sources(), _shape(graph), _shape(machine), effort)).encode()).hexdigest()


@cache
def _sources() -> str:
    """A digest of the code that plans."""
    folder = Path(tvm_pulp.codegen.__file__).parent
    digest = sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _shape(value: Any) -> Any:
    """What a plan depends on: everything but the elements of arrays and the names in the user's file."""
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.name not in ("source", "sources")]
        return tuple(_shape(getattr(value, name)) for name in names)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return tuple((key, _shape(item)) for key, item in value.items())
    if isinstance(value, tuple):
        return tuple(map(_shape, value))
    return value
