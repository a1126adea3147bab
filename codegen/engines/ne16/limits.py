"""Which layers NE16 computes exactly, in which of its modes, and which it leaves to the cores as sums.

NE16 multiplies a sum by an unsigned scale, wraps at 32 bits, adds a bias and shifts by an amount common to the
layer. A layer whose requantization isn't `wide` is proven never to leave int32, so only the rest is looked at.
Where NE16 can't requantize it writes the int32 sums.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Window
from tvm_pulp.codegen.params import needs_int64
from tvm_pulp.codegen.plan import LayerPlan, TileStep
from tvm_pulp.codegen.tiles.geometry import columns, rows, span
from tvm_pulp.errors import PlanError

INT32_MAX = 2**31 - 1
UINT8_MAX = 255
MOST_SHIFT = 31
MOST_PADDING = 1
"""With two rows of padding below, windows of all but the last subtile could reach into them."""

MOST_PARTS = 65_535
"""Subtiles on an axis, in 16 bits."""

OUT_CHANNELS, GROUP = 32, 16
"""Output channels of a subtile; input channels of a pass, and channels of a depthwise subtile."""


SUM_BYTES = 4


class Mode(Enum):
    """NE16's modes of operation."""

    FULL = "3x3"
    POINT = "1x1"
    DEPTHWISE = "3x3 depthwise"


def mode_of(layer: Layer) -> Mode | None:
    """The mode that computes a layer; None if its shape has none."""
    kernel = (layer.window.kernel_h, layer.window.kernel_w)
    if layer.kind in (LayerKind.POINTWISE, LayerKind.LINEAR) or (
        layer.kind is LayerKind.CONV2D and kernel == (1, 1)
    ):
        return Mode.POINT
    if kernel == (3, 3) and layer.kind is LayerKind.CONV2D:
        return Mode.FULL
    if kernel == (3, 3) and layer.kind is LayerKind.DEPTHWISE:
        return Mode.DEPTHWISE
    return None


def is_depthwise(layer: Layer) -> bool:
    """True if each output channel reads its own input channel."""
    return layer.kind is LayerKind.DEPTHWISE


def is_strided(layer: Layer) -> bool:
    """True if NE16's mode for stride 2 is needed; a strided 1x1 filter just reads every other pixel."""
    return mode_of(layer) is not Mode.POINT and layer.window.stride_h == 2


def kernel_name(layer: Layer) -> str:
    """What a plan calls the computation."""
    mode = mode_of(layer)
    name = "none" if mode is None else mode.value.replace(" ", "_")
    return f"ne16_{name}" + ("_stride2" if is_strided(layer) else "") + ("_sums" if leaves_sums(layer) else "")


def leaves_sums(layer: Layer) -> bool:
    """True if NE16 can't requantize the layer: the cores do."""
    requant = layer.requant
    return requant is not None and (
        requant.wide
        or requant.shift > MOST_SHIFT
        or int(requant.multiplier.min()) < 0
        or int(requant.multiplier.max()) > INT32_MAX
        or int(np.abs(requant.offset).max()) > INT32_MAX
        or (requant.lo, requant.hi) != (0, UINT8_MAX)
    )


def weights_of(layer: Layer) -> npt.NDArray[np.int8]:
    """A layer's weights, those of a linear one as a 1x1 convolution."""
    if layer.weights is None:
        raise PlanError("the layer has no weights", where=layer.name)
    return layer.weights[:, None, None, :] if layer.kind is LayerKind.LINEAR else layer.weights


def clips(layer: Layer) -> bool:
    """True if the bytes that the cores make of sums are clipped to other bounds than 0..255."""
    return layer.requant is not None and (layer.requant.lo, layer.requant.hi) != (0, UINT8_MAX)


def entry_bytes(layer: Layer) -> int:
    """Bytes of a multiplier, and of an offset, as the cores read them."""
    return 8 if layer.requant is not None and needs_int64(layer.requant) else 4


def scale_bytes(layer: Layer) -> int:
    """1 if all multipliers of a layer fit, else 4."""
    requant = layer.requant
    return 1 if requant is not None and int(requant.multiplier.max()) <= UINT8_MAX else 4


def refusal(graph: LayerGraph, layer: Layer) -> str | None:
    """Why NE16 can't compute a layer exactly, or None."""
    if mode_of(layer) is None:
        return "NE16 has 1x1, 3x3 and depthwise 3x3 convolutions"
    if layer.requant is None:
        return "it has no requantization"
    return _window_refusal(graph, layer)


def _window_refusal(graph: LayerGraph, layer: Layer) -> str | None:
    window = layer.window if layer.kind is not LayerKind.LINEAR else Window()
    pads = (window.pad_top, window.pad_bottom, window.pad_left, window.pad_right)
    if window.stride_h != window.stride_w or window.stride_h > 2:
        return "strides are 1 or 2, the same in both directions"
    if max(pads) > (0 if mode_of(layer) is Mode.POINT else MOST_PADDING):
        return "more padding than one row or column of a 3x3 filter"
    if graph.tensors[layer.inputs[0]].zero_point != 0 and _pads_behind(graph, layer):
        return "NE16 pads behind the last row and column with 0, which isn't the input's zero point"
    if is_strided(layer):
        return _strided_refusal(graph, layer)
    if weights_of(layer).shape[-1] > GROUP * MOST_PARTS:
        return "too many input channels"
    return None


def _pads_behind(graph: LayerGraph, layer: Layer) -> bool:
    """True if windows reach behind the last row or column."""
    axes = (rows(graph, layer), columns(graph, layer))
    return any(span(axis, axis.out_size - 1, 1).after > 0 for axis in axes)


def _strided_refusal(graph: LayerGraph, layer: Layer) -> str | None:
    if leaves_sums(layer):
        return "stride 2 and a requantization that NE16 doesn't have"
    if graph.tensors[layer.output].channels % 2:
        return "stride 2 with an odd number of output channels"
    return None


def violations(layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
    """What would make NE16 compute something else for this step."""
    found = []
    if plan.kernel != kernel_name(layer):
        found.append(f"NE16 computes this layer as {kernel_name(layer)}")
    if plan.channels_first or plan.pad_in_l1 or plan.clip != clips(layer):
        found.append("NE16 pads itself and reads HWC; bounds other than 0..255 need clipping")
    pad = step.padding
    if max(pad.top, pad.bottom, pad.left, pad.right) > (0 if mode_of(layer) is Mode.POINT else MOST_PADDING):
        found.append("more padding than NE16 has")
    if is_strided(layer) and step.y.c % 2:
        found.append("an odd number of channels with stride 2")
    if max(step.y.h, step.y.w) > 3 * MOST_PARTS:
        found.append("too many subtiles")
    return found
