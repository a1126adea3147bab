"""Machines for tests."""

from __future__ import annotations

from tvm_pulp.codegen.machine import ClusterModel, DmaModel, Machine


def machine(l1_bytes: int = 38_000, l2_bytes: int = 380_000, cores: int = 8) -> Machine:
    """GAP8 as the defaults have it, with other memories or cores."""
    return Machine("gap8", cores, l1_bytes, l2_bytes, DmaModel(), ClusterModel())
