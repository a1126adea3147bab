"""`tvm-pulp opt`: run passes on textual Relay, or on an ONNX network, and print the result."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
from tvm.ir import IRModule
from tvm_pulp.passes.refusals import refusals_of
from tvm_pulp.passes.registry import all_passes, find_pass

from ..console import console, new_table
from ..errors import ModelError
from ..frontend.onnx import load_onnx
from ..partition import prepare
from ..relay_text import bind_constant, parse_relay, print_relay


@click.command(name="opt")
@click.argument("file", required=False)
@click.option("--passes", "names", default="", metavar="A,B", help="Passes to run, in this order.")
@click.option(
    "--constant",
    "constants",
    multiple=True,
    metavar="NAME=VALUE",
    help="Make the argument NAME of @main a constant filled with VALUE (`random` for random integers).",
)
@click.option(
    "--metadata", is_flag=True, help="Print the contents of constants too, so that TVM can read the text."
)
@click.option("--list", "list_passes", is_flag=True, help="List the passes and leave.")
def command(
    file: str | None, names: str, constants: tuple[str, ...], metadata: bool, list_passes: bool
) -> None:
    """Run passes on textual Relay, or on an ONNX network, and print the result.

    FILE holds a Relay program (`-` reads it from standard input), or is a quantized network that ends in .onnx.
    The reasons why operators are not offloaded, as far as the passes found any, follow as comments.
    """
    if list_passes:
        _print_passes()
        return
    if file is None:
        raise click.UsageError("give a file with Relay text, an .onnx file, or `-` for standard input")
    passes = [find_pass(name.strip()) for name in names.split(",") if name.strip()]
    mod = _bind(_load(file), constants)
    for relay_pass in passes:
        mod = relay_pass(mod)
    click.echo(print_relay(mod, metadata=metadata), nl=False)
    for operator, reason in sorted(refusals_of(mod).items()):
        click.echo(f"// refused: {operator}: {reason}")


def _load(file: str) -> IRModule:
    """The module that passes begin with."""
    if file.endswith(".onnx"):
        return prepare(*load_onnx(Path(file)))
    return parse_relay(_read(file), file="<stdin>" if file == "-" else file)


def _print_passes() -> None:
    table = new_table("pass", "what it does")
    for relay_pass in all_passes():
        table.add_row(relay_pass.name, relay_pass.description)
    console().print(table)


def _bind(mod: IRModule, constants: tuple[str, ...]) -> IRModule:
    generator = np.random.default_rng(0)
    for text in constants:
        name, _, value = text.partition("=")
        mod = bind_constant(mod, name, generator if value == "random" else _number(text, value))
    return mod


def _number(text: str, value: str) -> int | float:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError as error:
        raise click.UsageError(f"--constant {text}: give NAME=<number> or NAME=random") from error


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ModelError(reason, where=file, fix="give a file with Relay text, or `-`") from error
    except UnicodeDecodeError as error:
        raise ModelError(
            "this is no text file", where=file, fix="give a file with Relay text, or `-`"
        ) from error
