"""The layer graph: what a region computes, in plain data, free of TVM and of any decision.

Activations are uint8 in HWC order with batch 1. A layer of kind CONV2D, POINTWISE, DEPTHWISE or LINEAR computes

    acc = sum(w * x)                                  (int32, x as raw bytes, outside the map x = its zero
    point) y   = clip((k[c] * acc + offset[c]) >> shift, lo, hi)      (arithmetic shift, i.e. floor)

ADD computes `clip((k[0] * a + k[1] * b + offset[0]) >> shift, lo, hi)`, AVGPOOL the same form over the window's
sum, `clip((k[0] * sum + offset[0]) >> shift, lo, hi)`. MAXPOOL has no requantization.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt


class LayerKind(Enum):
    """The operators a cluster can run."""

    CONV2D = "conv2d"
    POINTWISE = "pointwise"  # 1x1, stride 1, no padding
    DEPTHWISE = "depthwise"
    LINEAR = "linear"
    ADD = "add"
    AVGPOOL = "avgpool"
    MAXPOOL = "maxpool"


@dataclass(frozen=True)
class Tensor:
    """One uint8 activation tensor of `height x width x channels` bytes, HWC.

    `name` is a C identifier and unique in the graph; `source` is its name in the user's file (may be empty);
    `zero_point` is the byte that stands for the real number 0.
    """

    name: str
    height: int
    width: int
    channels: int
    zero_point: int = 0
    source: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Window:
    """A sliding window in elements; padding is what surrounds the whole input tensor."""

    kernel_h: int = 1
    kernel_w: int = 1
    stride_h: int = 1
    stride_w: int = 1
    pad_top: int = 0
    pad_bottom: int = 0
    pad_left: int = 0
    pad_right: int = 0


@dataclass(frozen=True)
class Requant:
    """Multipliers `k`, offsets and shift of a requantization, and its clipping bounds (inclusive, 0..255).

    `multiplier` and `offset` are int64 arrays with an entry per output channel (CONV2D, POINTWISE, DEPTHWISE,
    LINEAR); ADD has two multipliers and one offset; AVGPOOL one of each. `wide` says that products and sums
    need 64-bit arithmetic; otherwise the whole range of `k * acc + offset` is proven to fit int32.
    """

    multiplier: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    shift: int
    wide: bool = False
    lo: int = 0
    hi: int = 255


@dataclass(frozen=True)
class Layer:
    """One operator with everything it needs, except its place in memory.

    `weights` are int8: CONV2D and POINTWISE (Co, Kh, Kw, Ci), DEPTHWISE (C, Kh, Kw), LINEAR (N, K) where K is
    the size of the whole input tensor; None for ADD and pools. `name` is a C identifier, unique in the graph;
    `sources` are the user's operators that became this layer.
    """

    name: str
    kind: LayerKind
    inputs: tuple[str, ...]
    output: str
    window: Window = field(default_factory=Window)
    weights: npt.NDArray[np.int8] | None = None
    requant: Requant | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerGraph:
    """A region: layers in an order that respects their data flow.

    `name` is the C symbol of the region's entry function, whose arguments are `inputs` then `outputs`.
    An output may also be read by later layers.
    """

    name: str
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]


def macs(graph: LayerGraph, layer: Layer) -> int:
    """Multiply-accumulates of a layer: an add has one for each output, a pool one for each window element."""
    out = graph.tensors[layer.output]
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        assert layer.weights is not None
        return out.height * out.width * int(layer.weights.size)
    if layer.kind is LayerKind.LINEAR:
        assert layer.weights is not None
        return int(layer.weights.size)
    return out.size_bytes * layer.window.kernel_h * layer.window.kernel_w
