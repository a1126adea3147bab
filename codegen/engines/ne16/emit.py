"""The calls of pulp-nnx for one tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.emit.text import address, call, fill
from tvm_pulp.codegen.engines.engine import Job
from tvm_pulp.codegen.engines.ne16.limits import (
    Mode,
    clips,
    entry_bytes,
    is_depthwise,
    is_strided,
    leaves_sums,
    mode_of,
    scale_bytes,
    weights_of,
)
from tvm_pulp.codegen.engines.ne16.weights import BITS, OFFSET
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind
from tvm_pulp.codegen.kernels import requantize_kernel
from tvm_pulp.codegen.params import BlockLayout, needs_int64
from tvm_pulp.errors import PlanError

DEVICE = "ne16_pulp_get_dev()"
MAX_STALL = 8
BEGIN = (
    f"ne16_pulp_conf_t ne16_conf = {{.max_stall = {MAX_STALL}}};",
    f"ne16_nnx_init({DEVICE}, &ne16_conf);",
)
END = (f"ne16_nnx_term({DEVICE});",)
_PADS = ("pad_top", "pad_bottom", "pad_left", "pad_right")


@dataclass(frozen=True)
class _Setting:
    """A call that sets a part of a task, and the names of sizes that its arguments refer to."""

    text: str
    names: tuple[str, ...]


def job(graph: LayerGraph, layer: Layer, layout: Callable[[Layer, int], BlockLayout], table: StepTable) -> Job:
    """The text of a layer's jobs: a task for each tile, or with stride 2 for each 2x2 pixels of it. What is the
    same for all tiles is set once."""
    sizes, strided = _sizes(layer), is_strided(layer)
    settings = [_strided_dims()] if strided else _dims(graph, layer)
    # With stride 2 each task has its own padding, and the last one's is left.
    once = [
        one for one in settings if not strided and not any(_varies(sizes[name], table) for name in one.names)
    ]
    each = [one for one in settings if one not in once]
    in_calls = {*_names_in_addresses(layer, table), *_dispatched(strided)}
    return Job(
        state="ne16_task_t",
        setup=[
            *_declarations(sizes, {name for one in once for name in one.names}, table),
            *_operation(layer),
            *(one.text for one in once),
        ],
        start=[
            *_declarations(sizes, in_calls | {name for one in each for name in one.names}, table),
            *_addresses(layer, layout, table),
            "",
            *(one.text for one in each),
            _operands(layer),
            *(_padding_value(graph, layer, table) if strided else []),
            *_norm_quant_address(layer),
            *(_strided_dispatch() if strided else _dispatch()),
        ],
        wait=f"ne16_nnx_resolve_wait({DEVICE}, {{job}})",
        finish=_finish(layer, table) if leaves_sums(layer) else [],
    )


def _norm_quant_address(layer: Layer) -> list[str]:
    return [] if leaves_sums(layer) else ["  ne16_task_set_addr_norm_quant(job, scale, 0, bias);"]


def _padding_value(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    """What stands for 0 outside the map, if it isn't 0."""
    value = graph.tensors[layer.inputs[0]].zero_point
    if value == 0 or not table.any(*_PADS):
        return []
    return [call("ne16_task_set_padding", ["job", *_PADS, str(value)])]


def _finish(layer: Layer, table: StepTable) -> list[str]:
    """Sums to bytes, by the cores."""
    requant, value = layer.requant, table.expression
    assert requant is not None  # the layer was accepted
    integers = "int64_t" if needs_int64(requant) else "int32_t"
    shifts = {"shift": requant.shift}
    if requant.split:
        shifts = {"low_bits": requant.low_bits, "shift": requant.shift - requant.low_bits}
    lines = [
        f"  const int32_t *const sums = (const void *)({address('l1', value('sums_l1'))});",
        f"  uint8_t *const y = {address('l1', value('y_l1'))};",
        f"  const uint32_t pixels = {value('y_pixels')}, channels = {value('y_c')};",
        f"  const void *const params = {address('l1', value('params_l1'))}; /* k, lambda, weights */",
        f"  const {integers} *const k = params;",
        f"  const {integers} *const lambda = k + channels;",
        fill("  const uint16_t ", [f"{name} = {bits}" for name, bits in shifts.items()], ";"),
        "",
        call(requantize_kernel(requant), ("sums", "y", "k", "lambda", *shifts, "pixels", "channels")),
    ]
    if clips(layer):
        lines.append(call("pulp_clip", ("y", "pixels * channels", str(requant.lo), str(requant.hi))))
    return lines


def _sizes(layer: Layer) -> dict[str, str]:
    """The tile's sizes and padding: columns of the table, or numbers; a linear layer is a 1x1 convolution of
    one pixel."""
    sizes = {"h_in": "in_h", "w_in": "in_w", "k_in": "x_c", "h_out": "y_h", "w_out": "y_w", "k_out": "y_c"}
    if layer.kind is LayerKind.LINEAR:
        sizes |= {"h_in": "1", "w_in": "1", "k_in": str(weights_of(layer).shape[-1])}
    return sizes | {name: name for name in _PADS}


def _varies(size: str, table: StepTable) -> bool:
    return not size.isdigit() and table.varies(size)


def _names_in_addresses(layer: Layer, table: StepTable) -> list[str]:
    """The sizes on which operands' addresses depend."""
    pads = [] if mode_of(layer) is Mode.POINT else ["pad_top", "pad_left"]
    return ["w_in", "k_in", *pads, *(["k_out"] if table.varies("y_c") else [])]


def _dispatched(strided: bool) -> tuple[str, ...]:
    """The sizes with which tasks are dispatched, and padded."""
    return ("w_in", "k_in", "h_out", "w_out", "k_out") if strided else ()


def _declarations(sizes: dict[str, str], used: set[str], table: StepTable) -> list[str]:
    """Constants with the sizes that are used: of the input, of the output, padding."""
    lines = []
    for group in (("h_in", "w_in", "k_in"), ("h_out", "w_out", "k_out"), _PADS):
        values = {name: sizes[name] for name in group if name in used}
        texts = [
            f"{name} = {value if value.isdigit() else table.expression(value)}"
            for name, value in values.items()
        ]
        lines += [fill("  const uint32_t ", texts, ";")] if texts else []
    return lines


def _addresses(layer: Layer, layout: Callable[[Layer, int], BlockLayout], table: StepTable) -> list[str]:
    """NE16's addresses of the operands; a parameter block holds scales, biases, weights."""
    places = {
        name: f"(uint32_t)(uintptr_t){_pointer(address('l1', table.expression(column)))}"
        for name, column in _operand_columns(layer).items()
    }
    unit = scale_bytes(layer)
    if leaves_sums(layer):
        offset = f"{2 * entry_bytes(layer)} * k_out"
        if not table.varies("y_c"):
            offset = str(layout(layer, table.constant("y_c")).weights_offset)
        places["weights"] = f"{places.pop('params')} + {offset}"
    elif not table.varies("y_c"):
        block = layout(layer, table.constant("y_c"))
        places |= {"bias": f"scale + {block.lambda_offset}", "weights": f"scale + {block.weights_offset}"}
    elif unit == 1:
        places |= {"bias": "scale + (k_out + 3) / 4 * 4", "weights": "bias + 4 * k_out"}
    else:
        places |= {"bias": "scale + 4 * k_out", "weights": "bias + 4 * k_out"}
    return [f"  const uint32_t {name} = {value};" for name, value in places.items()]


def _operand_columns(layer: Layer) -> dict[str, str]:
    """NE16's operands and the columns that say where they are."""
    if leaves_sums(layer):
        return {"x": "x_l1", "y": "sums_l1", "params": "params_l1"}
    return {"x": "x_l1", "y": "y_l1", "scale": "params_l1"}


def _pointer(text: str) -> str:
    return f"({text})" if " " in text else text


def _operation(layer: Layer) -> list[str]:
    requant = layer.requant
    if requant is None:
        raise PlanError("the layer has no requantization", where=layer.name)
    kernel = 1 if mode_of(layer) is Mode.POINT else 3
    stride = 2 if is_strided(layer) else 1
    mode = "normMode8Bit" if scale_bytes(layer) == 1 else "normMode32Bit"
    if leaves_sums(layer):
        return [
            "  ne16_task_init(job);",
            f"  ne16_task_set_op_to_conv(job, {kernel}, {int(is_depthwise(layer))}, {stride});",
            f"  ne16_task_set_bits(job, 8, 32, {BITS});",
            f"  ne16_task_set_weight_offset(job, weightOffsetModeLayerWise, {OFFSET});",
        ]
    return [
        f"  const ne16_quant_t quant = {{.shift_amount = {requant.shift}, .function = quantFunctionRelu}};",
        f"  const ne16_norm_t norm = {{.mode = {mode}, .flag_bias = ne16TaskFlagTrue}};",
        "",
        "  ne16_task_init(job);",
        f"  ne16_task_set_op_to_conv(job, {kernel}, {int(is_depthwise(layer))}, {stride});",
        f"  ne16_task_set_bits(job, 8, 8, {BITS});",
        "  ne16_task_set_norm_quant(job, quant, norm);",
        f"  ne16_task_set_weight_offset(job, weightOffsetModeLayerWise, {OFFSET});",
    ]


def _dims(graph: LayerGraph, layer: Layer) -> list[_Setting]:
    point = mode_of(layer) is Mode.POINT
    step = "2 * " if layer.window.stride_h == 2 else ""  # only a 1x1 filter comes here with a stride
    out = "4 * k_out" if leaves_sums(layer) else "k_out"
    strides = ["job", "k_in", f"{step}w_in * k_in", f"{step}k_in", f"w_out * {out}", out]
    behind = ["0", "0"] if point else ["pad_bottom", "pad_right"]
    counters = ["job", "k_in", "h_out", "w_out", "k_out", *behind]
    pads = ["0"] * 4 if point else list(_PADS)
    value = 0 if point else graph.tensors[layer.inputs[0]].zero_point
    return [
        _Setting(call("ne16_task_set_strides", strides), ("w_in", "k_in", "w_out", "k_out")),
        _Setting(
            call("ne16_task_set_counters", counters),
            ("k_in", "h_out", "w_out", "k_out", *(() if point else ("pad_bottom", "pad_right"))),
        ),
        _Setting(call("ne16_task_set_padding", ["job", *pads, str(value)]), () if point else _PADS),
    ]


def _operands(layer: Layer) -> str:
    before = ["0", "0"] if mode_of(layer) is Mode.POINT else ["pad_top", "pad_left"]
    return call("ne16_task_set_addr_conv", ["job", "x", "w_in", "k_in", *before, "y", "weights"])


def _dispatch() -> list[str]:
    return [f"  ne16_nnx_dispatch_wait({DEVICE});", f"  ne16_nnx_dispatch({DEVICE}, job);"]


def _strided_dims() -> _Setting:
    sizes = ("h_in", "w_in", "k_in", "h_out", "w_out", "k_out", *_PADS)
    dims = ["job", "h_in", "w_in", "k_in", "w_in * k_in", "k_in", "h_out", "w_out", "k_out", "w_out * k_out"]
    return _Setting(call("ne16_task_set_dims_stride2x2", [*dims, "k_out", "3", "3", *_PADS]), sizes)


def _strided_dispatch() -> list[str]:
    arguments = [DEVICE, "job", "w_in", "k_in", "h_out", "w_out", "k_out", "3", "3"]
    return [call("ne16_nnx_dispatch_stride2x2", arguments)]
