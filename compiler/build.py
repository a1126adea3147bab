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

# What the package needs: static memory (it has no allocator) and scalar C.
_REQUIRED_CONFIG: Mapping[str, Any] = {"tir.usmp.enable": True, "tir.disable_vectorize": True}
_DEFAULT_CONFIG: Mapping[str, Any] = {"tir.usmp.algorithm": "hill_climb"}
_REQUIRED_EXECUTOR: Mapping[str, Any] = {"unpacked-api": True, "interface-api": "c"}


def pass_config(user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The PassContext configuration of a build: the user's settings and ours; TargetError where they clash."""
    config = {**_DEFAULT_CONFIG, **(user or {})}
    for key, value in _REQUIRED_CONFIG.items():
        if key in config and bool(config[key]) != value:
            raise TargetError(
                "the C of a pulp package needs it to be 1: no allocator, no vector types",
                where=f"--pass-config {key}={int(bool(config[key]))}",
                fix="leave it out",
            )
        config[key] = value
    return config


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
    """Keeps TVM from looking for tuned schedules on the net, and from advising to tune or to change layouts."""
    strategy = logging.getLogger("strategy")
    before = os.environ.get("TOPHUB_LOCATION"), autotvm.GLOBAL_SCOPE.silent, strategy.level
    os.environ["TOPHUB_LOCATION"] = "NONE"
    autotvm.GLOBAL_SCOPE.silent = True
    strategy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        autotvm.GLOBAL_SCOPE.silent = before[1]
        strategy.setLevel(before[2])
        if before[0] is None:
            del os.environ["TOPHUB_LOCATION"]
        else:
            os.environ["TOPHUB_LOCATION"] = before[0]


def build_module(mod: tvm.IRModule, *, name: str = "default", opt_level: int = 3) -> Any:
    """An AOTExecutorFactoryModule of a module that `partition_for_pulp` returned."""
    with quiet_offline_build(), tvm.transform.PassContext(opt_level=opt_level, config=pass_config()):
        return relay.build(mod, target="c", executor=pulp_executor(), runtime=pulp_runtime(), mod_name=name)
