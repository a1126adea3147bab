"""Attributes that modules and functions carry between the stages of a compilation."""

from __future__ import annotations

from typing import Any


def attribute(node: Any, name: str) -> str | None:
    """The text of an attribute of a module or function; None if it has none of that name."""
    value = None if node.attrs is None else node.attrs.get(name)
    return None if value is None else str(value)
