"""What every operator's pattern file offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern

from ...codegen.graph import LayerKind, Requant, Window
from ..expressions import dtype_of, shape_of

Table = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Check = Callable[[relay.Call], "str | None"]
LARGEST_SIZE = 2**16 - 1  # the kernels take sizes as uint16


class Exactness(Enum):
    """How near an operator's bytes are to the real numbers; to the legalized module they are always equal."""

    CONTRACT = "scales as integers of up to 32 bits, one rounding"
    TABLE = "each byte rounded once from float64"
    FLOAT = "the float32 arithmetic of the legalized module"
    SUMS = "exact"
    SOFTMAX = "exponentials rounded to float32, one division"
    COPY = "bytes moved; where the scale changes, one rounding"


@dataclass(frozen=True)
class Place:
    """Where the elements of a tensor are in a larger one: first row, column and channel, and steps of rows and
    columns."""

    h0: int = 0
    w0: int = 0
    c0: int = 0
    step_h: int = 1
    step_w: int = 1


@dataclass(frozen=True)
class Moves:
    """What an operator that only moves bytes does: `into_output` says whether each input has a place in the
    output, or the output one in the input."""

    places: tuple[Place, ...]
    into_output: bool


@dataclass(frozen=True)
class Transposition:
    """Of an operator that only changes the order of bytes between CHW and HWC: height, width and channels, and
    whether the output is in CHW."""

    shape: tuple[int, int, int]
    to_planar: bool


@dataclass(frozen=True)
class Border:
    """A tensor without its border, the border's sizes (top, left, bottom, right) and its value."""

    data: relay.Expr
    padding: tuple[int, int, int, int]
    value: int | None


@dataclass(frozen=True)
class Operands:
    """An operator taken apart, without its weights' values: what checks look at and the reader copies.

    `inputs` are the quantized inputs; `pad_value` is the byte that stands for 0 in the first, where that
    matters (padding, products), `pad_value2` in the second. `one_channel_groups`: the weights' layout is
    HWOI. `table` is that of the layer, `bias` that of one which makes sums. `reshapes`: it only gives its
    input's bytes another shape. `border`: it puts one around its input.
    """

    kind: LayerKind
    inputs: tuple[relay.Expr, ...]
    window: Window
    pad_value: int | None
    requant: Requant | None
    weights: relay.Expr | None = None
    pad_value2: int | None = None
    groups: int = 1
    one_channel_groups: bool = False
    table: Table | None = None
    moves: Moves | None = None
    transposition: Transposition | None = None
    reshapes: bool = False
    bias: npt.NDArray[np.int32] | None = None
    border: Border | None = None

    def with_bias(self, bias: npt.NDArray[np.int32]) -> Operands:
        """The same with a number for each output channel."""
        return replace(self, bias=bias)


@dataclass(frozen=True)
class OperatorPattern:
    """An operator that can be offloaded.

    `name` is the composite's name; `check` gives the reason why a matched expression is refused, or None.
    `onnx` are the operators of ONNX that it serves, `kinds` the layers it becomes, `conditions` what must
    hold for it beside what holds for all.
    """

    name: str
    description: str
    pattern: Callable[[], DFPattern]
    check: Check
    read: Callable[[relay.Call], Operands]
    kinds: tuple[LayerKind, ...]
    onnx: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    exactness: Exactness = Exactness.CONTRACT


def window_of(
    kernel: Iterable[int], strides: Iterable[int], padding: Iterable[int], dilation: Iterable[int] = (1, 1)
) -> Window:
    """A window from attributes of Relay: height before width; padding top, left, bottom, right."""
    (kernel_h, kernel_w), (stride_h, stride_w) = map(int, kernel), map(int, strides)
    top, left, bottom, right = map(int, padding)
    dilation_h, dilation_w = map(int, dilation)
    return Window(kernel_h, kernel_w, stride_h, stride_w, top, bottom, left, right, dilation_h, dilation_w)


def check_map(expr: relay.Expr, wanted: str = "uint8") -> str | None:
    """A map that the kernels can address: uint8 (or what is wanted) NHWC of batch 1 with sizes in 16 bits."""
    shape, dtype = shape_of(expr), dtype_of(expr)
    if dtype != wanted:
        return f"it works on {dtype}, the kernels on {wanted}"
    if not shape:
        return "it works on a single number"
    if shape[0] != 1 and len(shape) != 2:
        return f"batch {shape[0]} (only 1 is supported)"
    if max(shape) > LARGEST_SIZE:
        return f"a dimension of {max(shape)} is beyond the kernels' 16 bits"
    return None


def check_rank(expr: relay.Expr) -> str | None:
    """A map or rows."""
    rank = len(shape_of(expr))
    return None if rank in (2, 4) else f"its tensors have {rank} dimensions"


def check_window(window: Window) -> str | None:
    """A window that always touches the map."""
    vertical = max(window.pad_top, window.pad_bottom) >= window.extent_h
    if vertical or max(window.pad_left, window.pad_right) >= window.extent_w:
        return "its padding is as large as the window"
    return None
