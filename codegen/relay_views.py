"""Where operators that only move bytes put them: tensors inside other tensors, and copies where that can't
be."""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.graph import Tensor, View

from ..passes.patterns.operator import Place


def inside(tensor: Tensor, place: Place) -> View:
    """The view of what has a place in `tensor`."""
    offset = 0 if tensor.view is None else tensor.view.offset
    return View(
        tensor.base,
        offset + place.h0 * tensor.row_bytes + place.w0 * tensor.pixel_bytes + place.c0,
        place.step_h * tensor.row_bytes,
        place.step_w * tensor.pixel_bytes,
    )


def whole(tensor: Tensor) -> View:
    """The view of all of `tensor`."""
    return inside(tensor, Place())


def is_contiguous(tensor: Tensor) -> bool:
    """Whether its bytes are one behind the other."""
    return tensor.span_bytes == tensor.size_bytes


def reshaped(tensor: Tensor, name: str, shape: tuple[int, int, int]) -> Tensor:
    """The bytes of a contiguous tensor as one of another shape (height, width, channels)."""
    height, width, channels = shape
    pixel = channels * tensor.dtype.size
    view = replace(whole(tensor), row_bytes=width * pixel, pixel_bytes=pixel)
    return replace(tensor, name=name, height=height, width=width, channels=channels, view=view)
