"""What code generation must know of a SoC: plain numbers, read from its file in `compiler/targets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvm_pulp.codegen.engines.engine import Engine


@dataclass(frozen=True)
class DmaModel:
    """L2 <-> L1 transfers: cycles = setup + bytes / bytes_per_cycle + rows * row_cycles.

    `gather_bytes_per_cycle` and `gather_channel_cycles` are the same for a transfer that turns HWC into CHW.
    `end_cycles` are core 0's for each of a layer's first loads and for its last store, which nothing hides.
    """

    bytes_per_cycle: float = 8.0
    setup_cycles: int = 30
    row_cycles: float = 1.0
    gather_bytes_per_cycle: float = 1.0
    gather_channel_cycles: float = 12.0
    end_cycles: int = 0


@dataclass(frozen=True)
class L3Model:
    """The memory behind L2, and transfers between the two, one after another: cycles (of the cluster) = setup +
    bytes / bytes_per_cycle. `size` is what generated code may use of it. `call_cycles` are core 0's for each
    transfer, to start it and to see that it is done, while the other cores wait; they count where plans are
    compared."""

    size: int
    bytes_per_cycle: float = 0.65
    setup_cycles: int = 500
    call_cycles: int = 0


@dataclass(frozen=True)
class ClusterModel:
    """Cycles of the cluster's kernels, all for one core, with what the cores lose by sharing L1.

    A matrix product works on blocks of 4 output channels and up to `block_pixels` pixels. For each word (4
    elements) of a window its inner loop takes `word_weights_cycles` for the weights and `word_pixel_cycles`
    for each pixel; building a word of an im2col buffer takes `im2col_word_cycles`, requantizing and storing
    one output `output_cycles`, with 64 bits `wide_output_cycles`, with multipliers in two parts
    `split_output_cycles`. The depthwise rates are those of the kernel on HWC and of the library's on CHW.
    `call_cycles` come with every kernel call: the call itself, starting the DMA, barriers.

    With a `float_unit` they multiply and round float32, each in one instruction.

    With `measured_kernels` what was measured of the XpulpV2 kernels (`cost.measured`) stands for the rates, as
    far as it goes.
    """

    block_pixels: int = 4
    word_weights_cycles: float = 4.28
    word_pixel_cycles: float = 5.35
    im2col_word_cycles: float = 3.0
    output_cycles: float = 8.0
    split_output_cycles: float = 13.0
    wide_output_cycles: float = 20.0
    depthwise_macs_per_cycle: float = 0.5
    depthwise_chw_macs_per_cycle: float = 0.35
    linear_macs_per_cycle: float = 1.0
    elements_per_cycle: float = 0.25
    call_cycles: int = 300
    float_unit: bool = False
    measured_kernels: bool = False


@dataclass(frozen=True)
class Machine:
    """The target of a compilation.

    `l1_bytes` and `l2_bytes` are what the generated code may use: the memory less what is reserved. Without
    `l3` everything has to fit L2. `l2_outside` are the bytes of L2 that the parts of the network outside of its
    regions take; they are not among `l2_bytes`. `engines` are those beside the cluster that may be used.
    """

    soc: str
    cores: int
    l1_bytes: int
    l2_bytes: int
    dma: DmaModel
    cluster: ClusterModel
    l3: L3Model | None = None
    l2_outside: int = 0
    engines: tuple[Engine, ...] = ()
