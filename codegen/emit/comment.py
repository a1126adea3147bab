"""The comment before a layer's C: where it comes from, its shapes, kernel, tile, requantization and work."""

from __future__ import annotations

from tvm_pulp.codegen.emit.text import comment_text, labelled
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Tensor, macs
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan, LoopOrder
from tvm_pulp.codegen.tiles.shares import rows_words, share_rows

_WINDOWED = (
    LayerKind.CONV2D,
    LayerKind.DEPTHWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
    LayerKind.IM2COL,
)


def layer_comment(
    graph: LayerGraph, index: int, layer: Layer, plan: LayerPlan, cores: int, *, second: bool = False
) -> list[str]:
    """The lines of the comment about the `index`-th layer of a region, maybe the `second` of two at once."""
    if layer.parts:
        return _group_comment(graph, index, layer, plan, cores)
    inputs = [_shape(graph.tensors[name]) for name in layer.inputs]
    tile = plan.tile
    on_cores = f"{cores} core{'s' if cores > 1 else ''}"
    units = " and ".join(on_cores if name == CLUSTER_NAME else name for name in plan.engines)
    kernel = f"{plan.kernel} on {units}"
    lines = [
        f"/* Layer {index + 1} of {len(graph.layers)}: {layer.name} ({layer.kind.value})",
        " *",
        *labelled("from", [comment_text(source) for source in layer.sources] or ["(unknown)"]),
        *labelled("shape", [f"{' + '.join(inputs)} -> {_shape(graph.tensors[layer.output])} (h x w x c)"]),
        *_window_comment(layer),
        *labelled("kernel", [kernel]),
        *(labelled("rows", [rows_words(share_rows(plan))]) if plan.shares else []),
        *labelled("tile", [f"{tile.h} x {tile.w} x {tile.c}", *_parts_comment(plan), *_steps_comment(plan)]),
        *_requant_comment(layer),
        *labelled("work", [f"{macs(graph, layer):,} {_work_unit(layer)}", _cycles(plan, second)]),
    ]
    return [*lines, " */"]


def _cycles(plan: LayerPlan, second: bool) -> str:
    if second:
        return "at the same time as the layer before"
    return f"about {plan.cycles:,} cycles" + (" together with the next layer" if plan.with_next else "")


def _group_comment(graph: LayerGraph, index: int, layer: Layer, plan: LayerPlan, cores: int) -> list[str]:
    tile, work = plan.tile, macs(graph, layer)
    on_cores = f"{cores} cores" if plan.engine == CLUSTER_NAME else f"{cores} cores and {plan.engine}"
    lines = [
        f"/* Layer {index + 1} of {len(graph.layers)}: {len(layer.parts)} fused, between them only L1",
        " *",
        *labelled("tile", [f"{tile.h} x {tile.w} x {tile.c}", *_steps_comment(plan)]),
        *labelled("work", [f"{work:,} MAC", f"about {plan.cycles:,} cycles on {on_cores}"]),
    ]
    for part, stage in zip(layer.parts, plan.stages, strict=True):
        source = " + ".join(_shape(graph.tensors[name]) for name in part.inputs)
        kernel = stage.kernel if stage.engine == CLUSTER_NAME else f"{stage.kernel} on {stage.engine}"
        lines += [
            " *",
            f" * {part.name} ({part.kind.value})",
            *labelled("from", [comment_text(source) for source in part.sources] or ["(unknown)"]),
            *labelled("shape", [f"{source} -> {_shape(graph.tensors[part.output])} (h x w x c)"]),
            *_window_comment(part),
            *labelled("kernel", [kernel]),
            *_requant_comment(part),
        ]
    return [*lines, " */"]


def _parts_comment(plan: LayerPlan) -> list[str]:
    """Of how many input channels at a time a tile is computed, if not of all."""
    return [f"{plan.c_in} input channels at a time"] if plan.c_in else []


def _steps_comment(plan: LayerPlan) -> list[str]:
    """The number of steps and, where channels and space are both divided, which of them is the outer loop."""
    if len(plan.steps) == 1:
        return ["1 step"]
    channels = {step.y.c0 for step in plan.steps}
    places = {(step.y.h0, step.y.w0) for step in plan.steps}
    steps = f"{len(plan.steps)} steps"
    return [steps, _ORDERS[plan.order]] if len(channels) > 1 and len(places) > 1 else [steps]


_ORDERS = {
    LoopOrder.CHANNELS_OUTER: "the whole map for each range of channels",
    LoopOrder.SPACE_OUTER: "all channels for each part of the map",
}


def _requant_comment(layer: Layer) -> list[str]:
    """How sums become bytes."""
    requant = layer.requant
    if layer.makes_sums:
        return labelled("sums", ["y = acc + bias[c]", "int32"])
    if requant is None:
        return []
    total = _SUMS.get(layer.kind, "k[c] * acc + lambda[c]")
    formula = f"y = clip(({total}) >> {requant.shift}, {requant.lo}, {requant.hi})"
    width = f"k in two parts, {requant.low_bits} bits in the lower" if requant.split else "in 64 bits"
    return labelled("requant", [formula, width] if requant.wide else [formula])


_SUMS = {LayerKind.ADD: "k1 * x + k2 * x2 + lambda", LayerKind.AVGPOOL: "k * sum + lambda"}


def _work_unit(layer: Layer) -> str:
    """What `graph.macs` counts."""
    pools = (LayerKind.AVGPOOL, LayerKind.MAXPOOL)
    return "window elements" if layer.kind in pools else "sums" if layer.kind is LayerKind.ADD else "MAC"


def _window_comment(layer: Layer) -> list[str]:
    window = layer.window
    if layer.kind not in _WINDOWED:
        return []
    pads = f"{window.pad_top} {window.pad_bottom} {window.pad_left} {window.pad_right}"
    sizes = f"{window.kernel_h} x {window.kernel_w}"
    words = [sizes, f"stride {window.stride_h} x {window.stride_w}", f"padding {pads} (top bottom left right)"]
    if layer.kind is LayerKind.CONV_DIRECT:
        words += [f"dilation {window.dilation_h} x {window.dilation_w}", f"{layer.groups} groups"]
    return labelled("window", words)


def _shape(tensor: Tensor) -> str:
    sizes = f"{tensor.height} x {tensor.width} x {tensor.channels}"
    words = [] if tensor.dtype is Dtype.UINT8 else [tensor.dtype.value]
    return " ".join([*words, sizes, *(["planar"] if tensor.planar else [])])
