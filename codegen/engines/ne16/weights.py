"""The layout in which NE16 reads weights: unsigned, one plane for each bit, 16 input channels in two bytes.

An int8 weight w is stored as w + 128; the task's weight offset of -128 takes that away. The source is the API's
documentation (pulp-platform/pulp-nnx, test/Ne16Weight.py): (output channel, group of 16 input channels, bit,
kernel element, 2 bytes), and in a depthwise convolution the channels are input channels of one output channel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OFFSET = -128
BITS = 8
GROUP = 16
"""Input channels whose weights lie together."""


def pack_weights(weights: npt.NDArray[np.int8], depthwise: bool = False) -> bytes:
    """Packs weights (Co, Kh, Kw, Ci), or (C, Kh, Kw) of a depthwise convolution."""
    channels_last = weights.transpose(1, 2, 0)[None] if depthwise else weights
    out, kernel_h, kernel_w, channels = channels_last.shape
    stored = (channels_last.astype(np.int16) - OFFSET).astype(np.uint8)
    whole = np.pad(stored, ((0, 0), (0, 0), (0, 0), (0, -channels % GROUP)))
    groups = whole.reshape(out, kernel_h * kernel_w, -1, GROUP)
    bits = np.unpackbits(groups[..., None], axis=-1, bitorder="little")
    planes = bits.transpose(0, 2, 4, 1, 3)  # out, group, bit, kernel element, channel
    return np.packbits(planes, axis=-1, bitorder="little").tobytes()


def packed_bytes(shape: tuple[int, ...], depthwise: bool = False) -> int:
    """Size of packed weights of this shape."""
    if depthwise:
        channels, kernel_h, kernel_w = shape
        out = 1
    else:
        out, kernel_h, kernel_w, channels = shape
    return out * -(-channels // GROUP) * BITS * kernel_h * kernel_w * GROUP // 8
