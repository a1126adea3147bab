"""`tvm-pulp`, the command line tool; its commands are the modules of `compiler/commands`.

Commands are imported only when they are called, for TVM takes a second to load.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

import click

from .failure import exit_status, one_line

PROGRAM = "tvm-pulp"
COMMANDS = {
    "inspect": "Show what is offloaded and what is not, tiles, memory and predicted cycles.",
    "operators": "Print which operators are offloaded, and to which kernels.",
    "opt": "Run passes on textual Relay or an ONNX network and print the result.",
    "quantize": "Quantize a float ONNX network to 8 bits.",
    "run": "Build and run a package on a platform, and check its outputs.",
    "targets": "List, show and check SoC files.",
}


@dataclass
class Settings:
    """What holds for the whole program; `verbose` asks for tracebacks."""

    verbose: bool = False


def _set_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    settings = context.find_object(Settings)
    if value and settings is not None:
        settings.verbose = True


def _verbose_option() -> click.Option:
    help_text = "Show the traceback of an error."
    return click.Option(
        ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_set_verbose, help=help_text
    )


class _Commands(click.Group):
    """The commands, each with a -v of its own, so that it may be given before and after the command's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".commands.{cmd_name}", __package__).command
        if not any("--verbose" in parameter.opts for parameter in command.params):
            command.params.append(_verbose_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def program() -> click.Group:
    """Return the command line interface."""
    group = _Commands(
        name=PROGRAM,
        help="Work with packages of networks, which `tvmc compile --target pulp` makes.",
        params=[_verbose_option()],
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    version: click.Group = click.version_option(metadata.version(PROGRAM), prog_name=PROGRAM)(group)
    return version


def run(arguments: Sequence[str]) -> int:
    """Run the tool and return its exit status; errors are one line on standard error."""
    settings = Settings()
    try:
        result = program().main(list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=settings)
    except BrokenPipeError:
        # the reader of our output has left, as `tvm-pulp … | head` does; Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if settings.verbose:
            traceback.print_exception(error)
        click.echo(f"{PROGRAM}: error: {one_line(error)}", err=True)
        return exit_status(error)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the tool on the process's arguments."""
    sys.exit(run(sys.argv[1:]))
