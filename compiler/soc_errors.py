"""From what pydantic finds in a SoC file to errors with the file's line, the reason and the fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .errors import TargetError
from .suggest import suggestion
from .toml_lines import Path, key_lines


def soc_file_errors(
    text: str, file: str, error: ValidationError, schema: type[BaseModel], within: Path = ()
) -> tuple[TargetError, ...]:
    """Return an error for each fault, in the order of the file's lines; `file` is its name for the user.
    `within` is the path of the table that `schema` describes."""
    lines = key_lines(text)
    faults = []
    for fault in error.errors(include_url=False):
        path: Path = (*within, *fault["loc"])
        line = next(lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines)
        what, fix = _explain(fault, schema, within)
        faults.append((line, TargetError(what, where=f"{file}:{line}", fix=fix)))
    return tuple(fault for _, fault in sorted(faults, key=lambda pair: pair[0]))


def _explain(fault: Any, schema: type[BaseModel], within: Path) -> tuple[str, str]:
    """Return what is wrong and what to do."""
    inner: Path = fault["loc"]
    path = (*within, *inner)
    if fault["type"] == "extra_forbidden":
        table = _table(schema, inner[:-1])
        what = f"unknown key `{path[-1]}` in {_table_name(path[:-1])}"
        return what, suggestion(str(path[-1]), table.model_fields, what="its keys")
    name = f"`{_dotted(path)}`"
    meaning = _meaning(schema, inner)
    if fault["type"] == "missing":
        return f"{name} is missing", f"add it: {meaning}"
    explain = _REASONS.get(fault["type"])
    reason = explain(fault.get("ctx", {})) if explain else fault["msg"]
    given = fault["input"]
    shown = f" ({given!r})" if isinstance(given, (int, float, str)) else ""
    return f"{name}{shown} {reason}", f"give {meaning}"


_REASONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "int_type": lambda _: "is no whole number",
    "float_type": lambda _: "is no number",
    "finite_number": lambda _: "is not finite",
    "string_type": lambda _: "is no string",
    "string_pattern_mismatch": lambda _: "is no name",
    "string_too_short": lambda _: "is empty",
    "string_too_long": lambda ctx: f"has more than {ctx['max_length']} characters",
    "list_type": lambda _: "is no array of tables",
    "too_short": lambda ctx: f"has less than {ctx['min_length']} entry",
    "too_long": lambda ctx: f"has more than {ctx['max_length']} entry",
    "model_type": lambda _: "is no table",
    "literal_error": lambda ctx: f"is not {ctx['expected']}",
    "greater_than": lambda ctx: f"is not above {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"is below {ctx['ge']:g}",
    "less_than_equal": lambda ctx: (
        f"is above {ctx['le']:d}" if isinstance(ctx["le"], int) else f"is above {ctx['le']:g}"
    ),
}


def _dotted(path: Path) -> str:
    """Write a path as TOML would: `engines[0].cores`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")


def _table_name(path: Path) -> str:
    return f"table [{_dotted(path)}]" if path else "the file"


def _table(schema: type[BaseModel], path: Path) -> type[BaseModel]:
    """Return the schema of the table at `path`."""
    for key in path:
        if isinstance(key, str):
            annotation: Any = schema.model_fields[key].annotation
            schema = next((arg for arg in get_args(annotation) if isinstance(arg, type)), annotation)
    return schema


def _meaning(schema: type[BaseModel], path: Path) -> str:
    """Return the description of the field at `path`."""
    keys = [key for key in path if isinstance(key, str)]
    return _table(schema, tuple(keys[:-1])).model_fields[keys[-1]].description or ""
