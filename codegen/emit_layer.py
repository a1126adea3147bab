"""One layer as text: its comment, step table, and the functions that load, compute and store a tile."""

from __future__ import annotations

from dataclasses import dataclass

from tvm_pulp.codegen.emit_kernels import compute
from tvm_pulp.codegen.emit_steps import COLUMNS, StepTable, step_table
from tvm_pulp.codegen.emit_text import comment_text, designated, fill, labelled, signature
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor, macs
from tvm_pulp.codegen.plan import L1Buffer, LayerPlan, LoopOrder, Operand


@dataclass(frozen=True)
class LayerText:
    """What the layer template puts together. Lines carry their indentation; `*_arguments` are call texts.

    `overlap` says that a step's loads start while the step before computes.
    """

    name: str
    steps: int
    overlap: bool
    comment: list[str]
    columns: list[str]
    rows: list[str]
    l1_ranges: list[str]
    l2_ranges: list[str]
    load_signature: str
    load: list[str]
    compute_signature: str
    compute: list[str]
    store_signature: str
    store: list[str]
    run_signature: str
    first_load: str
    load_this: str
    load_next: str
    compute_call: str
    store_call: str
    store_slots: int
    store_slot: str


def layer_text(graph: LayerGraph, index: int, layer: Layer, plan: LayerPlan, cores: int) -> LayerText:
    """Text of the `index`-th layer of a region."""
    table = step_table(graph, layer, plan)
    load, load_step = _with_step(table, _load(graph, layer, plan, table))
    body, compute_step = _with_step(table, compute(graph, layer, plan, table))
    store, store_step = _with_step(table, _store(graph, layer, table))
    store_slot = table.expression("y_slot")
    name = layer.name
    sources = _input_names(layer)
    pointers = [f"const uint8_t *{source}" for source in sources]
    step = f"const step_{name}_t *step"
    load_arguments = (*sources, "l1", "&loads")
    return LayerText(
        name=name,
        steps=len(plan.steps),
        overlap=not _reloads_in_place(plan),
        comment=_comment(graph, index, layer, plan, cores),
        columns=[f"  {COLUMNS[column][0]} {column}; /* {COLUMNS[column][1]} */" for column in table.columns()],
        rows=_rows(table),
        l1_ranges=[f'    {{"{_range_name(buffer)}", {buffer.offset}, {buffer.size}}},' for buffer in plan.buffers],
        l2_ranges=_l2_ranges(graph, layer, plan),
        load_signature=signature(
            "void ", f"load_{name}", [*([step] if load_step else []), *pointers, "uint8_t *l1", "loads_t *loads"]
        ),
        load=load,
        compute_signature=signature(
            "void ", f"compute_{name}", [*([step] if compute_step else []), "uint8_t *l1"]
        ),
        compute=body,
        store_signature=signature(
            "pulp_dma_job_t ",
            f"store_{name}",
            [*([step] if store_step else []), "const uint8_t *l1", "uint8_t *out"],
        ),
        store=store,
        run_signature=signature("void ", f"run_{name}", ["uint8_t *l1", *pointers, "uint8_t *out"]),
        first_load=_invoke(f"load_{name}", f"&steps_{name}[0]", load_step, load_arguments),
        load_this=_invoke(f"load_{name}", "step", load_step, load_arguments),
        load_next=_invoke(f"load_{name}", "step + 1", load_step, load_arguments),
        compute_call=_invoke(f"compute_{name}", "step", compute_step, ("l1",)),
        store_call=_invoke(f"store_{name}", "step", store_step, ("l1", "out")),
        store_slots=1 + max(step.y_slot for step in plan.steps),
        store_slot=store_slot,
    )


def _with_step(table: StepTable, lines: list[str]) -> tuple[list[str], bool]:
    """The lines, and whether they read the step table."""
    return lines, any("step->" in line for line in lines)


def _invoke(function: str, step: str, with_step: bool, arguments: tuple[str, ...]) -> str:
    return f"{function}({', '.join(([step] if with_step else []) + list(arguments))})"


def _reloads_in_place(plan: LayerPlan) -> bool:
    """True if a step loads into a buffer that the step before it still reads."""
    return any(
        (after.load_x and after.x_slot == before.x_slot)
        or (after.load_params and after.params_size > 0 and after.params_slot == before.params_slot)
        for before, after in zip(plan.steps, plan.steps[1:], strict=False)
    )


def _input_names(layer: Layer) -> tuple[str, ...]:
    return ("in",) if len(layer.inputs) == 1 else ("in", "in2")


def _comment(graph: LayerGraph, index: int, layer: Layer, plan: LayerPlan, cores: int) -> list[str]:
    inputs = [_shape(graph.tensors[name]) for name in layer.inputs]
    tile, order = plan.tile, plan.order.value.replace("_", " ")
    kernel = f"{plan.kernel} on {cores} core{'s' if cores > 1 else ''}"
    lines = [
        f"/* Layer {index + 1} of {len(graph.layers)}: {layer.name} ({layer.kind.value})",
        " *",
        *labelled("from", [comment_text(source) for source in layer.sources] or ["(unknown)"]),
        *labelled("shape", [f"{' + '.join(inputs)} -> {_shape(graph.tensors[layer.output])} (h x w x c)"]),
        *_window_comment(layer),
        *labelled("kernel", [kernel]),
        *labelled("tile", [f"{tile.h} x {tile.w} x {tile.c}", *_steps_comment(plan, order)]),
        *labelled("work", [f"{macs(graph, layer)} MAC", f"about {plan.cycles} cycles"]),
    ]
    return [*lines, " */"]


def _steps_comment(plan: LayerPlan, order: str) -> list[str]:
    return ["1 step"] if len(plan.steps) == 1 else [f"{len(plan.steps)} steps", order]


def _window_comment(layer: Layer) -> list[str]:
    window = layer.window
    if layer.kind in (LayerKind.LINEAR, LayerKind.ADD, LayerKind.POINTWISE):
        return []
    pads = f"{window.pad_top} {window.pad_bottom} {window.pad_left} {window.pad_right}"
    sizes = f"{window.kernel_h} x {window.kernel_w}"
    strides = f"stride {window.stride_h} x {window.stride_w}"
    return labelled("window", [sizes, strides, f"padding {pads} (top bottom left right)"])


def _shape(tensor: Tensor) -> str:
    return f"{tensor.height} x {tensor.width} x {tensor.channels}"


def _rows(table: StepTable) -> list[str]:
    columns = table.columns()
    if not columns:
        return []
    return [
        "    {" + ", ".join(map(str, row)) + "},"
        for row in zip(*(table.values[column] for column in columns), strict=True)
    ]


def _range_name(buffer: L1Buffer) -> str:
    return f"{buffer.operand.value}{buffer.slot}"


def _l2_ranges(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> list[str]:
    names = zip(layer.inputs, _input_names(layer), strict=True)
    ranges = [(tensor, name, str(graph.tensors[tensor].size_bytes)) for tensor, name in names]
    ranges.append((layer.output, "out", str(graph.tensors[layer.output].size_bytes)))
    if layer.weights is not None:
        params = params_symbol(graph, layer)
        ranges.append(("parameters", params, f"sizeof({params})"))
    return [f'      {{"{name}", {base}, {size}}},' for name, base, size in ranges]


def params_symbol(graph: LayerGraph, layer: Layer) -> str:
    """The C array of a layer's packed parameters."""
    return f"{graph.name}_params_{layer.name}"


def _load(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    lines = _load_x(graph, layer, plan, table)
    if layer.weights is not None:
        lines += _load_params(graph, layer, table)
    return lines


def _load_x(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
    tensor = graph.tensors[layer.inputs[0]]
    box = _box(tensor, table, "x")
    box.append(("l1_row", table.expression("x_row")))
    if plan.channels_first:
        box.append(("l1_plane", table.expression("x_plane")))
    function = "pulp_dma_box_in_chw" if plan.channels_first else "pulp_dma_box_in"
    target = table.expression("x_data" if plan.pad_in_l1 else "x_l1")
    source = f" + {table.expression('x')}"
    copies = [f"loads->x = {function}(l1 + {target}, in{source}, &box);"]
    if len(layer.inputs) > 1:
        copies.append(f"loads->x2 = {function}(l1 + {table.expression('x2_l1')}, in2{source}, &box);")
    if not table.varies("load_x"):
        return [designated("const pulp_box_t box", box), *(f"  {copy}" for copy in copies)]
    return [
        f"  if ({table.expression('load_x')}) {{",
        designated("const pulp_box_t box", box, indent=4),
        *(f"    {copy}" for copy in copies),
        "  }",
    ]


def _load_params(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    arguments = [
        f"l1 + {table.expression('params_l1')}",
        f"{params_symbol(graph, layer)} + {table.expression('params')}",
        table.expression("params_size"),
    ]
    if not table.varies("load_params"):
        return [fill("  loads->params = pulp_dma_in(", arguments, ");")]
    return [
        f"  if ({table.expression('load_params')}) {{",
        fill("    loads->params = pulp_dma_in(", arguments, ");"),
        "  }",
    ]


def _store(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    box = [*_box(graph.tensors[layer.output], table, "y"), ("l1_row", table.expression("y_row"))]
    target, source = table.expression("y"), table.expression("y_l1")
    return [
        designated("const pulp_box_t box", box),
        f"  return pulp_dma_box_out(out + {target}, l1 + {source}, &box);",
    ]


def _box(tensor: Tensor, table: StepTable, operand: str) -> list[tuple[str, str]]:
    return [
        ("rows", table.expression(f"{operand}_h")),
        ("cols", table.expression(f"{operand}_w")),
        ("channels", table.expression(f"{operand}_c")),
        ("l2_row", str(tensor.width * tensor.channels)),
        ("l2_pixel", str(tensor.channels)),
    ]
