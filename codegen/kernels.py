"""Which C function computes the tiles of a layer, and how much L1 it needs beside its operands.

One function serves all tiles of a layer, so what it can't do (see `kernel_limits`) must not occur in any of
them. What a library kernel can't pad is padded explicitly in the L1 input buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant
from tvm_pulp.codegen.plan import Box
from tvm_pulp.codegen.tiles.geometry import Span, columns, rows, spans

_PADDING_KINDS = (LayerKind.AVGPOOL, LayerKind.CONV_DIRECT, LayerKind.DEPTHWISE)
"""Kinds whose kernels of ours pad with 0 rightly whatever the window."""

_BYTES = 256
PAIR_CYCLES = 14  # inner loop of the matmul: 4 channels x 2 pixels x 4 elements
IM2COL_CYCLES = 6  # copying 2 x 4 elements into the im2col buffer


@dataclass(frozen=True)
class KernelChoice:
    """The C function of a layer and how its operands must be prepared; fields as in `plan.LayerPlan`."""

    name: str
    channels_first: bool = False
    pad_in_l1: bool = False
    clip: bool = False

    @property
    def destroys_input(self) -> bool:
        """True if the input tile in L1 can't be used a second time."""
        return self.name == "pulp_nn_maxpool"


def choose_kernel(graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
    """The kernel for all tiles of a layer that is cut into tiles of the size of `tile` (None: one tile)."""
    out = graph.tensors[layer.output]
    size = tile or Box(0, out.height, 0, out.width, 0, out.channels)
    row_spans, column_spans = spans(rows(graph, layer), size.h), spans(columns(graph, layer), size.w)
    return choose_for_tiles(graph, layer, size, (row_spans, column_spans), cores)


def choose_for_tiles(
    graph: LayerGraph, layer: Layer, size: Box, cut: tuple[list[Span], list[Span]], cores: int
) -> KernelChoice:
    """The kernel for tiles of all combinations of these rows and columns, the largest of this `size`."""
    row_spans, column_spans = cut
    pad = _must_pad_in_l1(graph, layer, row_spans, column_spans)
    clip = layer.requant is not None and (layer.requant.lo, layer.requant.hi) != (0, 255)
    name = "pulp_mul_pixel" if multiplies_by_pixel(graph, layer) else _name(layer, size, column_spans, cores)
    return KernelChoice(name, name.startswith("pulp_nn_depthwise"), pad, clip)


def multiplies_by_pixel(graph: LayerGraph, layer: Layer) -> bool:
    """True for a MUL whose second operand is one pixel, which all pixels of the first are multiplied by."""
    if layer.kind is not LayerKind.MUL:
        return False
    first, second = (graph.tensors[name] for name in layer.inputs)
    return (first.height, first.width) != (second.height, second.width)


def scratch_bytes(choice: KernelChoice, layer: Layer, in_h: int, in_channels: int, cores: int) -> int:
    """L1 bytes the kernel needs for itself, for an input tile of `in_h` rows (padding included, whoever
    pads) and `in_channels` channels.

    The formulas of the PULP-NN API; a convolution whose channels aren't whole words gets what the XpulpV2
    kernel needs, which is more.
    """
    kernel_h, kernel_w = layer.window.kernel_h, layer.window.kernel_w
    if choice.name.startswith("pulp_nn_conv"):
        column = in_channels * kernel_h * kernel_w
        padded = column + _to_word(column)
        batch = 16 if padded <= 32 else 8 if padded <= 64 else 4  # pixels
        return cores * max(2 * column, batch * padded if _to_word(in_channels) else 0)
    if choice.name == "pulp_nn_depthwise_generic":
        return cores * (kernel_w * in_h + kernel_w)
    if choice.name == "pulp_nn_depthwise_generic_less_4_weights":
        return cores * (kernel_w * in_h + kernel_w + _to_word(kernel_w))
    if layer.kind is LayerKind.SOFTMAX and in_channels >= _BYTES:
        return 4 * _BYTES  # the quotient of each
    return 0


def requantize_kernel(requant: Requant) -> str:
    """The C function that makes bytes of 32-bit sums."""
    form = "" if not requant.wide else "_split" if requant.split else "_wide"
    return f"pulp_requantize{form}"


def input_slack_bytes(choice: KernelChoice, layer: Layer) -> int:
    """Bytes after the input tile that the kernel may read (without using them).

    PULP-NN's depthwise copies whole words: beyond a row's end it reads the padding's width and what is
    missing to a word.
    """
    if not choice.name.startswith("pulp_nn_depthwise"):
        return 0
    padding = 0 if choice.pad_in_l1 else layer.window.pad_right
    return max(4, padding + _to_word(layer.window.kernel_w))


def _to_word(size: int) -> int:
    return -size % 4


def _name(layer: Layer, tile: Box, column_spans: list[Span], cores: int) -> str:
    if layer.makes_sums:
        return _SUMS[layer.kind]
    if layer.requant is not None and layer.requant.wide:
        return _SPLIT[layer.kind] if layer.requant.split and layer.kind in _SPLIT else _WIDE[layer.kind]
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        name = "conv" if layer.kind is LayerKind.CONV2D else "pointwise"
        return f"pulp_nn_{name}_{_parallel_axis(layer.kind, tile, column_spans, cores)}_parallel"
    if layer.kind is LayerKind.MAXPOOL:
        return _maxpool_name(layer, column_spans)
    if layer.skips_padding:
        return "pulp_avgpool_inside"
    return _PLAIN[layer.kind]


_WIDE = {
    LayerKind.CONV_DIRECT: "pulp_conv_direct_wide",
    LayerKind.CONV2D: "pulp_conv_wide",
    LayerKind.POINTWISE: "pulp_conv_wide",
    LayerKind.DEPTHWISE: "pulp_depthwise_wide",
    LayerKind.LINEAR: "pulp_linear_wide",
    LayerKind.ADD: "pulp_add",
    LayerKind.AVGPOOL: "pulp_avgpool",
}

_SPLIT = {
    LayerKind.CONV_DIRECT: "pulp_conv_direct_split",
    LayerKind.CONV2D: "pulp_conv_split",
    LayerKind.POINTWISE: "pulp_conv_split",
    LayerKind.DEPTHWISE: "pulp_depthwise_split",
    LayerKind.LINEAR: "pulp_linear_split",
}

_SUMS = {LayerKind.CONV_DIRECT: "pulp_conv_sums", LayerKind.LINEAR: "pulp_nn_linear_out_32"}

_PLAIN = {
    LayerKind.CONV_DIRECT: "pulp_conv_direct",
    LayerKind.DEPTHWISE: "pulp_depthwise",  # from HWC; the library's gathers its input to CHW, a byte a cycle
    LayerKind.LINEAR: "pulp_nn_linear",
    LayerKind.ADD: "pulp_add",
    LayerKind.MUL: "pulp_mul",
    LayerKind.AVGPOOL: "pulp_avgpool",
    LayerKind.TABLE: "pulp_table",
    LayerKind.COPY: "pulp_copy",
    LayerKind.TRANSPOSE: "pulp_transpose",
    LayerKind.QUANTIZE: "pulp_quantize",
    LayerKind.DEQUANTIZE: "pulp_dequantize",
    LayerKind.SOFTMAX: "pulp_softmax",
    LayerKind.IM2COL: "pulp_im2col",
}


def _maxpool_name(layer: Layer, column_spans: list[Span]) -> str:
    # The library reduces rows in place: a window must not begin left of columns already written.
    in_place = all(
        (part.before == 0 or part.before < layer.window.stride_w) and part.size <= part.in_size
        for part in column_spans
    )
    return "pulp_nn_maxpool" if in_place else "pulp_maxpool"


def _parallel_axis(kind: LayerKind, tile: Box, column_spans: list[Span], cores: int) -> str:
    """The way to share the largest tile among the cores that loads the busiest core least.

    A core computes pixels in pairs and channels in fours, and a leftover pixel costs as much as a pair. Rows
    (Ho) win a tie, for they need least bookkeeping; halves of rows (HoWo) come before channels (Co), whose
    cores each build the im2col of every pixel.
    """
    costs = {axis: _busiest_core(kind, axis, tile, cores) for axis in ("Ho", "HoWo", "Co")}
    if kind is LayerKind.POINTWISE and any(part.size % 2 for part in column_spans):
        del costs["Co"]
    return min(costs, key=lambda axis: costs[axis])


def _busiest_core(kind: LayerKind, axis: str, tile: Box, cores: int) -> int:
    im2col = 0 if kind is LayerKind.POINTWISE else IM2COL_CYCLES
    if axis == "Co":
        pairs, channels = tile.h * _ceil_div(tile.w, 2), _ceil_div(tile.c, cores)
    else:
        halved = axis == "HoWo" and cores > 1 and tile.h % cores != 0 and tile.w > 1
        tile_rows = _ceil_div(tile.h, cores // 2 if halved else cores)
        width = _ceil_div(tile.w, 2) if halved else tile.w
        pairs, channels = tile_rows * _ceil_div(width, 2), tile.c
    return pairs * (PAIR_CYCLES * _ceil_div(channels, 4) + im2col)


def _must_pad_in_l1(graph: LayerGraph, layer: Layer, row_spans: list[Span], column_spans: list[Span]) -> bool:
    """True if the padding must be written into the input buffer: the padded value isn't the kernel's 0, or
    some tile's padding is beyond the library kernel."""
    padded = any(part.before or part.after for part in row_spans + column_spans)
    if not padded or layer.kind in (LayerKind.MAXPOOL, LayerKind.IM2COL) or layer.skips_padding:
        return False
    if graph.tensors[layer.inputs[0]].zero_point != 0:
        return True
    if (layer.requant is not None and layer.requant.wide) or layer.kind in _PADDING_KINDS:
        return False
    return layer.window.kernel_h % 2 == 0 or layer.window.kernel_w % 2 == 0


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
