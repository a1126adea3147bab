"""Machines for tests."""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.engines.ne16 import Ne16
from tvm_pulp.codegen.machine import ClusterModel, DmaModel, L3Model, Machine

NE16 = Ne16(
    pass_3x3_cycles=24,
    pass_1x1_cycles=27,
    pass_depthwise_cycles=62,
    output_cycles=9,
    strided_task_cycles=150,
    tile_cycles=1300,
    wait_cycles=1300,
    conflict_share=0.0,
    depthwise_conflict_share=0.0,
    layer_cycles=0,
    start_cycles=60,
)


def with_ne16(l1_bytes: int = 38_000, l2_bytes: int = 380_000, cores: int = 8) -> Machine:
    """The same with an NE16."""
    return replace(machine(l1_bytes, l2_bytes, cores), engines=(NE16,))


def machine(l1_bytes: int = 38_000, l2_bytes: int = 380_000, cores: int = 8) -> Machine:
    """GAP8 as the defaults have it, with other memories or cores."""
    return Machine("gap8", cores, l1_bytes, l2_bytes, DmaModel(), ClusterModel())


def with_l3(l1_bytes: int, l2_bytes: int, cores: int = 8) -> Machine:
    """The same with 8 MiB of L3."""
    return replace(machine(l1_bytes, l2_bytes, cores), l3=L3Model(1 << 23))
