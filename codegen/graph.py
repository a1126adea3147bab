"""The layer graph: what a region computes, in plain data, free of TVM and of any decision.

Activations are uint8 in HWC order with batch 1; the region's own inputs and outputs may be of another type or
planar. A layer of kind CONV2D, POINTWISE, DEPTHWISE or LINEAR computes

    acc = sum(w * x)                                  (int32, x as raw bytes, outside the map x = its zero
    point) y   = clip((k[c] * acc + offset[c]) >> shift, lo, hi)      (arithmetic shift, i.e. floor)

CONV_DIRECT is the same with groups and dilation, output channel c reads the input channels of its group
only, and with w + `weight_offset` for w. A CONV_DIRECT or LINEAR without requantization computes int32
`y = acc + bias[c]`. ADD computes
`clip((k[0] * a + k[1] * b + offset[0]) >> shift, lo, hi)`, MUL the same form over the product
`(a - zero_point_a) * (b - zero_point_b)`, whose second operand may be one pixel for all; AVGPOOL over the
window's sum, `clip((k[0] * sum + offset[0]) >> shift, lo, hi)`. An AVGPOOL with several multipliers takes
those of entry n - 1 where n elements of the window lie inside the map, and outside the map x = 0. MAXPOOL
has no requantization, TABLE computes `y = table[x]`, COPY and TRANSPOSE `y = x`. QUANTIZE computes from
float32 `y` = how many entries of the ascending table are <= x, and 255 from NaN; DEQUANTIZE `y = table[x]` as
float32. SOFTMAX computes for each pixel, with t[c] = table[largest x of the pixel - x[c]], float32
`y = t[c] / (float32)sum(integer nearest to t)`, the sum an exact one. IM2COL computes
for each output pixel, with x its window, `y[(i * kernel_w + j) * channels + c] = x[i][j][c]`.
FUSED is its `parts`, one after the other (`codegen/fusion/groups.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
import numpy.typing as npt


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
    TRANSPOSE = "transpose"  # from or to a planar tensor
    QUANTIZE = "quantize"
    DEQUANTIZE = "dequantize"
    SOFTMAX = "softmax"
    IM2COL = "im2col"  # a pixel for each window; only the planner makes it
    FUSED = "fused"  # several layers as one; only the planner makes it


class Dtype(Enum):
    """The type of a tensor's elements; in memory little-endian."""

    UINT8 = "uint8"
    INT8 = "int8"
    INT32 = "int32"
    FLOAT32 = "float32"

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return 1 if self in (Dtype.UINT8, Dtype.INT8) else 4


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
    """One activation tensor of `height x width x channels` elements, HWC, or CHW if it is `planar`.

    `name` is a C identifier and unique in the graph; `source` is its name in the user's file (may be empty);
    `zero_point` is the byte that stands for the real number 0. A tensor with a `view` is a part of another, or
    another's bytes in a different shape: what is written to the one is there in the other. A planar tensor, and
    one of another type than uint8, is contiguous.
    """

    name: str
    height: int
    width: int
    channels: int
    zero_point: int = 0
    source: str = ""
    view: View | None = None
    dtype: Dtype = Dtype.UINT8
    planar: bool = False

    @property
    def elements(self) -> int:
        """How many there are."""
        return self.height * self.width * self.channels

    @property
    def size_bytes(self) -> int:
        """Bytes of all elements."""
        return self.elements * self.dtype.size

    @property
    def pixel_bytes(self) -> int:
        """From a pixel in memory to the next in its row."""
        if self.planar:
            return self.dtype.size
        return self.channels * self.dtype.size if self.view is None else self.view.pixel_bytes

    @property
    def row_bytes(self) -> int:
        """From a row in memory to the next."""
        if self.planar:
            return self.width * self.dtype.size
        return self.width * self.channels * self.dtype.size if self.view is None else self.view.row_bytes

    @property
    def span_bytes(self) -> int:
        """From the first byte in memory to behind the last."""
        if self.planar:
            return self.size_bytes
        last = (self.height - 1) * self.row_bytes + (self.width - 1) * self.pixel_bytes
        return last + self.channels * self.dtype.size

    @property
    def as_bytes(self) -> Tensor:
        """The same memory as an HWC map of bytes, as transfers see it: a planar tensor's rows are its channels,
        its pixels the rows of these."""
        size = self.dtype.size
        if not self.planar:
            return self if size == 1 else replace(self, channels=self.channels * size, dtype=Dtype.UINT8)
        line = self.width * size
        return replace(
            self,
            height=self.channels,
            width=self.height,
            channels=line,
            view=None
            if self.view is None
            else View(self.view.base, self.view.offset, self.height * line, line),
            dtype=Dtype.UINT8,
            planar=False,
        )

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
    offset` is proven to fit int32. A wide one with `low_bits` n > 0 can do with 32 bits all the same, as its
    multipliers come in two parts, k = high * 2^n + low, and its offsets are multiples of 2^n:
    `(high * acc + (low * acc >> n) + (offset >> n)) >> (shift - n)`, where low * acc and the sum are proven to
    fit int32.
    """

    multiplier: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    shift: int
    wide: bool = False
    lo: int = 0
    hi: int = 255
    low_bits: int = 0

    @property
    def split(self) -> bool:
        """True for a wide one whose multipliers come in two parts."""
        return self.wide and self.low_bits > 0


@dataclass(frozen=True)
class Layer:
    """One operator with everything it needs, except its place in memory.

    `weights` are int8: CONV2D and POINTWISE (Co, Kh, Kw, Ci), DEPTHWISE (C, Kh, Kw), CONV_DIRECT (Co, Kh,
    Kw, Ci / groups), LINEAR (N, K) where K is the size of the whole input tensor; None for all others.
    `table` are the 256 bytes of a TABLE, the 256 float32 of a DEQUANTIZE or SOFTMAX, or the 255 of a QUANTIZE.
    `bias` has a number for each output channel of a layer that makes sums; no sum leaves int32, with it or
    without. `name` is a C identifier, unique in the graph; `sources` are the user's operators that became this
    layer. `parts` are the layers of a FUSED one, each of which reads what the one before it makes, and nothing
    else.
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
    table: npt.NDArray[np.uint8] | npt.NDArray[np.float32] | None = None
    weight_offset: int = 0
    bias: npt.NDArray[np.int32] | None = None
    parts: tuple[Layer, ...] = ()

    @property
    def makes_sums(self) -> bool:
        """True for a layer with weights whose int32 sums are its output."""
        return self.weights is not None and self.requant is None

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


_WITHOUT_PRODUCTS = (
    LayerKind.COPY,
    LayerKind.TRANSPOSE,
    LayerKind.QUANTIZE,
    LayerKind.DEQUANTIZE,
    LayerKind.SOFTMAX,
    LayerKind.IM2COL,
)


def weight_bytes(graph: LayerGraph) -> int:
    """Bytes of all layers' weights."""
    return sum(layer.weights.nbytes for layer in graph.layers if layer.weights is not None)


def macs(graph: LayerGraph, layer: Layer) -> int:
    """Multiply-accumulates of a layer: an add has one for each output, a pool one for each window element."""
    if layer.parts:
        return sum(macs(graph, part) for part in layer.parts)
    out = graph.tensors[layer.output]
    if layer.kind in _WITHOUT_PRODUCTS:
        return 0
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE, LayerKind.CONV_DIRECT):
        assert layer.weights is not None
        return out.height * out.width * int(layer.weights.size)
    if layer.kind is LayerKind.LINEAR:
        assert layer.weights is not None
        return int(layer.weights.size)
    return out.elements * layer.window.kernel_h * layer.window.kernel_w
