"""PULP back end for TVM: what a user calls. Importing this package does not import TVM."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import compile_model
    from .errors import PulpError
    from .options import PulpOptions
    from .package import Package
    from .partition import partition_for_pulp
    from .runner import run_package

__all__ = ["Package", "PulpError", "PulpOptions", "compile_model", "partition_for_pulp", "run_package"]

_MODULES = {
    "Package": "package",
    "PulpError": "errors",
    "PulpOptions": "options",
    "compile_model": "api",
    "partition_for_pulp": "partition",
    "run_package": "runner",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
