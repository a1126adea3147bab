"""What each kernel can't do: an independent check of the calls a plan makes.

The limits of PULP-NN (pulp-platform/pulp-nn, 32bit/) were found by tests against a plain reference and by
reading the kernels. `kernels.choose_kernel` avoids them; this module only judges, and shares no code with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Window
from tvm_pulp.codegen.plan import LayerPlan, Padding, TileStep

UINT16_MAX = 65535
MOST_LOW_BITS, MOST_SHIFT = 12, 31
_CONVS = ("pulp_nn_conv_Ho_parallel", "pulp_nn_conv_HoWo_parallel", "pulp_nn_conv_Co_parallel")
_POINTWISE = (
    "pulp_nn_pointwise_Ho_parallel",
    "pulp_nn_pointwise_HoWo_parallel",
    "pulp_nn_pointwise_Co_parallel",
)
_DEPTHWISE = ("pulp_nn_depthwise_generic", "pulp_nn_depthwise_generic_less_4_weights")

NARROW_KERNELS: dict[LayerKind, tuple[str, ...]] = {
    LayerKind.CONV2D: (*_CONVS, "pulp_conv"),
    LayerKind.POINTWISE: _CONVS + _POINTWISE,
    LayerKind.DEPTHWISE: (*_DEPTHWISE, "pulp_depthwise"),
    LayerKind.LINEAR: ("pulp_nn_linear",),
    LayerKind.ADD: ("pulp_add",),
    LayerKind.AVGPOOL: ("pulp_avgpool",),
    LayerKind.MAXPOOL: ("pulp_nn_maxpool", "pulp_maxpool"),
    LayerKind.CONV_DIRECT: ("pulp_conv_direct",),
    LayerKind.MUL: ("pulp_mul", "pulp_mul_pixel"),
    LayerKind.TABLE: ("pulp_table",),
    LayerKind.COPY: ("pulp_copy",),
    LayerKind.TRANSPOSE: ("pulp_transpose",),
    LayerKind.QUANTIZE: ("pulp_quantize",),
    LayerKind.DEQUANTIZE: ("pulp_dequantize",),
    LayerKind.SOFTMAX: ("pulp_softmax",),
    LayerKind.IM2COL: ("pulp_im2col",),
}
WIDE_KERNELS: dict[LayerKind, tuple[str, ...]] = {
    LayerKind.CONV2D: ("pulp_conv_wide",),
    LayerKind.POINTWISE: ("pulp_conv_wide",),
    LayerKind.DEPTHWISE: ("pulp_depthwise_wide",),
    LayerKind.LINEAR: ("pulp_linear_wide",),
    LayerKind.CONV_DIRECT: ("pulp_conv_direct_wide",),
}
SPLIT_KERNELS: dict[LayerKind, tuple[str, ...]] = {
    LayerKind.CONV2D: ("pulp_conv_split",),
    LayerKind.POINTWISE: ("pulp_conv_split",),
    LayerKind.DEPTHWISE: ("pulp_depthwise_split",),
    LayerKind.LINEAR: ("pulp_linear_split",),
    LayerKind.CONV_DIRECT: ("pulp_conv_direct_split",),
}

SUMS_KERNELS: dict[LayerKind, tuple[str, ...]] = {
    LayerKind.LINEAR: ("pulp_nn_linear_out_32",),
    LayerKind.CONV_DIRECT: ("pulp_conv_sums",),
}


ADDING_KERNELS: dict[LayerKind, tuple[str, ...]] = {
    LayerKind.CONV2D: ("pulp_conv_add",),
    LayerKind.POINTWISE: ("pulp_conv_add",),
    LayerKind.LINEAR: ("pulp_linear_add",),
}
"""Of layers that read their input channels in parts."""


def kernels_of(kind: LayerKind, *, sums: bool = False) -> tuple[str, ...]:
    """All kernels that layers of a kind are given, or those for layers that make sums."""
    if sums:
        return SUMS_KERNELS[kind]
    inside = ("pulp_avgpool_inside",) if kind is LayerKind.AVGPOOL else ()
    others = (SPLIT_KERNELS, WIDE_KERNELS, ADDING_KERNELS)
    return (*NARROW_KERNELS[kind], *inside, *(name for one in others for name in one.get(kind, ())))


@dataclass(frozen=True)
class KernelCall:
    """One call as the kernel sees it: `padding` is what the kernel itself adds to its `in_h x in_w` input."""

    name: str
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    window: Window
    padding: Padding


def kernel_call(layer: Layer, plan: LayerPlan, step: TileStep) -> KernelCall:
    """The call of one step; explicit padding belongs to the input."""
    pad = step.padding
    tall, wide = (pad.top + pad.bottom, pad.left + pad.right) if plan.pad_in_l1 else (0, 0)
    return KernelCall(
        name=plan.kernel,
        in_h=step.x.h + tall,
        in_w=step.x.w + wide,
        in_c=step.x.c,
        out_h=step.y.h,
        out_w=step.y.w,
        out_c=step.y.c,
        window=layer.window,
        padding=Padding() if plan.pad_in_l1 else pad,
    )


def violations(graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
    """Everything that would make the step's kernel call compute something else; empty if the call is right."""
    call = kernel_call(layer, plan, step)
    found = _wrong_kernel(graph, layer, plan) + _wrong_flags(graph, layer, plan, call) + _wrong_parts(layer)
    if max(call.in_h, call.in_w, call.in_c, call.out_h, call.out_w, call.out_c) > UINT16_MAX:
        found.append("a dimension is above 65535")
    for names, check in _CHECKS:
        if call.name in names:
            found += check(call)
    return found


def _wrong_kernel(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> list[str]:
    wide = layer.requant is not None and layer.requant.wide and layer.kind in WIDE_KERNELS
    split = layer.requant is not None and layer.requant.split
    allowed = (NARROW_KERNELS if not wide else SPLIT_KERNELS if split else WIDE_KERNELS)[layer.kind]
    if plan.c_in:
        allowed = ADDING_KERNELS.get(layer.kind, ()) if layer.requant is not None else ()
    elif layer.makes_sums:
        allowed = SUMS_KERNELS.get(layer.kind, ())
    elif layer.skips_padding:
        allowed = ("pulp_avgpool_inside",)
    elif layer.kind is LayerKind.MUL:
        sizes = {(graph.tensors[name].height, graph.tensors[name].width) for name in layer.inputs}
        allowed = ("pulp_mul",) if len(sizes) == 1 else ("pulp_mul_pixel",)
    return [] if plan.kernel in allowed else [f"{plan.kernel} isn't a kernel for this {layer.kind.value} layer"]


def _wrong_parts(layer: Layer) -> list[str]:
    requant = layer.requant
    if requant is None or not requant.split:
        return []
    rest = requant.shift - requant.low_bits
    right = requant.low_bits <= MOST_LOW_BITS and 0 <= rest <= MOST_SHIFT
    return [] if right else [f"multipliers with {requant.low_bits} low bits and a shift of {requant.shift}"]


def _wrong_flags(graph: LayerGraph, layer: Layer, plan: LayerPlan, call: KernelCall) -> list[str]:
    found = []
    bounds = (0, 255) if layer.requant is None else (layer.requant.lo, layer.requant.hi)
    if plan.clip != (bounds != (0, 255)):
        found.append(f"clip is {plan.clip} for the bounds {bounds}")
    if plan.channels_first != (plan.kernel in _DEPTHWISE):
        found.append(f"{plan.kernel} with channels_first {plan.channels_first}")
    if layer.kind is LayerKind.MAXPOOL:
        if plan.pad_in_l1:
            found.append("a padded value can't take part in a maximum")
    elif layer.skips_padding:
        if plan.pad_in_l1:
            found.append("a padded value can't take part in an average that skips padding")
    elif layer.kind is LayerKind.IM2COL:
        if plan.pad_in_l1:
            found.append("the kernel pads with any value")
    elif layer.kind in (LayerKind.QUANTIZE, LayerKind.TRANSPOSE):
        found += _wrong_order(graph, layer)
    elif call.padding != Padding() and graph.tensors[layer.inputs[0]].zero_point != 0:
        found.append("the kernel pads with 0, which isn't the input's zero point")
    return found


def _wrong_order(graph: LayerGraph, layer: Layer) -> list[str]:
    source, made = (graph.tensors[name].planar for name in (layer.inputs[0], layer.output))
    if layer.kind is LayerKind.TRANSPOSE:
        return ["input and output are in one order"] if source == made else []
    return ["pixels don't become planes"] if made and not source else []


def _even_and_padded(call: KernelCall) -> bool:
    even = call.window.kernel_h % 2 == 0 or call.window.kernel_w % 2 == 0
    return even and call.padding != Padding()


def _check_conv(call: KernelCall) -> list[str]:
    found = []
    if _even_and_padded(call):
        found.append("an even kernel with padding")
    if call.in_c * call.window.kernel_h * call.window.kernel_w > UINT16_MAX:
        found.append("more than 65535 weights for an output channel")
    return found


def _check_pointwise(call: KernelCall) -> list[str]:
    if call.window != Window() or call.padding != Padding():
        return ["the pointwise kernel knows no window, stride or padding"]
    if call.name == "pulp_nn_pointwise_Co_parallel" and call.out_w % 2 == 1:
        return ["pointwise_Co with an odd number of output columns"]
    return []


def _check_depthwise(call: KernelCall) -> list[str]:
    window, pad = call.window, call.padding
    elements = window.kernel_h * window.kernel_w
    found = []
    if call.in_c != call.out_c:
        found.append("input and output channels differ")
    if _even_and_padded(call):
        found.append("an even kernel with padding")
    if pad.right > 0 and pad.left != (window.kernel_w - 1) // 2:
        found.append(f"padding left {pad.left}, right {pad.right}: right padding needs a centred kernel")
    windows_at_left = sum(1 for x in range(call.out_w) if x * window.stride_w < pad.left)
    if pad.left + pad.right > 0 and call.out_w - windows_at_left - pad.right < 1:
        found.append("no window lies between left and right padding")
    if call.name == "pulp_nn_depthwise_generic":
        if elements < 4:
            found.append("fewer than 4 kernel elements")
        if elements > 1023:
            found.append("more than 1023 kernel elements")
        if window.kernel_w == 1:
            found.append("a column kernel overruns its core's buffer")
    elif elements >= 4:
        found.append("4 or more kernel elements")
    elif pad.right > 0 and window.stride_w > 1:
        found.append("right padding with a stride")
    return found


def _check_linear(call: KernelCall) -> list[str]:
    inputs = call.in_h * call.in_w * call.in_c
    return ["more than 65535 inputs"] if inputs > UINT16_MAX else []


def _check_im2col(call: KernelCall) -> list[str]:
    elements = call.window.kernel_h * call.window.kernel_w * call.in_c
    return [] if call.out_c == elements else ["a pixel that isn't a whole window"]


def _check_maxpool(call: KernelCall) -> list[str]:
    found = []
    if call.padding.left > 0 and call.window.stride_w <= call.padding.left:
        found.append("left padding that isn't smaller than the stride")
    if call.out_w > call.in_w:
        found.append("more output than input columns")
    return found


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[KernelCall], list[str]]], ...] = (
    (_CONVS, _check_conv),
    (_POINTWISE, _check_pointwise),
    (_DEPTHWISE, _check_depthwise),
    (("pulp_nn_linear", "pulp_nn_linear_out_32"), _check_linear),
    (("pulp_im2col",), _check_im2col),
    (("pulp_nn_maxpool",), _check_maxpool),
)
