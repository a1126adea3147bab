"""Packed parameters, byte by byte."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from layers import Shape, single_layer, window3
from tvm_pulp.codegen.graph import Layer, LayerKind, Requant
from tvm_pulp.codegen.params import BlockLayout, block_bytes, block_layout, pack_block, pack_layer


def linear(wide: bool) -> Layer:
    weights = np.array([[1, -2, 3], [4, 5, -6], [7, -8, 9]], np.int8)
    requant = Requant(np.array([10, -20, 30]), np.array([100, 200, -300]), 5, wide)
    return Layer("fc", LayerKind.LINEAR, ("x",), "y", weights=weights, requant=requant)


def test_narrow_block() -> None:
    assert block_layout(linear(False), 2) == BlockLayout(0, 8, 16, 24)
    assert pack_block(linear(False), 1, 2) == struct.pack("<2i2i6b2x", -20, 30, 200, -300, 4, 5, -6, 7, -8, 9)


def test_wide_block() -> None:
    assert block_layout(linear(True), 1) == BlockLayout(0, 8, 16, 24)
    assert pack_block(linear(True), 2, 1) == struct.pack("<qq3b5x", 30, -300, 7, -8, 9)


def test_split_block() -> None:
    """The offsets in units of the upper parts; k keeps all of its bits."""
    offset = np.array([5, -1, 2**30]) << 12
    requant = Requant(np.array([10, -20, 30]), offset, 30, wide=True, low_bits=12)
    layer = replace(linear(True), requant=requant)
    assert block_layout(layer, 3) == BlockLayout(0, 12, 24, 36)
    assert pack_block(layer, 1, 2) == struct.pack("<2i2i6b2x", -20, 30, -1, 2**30, 4, 5, -6, 7, -8, 9)


def test_layer_is_its_blocks_in_order() -> None:
    layer = linear(False)
    packed = pack_layer(layer, [(0, 2), (2, 1)])
    assert packed == pack_block(layer, 0, 2) + pack_block(layer, 2, 1)
    assert len(packed) == block_bytes(layer, 2) + block_bytes(layer, 1)


def test_depthwise_has_slack_behind_its_weights() -> None:
    layer = single_layer(Shape(LayerKind.DEPTHWISE, channels=4, window=window3())).layers[0]
    layout = block_layout(layer, 4)
    assert layout == BlockLayout(0, 16, 32, 72)
    assert layer.weights is not None
    assert pack_block(layer, 0, 4)[32:] == layer.weights.tobytes() + bytes(4)


@pytest.mark.parametrize(
    "kind", [LayerKind.ADD, LayerKind.AVGPOOL, LayerKind.MAXPOOL, LayerKind.MUL, LayerKind.COPY]
)
def test_no_parameters(kind: LayerKind) -> None:
    layer = single_layer(Shape(kind)).layers[0]
    assert (block_bytes(layer, 3), pack_block(layer, 0, 3)) == (0, b"")
