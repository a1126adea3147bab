"""Concatenation: every input is brought to the output's scale, then the bytes stand side by side."""

from __future__ import annotations

from dataclasses import replace

from tvm import relay

from . import build
from .island import Island, Refusal
from .requantize import rescaled
from .values import Layout, Quantized, canonical_axis, from_user_layout, in_user_layout


def legalize_concatenate(island: Island) -> Quantized | Refusal:
    """`concatenate` along any axis but the batch."""
    inputs = [island.value(field) for field in island.core.args[0].fields]
    parts: list[Quantized] = []
    for x in inputs:
        part = Refusal("one of its inputs is not a quantized tensor") if x is None else rescaled(x, island)
        if isinstance(part, Refusal):
            return part
        parts.append(part)
    axis = int(island.core.attrs.axis) % len(island.shape)
    if axis == 0 and len(island.shape) > 1:
        return Refusal("it joins batches")
    if all(part.layout is Layout.NHWC for part in parts) and len(island.shape) == 4:
        expr = relay.concatenate([part.expr for part in parts], axis=canonical_axis(axis))
        return _feature_map(replace(parts[0], expr=expr, shape=island.shape), island.shape)
    expr = relay.concatenate([in_user_layout(part) for part in parts], axis=axis)
    return from_user_layout(expr, island.out, island.shape, island.dtype)


def _feature_map(value: Quantized, shape: tuple[int, ...]) -> Quantized:
    _, channels, height, width = shape
    return replace(value, feature_map=(channels, height, width))


def legalize_slice(island: Island) -> Quantized | Refusal:
    """`strided_slice`, on a map with steps in height and width only."""
    x = island.value(island.core.args[0])
    if x is None:
        return Refusal("its input is not a quantized tensor")
    bounds = _bounds(island, x)
    if any(step < 1 for _, step in bounds):
        return Refusal("it runs backwards")
    return _sliced(island, x, bounds)


def _bounds(island: Island, x: Quantized) -> list[tuple[int, int]]:
    """First element and step on each axis of the user's tensor."""
    attrs = island.core.attrs
    axes = [int(a) % len(x.shape) for a in attrs.axes] if attrs.axes else range(len(attrs.begin))
    bounds = [(0, 1)] * len(x.shape)
    for index, axis in enumerate(axes):
        size, begin = x.shape[axis], int(attrs.begin[index])
        step = int(attrs.strides[min(index, len(attrs.strides) - 1)]) if attrs.strides else 1
        bounds[axis] = (min(max(begin + size if begin < 0 else begin, 0), size), step)
    return bounds


def legalize_split(island: Island) -> Quantized | Refusal:
    """One output of a `split`: `core` is the item taken of its tuple."""
    call = island.core.tuple_value
    x = island.value(call.args[0])
    if x is None:
        return Refusal("its input is not a quantized tensor")
    axis = int(call.attrs.axis) % len(x.shape)
    sizes = [int(field.shape[axis]) for field in call.checked_type.fields]
    bounds = [(0, 1)] * len(x.shape)
    bounds[axis] = (sum(sizes[: island.core.index]), 1)
    return _sliced(island, x, bounds)


def _sliced(island: Island, x: Quantized, bounds: list[tuple[int, int]]) -> Quantized | Refusal:
    if x.layout is Layout.NHWC and len(island.shape) == 4 and bounds[0] == (0, 1):
        batch, channels, height, width = zip(bounds, island.shape, strict=True)
        taken = (batch, height, width, channels)
        sliced = _feature_map(replace(x, expr=_slice(x.expr, taken), shape=island.shape), island.shape)
    else:
        expr = _slice(in_user_layout(x), tuple(zip(bounds, island.shape, strict=True)))
        sliced = from_user_layout(expr, x.quantization, island.shape, island.dtype)
    return rescaled(sliced, island)


def _slice(expr: relay.Expr, taken: tuple[tuple[tuple[int, int], int], ...]) -> relay.Expr:
    """`taken` holds ((first element, step), size) for each axis."""
    return build.strided_slice(
        expr,
        [first for (first, _), _ in taken],
        [first + (size - 1) * step + 1 for (first, step), size in taken],
        [step for (_, step), _ in taken],
    )
