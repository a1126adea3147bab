"""How the command line tools report what went wrong: one line and an exit status."""

from __future__ import annotations

import click

from .errors import PulpError

FAILED = 1
INTERRUPTED = 130


def one_line(error: BaseException) -> str:
    """Return the line that tells a user what went wrong; a fault of ours says so."""
    if isinstance(error, click.ClickException):
        message = error.format_message()
        context = error.ctx if isinstance(error, click.UsageError) else None
        message = f"{message.rstrip('.')}; see `{context.command_path} --help`" if context else message
    elif isinstance(error, PulpError):
        message = str(error)
    elif isinstance(error, (KeyboardInterrupt, click.Abort)):
        message = "interrupted"
    else:
        reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
        message = f"internal error: {type(error).__name__}: {reason[0]}; -v shows where, please report it"
    return " ".join(message.split())


def exit_status(error: BaseException) -> int:
    """Return 2 for wrong usage, 130 after an interruption, else 1."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    return INTERRUPTED if isinstance(error, (KeyboardInterrupt, click.Abort)) else FAILED
