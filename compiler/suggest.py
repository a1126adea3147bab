"""Words that the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(word: str, known: Iterable[str], *, what: str) -> str:
    """Return "did you mean X?" where a known word is close, else "<what>: a, b, c"."""
    names = list(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"did you mean {close[0]}? ({what}: {', '.join(names)})"
    return f"{what}: {', '.join(names)}"
