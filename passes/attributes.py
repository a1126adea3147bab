"""Attributes that modules and functions carry between the stages of a compilation."""

from __future__ import annotations

from typing import Any


def attribute(node: Any, name: str) -> str | None:
    """The text of an attribute of a module or function; None if it has none of that name."""
    attrs = node.attrs
    if attrs is None or name not in attrs.keys():  # noqa: SIM118 (TVM's attributes only have keys())
        return None
    return str(attrs[name])
