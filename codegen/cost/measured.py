"""What the XpulpV2 kernels take, in cycles: a table of numbers, fitted to measurements.

Conditions: GVSoC, target pulp-open (gvsoc e96253a, gvsoc-core fc9c2ee, gvsoc-pulp 0aa5918); 1, 4 and 8 cores;
operands in L1; riscv64-unknown-elf-gcc 12.2, `-O2`; the instruction cache warm. `benchmarks/bench_kernels.py`
measures the kernels again and prints the model's error beside each measurement. What is counted and not fitted
are the instructions of inner loops. A multiplication takes 2 cycles there, its high word 5.

In a network the instruction cache isn't warm. What that takes was fitted to the layers of networks
(`benchmarks/layer_cycles.py`): keyword spotting, visual wake words, image classification, anomaly detection and
MobileNetV1 1.0-128 with 38,000 and 10,000 bytes of L1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RefillCycles:
    """Cycles in which code comes from L2, for the instruction cache has 4 KiB, less than what a step goes
    through: in each step of a layer, and in its first one more, when the code of another kernel is there."""

    step: float
    first: float = 700.0


@dataclass(frozen=True)
class MatrixCycles:
    """Matrix products (`block_asm.S`): blocks of 4 channels and 1 to 4 pixels.

    A word (4 elements) of a window costs a block `word_weights` and `word_pixel` for each of its pixels. Beside
    that it costs `block`, `pixel` for the 4 outputs of a pixel (with 64 bits also `split` or `wide`), and
    `segment` for every row of its window but the first. `group` is what a group of pixels costs once for all
    channels, `run` a call for pixels that follow one another, `rest` the call for those that don't make a whole
    block, `piece` one for pixels whose windows leave the map in the same way, `border` one for a pixel at the
    end of a row.
    Windows that have to be copied cost `copy`, `copy_row` for each row and `copy_byte`; `batch` comes with each
    batch of copies. Those of 7 words go through `pairs_asm.S`: `pair` for two channels of a batch, `pair_pixel`
    for two outputs, which takes `pair_split` more with multipliers in two parts, `pair_copy` for the copy.
    `tail` is an output's last bytes where they are no word. `stall` is the share of the inner loop that 8 cores
    lose to each other.
    """

    call: float
    word_weights: float = 4.0
    word_pixel: float = 5.0
    block: float = 39.0
    pixel: float = 23.0
    segment: float = 8.0
    group: float = 0.0
    split: float = 12.0
    wide: float = 56.0
    run: float = 150.0
    rest: float = 70.0
    piece: float = 150.0
    border: float = 150.0
    copy: float = 20.0
    copy_row: float = 15.0
    copy_byte: float = 1.0
    batch: float = 200.0
    pair: float = 60.0
    pair_pixel: float = 31.6
    pair_split: float = 4.0
    pair_copy: float = 30.0
    tail: float = 100.0
    stall: float = 0.05


@dataclass(frozen=True)
class DepthwiseCycles:
    """Depthwise 3x3 (`depthwise3_asm.S`), two channels at a time: a call; a chunk, which are whole pairs of
    channels or some rows of one; a pair, a run of rows with the same border, a row, a column of a row, an
    output of both channels, which takes `split` or `wide` more."""

    call: float
    chunk: float
    pair: float
    run: float
    row: float
    column: float
    output: float
    split: float
    wide: float


@dataclass(frozen=True)
class StripCycles:
    """Depthwise of any window (`strip_asm.S`), for groups of up to 4 channels: a call, a group and each word of
    its weights, a row of the map that is copied and each of its columns; 8 outputs of one channel, which take
    `split` or `wide` more, and each instruction of their products. What goes output by output costs `output`
    and `element` for each of its window."""

    call: float
    group: float
    weight: float
    copy: float
    column: float
    block: float
    product: float
    split: float
    wide: float
    output: float
    element: float


@dataclass(frozen=True)
class ElementCycles:
    """Kernels that go element by element: a call, and 4 elements on one core."""

    call: float
    word: float


@dataclass(frozen=True)
class PoolCycles:
    """Pools, for 4 channels of an output pixel: a call, the output, each row of its window, each element."""

    call: float
    output: float
    row: float
    element: float


@dataclass(frozen=True)
class WindowCycles:
    """What copies windows (`im2col.c`), on one core: a call; a row of a window, and each word of it. Windows
    that go row by row cost `run` for each row of those beside each other, those that go one by one `pixel`, and
    `filled` for each word of one that leaves the map."""

    call: float
    row: float
    word: float
    run: float
    pixel: float
    filled: float


@dataclass(frozen=True)
class LinearCycles:
    """Fully connected (`rows_asm.S`): a call; a pass over the inputs for up to 8 outputs, a word of the inputs
    in it and a word of an output's weights; an output's last bytes where they are no word, and what an output
    takes more with `split` or `wide` multipliers."""

    call: float
    run: float
    input_word: float = 1.0
    weight_word: float = 2.0
    tail: float = 0.0
    split: float = 0.0
    wide: float = 0.0


MATRIX = MatrixCycles(
    call=1387.2,
    word_weights=4.0,
    word_pixel=5.0,
    block=46.2,
    pixel=16.8,
    segment=18.8,
    group=31.7,
    split=21.7,
    wide=73.5,
    run=289.1,
    rest=600.0,
    piece=1416.7,
    border=300.0,
    copy=5.0,
    copy_row=31.1,
    copy_byte=0.0,
    batch=150.0,
    pair=50.0,
    pair_pixel=31.2,
    pair_split=3.5,
    pair_copy=57.1,
    tail=95.4,
    stall=0.007,
)
DEPTHWISE = DepthwiseCycles(
    call=680.0, chunk=410.0, pair=107.6, run=8.1, row=11.4, column=5.3, output=16.4, split=5.4, wide=23.6
)
STRIPS = StripCycles(
    call=720.0,
    group=780.0,
    weight=24.2,
    copy=211.0,
    column=6.5,
    block=70.0,
    product=1.12,
    split=43.0,
    wide=84.0,
    output=60.0,
    element=15.0,
)
LINEAR = LinearCycles(
    call=246.0, run=249.0, input_word=1.02, weight_word=2.05, tail=138.0, split=9.4, wide=31.0
)
POOLS = {
    "pulp_avgpool": PoolCycles(call=643.0, output=146.0, row=16.3, element=6.2),
    "pulp_maxpool": PoolCycles(call=881.0, output=71.7, row=0.0, element=8.2),
    "pulp_nn_maxpool": PoolCycles(call=881.0, output=71.7, row=0.0, element=8.2),
}
IM2COL = WindowCycles(call=640.0, row=14.0, word=1.5, run=85.0, pixel=110.0, filled=2.0)
ELEMENTS = {
    "pulp_add": ElementCycles(call=433.0, word=31.1),
    "pulp_mul": ElementCycles(call=482.0, word=59.8),
    "pulp_mul_pixel": ElementCycles(call=482.0, word=59.8),
    "pulp_table": ElementCycles(call=332.0, word=22.2),
    "pulp_copy": ElementCycles(call=266.0, word=3.0),
    "pulp_requantize": ElementCycles(call=300.0, word=20.0),
    "pulp_requantize_split": ElementCycles(call=300.0, word=28.0),
    "pulp_requantize_wide": ElementCycles(call=300.0, word=180.0),
    "pulp_clip": ElementCycles(call=267.0, word=7.9),
}
PAD_CALL = 689.0
MATRIX_REFILL, MATRIX_LONG_REFILL = RefillCycles(step=400.0), RefillCycles(step=1000.0)
"""Of matrix products, and of those whose multipliers have two parts or 64 bits."""
DEPTHWISE_REFILL = RefillCycles(step=400.0, first=900.0)
LINEAR_REFILL = RefillCycles(step=0.0, first=500.0)
REFILLS = {
    "pulp_add": RefillCycles(step=400.0, first=0.0),
    "pulp_avgpool": RefillCycles(step=300.0),
    "pulp_softmax": RefillCycles(step=2000.0, first=0.0),
    "pulp_quantize": RefillCycles(step=300.0, first=0.0),
    "pulp_transpose": RefillCycles(step=400.0, first=0.0),
    "pulp_dequantize": RefillCycles(step=0.0, first=0.0),
    "pulp_requantize": RefillCycles(step=0.0, first=1200.0),
}
PARTS_REFILL = RefillCycles(step=1000.0)
PARTS_END_REFILL = 600.0
"""Of steps that add the sums of some input channels, and of those among them that make bytes of sums."""
OTHER_REFILL = RefillCycles(step=300.0)
LOADS = 450.0
"""Of the cycles that come with each call (`ClusterModel.call_cycles`), those in which core 0 asks for the
operands of the next one."""
