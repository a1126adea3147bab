"""Alignment of buffers in L1 and L2."""

from __future__ import annotations

ALIGNMENT = 8
"""Every buffer begins at a multiple of this many bytes."""


def align(size: int) -> int:
    """`size` rounded up to whole alignment units."""
    return size + -size % ALIGNMENT
