"""The C templates in `templates/`: text only, all that depends on the network is decided before."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def template_environment() -> Environment:
    """Loads templates by file name; a value that a template names but isn't given is an error."""
    return Environment(
        loader=PackageLoader("tvm_pulp.codegen.emit"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
