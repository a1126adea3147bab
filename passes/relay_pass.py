"""What every pass is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from tvm.ir import IRModule
from tvm.ir.transform import Pass


class RelayPass(ABC):
    """A named transformation of a Relay module.

    `name` is what `tvm-pulp opt --passes=` takes, in lower-case words joined by `-`; `description` is one line
    that says what changes, printed by `tvm-pulp opt --list`.
    """

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def __call__(self, mod: IRModule) -> IRModule:
        """Return the transformed module; `mod` itself stays as it is."""


def run(mod: IRModule, *passes: Pass | RelayPass) -> IRModule:
    """Apply passes one by one.

    `tvm.transform.Sequential` would leave out those above the optimization level of the current context, and
    what a network means must not depend on that.
    """
    for tvm_pass in passes:
        mod = tvm_pass(mod)
    return mod
