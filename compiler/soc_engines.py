"""The tables of a SoC file that describe engines beside the cluster: each engine has a schema of its own."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engine_class, engine_types
from tvm_pulp.codegen.plan import CLUSTER_NAME

from .errors import TargetError
from .soc_errors import soc_file_errors
from .toml_lines import key_lines

Faults = tuple[TargetError, ...]


def engines_beside(text: str, file: str, tables: dict[str, Any]) -> list[Engine | Faults]:
    """Takes the tables of engines beside the cluster out of `tables`, a parsed SoC file with this text: an
    engine, or its faults, for each. The first table is the cluster's in any case."""
    listed = tables.get("engines")
    if not isinstance(listed, list):
        return []
    others = [index for index, table in enumerate(listed) if index > 0 and _type(table) != CLUSTER_NAME]
    tables["engines"] = [table for index, table in enumerate(listed) if index not in others]
    return [_engine(text, file, index, listed[index]) for index in others]


def engine_schema(engine: type[Engine]) -> type[BaseModel]:
    """The schema of an engine's table, made from its data class's fields."""
    hints = get_type_hints(engine, include_extras=True)
    kind = (str, Field(description="the kind of engine"))
    own: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(engine)  # type: ignore[arg-type]  # engines are data classes
    }
    strict = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    return create_model(engine.__name__, __config__=strict, type=kind, **own)


def _type(table: Any) -> str:
    found = table.get("type") if isinstance(table, dict) else None
    return found if isinstance(found, str) else ""


def _engine(text: str, file: str, index: int, table: Any) -> Engine | Faults:
    engine = engine_class(_type(table)) if _type(table) else None
    if engine is None:
        lines = key_lines(text)
        line = lines.get(("engines", index, "type"), lines[("engines", index)])
        return (
            TargetError(
                f"`engines[{index}].type` ({_type(table)!r}) is no engine",
                where=f"{file}:{line}",
                fix=f"give one of {', '.join(engine_types())}, or the path of a Python module that defines one",
            ),
        )
    schema = engine_schema(engine)
    try:
        checked = schema.model_validate(table)
    except ValidationError as error:
        return soc_file_errors(text, file, error, schema, within=("engines", index))
    return engine(**checked.model_dump(exclude={"type"}))
