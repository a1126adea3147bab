"""The computation of one tile as C statements: operands in L1, sizes, padding, kernel call, clipping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.emit.text import address, call, designated, fill, integer, scaled
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant
from tvm_pulp.codegen.kernels import requantize_kernel
from tvm_pulp.codegen.params import needs_int64
from tvm_pulp.codegen.plan import LayerPlan, Operand
from tvm_pulp.codegen.quantizer import estimator_of, scaling_of
from tvm_pulp.errors import PlanError

_SIZES = ("in_x", "in_y", "ch_in", "out_x", "out_y", "ch_out", "k_x", "k_y")
_PADS = ("pad_top", "pad_bottom", "pad_left", "pad_right")
_STRIDES = ("stride_x", "stride_y")
_GEOMETRY = (*_SIZES, *_PADS, *_STRIDES)


def compute_tile(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    """Statements that compute a tile; all cores execute them, after the operands have arrived in L1."""
    writer = _KERNELS.get(plan.kernel)
    if writer is None:
        raise PlanError(f"unknown kernel {plan.kernel}", where=layer.name)
    kernel = writer(_Tile(graph, layer, plan, table))
    zero_point = graph.tensors[layer.inputs[0]].zero_point
    return [
        *_buffers(graph, layer, table),
        *kernel.locals,
        "",
        *_pad_in_l1(plan, table, zero_point),
        kernel.call,
        *_clip(layer, plan, table),
    ]


@dataclass(frozen=True)
class _Tile:
    """What a kernel's writer looks at."""

    graph: LayerGraph
    layer: Layer
    plan: LayerPlan
    table: StepTable

    @property
    def requant(self) -> Requant:
        if self.layer.requant is None:
            raise PlanError("the layer has no requantization", where=self.layer.name)
        return self.layer.requant

    def geometry(self) -> dict[str, str]:
        """C for the sizes of a window kernel's call; x is horizontal."""
        value, window = self.table.expression, self.layer.window
        pads = dict.fromkeys(_PADS, "0") if self.plan.pad_in_l1 else {name: value(name) for name in _PADS}
        return {
            "in_x": value("in_w"),
            "in_y": value("in_h"),
            "ch_in": value("x_c"),
            "out_x": value("y_w"),
            "out_y": value("y_h"),
            "ch_out": value("y_c"),
            "k_x": str(window.kernel_w),
            "k_y": str(window.kernel_h),
            **pads,
            "stride_x": str(window.stride_w),
            "stride_y": str(window.stride_h),
        }

    def scratch(self) -> tuple[list[str], str]:
        """The kernel's scratch buffer: its declaration and its name, or NULL where the plan has none."""
        for buffer in self.plan.buffers:
            if buffer.operand is Operand.SCRATCH:
                return [f"  uint8_t *const scratch = {address('l1', str(buffer.offset))};"], "scratch"
        return [], "NULL"

    def params(self, channels: str) -> list[str]:
        """Pointers into the parameter block."""
        integers = "int64_t" if needs_int64(self.requant) else "int32_t"
        block = address("l1", self.table.expression("params_l1"))
        return [
            f"  void *const params = {block}; /* k, lambda, weights */",
            f"  {integers} *const k = params;",
            f"  {integers} *const lambda = k + {channels};",
            f"  int8_t *const weights = (int8_t *)(lambda + {channels});",
        ]

    def shift(self) -> str:
        low_bits, shift = self.requant.low_bits, self.requant.shift
        if self.requant.split:
            return f"  const uint16_t low_bits = {low_bits}, shift = {shift - low_bits};"
        return f"  const uint16_t shift = {shift};"

    def shifts(self) -> tuple[str, ...]:
        """The arguments that `shift` declares."""
        return ("low_bits", "shift") if self.requant.split else ("shift",)


@dataclass(frozen=True)
class _Kernel:
    """A kernel call and the declarations that it needs."""

    locals: list[str]
    call: str


def _geometry_locals(geometry: dict[str, str]) -> list[str]:
    """Declarations of the sizes, grouped by what they are about."""
    groups = (_SIZES[:3], _SIZES[3:6], (*_SIZES[6:], *_STRIDES), _PADS)
    names = [[name for name in group if name in geometry] for group in groups]
    return [fill("  const uint16_t ", [f"{name} = {geometry[name]}" for name in group], ";") for group in names]


def _window(tile: _Tile) -> str:
    return designated("const pulp_window_t window", tile.geometry().items())


def _pulp_nn_conv(tile: _Tile) -> _Kernel:
    declaration, im2col = tile.scratch()
    sizes = _geometry_locals(tile.geometry())
    arguments = (
        *("x", im2col, "NULL", "y", "weights", "k", "lambda", "OUT_MULT", "shift"),
        *(*_GEOMETRY, "RELU", "BATCH_NORM"),
    )
    return _Kernel(
        [*sizes, *tile.params("ch_out"), *declaration, tile.shift()], call(tile.plan.kernel, arguments)
    )


def _pulp_nn_depthwise(tile: _Tile) -> _Kernel:
    declaration, buffer = tile.scratch()
    arguments = (
        *("x", buffer, "NULL", "y", "weights", "NULL", "k", "lambda", "OUT_MULT", "shift"),
        *(*_GEOMETRY, "RELU", "BATCH_NORM"),
    )
    sizes = _geometry_locals(tile.geometry())
    return _Kernel(
        [*sizes, *tile.params("ch_out"), *declaration, tile.shift()], call(tile.plan.kernel, arguments)
    )


def _pulp_nn_linear(tile: _Tile) -> _Kernel:
    sizes = f"  const uint16_t dim_vec = {_inputs(tile)}, num_out = {tile.table.expression('y_c')};"
    arguments = (
        "x",
        "NULL",
        "y",
        "weights",
        "k",
        "lambda",
        "OUT_MULT",
        "shift",
        "dim_vec",
        "num_out",
        "RELU",
        "BATCH_NORM",
    )
    return _Kernel([sizes, *tile.params("num_out"), tile.shift()], call(tile.plan.kernel, arguments))


def _pulp_nn_maxpool(tile: _Tile) -> _Kernel:
    geometry = tile.geometry()
    del geometry["ch_out"]
    return _Kernel(_geometry_locals(geometry), call(tile.plan.kernel, ("x", "y", *geometry)))


def _pulp_conv(tile: _Tile) -> _Kernel:
    arguments = ("x", "y", "weights", "k", "lambda", *tile.shifts(), "&window")
    return _Kernel(
        [_window(tile), *tile.params("window.ch_out"), tile.shift()], call(tile.plan.kernel, arguments)
    )


def _pulp_linear(tile: _Tile) -> _Kernel:
    sizes = f"  const uint32_t dim_vec = {_inputs(tile)}, num_out = {tile.table.expression('y_c')};"
    arguments = ("x", "y", "weights", "k", "lambda", *tile.shifts(), "dim_vec", "num_out")
    return _Kernel([sizes, *tile.params("num_out"), tile.shift()], call(tile.plan.kernel, arguments))


def _pulp_add(tile: _Tile) -> _Kernel:
    k1, k2 = (integer(int(value)) for value in tile.requant.multiplier)
    offset = integer(int(tile.requant.offset[0]))
    locals_ = [
        f"  uint8_t *const x2 = {address('l1', tile.table.expression('x2_l1'))};",
        f"  const int32_t k1 = {k1}, k2 = {k2}, lambda = {offset};",
        tile.shift(),
        f"  const uint32_t elements = {tile.table.expression('y_size')};",
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "x2", "y", "k1", "k2", "lambda", "shift", "elements")))


def _pulp_avgpool(tile: _Tile) -> _Kernel:
    multiplier, offset = int(tile.requant.multiplier[0]), int(tile.requant.offset[0])
    locals_ = [
        f"  const int32_t k = {integer(multiplier)}, lambda = {integer(offset)};",
        tile.shift(),
        _window(tile),
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "k", "lambda", "shift", "&window")))


def _pulp_maxpool(tile: _Tile) -> _Kernel:
    return _Kernel([_window(tile)], call(tile.plan.kernel, ("x", "y", "&window")))


def _pulp_im2col(tile: _Tile) -> _Kernel:
    zero_point = tile.graph.tensors[tile.layer.inputs[0]].zero_point
    declaration = f"  const uint8_t zero_point = {zero_point}; /* the byte that stands for 0 */"
    return _Kernel([_window(tile), declaration], call(tile.plan.kernel, ("x", "y", "&window", "zero_point")))


def _groups(tile: _Tile) -> str:
    window, weights = tile.layer.window, tile.layer.weights
    if weights is None:
        raise PlanError("the layer has no weights", where=tile.layer.name)
    groups = {
        "dilation_x": str(window.dilation_w),
        "dilation_y": str(window.dilation_h),
        "ch_in": str(weights.shape[3]),
        "ch_out": str(weights.shape[0] // tile.layer.groups),
        "first": tile.table.expression("y_c0"),
    }
    if tile.layer.weight_offset:
        groups["weight_offset"] = str(tile.layer.weight_offset)
    return designated("const pulp_groups_t groups", groups.items())


def _pulp_conv_direct(tile: _Tile) -> _Kernel:
    locals_ = [
        _window(tile),
        _groups(tile),
        *tile.params("window.ch_out"),
        tile.shift(),
    ]
    arguments = ("x", "y", "weights", "k", "lambda", *tile.shifts(), "&window", "&groups")
    return _Kernel(locals_, call(tile.plan.kernel, arguments))


def _pulp_conv_sums(tile: _Tile) -> _Kernel:
    locals_ = [_window(tile), _groups(tile), *_sums_params(tile, "window.ch_out")]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "weights", "bias", "&window", "&groups")))


def _pulp_nn_linear_out_32(tile: _Tile) -> _Kernel:
    """The library takes the bias as bytes, whatever it is."""
    sizes = f"  const uint16_t dim_vec = {_inputs(tile)}, num_out = {tile.table.expression('y_c')};"
    arguments = ("x", "(int8_t *)bias", "y", "weights", "dim_vec", "num_out")
    return _Kernel([sizes, *_sums_params(tile, "num_out")], call(tile.plan.kernel, arguments))


def _sums_params(tile: _Tile, channels: str) -> list[str]:
    """Pointers into the parameter block of a layer that makes sums."""
    block = address("l1", tile.table.expression("params_l1"))
    return [
        f"  void *const params = {block}; /* bias, weights */",
        "  int32_t *const bias = params;",
        f"  int8_t *const weights = (int8_t *)(bias + {channels});",
    ]


def _pulp_mul(tile: _Tile) -> _Kernel:
    zero1, zero2 = (tile.graph.tensors[name].zero_point for name in tile.layer.inputs)
    k, offset = int(tile.requant.multiplier[0]), int(tile.requant.offset[0])
    locals_ = [
        f"  uint8_t *const x2 = {address('l1', tile.table.expression('x2_l1'))};",
        f"  const uint8_t zero1 = {zero1}, zero2 = {zero2};",
        f"  const int32_t k = {integer(k)}, lambda = {integer(offset)};",
        tile.shift(),
        f"  const uint32_t elements = {tile.table.expression('y_size')};",
    ]
    arguments = ["x", "x2", "y", "zero1", "zero2", "k", "lambda", "shift", "elements"]
    if tile.plan.kernel == "pulp_mul_pixel":
        locals_.append(f"  const uint16_t channels = {tile.table.expression('y_c')};")
        arguments.append("channels")
    return _Kernel(locals_, call(tile.plan.kernel, arguments))


def _pulp_avgpool_inside(tile: _Tile) -> _Kernel:
    locals_ = [
        f"  const void *const params = {address('l1', tile.table.expression('params_l1'))};",
        "  const int32_t *const k = params;",
        f"  const int32_t *const lambda = k + {tile.requant.multiplier.size};",
        tile.shift(),
        _window(tile),
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "k", "lambda", "shift", "&window")))


def _pulp_table(tile: _Tile) -> _Kernel:
    locals_ = [
        f"  const uint8_t *const table = {address('l1', tile.table.expression('params_l1'))};",
        f"  const uint32_t elements = {tile.table.expression('y_size')};",
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "table", "elements")))


def _pulp_copy(tile: _Tile) -> _Kernel:
    return _Kernel([], call(tile.plan.kernel, ("x", "y", tile.table.expression("y_size"))))


def _pulp_transpose(tile: _Tile) -> _Kernel:
    """The input tile is a matrix of channels by pixels, if it is planar, or of pixels by channels."""
    channels = f"  const uint32_t channels = {tile.table.expression('y_c')};"
    pixels = f"  const uint32_t pixels = {tile.table.expression('y_pixels')};"
    sizes = ("channels", "pixels") if tile.table.x_tensor.planar else ("pixels", "channels")
    return _Kernel([channels, pixels], call(tile.plan.kernel, ("x", "y", *sizes)))


def _pulp_quantize(tile: _Tile) -> _Kernel:
    table = tile.layer.table
    if table is None:
        raise PlanError("the layer has no table", where=tile.layer.name)
    quantizer = table.astype(np.float32)
    estimator, scaling = estimator_of(quantizer), scaling_of(quantizer)
    fields = [(name, str(getattr(estimator, name))) for name in ("multiplier", "exponent", "offset")]
    scaling_fields = [("factor", str(scaling.factor_bits)), ("zero_point", str(scaling.zero_point))]
    value, y_planar = tile.table.expression, tile.graph.tensors[tile.layer.output].planar
    from_planes = tile.table.x_tensor.planar and not y_planar
    planes, elements = (value("y_c"), value("y_pixels")) if from_planes else ("1", value("y_size"))
    locals_ = [
        f"  const void *const bounds = {address('l1', value('params_l1'))};",
        designated("const pulp_estimator_t estimator", fields),
        designated("const pulp_scaling_t scaling", scaling_fields),
        f"  const uint32_t planes = {planes}, elements = {elements};",
    ]
    arguments = ("x", "y", "bounds", "&estimator", "&scaling", "planes", "elements")
    return _Kernel(locals_, call(tile.plan.kernel, arguments))


def _pulp_dequantize(tile: _Tile) -> _Kernel:
    locals_ = [
        f"  const void *const table = {address('l1', tile.table.expression('params_l1'))};",
        f"  const uint32_t elements = {tile.table.expression('y_size')};",
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "table", "elements")))


def _pulp_softmax(tile: _Tile) -> _Kernel:
    value = tile.table.expression
    declaration, scratch = tile.scratch()
    fields = {"pixels": "y_pixels", "channels": "x_c", "first": "y_c0", "count": "y_c"}
    locals_ = [
        f"  const void *const table = {address('l1', value('params_l1'))};",
        *(line.replace("uint8_t *const scratch = ", "void *const scratch = ") for line in declaration),
        designated("const pulp_softmax_t softmax", [(name, value(column)) for name, column in fields.items()]),
    ]
    return _Kernel(locals_, call(tile.plan.kernel, ("x", "y", "table", scratch, "&softmax")))


def _pulp_conv_add(tile: _Tile) -> _Kernel:
    return _adding(tile, _window(tile), ("&window",), "window.ch_out")


def _pulp_linear_add(tile: _Tile) -> _Kernel:
    source = tile.graph.tensors[tile.layer.inputs[0]]
    inputs = scaled(tile.table.expression("x_c"), source.height * source.width)
    sizes = f"  const uint32_t dim_vec = {inputs}, num_out = {tile.table.expression('y_c')};"
    return _adding(tile, sizes, ("dim_vec", "num_out"), "num_out")


def _adding(tile: _Tile, sizes: str, arguments: tuple[str, ...], channels: str) -> _Kernel:
    """A kernel that adds the sums of some input channels to those in L1, and behind the last ones another that
    makes bytes of them; `arguments` are what the kernel is told of `sizes`, `channels` those of the output."""
    value = tile.table.expression
    sums = f"  int32_t *const sums = (void *)({address('l1', value('sums_l1'))});"
    add = call(tile.plan.kernel, ("x", "sums", "weights", value("first_part"), *arguments))
    outputs = ("sums", "y", "k", "lambda", *tile.shifts(), value("y_pixels"), channels)
    calls = [add]
    if tile.table.varies("last_part"):
        calls.append(f"  if (!{value('last_part')}) return;")
    calls.append(call(requantize_kernel(tile.requant), outputs))
    return _Kernel([sizes, sums, *tile.params(channels), tile.shift()], "\n".join(calls))


_KERNELS: dict[str, Callable[[_Tile], _Kernel]] = {
    **{
        f"pulp_nn_{kind}_{split}_parallel": _pulp_nn_conv
        for kind in ("conv", "pointwise")
        for split in ("Ho", "HoWo", "Co")
    },
    "pulp_nn_depthwise_generic": _pulp_nn_depthwise,
    "pulp_nn_depthwise_generic_less_4_weights": _pulp_nn_depthwise,
    "pulp_nn_linear": _pulp_nn_linear,
    "pulp_nn_maxpool": _pulp_nn_maxpool,
    "pulp_conv": _pulp_conv,
    "pulp_conv_wide": _pulp_conv,
    "pulp_conv_split": _pulp_conv,
    "pulp_depthwise": _pulp_conv,
    "pulp_depthwise_wide": _pulp_conv,
    "pulp_depthwise_split": _pulp_conv,
    "pulp_linear_wide": _pulp_linear,
    "pulp_linear_split": _pulp_linear,
    "pulp_add": _pulp_add,
    "pulp_avgpool": _pulp_avgpool,
    "pulp_avgpool_inside": _pulp_avgpool_inside,
    "pulp_maxpool": _pulp_maxpool,
    "pulp_conv_direct": _pulp_conv_direct,
    "pulp_conv_direct_wide": _pulp_conv_direct,
    "pulp_conv_direct_split": _pulp_conv_direct,
    "pulp_conv_sums": _pulp_conv_sums,
    "pulp_conv_add": _pulp_conv_add,
    "pulp_linear_add": _pulp_linear_add,
    "pulp_nn_linear_out_32": _pulp_nn_linear_out_32,
    "pulp_mul": _pulp_mul,
    "pulp_mul_pixel": _pulp_mul,
    "pulp_table": _pulp_table,
    "pulp_copy": _pulp_copy,
    "pulp_transpose": _pulp_transpose,
    "pulp_quantize": _pulp_quantize,
    "pulp_dequantize": _pulp_dequantize,
    "pulp_softmax": _pulp_softmax,
    "pulp_im2col": _pulp_im2col,
}


def _inputs(tile: _Tile) -> int:
    weights = tile.layer.weights
    if weights is None:
        raise PlanError("the layer has no weights", where=tile.layer.name)
    return int(weights.shape[1])


def _buffers(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    tensors = {"x": graph.tensors[layer.inputs[0]], "y": graph.tensors[layer.output]}
    return [
        f"  {_C_TYPES[tensor.dtype.size].format(name, address('l1', table.expression(f'{name}_l1')))}"
        for name, tensor in tensors.items()
    ]


_C_TYPES = {1: "uint8_t *const {} = {};", 4: "int32_t *const {} = (void *)({});"}
"""Declarations of a tile's place by the size of its elements; kernels see floats as their bits."""


def _pad_in_l1(plan: LayerPlan, table: StepTable, zero_point: int) -> list[str]:
    """Fills the border of a padded input buffer; the DMA has written the interior only."""
    if not plan.pad_in_l1 or not table.any(*_PADS):
        return []
    fields = {"rows": "in_h", "cols": "in_w", "channels": "x_c", "top": "pad_top", "bottom": "pad_bottom"}
    fields |= {"left": "pad_left", "right": "pad_right"}
    border = designated(
        "const pulp_border_t border", ((name, table.expression(column)) for name, column in fields.items())
    )
    declaration = f"  const uint8_t zero_point = {zero_point}; /* the byte that stands for 0 */"
    function = "pulp_pad_chw" if plan.channels_first else "pulp_pad"
    pad = call(function, ("x", "&border", "zero_point"))
    if table.varies("load_x"):
        pad = f"  if ({table.expression('load_x')}) {pad.strip()}"
    return [border, declaration, pad]


def _clip(layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    if not plan.clip:
        return []
    if layer.kind is LayerKind.MAXPOOL or layer.requant is None:
        raise PlanError("a layer without requantization has no bounds to clip to", where=layer.name)
    bounds = (str(layer.requant.lo), str(layer.requant.hi))
    return [call("pulp_clip", ("y", table.expression("y_size"), *bounds))]
