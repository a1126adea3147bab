"""What code generation must know of a SoC: plain numbers, read from its file in `compiler/targets`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DmaModel:
    """L2 <-> L1 transfers: cycles = setup + bytes / bytes_per_cycle + rows * row_cycles.

    `gather_bytes_per_cycle` and `gather_channel_cycles` are the same for a transfer that turns HWC into CHW.
    """

    bytes_per_cycle: float = 8.0
    setup_cycles: int = 30
    row_cycles: float = 1.0
    gather_bytes_per_cycle: float = 1.0
    gather_channel_cycles: float = 12.0


@dataclass(frozen=True)
class ClusterModel:
    """Peak rates of the cluster's kernels in MAC/cycle for each core, and the overhead of one kernel call."""

    conv_macs_per_cycle: float = 1.875
    depthwise_macs_per_cycle: float = 0.4
    linear_macs_per_cycle: float = 1.0
    elements_per_cycle: float = 0.25
    call_cycles: int = 300


@dataclass(frozen=True)
class Machine:
    """The target of a compilation.

    `l1_bytes` and `l2_bytes` are what the generated code may use: the memory less what is reserved.
    """

    soc: str
    cores: int
    l1_bytes: int
    l2_bytes: int
    dma: DmaModel
    cluster: ClusterModel
