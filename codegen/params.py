"""Packed parameters of a layer: for each range of output channels one block `[k][lambda][weights]`.

Entries of k and lambda are int32, little-endian; lambda of a layer whose multipliers come in two parts is in
units of the upper one. If a layer is wide otherwise they are int64. The block of a layer that makes sums is
`[bias][weights]`. Weights are int8 in the layer's own order, output channel first. A layer's table (that of
a softmax as integers, then as floats), and the multipliers of an average that skips padding, are the block of
every range. One DMA command brings a block into L1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.graph import Layer, LayerKind, Requant
from tvm_pulp.codegen.plan import LayerPlan
from tvm_pulp.codegen.quantizer import sortable_bounds

# PULP-NN's depthwise reads whole words past the last weight. So does the XpulpV2 convolution if the weights of
# a channel aren't whole words.
DEPTHWISE_SLACK_BYTES = 4
TABLE_ENTRIES = 256


@dataclass(frozen=True)
class BlockLayout:
    """Offsets of the parts of one block from its start, and its padded size, in bytes. The bias of sums is
    where lambda is."""

    k_offset: int
    lambda_offset: int
    weights_offset: int
    size: int


def needs_int64(requant: Requant) -> bool:
    """True if kernels are given k and lambda as int64."""
    return requant.wide and not requant.split


def has_params(layer: Layer) -> bool:
    """True if the layer has a parameter block; an add's and a pool's multipliers are constants in the code."""
    return any(map(has_params, layer.parts)) if layer.parts else block_bytes(layer, 1) > 0


def block_layout(layer: Layer, channels: int) -> BlockLayout:
    """The block of `channels` output channels; all 0 for a layer without parameters."""
    if layer.table is not None:
        tables = 2 if layer.kind is LayerKind.SOFTMAX else 1
        return BlockLayout(0, 0, 0, tables * TABLE_ENTRIES * layer.table.itemsize)
    if layer.requant is not None and layer.skips_padding:
        counts = layer.requant.multiplier.size
        return BlockLayout(0, 4 * counts, 8 * counts, 8 * counts)
    if layer.weights is None:
        return BlockLayout(0, 0, 0, 0)
    entry = 8 if layer.requant is not None and needs_int64(layer.requant) else 4
    entries = 1 if layer.requant is None else 2
    per_channel = layer.weights.size // layer.weights.shape[0]
    slack = DEPTHWISE_SLACK_BYTES if layer.kind is LayerKind.DEPTHWISE else -per_channel % 4
    weights_offset = entries * entry * channels
    end = weights_offset + per_channel * channels + slack
    return BlockLayout(0, (entries - 1) * entry * channels, weights_offset, end + -end % entry)


def block_bytes(layer: Layer, channels: int) -> int:
    """Size of the block of `channels` output channels, padding included; 0 for a layer without parameters."""
    return block_layout(layer, channels).size


def pack_block(layer: Layer, c0: int, channels: int) -> bytes:
    """The block of output channels `c0 .. c0 + channels - 1`; empty for a layer without parameters."""
    layout = block_layout(layer, channels)
    if layer.table is not None:
        return _table(layer)
    if layer.requant is not None and layer.skips_padding:
        return pack_entries(layer.requant, slice(None))
    if layer.weights is None or layout.size == 0:
        return b""
    part = slice(c0, c0 + channels)
    body = _channel_entries(layer, part) + np.ascontiguousarray(layer.weights[part]).tobytes()
    return body + bytes(layout.size - len(body))


def _channel_entries(layer: Layer, part: slice) -> bytes:
    if layer.requant is not None:
        return pack_entries(layer.requant, part)
    return b"" if layer.bias is None else layer.bias[part].astype("<i4").tobytes()


def _table(layer: Layer) -> bytes:
    if layer.table is None:
        return b""
    if layer.kind is LayerKind.QUANTIZE:
        return sortable_bounds(layer.table.astype(np.float32)).astype("<i4").tobytes()
    integers = np.rint(layer.table).astype("<i4").tobytes() if layer.kind is LayerKind.SOFTMAX else b""
    return integers + layer.table.astype(layer.table.dtype.newbyteorder("<")).tobytes()


def pack_layer(layer: Layer, ranges: Iterable[tuple[int, int]]) -> bytes:
    """The blocks of all (first channel, channels) ranges, one after the other."""
    return b"".join(pack_block(layer, c0, channels) for c0, channels in ranges)


def pack_size(plan: LayerPlan) -> int:
    """Bytes of all blocks of a layer's packed parameters."""
    return max((step.params_offset + step.params_size for step in plan.steps), default=0)


def pack_entries(requant: Requant, part: slice) -> bytes:
    """k and lambda of a range of channels."""
    dtype = "<i8" if needs_int64(requant) else "<i4"
    offset = requant.offset >> requant.low_bits if requant.split else requant.offset
    return requant.multiplier[part].astype(dtype).tobytes() + offset[part].astype(dtype).tobytes()
