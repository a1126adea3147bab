"""The whole way of a network in one call: file -> Relay -> partitioned module -> C -> package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tvm

from .archive import check_writable
from .build import build_module
from .frontend.onnx import Dialect, Shapes, load_onnx
from .frontend.tflite import load_tflite
from .names import check_name
from .options import PulpOptions
from .package import Package
from .package_cache import kept_package
from .packaging import write_package
from .partition import partition_for_pulp


def compile_model(
    model: str | Path | tvm.IRModule,
    output: str | Path | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    options: PulpOptions | None = None,
    name: str = "default",
    shapes: Shapes | None = None,
    dialect: Dialect = Dialect.AUTO,
) -> Package:
    """Compile a quantized network, the path of an ONNX or TFLite file or a Relay module with `params`.

    The package goes to `output`, a path that ends in `.tar` or the path of a folder (default `<name>.tar`),
    as a whole or not at all. `name` becomes part of C names: the entry function is `tvmgen_<name>_run`.
    `shapes` replaces shapes of an ONNX file's inputs by name, `dialect` says what its integers mean.
    Raises an error of the PulpError family.
    """
    check_name(name)
    target = Path(output or f"{name}.tar")
    check_writable(target)
    options = options or PulpOptions()
    if isinstance(model, tvm.IRModule):
        partitioned = partition_for_pulp(model, params, options=options, mod_name=name)
        return write_package(build_module(partitioned, name=name), target, options)
    settings = {"api": name, "shapes": shapes, "dialect": dialect.value}
    kept = kept_package(Path(model), settings, options, os.environ)
    package = None if kept is None else kept.fetch(target)
    if package is not None:
        return package
    if Path(model).suffix == ".tflite":
        mod, constants = load_tflite(Path(model))
    else:
        mod, constants = load_onnx(Path(model), shapes, dialect)
    partitioned = partition_for_pulp(mod, constants, options=options, mod_name=name)
    package = write_package(build_module(partitioned, name=name), target, options)
    if kept is not None:
        kept.keep(package)
    return package
