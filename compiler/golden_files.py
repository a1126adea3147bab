"""The golden files beside an integer network: `input.txt` and `out_layer<N>.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GoldenFiles:
    """The network's input and the outputs of its layers, in the order of their numbers."""

    input: Path
    layers: tuple[Path, ...]


def golden_files(folder: Path) -> GoldenFiles | None:
    """Those in a folder; None if there is no input, or no layer."""
    numbered = {
        int(found[1]): file
        for file in folder.glob("out_layer*.txt")
        if (found := re.fullmatch(r"out_layer(\d+)\.txt", file.name))
    }
    given = folder / "input.txt"
    if not given.is_file() or not numbered:
        return None
    return GoldenFiles(given, tuple(numbered[number] for number in sorted(numbered)))
