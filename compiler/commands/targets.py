"""`tvm-pulp targets`: the SoCs that can be compiled for."""

from __future__ import annotations

from pathlib import Path

import click

from ..console import console, new_table
from ..soc import check_soc, list_socs, load_soc, soc_path


@click.group(name="targets", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List, show and check SoC files.

    Without a command it lists the SoCs that come with tvm-pulp.
    """
    if context.invoked_subcommand is None:
        _list()


@command.command(name="list")
def list_command() -> None:
    """List the SoCs that come with tvm-pulp."""
    _list()


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, file: Path) -> None:
    """Check a SoC FILE and tell every fault with its line."""
    faults = check_soc(file)
    for fault in faults:
        click.echo(f"tvm-pulp: error: {fault}", err=True)
    if faults:
        context.exit(1)
    soc = load_soc(str(file.absolute()))
    click.echo(f"{file}: right; use it with --target 'pulp -soc={file}'")
    click.echo(f"{soc.name}: {soc.description}")


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the file of the SoC NAME, a start for a file of your own."""
    load_soc(name)
    click.echo(soc_path(name).read_text(encoding="utf-8"), nl=False)


def _list() -> None:
    numbers = ("cores", "L1 bytes", "usable L1", "L2 bytes", "usable L2")
    table = new_table("SoC", *numbers, "description", numbers=numbers)
    for name in list_socs():
        soc = load_soc(name)
        l1, l2 = soc.memory.l1, soc.memory.l2
        sizes = (f"{value:,}" for value in (soc.cluster.cores, l1.size, l1.usable, l2.size, l2.usable))
        table.add_row(name, *sizes, soc.description)
    console().print(table)
