"""The one family of errors a user sees: what is wrong, where in the network, what to do."""

from __future__ import annotations


class PulpError(Exception):
    """What is wrong, where, and how to go on; printed as one line by the command line tools.

    `what` says the fault, `where` names the file, operator, tensor or option in the user's words (may be
    empty), `fix` tells what the user can do (may be empty).
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.fix}" if self.fix else line


class ModelError(PulpError):
    """The network file can't be read, or holds what no back end of ours can compile."""


class TargetError(PulpError):
    """An unknown SoC, a bad SoC file, or an option that is unknown or out of range."""


class PlanError(PulpError):
    """No plan exists: a memory is too small for a layer or for the network."""


class InputError(PulpError):
    """Inputs of a run have wrong names, shapes or dtypes."""


class ToolError(PulpError):
    """An outside tool (a C compiler, QEMU) is missing or failed."""


class ToolTimeoutError(ToolError):
    """An outside tool has not ended in the time that it was given."""
