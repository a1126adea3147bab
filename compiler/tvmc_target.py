"""The `--target` string of tvmc where it names `pulp`. Needs no TVM."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import TargetError
from .options import PulpOptions

NAME = "pulp"
_PART = re.compile(r"""(?:[^,"']|"[^"]*"|'[^']*'|["'])+""")  # up to a comma that isn't quoted


@dataclass(frozen=True)
class PulpTarget:
    """Our options, and the TVM target for what is not offloaded: `c`, maybe with attributes."""

    options: PulpOptions
    tvm_target: str = "c"


def names_pulp(target: str | None) -> bool:
    """Whether a target string names pulp."""
    return NAME in (name for name, _ in _split(target or ""))


def parse_target(target: str, overrides: str = "") -> PulpTarget:
    """Read `pulp -soc=gap8 -l1=38000`, maybe followed by `, c`; `overrides` are further options of pulp.

    Raises TargetError for bad options, and for other targets beside pulp and C.
    """
    parts = _split(target)
    names = [name for name, _ in parts]
    if names.count(NAME) > 1:
        raise TargetError("pulp is named twice", where=f"--target {target}", fix="name it once")
    if names not in ([NAME], [NAME, "c"]):
        others = ", ".join(name for name in names if name != NAME)
        raise TargetError(
            f"a pulp package holds C only, no code for {others}" if names[0] == NAME else "pulp comes first",
            where=f"--target {target}",
            fix='write --target pulp, or "pulp -soc=<name>, c"',
        )
    options = PulpOptions.parse(f"{parts[0][1]} {overrides}")
    tvm_target = " ".join(parts[1]).strip() if len(parts) > 1 else "c"
    return PulpTarget(options, tvm_target)


def _split(target: str) -> list[tuple[str, str]]:
    """Name and attributes of each target between commas."""
    parts = (part.strip() for part in _PART.findall(target))
    return [(name, rest) for name, _, rest in (part.partition(" ") for part in parts if part)]
