"""Names that become part of C names."""

from __future__ import annotations

import re

from .errors import ModelError


def check_name(name: str) -> None:
    """ModelError if `name` can't be part of the C names that TVM makes of it."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ModelError(
            f"`{name}` can't be part of C names",
            where="module name",
            fix="use lower-case letters, digits and _, a letter first",
        )
