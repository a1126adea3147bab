"""The layer graph: what a region computes, in plain data, free of TVM and of any decision.

Activations are uint8 in HWC order with batch 1. A layer of kind CONV2D, POINTWISE, DEPTHWISE or LINEAR computes

    acc = sum(w * x)                                  (int32, x as raw bytes, outside the map x = its zero
    point) y   = clip((k[c] * acc + offset[c]) >> shift, lo, hi)      (arithmetic shift, i.e. floor)

CONV_DIRECT is the same with groups and dilation: output channel c reads the input channels of its group
only. ADD computes `clip((k[0] * a + k[1] * b + offset[0]) >> shift, lo, hi)`, MUL the same form over the
product `(a - zero_point_a) * (b - zero_point_b)`, whose second operand may be one pixel for all; AVGPOOL
over the window's sum, `clip((k[0] * sum + offset[0]) >> shift, lo, hi)`. An AVGPOOL with several
multipliers takes those of entry n - 1 where n elements of the window lie inside the map, and outside the
map x = 0. MAXPOOL has no requantization, TABLE computes `y = table[x]`, COPY `y = x`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

WORD_BITS = 32


class LayerKind(Enum):
    """The operators a cluster can run."""

    CONV2D = "conv2d"
    POINTWISE = "pointwise"  # 1x1, stride 1, no padding
    DEPTHWISE = "depthwise"
    CONV_DIRECT = "conv_direct"  # with groups or dilation
    LINEAR = "linear"
    ADD = "add"
    AVGPOOL = "avgpool"
    MAXPOOL = "maxpool"
    MUL = "mul"
    TABLE = "table"
    COPY = "copy"


@dataclass(frozen=True)
class View:
    """The place of a tensor that has no memory of its own: `offset` bytes behind the start of tensor `base`
    (which is no view), with `row_bytes` from a row to the next and `pixel_bytes` from a pixel to the
    next."""

    base: str
    offset: int
    row_bytes: int
    pixel_bytes: int


@dataclass(frozen=True)
class Tensor:
    """One uint8 activation tensor of `height x width x channels` bytes, HWC.

    `name` is a C identifier and unique in the graph; `source` is its name in the user's file (may be empty);
    `zero_point` is the byte that stands for the real number 0. A tensor with a `view` is a part of another, or
    another's bytes in a different shape: what is written to the one is there in the other.
    """

    name: str
    height: int
    width: int
    channels: int
    zero_point: int = 0
    source: str = ""
    view: View | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all elements."""
        return self.height * self.width * self.channels

    @property
    def pixel_bytes(self) -> int:
        """From a pixel in memory to the next in its row."""
        return self.channels if self.view is None else self.view.pixel_bytes

    @property
    def row_bytes(self) -> int:
        """From a row in memory to the next."""
        return self.width * self.channels if self.view is None else self.view.row_bytes

    @property
    def span_bytes(self) -> int:
        """From the first byte in memory to behind the last."""
        return (self.height - 1) * self.row_bytes + (self.width - 1) * self.pixel_bytes + self.channels

    @property
    def base(self) -> str:
        """The name of the tensor in whose memory it lies: its own, unless it is a view."""
        return self.name if self.view is None else self.view.base


@dataclass(frozen=True)
class Window:
    """A sliding window in elements; padding is what surrounds the whole input tensor.

    Only CONV_DIRECT is dilated.
    """

    kernel_h: int = 1
    kernel_w: int = 1
    stride_h: int = 1
    stride_w: int = 1
    pad_top: int = 0
    pad_bottom: int = 0
    pad_left: int = 0
    pad_right: int = 0
    dilation_h: int = 1
    dilation_w: int = 1

    @property
    def extent_h(self) -> int:
        """Rows from the first to the last kernel element."""
        return (self.kernel_h - 1) * self.dilation_h + 1

    @property
    def extent_w(self) -> int:
        """Columns from the first to the last kernel element."""
        return (self.kernel_w - 1) * self.dilation_w + 1


@dataclass(frozen=True)
class Requant:
    """Multipliers `k`, offsets and shift of a requantization, and its clipping bounds (inclusive, 0..255).

    `multiplier` and `offset` are int64 arrays with an entry per output channel (CONV2D, POINTWISE,
    DEPTHWISE, CONV_DIRECT, LINEAR); ADD has two multipliers and one offset; MUL and AVGPOOL one of each, an
    AVGPOOL that doesn't count its padding one of each for every number of elements from 1 to its window's.
    `wide` says that products and sums need 64-bit arithmetic; otherwise the whole range of `k * acc +
    offset` is proven to fit int32.
    """

    multiplier: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    shift: int
    wide: bool = False
    lo: int = 0
    hi: int = 255

    @property
    def high(self) -> bool:
        """True for a wide one whose low words don't matter: with K, L the high words of k * acc and of the
        offset, `(K + L) >> (shift - 32)` is the same, since the offsets' low words are 0."""
        offsets_are_words = not np.any(self.offset & (2**WORD_BITS - 1))
        multipliers_fit = bool(np.all(np.abs(self.multiplier) < 2 ** (WORD_BITS - 1)))
        return self.wide and self.shift >= WORD_BITS and offsets_are_words and multipliers_fit


@dataclass(frozen=True)
class Layer:
    """One operator with everything it needs, except its place in memory.

    `weights` are int8: CONV2D and POINTWISE (Co, Kh, Kw, Ci), DEPTHWISE (C, Kh, Kw), CONV_DIRECT (Co, Kh,
    Kw, Ci / groups), LINEAR (N, K) where K is the size of the whole input tensor; None for all others.
    `table` are the 256 bytes of a TABLE. `name` is a C identifier, unique in the graph; `sources` are the
    user's operators that became this layer.
    """

    name: str
    kind: LayerKind
    inputs: tuple[str, ...]
    output: str
    window: Window = field(default_factory=Window)
    weights: npt.NDArray[np.int8] | None = None
    requant: Requant | None = None
    sources: tuple[str, ...] = ()
    groups: int = 1
    table: npt.NDArray[np.uint8] | None = None

    @property
    def skips_padding(self) -> bool:
        """True for an average over the elements inside the map only: as many multipliers as window elements."""
        return self.kind is LayerKind.AVGPOOL and self.requant is not None and self.requant.multiplier.size > 1


@dataclass(frozen=True)
class LayerGraph:
    """A region: layers in an order that respects their data flow.

    `name` is the C symbol of the region's entry function, whose arguments are `inputs` then `outputs`. An
    output may also be read by later layers. `placed` are the user's operators that only say where tensors
    lie.
    """

    name: str
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    placed: tuple[str, ...] = ()


def macs(graph: LayerGraph, layer: Layer) -> int:
    """Multiply-accumulates of a layer: an add has one for each output, a pool one for each window element."""
    out = graph.tensors[layer.output]
    if layer.kind is LayerKind.COPY:
        return 0
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE, LayerKind.CONV_DIRECT):
        assert layer.weights is not None
        return out.height * out.width * int(layer.weights.size)
    if layer.kind is LayerKind.LINEAR:
        assert layer.weights is not None
        return int(layer.weights.size)
    return out.size_bytes * layer.window.kernel_h * layer.window.kernel_w
