"""Where plans and packages of earlier compilations are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "TVM_PULP_CACHE"
OFF = "off"


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where plans are kept, and packages in a folder inside: the folder that TVM_PULP_CACHE names, None if it
    is `off`; by default in the user's cache."""
    chosen = environment.get(VARIABLE)
    if chosen == OFF:
        return None
    if chosen:
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache"
    return Path(base) / "tvm-pulp" / "plans"
