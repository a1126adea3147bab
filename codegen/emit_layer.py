"""One layer as text: its comment, step table, and the functions that load, compute and store a tile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment
from tvm_pulp.codegen.ahead import first_step_alone
from tvm_pulp.codegen.emit_kernels import compute_tile
from tvm_pulp.codegen.emit_l3 import layer_marks
from tvm_pulp.codegen.emit_params import params_symbol
from tvm_pulp.codegen.emit_steps import COLUMNS, StepTable, stage_table, step_table
from tvm_pulp.codegen.emit_text import (
    LINE,
    address,
    comment_text,
    designated,
    fill,
    labelled,
    scaled,
    signature,
)
from tvm_pulp.codegen.engines.engine import Engine, Job
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.fusion import stage_plans
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Tensor, macs
from tvm_pulp.codegen.l3_places import step_places, streams_params, transfers_of
from tvm_pulp.codegen.params import has_params, pack_size
from tvm_pulp.codegen.plan import (
    CLUSTER_NAME,
    L1Buffer,
    L3Kind,
    L3Transfer,
    LayerPlan,
    LoopOrder,
    Operand,
    Plan,
)
from tvm_pulp.codegen.step_groups import StepGroups, narrowest

_WINDOWED = (
    LayerKind.CONV2D,
    LayerKind.DEPTHWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
)


@dataclass(frozen=True)
class LayerText:
    """The text of a layer: its definitions, and its entry function's name; see `templates/layer.c.j2`."""

    function: str
    definitions: str


@dataclass(frozen=True)
class _Function:
    """A static function of the layer; `parameters` and `arguments` without the step that it may read."""

    result: str
    name: str
    parameters: tuple[str, ...]
    arguments: tuple[str, ...]
    body: list[str]

    @property
    def reads_step(self) -> bool:
        return any("step->" in line or "(step, " in line for line in self.body)

    def definition(self, step_type: str) -> str:
        step = [f"const {step_type} *step"] if self.reads_step else []
        return "\n".join([signature(self.result, self.name, [*step, *self.parameters]), *self.body, "}"])

    def call(self, step: str) -> str:
        arguments = ([step] if self.reads_step else []) + list(self.arguments)
        return f"{self.name}({', '.join(arguments)})"


@dataclass(frozen=True)
class _Functions:
    """What a layer does with each tile; `late` loads what the step before has no buffer beside, `ahead` for the
    next layer. A body is empty where nothing is to be moved. On an engine beside the cores `compute` starts a
    `job`, and `finish` is what is left for the cores; `before` is what they compute before that, of a group."""

    load: _Function
    late: _Function
    compute: _Function
    store: _Function
    ahead: _Function
    job: Job | None = None
    setup: _Function | None = None
    stages: tuple[_Function, ...] = ()
    finish: _Function | None = None
    before: _Function | None = None


def layer_text(
    templates: Environment, graph: LayerGraph, index: int, region: Plan, engines: Iterable[Engine]
) -> LayerText:
    """Text of the `index`-th layer of a region; `engines` are those beside the cluster."""
    layer, plan, cores = graph.layers[index], region.layers[index], region.cores
    homes = {one.tensor: one.offset for one in region.l1_tensors}
    table = step_table(graph, layer, plan, step_places(graph, region, index), homes)
    job = _Job(graph, region, index, table)
    functions = _functions(job, engine_named(plan.engine, engines))
    run = _run(templates, job, functions)
    step_type = f"step_{layer.name}_t"
    moving = (functions.load, functions.late, functions.ahead, functions.store)
    working = (*functions.stages, functions.before, functions.setup, functions.compute, functions.finish)
    definitions = templates.get_template("layer.c.j2").render(
        name=layer.name,
        comment="\n".join(_comment(graph, index, layer, plan, cores)),
        steps=_step_table(templates, layer.name, table),
        **_l1_ranges(job),
        moves=[function.definition(step_type) for function in moving if function.body],
        compute="\n\n".join(one.definition(step_type) for one in working if one),
        run=run,
    )
    return LayerText(f"run_{layer.name}", definitions)


@dataclass(frozen=True)
class _Job:
    """What the text of a layer depends on."""

    graph: LayerGraph
    region: Plan
    index: int
    table: StepTable

    @property
    def layer(self) -> Layer:
        return self.graph.layers[self.index]

    @property
    def plan(self) -> LayerPlan:
        return self.region.layers[self.index]

    @property
    def params(self) -> str:
        """C for the array in which the parameter blocks lie when the DMA fetches them."""
        in_arena = streams_params(self.region, self.index)
        return "l2_arena" if in_arena else params_symbol(self.graph, self.layer)


def _functions(job: _Job, engine: Engine) -> _Functions:
    graph, layer, plan, table = job.graph, job.layer, job.plan, job.table
    name, inputs = layer.name, _loaded_names(layer, plan)
    late_inputs = inputs if Operand.X in plan.late else ()
    early_inputs = () if late_inputs or not table.any("load_x") else inputs
    next_inputs = _next_inputs(job)
    beside = None if engine.name == CLUSTER_NAME else _beside(job, engine)
    stages = tuple(_stage(job, index) for index in range(len(layer.parts) - (beside is not None)))
    return _Functions(
        load=_load_function(f"load_{name}", early_inputs, _load(job, late=False)),
        late=_load_function(f"load_late_{name}", late_inputs, _load(job, late=True)),
        compute=_compute(job, stages) if beside is None else _start(name, beside),
        store=_Function(
            "pulp_dma_job_t ",
            f"store_{name}",
            ("const uint8_t *l1", "uint8_t *out"),
            ("l1", "out"),
            _store(graph, layer, table) if layer.output not in plan.in_l1 else [],
        ),
        ahead=_Function(
            "void ",
            f"load_ahead_{name}",
            (*_pointers(next_inputs), "uint8_t *l1", "loads_t *loads"),
            (*(f"next_{one}" for one in next_inputs), "l1", "&loads"),
            _ahead(job),
        ),
        job=beside,
        setup=None if beside is None else _setup(name, beside),
        stages=stages,
        finish=None if beside is None or not beside.finish else _finish(name, beside),
        before=_compute(job, stages) if beside is not None and stages else None,
    )


def _beside(job: _Job, engine: Engine) -> Job:
    """The jobs of an engine beside the cores: a layer, or the last one of a group."""
    graph, layer, plan, table = job.graph, job.layer, job.plan, job.table
    if not layer.parts:
        return engine.job(graph, layer, plan, table)
    last = len(layer.parts) - 1
    own = stage_table(graph, layer, plan, table, last)
    return engine.job(graph, layer.parts[last], stage_plans(plan)[last], own)


def _load_function(name: str, inputs: tuple[str, ...], body: list[str]) -> _Function:
    """A function that loads inputs, or parameters only."""
    parameters = (*_pointers(inputs), "uint8_t *l1", "loads_t *loads")
    return _Function("void ", name, parameters, (*inputs, "l1", "&loads"), body)


def _ahead(job: _Job) -> list[str]:
    """Loads what the first step of the next layer finds loaded."""
    number = job.index + 1
    if number == len(job.region.layers):
        return []
    layer, plan = job.graph.layers[number], job.region.layers[number]
    lines = []
    if plan.params_ahead:
        places = step_places(job.graph, job.region, number).params
        symbol = params_symbol(job.graph, layer) if places is None else "l2_arena"
        offset = plan.steps[0].params_offset if places is None else places[0]
        target = address("l1", str(_first_buffer(plan, Operand.PARAMS, plan.steps[0].params_slot).offset))
        size = plan.steps[0].params_size
        lines.append(f"  loads->params = pulp_dma_in({target}, {address(symbol, str(offset))}, {size});")
    if plan.x_ahead:
        alone = first_step_alone(plan)
        homes = {one.tensor: one.offset for one in job.region.l1_tensors}
        lines += _load_x(job.graph, layer, alone, step_table(job.graph, layer, alone, homes=homes))
    return lines


def _next_inputs(job: _Job) -> tuple[str, ...]:
    """C names of the next layer's inputs that are loaded ahead."""
    following = job.index + 1
    if following == len(job.region.layers) or not job.region.layers[following].x_ahead:
        return ()
    return _loaded_names(job.graph.layers[following], job.region.layers[following])


def _first_buffer(plan: LayerPlan, operand: Operand, slot: int) -> L1Buffer:
    return next(one for one in plan.buffers if (one.operand, one.slot) == (operand, slot))


def _buffers_ahead(plan: LayerPlan) -> list[L1Buffer]:
    """The buffers of a layer into which the layer before loads."""
    first = plan.steps[0]
    slots = [(Operand.PARAMS, first.params_slot)] * plan.params_ahead
    slots += [(Operand.X, first.x_slot), (Operand.X2, first.x_slot)] * plan.x_ahead
    return [one for one in plan.buffers if (one.operand, one.slot) in slots]


def _compute(job: _Job, stages: tuple[_Function, ...]) -> _Function:
    """All of a tile; of a group one layer after the other."""
    calls = [f"  {stage.call('step')};" for stage in stages]
    body = calls or compute_tile(job.graph, job.layer, job.plan, job.table)
    return _Function("void ", f"compute_{job.layer.name}", ("uint8_t *l1",), ("l1",), body)


def _stage(job: _Job, index: int) -> _Function:
    """One layer of a group."""
    part, plan = job.layer.parts[index], stage_plans(job.plan)[index]
    table = stage_table(job.graph, job.layer, job.plan, job.table, index)
    body = compute_tile(job.graph, part, plan, table)
    return _Function("void ", f"compute_{part.name}", ("uint8_t *l1",), ("l1",), body)


def _setup(name: str, job: Job) -> _Function:
    return _Function("void ", f"setup_{name}", (f"{job.state} *job",), ("{job}",), job.setup)


def _finish(name: str, job: Job) -> _Function:
    return _Function("void ", f"finish_{name}", ("uint8_t *l1",), ("l1",), job.finish)


def _start(name: str, job: Job) -> _Function:
    return _Function("void ", f"start_{name}", ("uint8_t *l1", f"{job.state} *job"), ("l1", "{job}"), job.start)


def _run(templates: Environment, job: _Job, functions: _Functions) -> str:
    """The layer's entry function: one tile, or the pipelined loop over tiles."""
    layer, table, marks = job.layer, job.table, layer_marks(job.region, job.index)
    name, inputs, steps = layer.name, _loaded_names(layer, job.plan), table.plan.steps
    stores = bool(functions.store.body)
    l2_ranges = _l2_ranges(job)
    y_slots = 1 + max(step.y_slot for step in steps)
    y_slot = table.expression("y_slot") if stores else ""
    beside = functions.job
    finish = functions.finish
    before = functions.before
    kind = "run" if beside is None else "run_beside" if finish is None else "run_finished"
    kind = kind if before is None else "run_group"
    body = templates.get_template(f"{kind}_{'pipelined' if len(steps) > 1 else 'single'}.c.j2").render(
        before="" if before is None else before.call("step"),
        state="" if beside is None else beside.state,
        setup="" if functions.setup is None else functions.setup.call("step"),
        start=functions.compute.call("step"),
        wait="" if beside is None else beside.wait,
        finish="" if finish is None else finish.call("step"),
        finish_before="" if finish is None else finish.call("&before"),
        n_l2=len(l2_ranges),
        y_slot_before=y_slot.replace("step->", "before."),
        store_before=functions.store.call("&before"),
        name=name,
        n_steps=len(steps),
        l2_ranges="\n".join(l2_ranges),
        l2=f"l2, {len(l2_ranges)}" if l2_ranges else "NULL, 0",
        l3_first=f"    l3_at({job.index}, -1);\n" if marks.first else "",
        reloads_params=any(step.load_params for step in steps[1:]),
        l3_step=_l3_step(job) if marks.steps else "",
        no_stores=", ".join(["PULP_DMA_NONE"] * y_slots),
        wait_stores="\n".join(f"    pulp_dma_wait(stores[{slot}]);" for slot in range(y_slots)),
        y_slot=y_slot,
        first_row=_row(job, "0"),
        next_row=_row(job, "t + 1"),
        load_first=functions.load.call("&next") if functions.load.body else "",
        load_next=functions.load.call("&next") if functions.load.body else "",
        loaded=_loaded_operands(job),
        loaded_ahead=_loaded_ahead(job),
        load_late=functions.late.call("step") if functions.late.body else "",
        load_ahead=functions.ahead.call("step") if functions.ahead.body else "",
        has_steps=bool(table.columns()),
        compute_call=functions.compute.call("step"),
        store_call=functions.store.call("step") if stores else "",
    )
    pointers = [*_pointers(inputs), *(["uint8_t *out"] if stores else [])]
    pointers += _pointers(tuple(f"next_{one}" for one in _next_inputs(job)))
    return signature("void ", f"run_{name}", ["uint8_t *l1", *pointers]) + f"\n{body}}}"


def _l3_step(job: _Job) -> str:
    """Does what is due between L3 and L2 at a step."""
    if len(job.plan.steps) == 1:
        return f"l3_at({job.index}, 0);"
    at = f"l3_at({job.index}, t);"
    return f"if ({job.table.expression('l3')}) {at}" if job.table.varies("l3") else at


def _row(job: _Job, step: str) -> str:
    """C for a step's row."""
    name = job.layer.name
    return f"steps_{name}[{step}]" if job.table.groups is None else f"row_{name}({step})"


def _loaded_operands(job: _Job) -> list[str]:
    """The members of `loads_t` that the layer's steps use."""
    operands = zip(job.layer.inputs, ("x", "x2"), strict=False)
    loaded = [member for name, member in operands if name not in job.plan.in_l1]
    return loaded + ["params"] * (has_params(job.layer) and job.table.any("load_params"))


def _loaded_ahead(job: _Job) -> list[str]:
    """The members of `loads_t` that loads for the next layer use."""
    following = job.index + 1
    params = following < len(job.region.layers) and job.region.layers[following].params_ahead
    return [{"in": "x", "in2": "x2"}[one] for one in _next_inputs(job)] + ["params"] * params


def _pointers(inputs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"const uint8_t *{name}" for name in inputs)


def _loaded_names(layer: Layer, plan: LayerPlan) -> tuple[str, ...]:
    """C names of the inputs that are loaded."""
    names = zip(layer.inputs, ("in", "in2"), strict=False)
    return tuple(name for tensor, name in names if tensor not in plan.in_l1)


def in_l2(graph: LayerGraph, plan: Plan, index: int) -> tuple[str, ...]:
    """The inputs and the output that a layer finds, or puts, in L2, and the next layer's inputs that it loads,
    in the order of `run_<layer>`'s arguments."""
    layer, mine, following = graph.layers[index], plan.layers[index], index + 1
    names = [name for name in (*layer.inputs, layer.output) if name not in mine.in_l1]
    if following < len(plan.layers) and plan.layers[following].x_ahead:
        later = plan.layers[following].in_l1
        names += [name for name in graph.layers[following].inputs if name not in later]
    return tuple(names)


def _comment(graph: LayerGraph, index: int, layer: Layer, plan: LayerPlan, cores: int) -> list[str]:
    if layer.parts:
        return _group_comment(graph, index, layer, plan, cores)
    inputs = [_shape(graph.tensors[name]) for name in layer.inputs]
    tile = plan.tile
    on_cores = f"{cores} core{'s' if cores > 1 else ''}"
    kernel = f"{plan.kernel} on {on_cores if plan.engine == CLUSTER_NAME else plan.engine}"
    lines = [
        f"/* Layer {index + 1} of {len(graph.layers)}: {layer.name} ({layer.kind.value})",
        " *",
        *labelled("from", [comment_text(source) for source in layer.sources] or ["(unknown)"]),
        *labelled("shape", [f"{' + '.join(inputs)} -> {_shape(graph.tensors[layer.output])} (h x w x c)"]),
        *_window_comment(layer),
        *labelled("kernel", [kernel]),
        *labelled("tile", [f"{tile.h} x {tile.w} x {tile.c}", *_steps_comment(plan)]),
        *_requant_comment(layer),
        *labelled("work", [f"{macs(graph, layer):,} {_work_unit(layer)}", f"about {plan.cycles:,} cycles"]),
    ]
    return [*lines, " */"]


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
        source, out = (_shape(graph.tensors[name]) for name in (part.inputs[0], part.output))
        lines += [
            " *",
            f" * {part.name} ({part.kind.value})",
            *labelled("from", [comment_text(source) for source in part.sources] or ["(unknown)"]),
            *labelled("shape", [f"{source} -> {out} (h x w x c)"]),
            *_window_comment(part),
            *labelled("kernel", [stage.kernel]),
            *_requant_comment(part),
        ]
    return [*lines, " */"]


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


def _step_table(templates: Environment, name: str, table: StepTable) -> str:
    """The table's type and rows; empty where nothing varies."""
    columns = table.columns()
    if not columns:
        return ""
    if table.groups is not None:
        return _grouped_tables(templates, name, table, table.groups)
    members = {
        column: (_type(table.values[column]), table.values[column], COLUMNS[column]) for column in columns
    }
    return _struct_table(templates, f"step_{name}_t", f"steps_{name}", members)


def _grouped_tables(templates: Environment, name: str, table: StepTable, groups: StepGroups) -> str:
    """A table for each group, one of the steps that names their rows, and the function that puts a step's rows
    together."""
    texts, steps = [], {}
    for group, rows in groups.rows.items():
        columns = table.group_columns(group)
        if columns:
            members = {column: (_type(rows[column]), rows[column], COLUMNS[column]) for column in columns}
            texts.append(_struct_table(templates, f"{group}_{name}_t", f"{group}_{name}", members))
            steps[group] = (_type(groups.index[group]), groups.index[group], f"row of {group}_{name}")
    texts.append(_struct_table(templates, f"rows_{name}_t", f"steps_{name}", steps))
    texts.append(templates.get_template("step_rows.c.j2").render(name=name, groups=list(steps)))
    return "".join(texts)


def _type(values: Sequence[int]) -> str:
    return f"uint{8 * narrowest(values)}_t"


_Members = Mapping[str, tuple[str, Sequence[int], str]]
"""Name -> type, values, meaning."""


def _struct_table(templates: Environment, struct: str, array: str, members: _Members) -> str:
    """A type and an array of it; wide members first, so that a row has no holes."""
    ordered = dict(sorted(members.items(), key=lambda item: -int(item[1][0][4:-2])))
    return templates.get_template("steps.c.j2").render(
        struct=struct, array=array, columns="\n".join(_columns(ordered)), rows="\n".join(_rows(ordered))
    )


def _columns(columns: _Members) -> list[str]:
    members = [f"  {kind} {name};" for name, (kind, _, _) in columns.items()]
    width = max(map(len, members))
    meanings = [meaning for _, _, meaning in columns.values()]
    return [f"{member:<{width}} /* {text} */" for member, text in zip(members, meanings, strict=True)]


def _rows(members: _Members) -> list[str]:
    """The rows with aligned columns, behind their names where these fit on a line."""
    columns = list(members)
    rows = [list(map(str, row)) for row in zip(*(values for _, values, _ in members.values()), strict=True)]
    lines = _aligned([columns, *rows])
    if len(lines[0]) + len("    /*  */") <= LINE:
        return [f"    /* {lines[0]} */", *(f"    {{  {line}  }}," for line in lines[1:])]
    return ["    /* in the order of the members above */", *(f"    {{{line}}}," for line in _aligned(rows))]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [", ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True)) for row in rows]


def _l1_ranges(job: _Job) -> dict[str, str]:
    """The layer's ranges of L1, and the data about the layer that name them."""
    ranges = [_l1_range(buffer) for buffer in job.plan.buffers]
    if _ahead(job):
        ranges += [_l1_range(one, "next ") for one in _buffers_ahead(job.region.layers[job.index + 1])]
    array = f"l1_{job.layer.name}" if ranges else "NULL"
    fields = (("name", f'"{job.layer.name}"'), ("l1", array), ("n_l1", str(len(ranges))))
    info = designated(f"static const pulp_layer_info_t info_{job.layer.name}", fields, indent=0)
    return {"l1_ranges": "\n".join(ranges), "info": info}


def _l1_range(buffer: L1Buffer, before: str = "") -> str:
    return f'    {{"{before}{buffer.operand.value}[{buffer.slot}]", {buffer.offset}, {buffer.size}}},'


def _l2_ranges(job: _Job) -> list[str]:
    graph, layer = job.graph, job.layer
    operands = zip((*layer.inputs, layer.output), (*("in", "in2")[: len(layer.inputs)], "out"), strict=True)
    ranges = [
        (tensor, name, str(graph.tensors[tensor].span_bytes))
        for tensor, name in operands
        if tensor not in job.plan.in_l1
    ]
    in_l3 = {buffer.tensor for buffer in job.region.l3_buffers}
    ranges = [one for one in ranges if one[0] not in in_l3]
    for tensor in sorted({layer.output, *layer.inputs} & in_l3):
        kind = L3Kind.STORE if tensor == layer.output else L3Kind.LOAD
        ranges += _arena_ranges(tensor, transfers_of(job.region, job.index, kind, tensor))
    if streams_params(job.region, job.index):
        ranges += _arena_ranges("parameters", transfers_of(job.region, job.index, L3Kind.PARAMS))
    elif has_params(layer):
        ranges.append(("parameters", params_symbol(graph, layer), str(pack_size(job.plan))))
    ranges += _l2_ranges_ahead(job)
    return [fill("      {", [f'"{name}"', base, size], "},") for name, base, size in ranges]


def _l2_ranges_ahead(job: _Job) -> list[tuple[str, str, str]]:
    """Name, address and size of what is loaded for the next layer."""
    number = job.index + 1
    if number == len(job.region.layers):
        return []
    layer, plan = job.graph.layers[number], job.region.layers[number]
    inputs = [name for name in layer.inputs if name not in plan.in_l1]
    ranges = [
        (f"next {tensor}", f"next_{name}", str(job.graph.tensors[tensor].span_bytes))
        for tensor, name in zip(inputs, _next_inputs(job), strict=False)
    ]
    if plan.params_ahead and streams_params(job.region, number):
        ranges += _arena_ranges("next parameters", transfers_of(job.region, number, L3Kind.PARAMS))
    elif plan.params_ahead:
        ranges.append(("next parameters", params_symbol(job.graph, layer), str(pack_size(plan))))
    return ranges


def _arena_ranges(name: str, transfers: tuple[L3Transfer, ...]) -> list[tuple[str, str, str]]:
    """Name, address and size of the parts of the arena that transfers use. There may be hundreds of transfers,
    and the table is on the stack of every core: places that touch are one."""
    parts: list[tuple[int, int]] = []  # begin, end
    for begin, end in sorted((one.l2_offset, one.l2_offset + one.size) for one in transfers):
        if parts and begin <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(end, parts[-1][1]))
        else:
            parts.append((begin, end))
    return [(name, address("l2_arena", str(begin)), str(end - begin)) for begin, end in parts]


def _load(job: _Job, *, late: bool) -> list[str]:
    """Loads the operands that are late, or those that aren't."""
    lines = []
    if (Operand.X in job.plan.late) == late:
        lines += _load_x(job.graph, job.layer, job.plan, job.table)
    if (Operand.PARAMS in job.plan.late) == late and has_params(job.layer):
        lines += _load_params(job)
    return lines


def _load_x(graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> list[str]:
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
    if not table.varies("load_x"):
        return [
            *(designated(f"const pulp_box_t {name}", fields) for name, fields in boxes),
            *(f"  {copy}" for copy in copies),
        ]
    return [
        f"  if ({table.expression('load_x')}) {{",
        *(designated(f"const pulp_box_t {name}", fields, indent=4) for name, fields in boxes),
        *(f"    {copy}" for copy in copies),
        "  }",
    ]


def _load_params(job: _Job) -> list[str]:
    table = job.table
    if not table.any("load_params"):
        return []
    target, source = table.expression("params_l1"), table.expression("params")
    arguments = [address("l1", target), address("params", source), table.expression("params_size")]
    copy = f"loads->params = pulp_dma_in({', '.join(arguments)});"
    declaration = f"  const uint8_t *const params = {job.params};"
    if not table.varies("load_params"):
        return [declaration, f"  {copy}"]
    return [declaration, f"  if ({table.expression('load_params')}) {{", f"    {copy}", "  }"]


def _store(graph: LayerGraph, layer: Layer, table: StepTable) -> list[str]:
    box = [*_box(graph.tensors[layer.output], table, "y"), ("l1_row", table.expression("y_row"))]
    target, source = address("out", table.expression("y")), address("l1", table.expression("y_l1"))
    return [
        designated("const pulp_box_t box", box),
        f"  return pulp_dma_box_out({target}, {source}, &box);",
    ]


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
