"""Builds a partitioned module into C: ahead-of-time executor, C target, memory planned at compile time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tvm
from tvm import autotvm, relay
from tvm.relay.backend import Executor, Runtime

from . import relay_ext  # noqa: F401 (registers relay.ext.pulp)
from .errors import TargetError
from .exact_floats import exact_floats

# What the package needs: static memory (it has no allocator) and scalar C.
_REQUIRED_CONFIG: Mapping[str, Any] = {"tir.usmp.enable": True, "tir.disable_vectorize": True}
_DEFAULT_CONFIG: Mapping[str, Any] = {"tir.usmp.algorithm": "hill_climb"}
DISABLED_PASSES = ["FoldScaleAxis"]  # it changes the rounding of float operators; the reference goes without
EXACT_FLOATS_PHASE = 3  # the last one of TVM's lowering
_REQUIRED_EXECUTOR: Mapping[str, Any] = {"unpacked-api": True, "interface-api": "c"}


def missing_config(user: Mapping[str, Any]) -> dict[str, Any]:
    """What a build needs of the PassContext's configuration beside the user's settings.

    TargetError where those can't be kept. It also needs the pass `exact_floats`, and to
    be without DISABLED_PASSES.
    """
    for key, value in _REQUIRED_CONFIG.items():
        if key in user and bool(user[key]) != value:
            raise TargetError(
                "the C of a pulp package needs it to be 1: no allocator, no vector types",
                where=f"--pass-config {key}={int(bool(user[key]))}",
                fix="leave it out",
            )
    needed = {**_DEFAULT_CONFIG, **_REQUIRED_CONFIG}
    return {key: value for key, value in needed.items() if key not in user}


def pulp_executor(options: Mapping[str, Any] | None = None) -> Executor:
    """TVM's AOT executor with the C interface; `options` are added, TargetError where they clash."""
    merged = {**_REQUIRED_EXECUTOR, **(options or {})}
    for key, value in _REQUIRED_EXECUTOR.items():
        if merged[key] != value:
            raise TargetError(
                f"a pulp package needs {str(value).lower()}", where=f"--executor-aot-{key}", fix="leave it out"
            )
    return Executor("aot", merged)


def pulp_runtime(options: Mapping[str, Any] | None = None) -> Runtime:
    """TVM's C runtime."""
    return Runtime("crt", dict(options or {}))


@contextmanager
def quiet_offline_build() -> Iterator[None]:
    """Keeps TVM from looking for tuned schedules on the net, and from advising to tune."""
    strategy = logging.getLogger("strategy")  # where TVM says which schedules it finds slow
    before = os.environ.get("TOPHUB_LOCATION"), autotvm.GLOBAL_SCOPE.silent, strategy.level
    os.environ["TOPHUB_LOCATION"] = "NONE"
    autotvm.GLOBAL_SCOPE.silent = True
    strategy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        strategy.setLevel(before[2])
        autotvm.GLOBAL_SCOPE.silent = before[1]
        if before[0] is None:
            del os.environ["TOPHUB_LOCATION"]
        else:
            os.environ["TOPHUB_LOCATION"] = before[0]


def build_module(mod: tvm.IRModule, *, name: str = "default", opt_level: int = 3) -> Any:
    """An AOTExecutorFactoryModule of a module that `partition_for_pulp` returned."""
    config = {**missing_config({}), "tir.add_lower_pass": [(EXACT_FLOATS_PHASE, exact_floats())]}
    context = tvm.transform.PassContext(opt_level=opt_level, config=config, disabled_pass=DISABLED_PASSES)
    with quiet_offline_build(), context:
        return relay.build(mod, target="c", executor=pulp_executor(), runtime=pulp_runtime(), mod_name=name)
