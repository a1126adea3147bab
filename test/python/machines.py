"""Machines for tests."""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.machine import ClusterModel, DmaModel, L3Model, Machine


def machine(l1_bytes: int = 38_000, l2_bytes: int = 380_000, cores: int = 8) -> Machine:
    """GAP8 as the defaults have it, with other memories or cores."""
    return Machine("gap8", cores, l1_bytes, l2_bytes, DmaModel(), ClusterModel())


def with_l3(l1_bytes: int, l2_bytes: int, cores: int = 8) -> Machine:
    """The same with 8 MiB of L3."""
    return replace(machine(l1_bytes, l2_bytes, cores), l3=L3Model(1 << 23))
