"""`tvm-pulp operators`: what is offloaded, as the page of the documentation."""

from __future__ import annotations

import click


@click.command(name="operators")
def command() -> None:
    """Print which operators are offloaded, under which conditions, to which kernels (Markdown)."""
    from tvm_pulp.passes.patterns.page import operators_page  # noqa: PLC0415 (TVM, which --help does without)

    click.echo(operators_page(), nl=False)
