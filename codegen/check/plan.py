"""An independent check of a plan: would the code made from it compute the graph, inside its memories?

Nothing here is shared with the tiler: coverage is counted element by element, what a step reads is derived
from the windows of its outputs, and slots are replayed load by load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from tvm_pulp.codegen.check.fusion import check_no_stages, grouped, stage_blocks, stages_of
from tvm_pulp.codegen.check.l1 import check_l1
from tvm_pulp.codegen.check.l2 import check_l2
from tvm_pulp.codegen.check.pairs import check_order, check_pairs
from tvm_pulp.codegen.check.parts import check_parts, last_parts
from tvm_pulp.codegen.check.shares import share_blocks, shares_of
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Tensor
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import CLUSTER_NAME, Box, L1Buffer, LayerPlan, Operand, Plan, TileStep
from tvm_pulp.errors import PlanError

ALIGNMENT = 8
_PER_CHANNEL = frozenset(LayerKind) - {
    LayerKind.CONV2D,
    LayerKind.POINTWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.LINEAR,
    LayerKind.SOFTMAX,
    LayerKind.IM2COL,
}

_TABLE_BYTES = {
    LayerKind.TABLE: 256,
    LayerKind.QUANTIZE: 4 * 256,
    LayerKind.DEQUANTIZE: 4 * 256,
    LayerKind.SOFTMAX: 2 * 4 * 256,
}


def check_plan(graph: LayerGraph, machine: Machine, plan: Plan) -> None:
    """Raises PlanError, saying what is wrong and where, unless the plan is right for this graph and machine."""
    _check_header(graph, machine, plan)
    graph = grouped(graph, plan)
    check_pairs(plan)
    check_order(graph, plan)
    for layer, layer_plan in zip(graph.layers, plan.layers, strict=True):
        _check_layer(graph, layer, layer_plan, plan, engine_named(layer_plan.engine, machine.engines))
    check_l1(graph, plan)
    check_l2(graph, machine, plan)


def _fail(what: str, where: str) -> PlanError:
    return PlanError(what, where=f"plan, {where}")


def _check_header(graph: LayerGraph, machine: Machine, plan: Plan) -> None:
    if plan.region != graph.name:
        raise _fail(f"made for region {plan.region}, not {graph.name}", "header")
    if plan.cores != machine.cores:
        raise _fail(f"made for {plan.cores} cores, there are {machine.cores}", "header")
    if plan.l1_used > machine.l1_bytes:
        raise _fail(f"uses {plan.l1_used} bytes of L1, there are {machine.l1_bytes}", "header")
    if plan.l2_used > machine.l2_bytes:
        raise _fail(f"uses {plan.l2_used} bytes of L2, there are {machine.l2_bytes}", "header")


def _check_layer(graph: LayerGraph, layer: Layer, layer_plan: LayerPlan, plan: Plan, engine: Engine) -> None:
    where = f"layer {layer.name}"
    refusal = engine.refusal(graph, _engines_layer(layer, layer_plan))
    if refusal is not None:
        raise _fail(f"engine {engine.name} can't compute it: {refusal}", where)
    if not layer_plan.steps:
        raise _fail("no steps", where)
    _check_buffers(layer, layer_plan, plan, where)
    _check_boxes(graph, layer_plan, layer, where)
    check_parts(graph, layer, layer_plan, where)
    _check_coverage(graph, layer, layer_plan, where)
    shares = list(shares_of(layer_plan, engine))
    if layer.parts:
        for stage, own in zip(stages_of(layer, layer_plan), _engines(layer_plan, engine), strict=True):
            for index, step in enumerate(stage.plan.steps):
                out = graph.tensors[stage.layer.output]
                _check_inside(step.y, out, "y", f"layer {stage.layer.name}, step {index}")
            _check_steps(graph, stage.layer, stage.plan, plan.cores, own)
    else:
        check_no_stages(layer_plan)
        _check_steps(graph, layer, layer_plan, plan.cores, engine)
        for share in shares:
            _check_steps(graph, layer, share.plan, plan.cores, share.engine)
    _check_params(layer, layer_plan, where, engine)
    _replay_slots(layer, layer_plan, where, engine)


def _engines_layer(layer: Layer, layer_plan: LayerPlan) -> Layer:
    """The layer, or that one of a group that isn't the cores'."""
    pairs = zip(layer.parts, layer_plan.stages, strict=True)
    return next((part for part, stage in pairs if stage.engine != CLUSTER_NAME), layer)


def _engines(layer_plan: LayerPlan, engine: Engine) -> tuple[Engine, ...]:
    """Those of a group's layers."""
    return tuple(CLUSTER if stage.engine == CLUSTER_NAME else engine for stage in layer_plan.stages)


def _check_steps(graph: LayerGraph, layer: Layer, layer_plan: LayerPlan, cores: int, engine: Engine) -> None:
    """Every step reads what it must, has room for it, and calls a kernel that can do it."""
    for index, step in enumerate(layer_plan.steps):
        here = f"layer {layer.name}, step {index}"
        _check_input(graph, layer, _with_all_channels(graph, layer, layer_plan, step), here)
        _check_sizes(graph, layer, layer_plan, step, cores, where=here)
        _check_sums(layer, layer_plan, step, engine, where=here)
        for violation in engine.violations(graph, layer, layer_plan, step):
            raise _fail(f"{layer_plan.kernel}: {violation}", here)


# ---- Buffers -------------------------------------------------------------------------------------------------


def _check_buffers(layer: Layer, layer_plan: LayerPlan, plan: Plan, where: str) -> None:
    for buffer in layer_plan.buffers:
        name = _buffer_name(buffer)
        if buffer.offset % ALIGNMENT or buffer.offset < 0:
            raise _fail(f"buffer {name} at {buffer.offset} isn't aligned to {ALIGNMENT} bytes", where)
        if buffer.offset + buffer.size > plan.l1_used:
            raise _fail(f"buffer {name} ends at {buffer.offset + buffer.size}, beyond the L1 in use", where)
    for one, other in combinations(layer_plan.buffers, 2):
        if (one.operand, one.slot) == (other.operand, other.slot):
            raise _fail(f"buffer {_buffer_name(one)} is there twice", where)
        if one.offset < other.offset + other.size and other.offset < one.offset + one.size:
            raise _fail(f"buffers {_buffer_name(one)} and {_buffer_name(other)} overlap", where)
    x, x2 = _slots(layer_plan, Operand.X), _slots(layer_plan, Operand.X2)
    in_l1 = [name in layer_plan.in_l1 for name in layer.inputs]
    matching = x if in_l1 == [False, False] else x2 if in_l1 == [True, False] else set()
    if not layer.parts and x2 != matching:
        raise _fail("the second input's buffers don't match the first's", where)
    for operand, name in (
        (Operand.X, layer.inputs[0]),
        (Operand.X2, layer.inputs[-1]),
        (Operand.Y, layer.output),
    ):
        if name in layer_plan.in_l1 and _slots(layer_plan, operand):
            raise _fail(f"{name} lies in L1 and has a buffer too", where)


def _buffer_name(buffer: L1Buffer) -> str:
    return f"{buffer.operand.value}[{buffer.slot}]"


def _slots(layer_plan: LayerPlan, operand: Operand) -> set[int]:
    return {buffer.slot for buffer in layer_plan.buffers if buffer.operand is operand}


def _size(layer_plan: LayerPlan, operand: Operand, slot: int) -> int:
    return sum(b.size for b in layer_plan.buffers if b.operand is operand and b.slot == slot)


def _check_sizes(
    graph: LayerGraph, layer: Layer, layer_plan: LayerPlan, step: TileStep, cores: int, *, where: str
) -> None:
    """Every buffer that the step uses is there and holds what the step puts in it."""
    pad = step.padding
    rows = step.x.h + (pad.top + pad.bottom if layer_plan.pad_in_l1 else 0)
    columns = step.x.w + (pad.left + pad.right if layer_plan.pad_in_l1 else 0)
    x_bytes, y_bytes = (_element_bytes(graph.tensors[name]) for name in (layer.inputs[0], layer.output))
    needed = [
        (Operand.PARAMS, step.params_slot, step.params_size),
        (Operand.SCRATCH, 0, _scratch(layer, layer_plan, step, cores)),
    ]
    if layer.inputs[0] not in layer_plan.in_l1:
        overread = _overread(layer, layer_plan, step)
        needed.append((Operand.X, step.x_slot, rows * columns * step.x.c * x_bytes + overread))
    if len(layer.inputs) == 2 and layer.inputs[1] not in layer_plan.in_l1:
        needed.append((Operand.X2, step.x_slot, rows * columns * step.x.c))
    if layer.output not in layer_plan.in_l1:
        needed.append((Operand.Y, step.y_slot, step.y.h * step.y.w * step.y.c * y_bytes))
    for operand, slot, size in needed:
        if size > _size(layer_plan, operand, slot):
            there = _size(layer_plan, operand, slot)
            raise _fail(f"buffer {operand.value}[{slot}] needs {size} bytes and has {there}", where)


def _check_sums(layer: Layer, layer_plan: LayerPlan, step: TileStep, engine: Engine, *, where: str) -> None:
    """What the engine leaves to the cores has room; it alternates as the outputs do. So has what a step leaves
    to the next one, always in the same place."""
    slot, sum_bytes = (0, 4) if layer_plan.c_in else (step.y_slot, engine.sums_bytes(layer))
    size = step.y.h * step.y.w * step.y.c * sum_bytes
    there = _size(layer_plan, Operand.SUMS, slot)
    if size > there:
        raise _fail(f"buffer sums[{slot}] needs {size} bytes and has {there}", where)


def _element_bytes(tensor: Tensor) -> int:
    return 1 if tensor.dtype in (Dtype.UINT8, Dtype.INT8) else 4


def _overread(layer: Layer, layer_plan: LayerPlan, step: TileStep) -> int:
    """Bytes that PULP-NN's depthwise reads behind its input."""
    if layer_plan.kernel not in ("pulp_nn_depthwise_generic", "pulp_nn_depthwise_generic_less_4_weights"):
        return 0
    words = (layer.window.kernel_w + 3) // 4
    beside = 0 if layer_plan.pad_in_l1 else step.padding.right
    return max(4, 4 * words - layer.window.kernel_w + beside)


def _scratch(layer: Layer, layer_plan: LayerPlan, step: TileStep, cores: int) -> int:
    kernel_h, kernel_w = layer.window.kernel_h, layer.window.kernel_w
    column = kernel_w * (step.padding.top + step.x.h + step.padding.bottom) + kernel_w
    if "_nn_conv_" in layer_plan.kernel:
        weights = kernel_h * kernel_w * step.x.c
        whole_words = (weights + 3) // 4 * 4
        batch = 4 + 4 * (whole_words <= 64) + 8 * (whole_words <= 32)
        return cores * max(2 * weights, batch * whole_words if step.x.c % 4 else 0)
    if layer_plan.kernel == "pulp_nn_depthwise_generic":
        return cores * column
    if layer_plan.kernel == "pulp_nn_depthwise_generic_less_4_weights":
        return cores * (column + (kernel_w + 3) // 4 * 4 - kernel_w)
    return 0


# ---- Geometry ------------------------------------------------------------------------------------------------


def _check_boxes(graph: LayerGraph, layer_plan: LayerPlan, layer: Layer, where: str) -> None:
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    for index, step in enumerate(layer_plan.steps):
        for name, box, tensor in (("x", step.x, source), ("y", step.y, out)):
            _check_inside(box, tensor, name, f"{where}, step {index}")
    largest = layer_plan.steps[0].y
    for step in layer_plan.steps:
        largest = Box(0, max(largest.h, step.y.h), 0, max(largest.w, step.y.w), 0, max(largest.c, step.y.c))
    if layer_plan.tile != largest:
        raise _fail("the tile isn't the largest step's output box", where)


def _check_inside(box: Box, tensor: Tensor, name: str, where: str) -> None:
    inside = (
        _inside(box.h0, box.h, tensor.height)
        and _inside(box.w0, box.w, tensor.width)
        and _inside(box.c0, box.c, tensor.channels)
    )
    if not inside:
        raise _fail(f"box {name} isn't inside tensor {tensor.name}", where)


def _inside(start: int, size: int, limit: int) -> bool:
    return start >= 0 and size >= 1 and start + size <= limit


def _check_coverage(graph: LayerGraph, layer: Layer, layer_plan: LayerPlan, where: str) -> None:
    out = graph.tensors[layer.output]
    times = np.zeros((out.height, out.width, out.channels), np.int32)
    for index in last_parts(layer_plan):
        y = layer_plan.steps[index].y
        times[y.h0 : y.h0 + y.h, y.w0 : y.w0 + y.w, y.c0 : y.c0 + y.c] += 1
    for fault, wrong in (("never", times == 0), ("more than once", times > 1)):
        if wrong.any():
            place = tuple(int(index) for index in np.argwhere(wrong)[0])
            raise _fail(f"output element {place} is computed {fault}", where)


def _with_all_channels(graph: LayerGraph, layer: Layer, layer_plan: LayerPlan, step: TileStep) -> TileStep:
    """The step as if it read all parts of its tile's input channels, which `check_parts` looks at."""
    if not layer_plan.c_in:
        return step
    return replace(step, x=replace(step.x, c0=0, c=graph.tensors[layer.inputs[0]].channels))


def _check_input(graph: LayerGraph, layer: Layer, step: TileStep, where: str) -> None:
    """The step reads, at every position of its windows, the element that the layer's definition says."""
    source = graph.tensors[layer.inputs[0]]
    whole = Box(0, source.height, 0, source.width, 0, source.channels)
    if layer.kind is LayerKind.LINEAR:
        if step.x != whole or step.padding.top + step.padding.bottom + step.padding.left + step.padding.right:
            raise _fail("a linear layer reads its whole input", where)
        return
    window, pad, x, y = layer.window, step.padding, step.x, step.y
    own = layer.kind in _PER_CHANNEL
    if (x.c0, x.c) != ((y.c0, y.c) if own else (0, source.channels)):
        raise _fail("the input box has the wrong channels", where)
    rows = np.arange(window.kernel_h) * window.dilation_h
    columns = np.arange(window.kernel_w) * window.dilation_w
    vertical = _reads(y.h0, y.h, rows, window.stride_h, window.pad_top)
    horizontal = _reads(y.w0, y.w, columns, window.stride_w, window.pad_left)
    _check_axis(vertical, source.height, (pad.top, x.h0, x.h, pad.bottom), f"{where}, rows")
    _check_axis(horizontal, source.width, (pad.left, x.w0, x.w, pad.right), f"{where}, columns")


def _reads(
    first: int, count: int, taps: npt.NDArray[np.int64], stride: int, before: int
) -> npt.NDArray[np.int64]:
    """Coordinates in the input tensor (outside: padding), by output and by kernel element."""
    outputs = np.arange(first, first + count)
    return np.add.outer(outputs * stride - before, taps)


def _check_axis(reads: npt.NDArray[np.int64], size: int, buffer: tuple[int, int, int, int], where: str) -> None:
    """`buffer` is (padding before, start, size of the box, padding after). A kernel reads the buffer from its
    first padded element; each position must be the element, or the padding, that `reads` says."""
    before, start, length, after = buffer
    local = reads - reads[0, 0]
    span = before + length + after
    if int(local.max()) + 1 != span:
        raise _fail(f"box and padding span {span}, the windows {int(local.max()) + 1}", where)
    inside = np.full(span, -1, np.int64)
    inside[before : before + length] = np.arange(start, start + length)
    expected = np.where((reads >= 0) & (reads < size), reads, -1)
    if not np.array_equal(inside[local], expected):
        raise _fail("box and padding aren't where the windows read", where)


# ---- Parameters ----------------------------------------------------------------------------------------------


def _check_params(layer: Layer, layer_plan: LayerPlan, where: str, engine: Engine) -> None:
    """Equal channel ranges have one block, and the blocks lie one after the other in channel order. Where input
    channels are read in parts, each part of them has one."""
    blocks: dict[tuple[int, ...], tuple[int, int]] = {}
    wanted = _block_sizes(layer, layer_plan, where, engine)
    ranges = [
        (step.y.c0, step.y.c, *((step.x.c0, step.x.c) if layer_plan.c_in else ())) for step in layer_plan.steps
    ]
    sizes = dict(zip(ranges, wanted, strict=True))
    for index, (step, channels) in enumerate(zip(layer_plan.steps, ranges, strict=True)):
        block = (step.params_offset, step.params_size)
        if blocks.setdefault(channels, block) != block:
            raise _fail(f"two parameter blocks for channels {channels}", f"{where}, step {index}")
    offset = 0
    for channels, (block_offset, block_size) in sorted(blocks.items()):
        (c0, c), size = channels[:2], sizes[channels]
        if (block_offset, block_size) != (offset, size):
            raise _fail(
                f"the parameters of channels {c0}..{c0 + c - 1} should be {size} bytes at {offset},"
                f" not {block_size} at {block_offset}",
                where,
            )
        offset += size


def _block_sizes(layer: Layer, layer_plan: LayerPlan, where: str, engine: Engine) -> list[int]:
    """Bytes of each step's block."""
    if isinstance(engine, Team):
        own = [[_block_size(layer, step.y.c, one) for step in layer_plan.steps] for one in engine.members]
        return share_blocks(layer, layer_plan, own, engine.members, where)
    if not layer.parts:
        parts = [_read_by(layer, step) if layer_plan.c_in else layer for step in layer_plan.steps]
        return [_block_size(part, step.y.c, engine) for part, step in zip(parts, layer_plan.steps, strict=True)]
    sizes = [
        [_block_size(part, step.y.c, own) for step in stage.steps]
        for part, own, stage in zip(layer.parts, _engines(layer_plan, engine), layer_plan.stages, strict=True)
    ]
    return stage_blocks(layer_plan, sizes, where)


def _read_by(layer: Layer, step: TileStep) -> Layer:
    """The layer with as many weights as meet the input channels of a step."""
    assert layer.weights is not None  # see check_parts
    linear = layer.kind is LayerKind.LINEAR
    each = (step.x.h * step.x.w * step.x.c,) if linear else (*layer.weights.shape[1:3], step.x.c)
    return replace(layer, weights=np.zeros((layer.weights.shape[0], *each), np.int8))


def _block_size(layer: Layer, channels: int, engine: Engine) -> int:
    if engine.name != CLUSTER_NAME:
        return engine.block_bytes(layer, channels)
    if layer.kind in _TABLE_BYTES:
        return _TABLE_BYTES[layer.kind]
    if layer.skips_padding:
        return 2 * 4 * layer.window.kernel_h * layer.window.kernel_w
    if layer.weights is None:
        return 0
    requant = layer.requant
    unit = 8 if requant is not None and requant.wide and not requant.split else 4
    entries = 1 if requant is None else 2  # the bias; k and lambda
    weights = int(np.prod(layer.weights.shape[1:]))
    beyond = 4 if layer.kind is LayerKind.DEPTHWISE else -weights % 4  # kernels read whole words
    return -(-(entries * unit * channels + weights * channels + beyond) // unit) * unit


# ---- Slots ---------------------------------------------------------------------------------------------------


def _replay_slots(layer: Layer, layer_plan: LayerPlan, where: str, engine: Engine) -> None:
    """Every step finds its operands; no load goes to the slot that the step before still reads, unless it is
    late, and no result to the slot that is still being stored."""
    beside = engine.name != CLUSTER_NAME and not layer_plan.shares
    if layer_plan.late and beside and (layer_plan.late != (Operand.PARAMS,) or layer_plan.stages):
        raise _fail(f"engine {engine.name} can load only parameters late, and none of a group", where)
    if not set(layer_plan.late) <= {Operand.X, Operand.PARAMS}:
        raise _fail("only x and params can be late", where)
    for operand in layer_plan.late:
        if not any(_loads(step, operand) for step in layer_plan.steps[1:]):
            raise _fail(f"{operand.value} is late, but no step after the first loads it", where)
    x = [
        (step.x_slot, step.load_x, (step.x, step.padding if layer_plan.pad_in_l1 else None))
        for step in layer_plan.steps
    ]
    if not set(layer.inputs) <= set(layer_plan.in_l1):
        first = layer_plan.stages[0].kernel if layer_plan.stages else layer_plan.kernel
        _replay(x, Operand.X, layer_plan, where, destroyed=first == "pulp_nn_maxpool")
    elif any(step.load_x for step in layer_plan.steps):
        raise _fail("loads an input that lies in L1", where)
    if any(_block_sizes(layer, layer_plan, where, engine)):
        params = [(s.params_slot, s.load_params, (s.params_offset, s.params_size)) for s in layer_plan.steps]
        _replay(params, Operand.PARAMS, layer_plan, where)
    elif any(step.load_params for step in layer_plan.steps):
        raise _fail("loads parameters that the layer doesn't have", where)
    for index, (before, step) in enumerate(zip(layer_plan.steps, layer_plan.steps[1:], strict=False), start=1):
        if before.y_slot == step.y_slot and layer.output not in layer_plan.in_l1:
            raise _fail("writes the output slot that is still being stored", f"{where}, step {index}")


def _loads(step: TileStep, operand: Operand) -> bool:
    return step.load_x if operand is Operand.X else step.load_params


def _replay(
    uses: Sequence[tuple[int, bool, object]],
    operand: Operand,
    layer_plan: LayerPlan,
    where: str,
    destroyed: bool = False,
) -> None:
    late = operand in layer_plan.late
    held: dict[int, object] = {}
    for index, (slot, load, wanted) in enumerate(uses):
        here = f"{where}, step {index}"
        if load and index > 0 and uses[index - 1][0] == slot and not late:
            raise _fail(f"loads {operand.value} into the slot that step {index - 1} reads", here)
        if load:
            held[slot] = wanted
        elif held.get(slot) != wanted:
            raise _fail(f"slot {slot} doesn't hold the {operand.value} of this step, and it isn't loaded", here)
        if destroyed:
            del held[slot]
