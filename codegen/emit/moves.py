"""The statements of a layer that move its operands between L2 and L1."""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.emit.context import LayerContext
from tvm_pulp.codegen.emit.params import params_symbol
from tvm_pulp.codegen.emit.steps import StepTable, step_table
from tvm_pulp.codegen.emit.text import address, call, designated, scaled
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor
from tvm_pulp.codegen.memory.ahead import first_step_alone
from tvm_pulp.codegen.memory.l3_places import step_places
from tvm_pulp.codegen.params import has_params
from tvm_pulp.codegen.plan import L1Buffer, LayerPlan, Operand


def load(context: LayerContext, *, late: bool) -> list[str]:
    """Loads the operands that are late, or those that aren't."""
    lines = []
    if (Operand.X in context.plan.late) == late:
        lines += _load_x(context.graph, context.layer, context.plan, context.table)
    if (Operand.PARAMS in context.plan.late) == late and has_params(context.layer):
        lines += _load_params(context)
    return lines


def load_ahead(context: LayerContext) -> list[str]:
    """Loads what the first step of the next layer finds loaded."""
    number = context.index + 1
    if number == len(context.region.layers):
        return []
    layer, plan = context.graph.layers[number], context.region.layers[number]
    lines = []
    if plan.params_ahead:
        places = step_places(context.graph, context.region, number).params
        symbol = params_symbol(context.graph, layer) if places is None else "l2_arena"
        offset = plan.steps[0].params_offset if places is None else places[0]
        target = address("l1", str(first_buffer(plan, Operand.PARAMS, plan.steps[0].params_slot).offset))
        size = plan.steps[0].params_size
        lines.append(f"  loads->params = pulp_dma_in({target}, {address(symbol, str(offset))}, {size});")
    if plan.x_ahead:
        alone = first_step_alone(plan)
        homes = {one.tensor: one.offset for one in context.region.l1_tensors}
        lines += _load_x(context.graph, layer, alone, step_table(context.graph, layer, alone, homes=homes))
    return lines


def store(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    """Begins to store the output of a step."""
    box = [*_box(graph.tensors[layer.output], table, "y"), ("l1_row", table.expression("y_row"))]
    target, source = address("out", table.expression("y")), address("l1", table.expression("y_l1"))
    unfinished = f"  if (!{table.expression('last_part')}) return PULP_DMA_NONE;"
    return [
        *([unfinished] if table.varies("last_part") else []),
        designated("const pulp_box_t box", box),
        f"  return pulp_dma_box_out({target}, {source}, &box);",
    ]


def _load_x(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    """Loads the inputs of a step."""
    if not layer.parts:
        return _load_inputs(graph, layer, plan, table)
    first = _load_inputs(graph, replace(layer, inputs=layer.inputs[:1]), plan, table)
    return first + (_load_second(graph.tensors[layer.inputs[1]], table) if len(layer.inputs) > 1 else [])


def _load_second(tensor: Tensor, table: StepTable) -> list[str]:
    """Loads a group's second input: what its last layer reads beside the map that is made in L1."""
    if not table.any("load_x2"):
        return []
    box = [*_box(tensor, table, "y"), ("l1_row", table.expression("y_row"))]
    target, source = address("l1", table.expression("x2_l1")), address("in2", table.expression("x2"))
    return _if_due(
        table, "load_x2", [("box2", box)], [f"loads->x2 = pulp_dma_box_in({target}, {source}, &box2);"]
    )


def _load_inputs(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    tensor = graph.tensors[layer.inputs[0]]
    first, second = (name not in plan.in_l1 for name in (layer.inputs[0], layer.inputs[-1]))
    if not (first or second) or not table.any("load_x"):
        return []
    box = _box(tensor, table, "x")
    box.append(("l1_row", table.expression("x_row")))
    if plan.channels_first:
        box.append(("l1_plane", table.expression("x_plane")))
    function = "pulp_dma_box_in_chw" if plan.channels_first else "pulp_dma_box_in"
    source = table.expression("x")
    target = address("l1", table.expression("x_data" if plan.pad_in_l1 else "x_l1"))
    boxes = [("box", box)] if first else []
    copies = [f"loads->x = {function}({target}, {address('in', source)}, &box);"] if first else []
    if len(layer.inputs) > 1 and second:
        own = not first or _has_own_box2(graph, layer)
        target = address("l1", table.expression("x2_l1"))
        offset = "x2" if table.values["x2"] != table.values["x"] else "x"
        source = address("in2", table.expression(offset))
        copies.append(f"loads->x2 = {function}({target}, {source}, {'&box2' if own else '&box'});")
        boxes += [("box2", _box2(graph, layer, table))] if own else []
    return _if_due(table, "load_x", boxes, copies)


_Boxes = list[tuple[str, list[tuple[str, str]]]]
"""Names and fields."""


def _if_due(table: StepTable, column: str, boxes: _Boxes, copies: list[str]) -> list[str]:
    """The copies of boxes, in the steps of which the column says so."""
    if not table.varies(column):
        return [
            *(designated(f"const pulp_box_t {name}", fields) for name, fields in boxes),
            *(f"  {copy}" for copy in copies),
        ]
    return [
        f"  if ({table.expression(column)}) {{",
        *(designated(f"const pulp_box_t {name}", fields, indent=4) for name, fields in boxes),
        *(f"    {copy}" for copy in copies),
        "  }",
    ]


def _load_params(context: LayerContext) -> list[str]:
    table = context.table
    if not table.any("load_params"):
        return []
    target, source = table.expression("params_l1"), table.expression("params")
    arguments = [address("l1", target), address("params", source), table.expression("params_size")]
    varies = table.varies("load_params")
    copy = call("loads->params = pulp_dma_in", arguments, indent=4 if varies else 2)
    declaration = f"  const uint8_t *const params = {context.params};"
    if not varies:
        return [declaration, copy]
    return [declaration, f"  if ({table.expression('load_params')}) {{", copy, "  }"]


def _box(tensor: Tensor, table: StepTable, operand: str) -> list[tuple[str, str]]:
    h, w, c = (table.expression(f"{operand}_{axis}") for axis in "hwc")
    rows, cols, elements = (c, h, w) if tensor.planar else (h, w, c)
    lines = tensor.as_bytes
    return [
        ("rows", rows),
        ("cols", cols),
        ("channels", scaled(elements, tensor.dtype.size)),
        ("l2_row", str(lines.row_bytes)),
        ("l2_pixel", str(lines.pixel_bytes)),
    ]


def _has_own_box2(graph: LayerGraph, layer: Layer) -> bool:
    """True if the second input lies otherwise in memory than the first."""
    first, second = (graph.tensors[name] for name in layer.inputs)
    return _lie(first) != _lie(second)


def _lie(tensor: Tensor) -> tuple[int, ...]:
    return (tensor.height, tensor.width, tensor.row_bytes, tensor.pixel_bytes)


def _box2(graph: LayerGraph, layer: Layer, table: StepTable) -> list[tuple[str, str]]:
    """The second input's box: the first's, or one pixel."""
    first, second = (graph.tensors[name] for name in layer.inputs)
    box = _box(second, table, "x")
    if (first.height, first.width) != (second.height, second.width):
        box[:2] = [("rows", "1"), ("cols", "1")]
        return [*box, ("l1_row", table.expression("x_c"))]
    return [*box, ("l1_row", table.expression("x_row"))]


def first_buffer(plan: LayerPlan, operand: Operand, slot: int) -> L1Buffer:
    """The buffer of an operand that a step with this slot uses."""
    return next(one for one in plan.buffers if (one.operand, one.slot) == (operand, slot))
