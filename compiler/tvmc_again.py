"""`tvmc compile --target pulp` of a network that was compiled before: copied from the cache without TVM, which
takes longer to load than this takes as a whole."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

from .archive import check_writable
from .errors import PulpError
from .options import PulpOptions, option_name
from .package import Package
from .package_cache import KeptPackage, kept_package
from .tvmc_target import NAME, parse_target

_CONFIGURATION = "default.json"  # tvmc reads it where it is called, or in this folder:
_CONFIGURATIONS = "TVM_CONFIGS_JSON_DIR"


@dataclass(frozen=True)
class Again:
    """A command that makes a package and nothing else, and the package's place in the cache."""

    output: Path
    kept: KeptPackage

    def fetch(self) -> bool:
        """Write the package; False if it isn't in the cache, or can't be written."""
        try:
            check_writable(self.output)
            return self.kept.fetch(self.output) is not None
        except PulpError:
            return False  # as tvmc will say

    def keep(self) -> None:
        """Put the package, which tvmc has written, into the cache."""
        self.kept.keep(Package.open(self.output))


def again(words: Sequence[str], environment: Mapping[str, str]) -> Again | None:
    """What a command line of tvmc asks for; None where that isn't known to be a package of ours and no more, or
    where packages aren't kept. Whether it is right is for tvmc to say."""
    if words[:1] != ["compile"] or _CONFIGURATIONS in environment or Path(_CONFIGURATION).exists():
        return None
    with suppress(_UnknownError, PulpError):
        args = vars(_parser().parse_args(words[1:]))
        file, output, target = args.pop("FILE"), args.pop("output"), args.pop("target")
        overrides = {option: args.pop(option, None) for option in _target_options()}
        given = (f"-{option}={value}" for option, value in overrides.items() if value is not None)
        options = parse_target(target, " ".join(map(shlex.quote, given))).options
        kept = kept_package(Path(file), {"tvmc": target, **args}, options, environment)
        return None if kept is None else Again(Path(output), kept)
    return None


class _UnknownError(Exception):
    """A word that this parser doesn't know."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UnknownError(message)


def _target_options() -> list[str]:
    return [option_name(field.name) for field in fields(PulpOptions)]


def _parser() -> argparse.ArgumentParser:
    """Knows what a package depends on, beside what TVM's own options would change."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("FILE")
    parser.add_argument("-o", "--output", default="module.tar")
    parser.add_argument("--target", required=True)
    for option in _target_options():
        parser.add_argument(f"--target-{NAME}-{option}", dest=option)
    for option in ("--module-name", "--model-format", "--onnx-dialect", "--input-shapes", "--opt-level"):
        parser.add_argument(option)
    return parser
