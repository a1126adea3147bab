"""A region of two layers with a plan made by hand, for tests of what reads plans."""

from __future__ import annotations

import numpy as np
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant, Tensor, Window
from tvm_pulp.codegen.plan import (
    Box,
    L1Buffer,
    L2Buffer,
    LayerPlan,
    LoopOrder,
    Operand,
    Padding,
    Plan,
    TileStep,
)

TABLES_BYTES = 48
PARAMS_BYTES = 8 * (4 + 4 + 4)  # k, offset and four weights for each of 8 channels


def graph() -> LayerGraph:
    """A pointwise layer 4x4x4 -> 4x4x8, and the sum of its output with another input."""
    tensors = {
        "x": Tensor("x", 4, 4, 4, source="image"),
        "z": Tensor("z", 4, 4, 8),
        "t": Tensor("t", 4, 4, 8),
        "y": Tensor("y", 4, 4, 8, source="sum"),
    }
    requant = Requant(np.ones(8, np.int64), np.zeros(8, np.int64), shift=7)
    add = Requant(np.ones(2, np.int64), np.zeros(1, np.int64), shift=5, wide=True, hi=200)
    weights = np.ones((8, 1, 1, 4), np.int8)
    layers = (
        Layer("conv_1", LayerKind.POINTWISE, ("x",), "t", Window(), weights, requant, ("Conv_1", "Relu_2")),
        Layer("add_2", LayerKind.ADD, ("t", "z"), "y", Window(), None, add, ("Add_3",)),
    )
    return LayerGraph("region_0", tensors, ("x", "z"), ("y",), layers)


def plan() -> Plan:
    """Two steps of two rows for the first layer, whose parameters stay; one step for the second."""
    steps = tuple(
        TileStep(
            y=Box(row, 2, 0, 4, 0, 8),
            x=Box(row, 2, 0, 4, 0, 4),
            padding=Padding(),
            x_slot=row // 2,
            y_slot=row // 2,
            load_params=row == 0,
            params_size=PARAMS_BYTES,
        )
        for row in (0, 2)
    )
    pointwise = LayerPlan(
        layer="conv_1",
        kernel="pulp_nn_pointwise_HoWo_parallel",
        tile=Box(0, 2, 0, 4, 0, 8),
        order=LoopOrder.CHANNELS_OUTER,
        buffers=(
            L1Buffer(Operand.X, 0, 0, 32),
            L1Buffer(Operand.X, 1, 32, 32),
            L1Buffer(Operand.PARAMS, 0, 64, PARAMS_BYTES),
            L1Buffer(Operand.Y, 0, 160, 64),
            L1Buffer(Operand.Y, 1, 224, 64),
        ),
        steps=steps,
        cycles=256,
    )
    whole = Box(0, 4, 0, 4, 0, 8)
    add = LayerPlan(
        layer="add_2",
        kernel="pulp_add",
        tile=whole,
        order=LoopOrder.SPACE_OUTER,
        buffers=(
            L1Buffer(Operand.X, 0, 0, 128),
            L1Buffer(Operand.X2, 0, 128, 128),
            L1Buffer(Operand.Y, 0, 256, 128),
        ),
        steps=(TileStep(y=whole, x=whole, padding=Padding(), load_params=False),),
        clip=True,
        cycles=64,
    )
    return Plan(
        region="region_0",
        soc="gap8",
        cores=8,
        l1_bytes=1000,
        l2_bytes=2000,
        l1_used=384,
        l2_used=128 + PARAMS_BYTES + TABLES_BYTES,
        l2_arena=128,
        l2_tables=TABLES_BYTES,
        layers=(pointwise, add),
        l2_buffers=(L2Buffer("t", 0, 128, 0, 1),),
    )
