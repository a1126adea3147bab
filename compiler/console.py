"""How the command line tools print: tables that stay whole when the output goes to a file or a pipe."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 240  # columns; rich would cut tables at 80 where there is no terminal


def console() -> Console:
    """Return a console on standard output."""
    terminal = Console(highlight=False, markup=False)
    return terminal if terminal.is_terminal else Console(highlight=False, markup=False, width=PIPE_WIDTH)


def new_table(*columns: str, numbers: tuple[str, ...] = (), title: str | None = None) -> Table:
    """Return an empty table; the columns named in `numbers` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table
