"""Geometry of the report's charts: what templates draw as SVG, in the units of each chart's view box.

The charts are rectangles, points and lines with a tooltip each, so they are written as SVG by a template; the
libraries that draw charts for browsers bring more script than a report may weigh.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Rect:
    """A rectangle; `style` is its CSS class, `title` its tooltip, `label` what is written on it."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str
    label: str = ""


@dataclass(frozen=True)
class Tick:
    """A place on an axis, with its label."""

    at: float
    label: str


def linear_ticks(limit: int, count: int) -> list[int]:
    """About `count` round numbers from 0 to `limit`."""
    if limit <= 0:
        return [0]
    raw = limit / count
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(unit * magnitude for unit in (1, 2, 5, 10) if unit * magnitude >= raw)
    return list(range(0, limit + 1, max(1, round(step))))


def decade_ticks(low: float, high: float) -> Iterator[float]:
    """The numbers 1, 2 and 5 times a power of ten between two positive bounds."""
    for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for unit in (1, 2, 5):
            value = unit * 10.0**exponent
            if low <= value <= high:
                yield value


def size_label(size: int) -> str:
    """Bytes for an axis: 16 kB, 1.5 MB (thousands, not 1024)."""
    if size >= 1_000_000:
        return f"{size / 1_000_000:g} MB"
    return f"{size / 1000:g} kB" if size >= 1000 else f"{size} B"
