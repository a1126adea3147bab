"""What every operator's pattern file offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern

from ...codegen.graph import LayerKind, Requant, Window

Check = Callable[[relay.Call], "str | None"]
LARGEST_SIZE = 2**16 - 1  # the kernels take sizes as uint16


@dataclass(frozen=True)
class Operands:
    """An operator taken apart, without its weights' values: what checks look at and the reader copies.

    `inputs` are the quantized inputs; `pad_value` is the byte that padding stands for.
    """

    kind: LayerKind
    inputs: tuple[relay.Expr, ...]
    window: Window
    pad_value: int | None
    requant: Requant | None
    weights: relay.Expr | None = None


@dataclass(frozen=True)
class OperatorPattern:
    """An operator that can be offloaded.

    `name` is the composite's name; `check` gives the reason why a matched expression is refused, or None.
    """

    name: str
    description: str
    pattern: Callable[[], DFPattern]
    check: Check
    read: Callable[[relay.Call], Operands]


def shape_of(expr: relay.Expr) -> tuple[int, ...]:
    """The static shape of a typed expression."""
    return tuple(int(size) for size in expr.checked_type.shape)


def check_map(expr: relay.Expr) -> str | None:
    """A map that the kernels can address: uint8 NHWC of batch 1 with sizes in 16 bits."""
    shape, dtype = shape_of(expr), str(expr.checked_type.dtype)
    if dtype != "uint8":
        return f"it works on {dtype}, the kernels on uint8"
    if shape[0] != 1:
        return f"batch {shape[0]} (only 1 is supported)"
    if max(shape) > LARGEST_SIZE:
        return f"a dimension of {max(shape)} is beyond the kernels' 16 bits"
    return None


def check_window(window: Window) -> str | None:
    """A window that always touches the map."""
    vertical = max(window.pad_top, window.pad_bottom) >= window.kernel_h
    if vertical or max(window.pad_left, window.pad_right) >= window.kernel_w:
        return "its padding is as large as the window"
    return None
