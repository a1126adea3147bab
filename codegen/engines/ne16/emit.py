"""The calls of pulp-nnx for one tile."""

from __future__ import annotations

from collections.abc import Callable

from tvm_pulp.codegen.emit_steps import StepTable
from tvm_pulp.codegen.emit_text import address, call, fill
from tvm_pulp.codegen.engines.engine import Job
from tvm_pulp.codegen.engines.ne16.limits import (
    Mode,
    is_depthwise,
    is_strided,
    mode_of,
    scale_bytes,
    weights_of,
)
from tvm_pulp.codegen.engines.ne16.weights import BITS, OFFSET
from tvm_pulp.codegen.graph import Layer, LayerKind
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.errors import PlanError

DEVICE = "ne16_pulp_get_dev()"
MAX_STALL = 8
BEGIN = (
    f"ne16_pulp_conf_t ne16_conf = {{.max_stall = {MAX_STALL}}};",
    f"ne16_nnx_init({DEVICE}, &ne16_conf);",
)
END = (f"ne16_nnx_term({DEVICE});",)
_PADS = ("pad_top", "pad_bottom", "pad_left", "pad_right")


def job(layer: Layer, layout: Callable[[Layer, int], BlockLayout], table: StepTable) -> Job:
    """The text of a layer's jobs: a task for each tile, or with stride 2 for each 2x2 pixels of it."""
    strided = is_strided(layer)
    return Job(
        state="ne16_task_t",
        setup=_operation(layer),
        start=[
            *_sizes(layer, table),
            *_addresses(layer, layout, table),
            "",
            *(_strided_dims() if strided else _dims(layer)),
            "  ne16_task_set_addr_norm_quant(job, scale, 0, bias);",
            *(_strided_dispatch() if strided else _dispatch()),
        ],
        wait=f"ne16_nnx_resolve_wait({DEVICE}, {{job}})",
    )


def _sizes(layer: Layer, table: StepTable) -> list[str]:
    """Declarations of the tile's sizes; a linear layer is a 1x1 convolution of one pixel."""
    value = table.expression
    sizes = {"h_in": value("in_h"), "w_in": value("in_w"), "k_in": value("x_c")}
    if layer.kind is LayerKind.LINEAR:
        sizes = {"h_in": "1", "w_in": "1", "k_in": str(weights_of(layer).shape[-1])}
    if not is_strided(layer):
        del sizes["h_in"]
    out = {"h_out": value("y_h"), "w_out": value("y_w"), "k_out": value("y_c")}
    lines = [_declare(sizes), _declare(out)]
    if mode_of(layer) is not Mode.POINT:
        lines.append(_declare({name: value(name) for name in _PADS}))
    return lines


def _declare(values: dict[str, str]) -> str:
    return fill("  const uint32_t ", [f"{name} = {value}" for name, value in values.items()], ";")


def _addresses(layer: Layer, layout: Callable[[Layer, int], BlockLayout], table: StepTable) -> list[str]:
    """NE16's addresses of the operands; a parameter block holds scales, biases, weights."""
    places = {
        name: f"(uint32_t)(uintptr_t){_pointer(address('l1', table.expression(column)))}"
        for name, column in (("x", "x_l1"), ("y", "y_l1"), ("scale", "params_l1"))
    }
    unit = scale_bytes(layer)
    if not table.varies("y_c"):
        block = layout(layer, table.constant("y_c"))
        places |= {"bias": f"scale + {block.lambda_offset}", "weights": f"scale + {block.weights_offset}"}
    elif unit == 1:
        places |= {"bias": "scale + (k_out + 3) / 4 * 4", "weights": "bias + 4 * k_out"}
    else:
        places |= {"bias": "scale + 4 * k_out", "weights": "bias + 4 * k_out"}
    return [f"  const uint32_t {name} = {value};" for name, value in places.items()]


def _pointer(text: str) -> str:
    return f"({text})" if " " in text else text


def _operation(layer: Layer) -> list[str]:
    requant = layer.requant
    if requant is None:
        raise PlanError("the layer has no requantization", where=layer.name)
    kernel = 1 if mode_of(layer) is Mode.POINT else 3
    stride = 2 if is_strided(layer) else 1
    mode = "normMode8Bit" if scale_bytes(layer) == 1 else "normMode32Bit"
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


def _dims(layer: Layer) -> list[str]:
    pads = ["0"] * 4 if mode_of(layer) is Mode.POINT else list(_PADS)
    step = "2 * " if layer.window.stride_h == 2 else ""  # only a 1x1 filter comes here with a stride
    strides = [f"{step}w_in * k_in", f"{step}k_in"]
    dims = ["job", "w_in", "k_in", *strides, "h_out", "w_out", "k_out", "w_out * k_out", "k_out", *pads]
    return [call("ne16_task_set_dims", dims), _operands(pads)]


def _operands(pads: list[str]) -> str:
    arguments = ["job", "x", "w_in", "k_in", pads[0], pads[2], "y", "weights"]
    return call("ne16_task_set_addr_conv", arguments)


def _dispatch() -> list[str]:
    return [f"  ne16_nnx_dispatch_wait({DEVICE});", f"  ne16_nnx_dispatch({DEVICE}, job);"]


def _strided_dims() -> list[str]:
    dims = ["job", "h_in", "w_in", "k_in", "w_in * k_in", "k_in", "h_out", "w_out", "k_out", "w_out * k_out"]
    return [call("ne16_task_set_dims_stride2x2", [*dims, "k_out", "3", "3", *_PADS]), _operands(list(_PADS))]


def _strided_dispatch() -> list[str]:
    arguments = [DEVICE, "job", "w_in", "k_in", "h_out", "w_out", "k_out", "3", "3"]
    return [call("ne16_nnx_dispatch_stride2x2", arguments)]
