"""Where each key of a TOML document stands: what a TOML parser does not tell."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = tuple[str | int, ...]


def key_lines(text: str) -> dict[Path, int]:
    """Map the path of each table and key of a valid TOML document to its line, from 1.

    A path holds keys and, for an array of tables, the index: `("engines", 0, "cores")`. A key inside of a
    value (an inline table) has the line on which the value's statement starts.
    """
    lines: dict[Path, int] = {(): 1}
    arrays: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            for path in _paths(parsed):
                lines.setdefault(table + path, number)
            continue
        table = _resolve(_header_keys(parsed), arrays)
        if statement.lstrip().startswith("[["):
            arrays[table] = arrays.get(table, 0) + 1
            table = (*table, arrays[table] - 1)
        for length in range(1, len(table) + 1):
            lines.setdefault(table[:length], number)
    return lines


def _statements(text: str) -> list[tuple[int, str]]:
    """Split a valid document into statements (a header or a key with its value), each with its first line."""
    statements = []
    pending: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if not pending:
            start = number
        pending.append(line)
        statement = "\n".join(pending)
        try:
            empty = not tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # the value goes on in the next line
        if not empty:
            statements.append((start, statement))
        pending = []
    return statements


def _header_keys(parsed: dict[str, Any]) -> Path:
    """Return the keys of a header, parsed alone: `[a.b]` is {"a": {"b": {}}}, `[[a]]` is {"a": [{}]}."""
    keys: list[str] = []
    inner: Any = parsed
    while isinstance(inner, dict) and inner:
        key, inner = next(iter(inner.items()))
        keys.append(key)
    return tuple(keys)


def _resolve(keys: Path, arrays: dict[Path, int]) -> Path:
    """Insert the index of the current element after each array of tables that `keys` passes through."""
    path: Path = ()
    for key in keys:
        if path in arrays:
            path = (*path, arrays[path] - 1)
        path = (*path, key)
    return path


def _paths(value: Any) -> list[Path]:
    """Return the paths of all keys inside a parsed value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    paths: list[Path] = []
    for key, inner in items:
        paths.append((key,))
        paths.extend((key, *path) for path in _paths(inner))
    return paths
