"""One layer as text: its comment, step table, and the functions that load, compute and store a tile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import Environment
from tvm_pulp.codegen.emit.comment import layer_comment
from tvm_pulp.codegen.emit.context import LayerContext, loaded_names, next_inputs
from tvm_pulp.codegen.emit.kernels import compute_tile
from tvm_pulp.codegen.emit.l3 import layer_marks
from tvm_pulp.codegen.emit.moves import load, load_ahead, store
from tvm_pulp.codegen.emit.ranges import l1_ranges, l2_ranges
from tvm_pulp.codegen.emit.steps import share_table, stage_table, step_table
from tvm_pulp.codegen.emit.tables import table_text
from tvm_pulp.codegen.emit.text import signature
from tvm_pulp.codegen.engines.engine import Engine, Job
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.fusion.groups import stage_plans
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.memory.l3_places import step_places
from tvm_pulp.codegen.params import has_params
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan, Operand, Plan
from tvm_pulp.codegen.tiles.shares import share_plans


@dataclass(frozen=True)
class LayerText:
    """The text of a layer: its definitions, and its entry function's name; see `templates/layer.c.j2`. `in_l3`
    is its step table if that lies in L3."""

    function: str
    definitions: str
    in_l3: str = ""


@dataclass(frozen=True)
class LayerFunction:
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

    def call(self, step: str, prefix: str = "") -> str:
        """C for a call, with a prefix to the names of variables; L1 and jobs have none."""
        own = [
            one if one == "l1" or "{" in one else re.sub(r"\w+", rf"{prefix}\g<0>", one)
            for one in self.arguments
        ]
        arguments = ([step] if self.reads_step else []) + own
        return f"{self.name}({', '.join(arguments)})"


@dataclass(frozen=True)
class LayerFunctions:
    """What a layer does with each tile; `late` loads what the step before has no buffer beside, `ahead` for the
    next layer. A body is empty where nothing is to be moved. On an engine beside the cores `compute` starts a
    `job`, and `finish` is what the cores do with its result; `before` is what they compute before that, of a
    group.
    Where two engines divide the rows, `helpers` are those beside the cores, and `compute` is what the cores do,
    if they are one of the two."""

    load: LayerFunction
    late: LayerFunction
    compute: LayerFunction
    store: LayerFunction
    ahead: LayerFunction
    job: Job | None = None
    setup: LayerFunction | None = None
    stages: tuple[LayerFunction, ...] = ()
    finish: LayerFunction | None = None
    before: LayerFunction | None = None
    helpers: tuple[_Helper, ...] = ()


@dataclass(frozen=True)
class _Helper:
    """What core 0 does with an engine that computes some rows of each tile while others compute the rest: sets
    up a job once, starts it for each tile and waits for it."""

    engine: str
    job: Job
    setup: LayerFunction
    start: LayerFunction

    @property
    def words(self) -> dict[str, str]:
        """C for the templates."""
        variable = f"{self.engine}_job"
        return {
            "variable": f"{self.job.state} {variable}",
            "setup": self.setup.call("step").format(job=f"&{variable}"),
            "start": self.start.call("step").format(job=f"&{variable}"),
            "wait": self.job.wait.format(job=f"&{variable}"),
        }


def layer_text(
    templates: Environment, graph: LayerGraph, index: int, region: Plan, engines: Iterable[Engine]
) -> LayerText:
    """Text of the `index`-th layer of a region; `engines` are those beside the cluster."""
    context = layer_context(graph, index, region)
    functions = layer_functions(context, engines)
    run = _run(templates, context, functions)
    table = table_text(templates, context.layer.name, context.table, context.table_transfer)
    text = definitions(templates, context, functions, table.own, run)
    return LayerText(f"run_{context.layer.name}", text, table.in_l3)


def layer_context(graph: LayerGraph, index: int, region: Plan) -> LayerContext:
    """What the text of the `index`-th layer depends on."""
    layer, plan = graph.layers[index], region.layers[index]
    homes = {one.tensor: one.offset for one in region.l1_tensors}
    table = step_table(graph, layer, plan, step_places(graph, region, index), homes)
    return LayerContext(graph, region, index, table)


def definitions(
    templates: Environment, context: LayerContext, functions: LayerFunctions, steps: str, run: str
) -> str:
    """All text of a layer, in which `steps` is that of its step table, `run` that of its entry function."""
    layer, step_type = context.layer, f"step_{context.layer.name}_t"
    moving = (functions.load, functions.late, functions.ahead, functions.store)
    helping = (one for helper in functions.helpers for one in (helper.setup, helper.start))
    working = (
        *(*functions.stages, functions.before, functions.setup, *helping),
        *(functions.compute, functions.finish),
    )
    place = (context.graph, context.index, layer, context.plan, context.region.cores)
    return templates.get_template("layer.c.j2").render(
        name=layer.name,
        comment="\n".join(layer_comment(*place, second=context.is_second)),
        steps=steps,
        **l1_ranges(context),
        moves=[function.definition(step_type) for function in moving if function.body],
        compute="\n\n".join(one.definition(step_type) for one in working if one and one.body),
        run=run,
    )


def layer_functions(context: LayerContext, engines: Iterable[Engine]) -> LayerFunctions:
    """What a layer does with each tile, as functions."""
    graph, layer, plan, table = context.graph, context.layer, context.plan, context.table
    name, inputs = layer.name, loaded_names(layer, plan)
    late_inputs = inputs if Operand.X in plan.late else ()
    early_inputs = () if late_inputs else tuple(one for one in inputs if table.any(_load_column(layer, one)))
    following = next_inputs(context)
    beside = None if plan.on_cores else _beside(context, engine_named(plan.engine, engines))
    own = plan.engine_stage
    stages = tuple(_stage(context, index) for index in range(len(layer.parts)) if index != own)
    return LayerFunctions(
        load=_load_function(f"load_{name}", early_inputs, load(context, late=False)),
        late=_load_function(f"load_late_{name}", late_inputs, load(context, late=True)),
        compute=_compute(context, stages) if beside is None else _start(name, beside),
        store=LayerFunction(
            "pulp_dma_job_t ",
            f"store_{name}",
            ("const uint8_t *l1", "uint8_t *out"),
            ("l1", "out"),
            store(graph, layer, table) if layer.output not in plan.in_l1 else [],
        ),
        ahead=LayerFunction(
            "void ",
            f"load_ahead_{name}",
            (*pointers(following), "uint8_t *l1", "loads_t *loads"),
            (*(f"next_{one}" for one in following), "l1", "&loads"),
            load_ahead(context),
        ),
        job=beside,
        setup=None if beside is None else _setup(name, beside),
        stages=stages,
        finish=None if beside is None else _finish(name, beside, stages[own or 0 :]),
        before=_compute(context, stages[:own]) if own else None,
        helpers=_helpers(context, engines),
    )


def _load_column(layer: Layer, pointer: str) -> str:
    """The column that says whether a step loads an input."""
    return "load_x2" if layer.parts and pointer == "in2" else "load_x"


def _beside(context: LayerContext, engine: Engine) -> Job:
    """The jobs of an engine beside the cores: a layer, or one of a group."""
    graph, layer, plan, table = context.graph, context.layer, context.plan, context.table
    index = plan.engine_stage
    if index is None:
        return engine.job(graph, layer, plan, table)
    own = stage_table(graph, layer, plan, table, index)
    return engine.job(graph, layer.parts[index], stage_plans(plan)[index], own)


def _load_function(name: str, inputs: tuple[str, ...], body: list[str]) -> LayerFunction:
    """A function that loads inputs, or parameters only."""
    parameters = (*pointers(inputs), "uint8_t *l1", "loads_t *loads")
    return LayerFunction("void ", name, parameters, (*inputs, "l1", "&loads"), body)


def _compute(context: LayerContext, stages: tuple[LayerFunction, ...]) -> LayerFunction:
    """What the cores do with a tile; of a group one layer after the other."""
    calls = _calls(stages)
    body = calls or (_rows_on_cores(context) if context.plan.shares else _tile(context))
    return LayerFunction("void ", f"compute_{context.layer.name}", ("uint8_t *l1",), ("l1",), body)


def _calls(stages: tuple[LayerFunction, ...]) -> list[str]:
    return [f"  {stage.call('step')};" for stage in stages]


def _tile(context: LayerContext) -> list[str]:
    return compute_tile(context.graph, context.layer, context.plan, context.table)


def _rows_on_cores(context: LayerContext) -> list[str]:
    """The cores' rows of a tile; nothing if two others divide it."""
    return [
        line
        for index, plan in enumerate(share_plans(context.plan))
        if plan.engine == CLUSTER_NAME
        for line in compute_tile(
            context.graph, context.layer, plan, share_table(context.plan, context.table, index)
        )
    ]


def _helpers(context: LayerContext, engines: Iterable[Engine]) -> tuple[_Helper, ...]:
    """The engines beside the cores that compute some rows of each tile."""
    found = []
    for index, plan in enumerate(share_plans(context.plan)):
        if plan.engine != CLUSTER_NAME:
            table = share_table(context.plan, context.table, index)
            job = engine_named(plan.engine, engines).job(context.graph, context.layer, plan, table)
            name = f"{context.layer.name}_{plan.engine}"
            found.append(_Helper(plan.engine, job, _setup(name, job), _start(name, job)))
    return tuple(found)


def _stage(context: LayerContext, index: int) -> LayerFunction:
    """One layer of a group."""
    part, plan = context.layer.parts[index], stage_plans(context.plan)[index]
    table = stage_table(context.graph, context.layer, context.plan, context.table, index)
    body = compute_tile(context.graph, part, plan, table)
    return LayerFunction("void ", f"compute_{part.name}", ("uint8_t *l1",), ("l1",), body)


def _setup(name: str, job: Job) -> LayerFunction:
    return LayerFunction("void ", f"setup_{name}", (f"{job.state} *job",), ("{job}",), job.setup)


def _finish(name: str, job: Job, behind: tuple[LayerFunction, ...]) -> LayerFunction | None:
    """What the cores do when a job is done: what it leaves to them, and the layers of a group behind it."""
    body = [*job.finish, *_calls(behind)]
    return LayerFunction("void ", f"finish_{name}", ("uint8_t *l1",), ("l1",), body) if body else None


def _start(name: str, job: Job) -> LayerFunction:
    return LayerFunction(
        "void ", f"start_{name}", ("uint8_t *l1", f"{job.state} *job"), ("l1", "{job}"), job.start
    )


def _run(templates: Environment, context: LayerContext, functions: LayerFunctions) -> str:
    """The layer's entry function: one tile, or the pipelined loop over tiles."""
    layer, steps = context.layer, context.table.plan.steps
    ranges = l2_ranges(context)
    loop = "pipelined" if len(steps) > 1 else "single"
    body = templates.get_template(f"{_kind(functions)}_{loop}.c.j2").render(
        name=layer.name,
        steps_from_l3=context.table_transfer is not None,
        n_steps=len(steps),
        l2_ranges="\n".join(ranges),
        n_l2=len(ranges),
        l2=f"l2, {len(ranges)}" if ranges else "NULL, 0",
        first_row=row_of(context, "0"),
        next_row=row_of(context, "t + 1"),
        has_steps=bool(context.table.columns()),
        **_load_calls(context, functions),
        **_compute_calls(functions),
        **store_calls(context, functions.store),
    )
    parameters = [
        *pointers(loaded_names(layer, context.plan)),
        *(["uint8_t *out"] * bool(functions.store.body)),
    ]
    parameters += pointers(tuple(f"next_{one}" for one in next_inputs(context)))
    return signature("void ", f"run_{layer.name}", ["uint8_t *l1", *parameters]) + f"\n{body}}}"


def _kind(functions: LayerFunctions) -> str:
    """The first word of the template's name: who computes, and in which order."""
    if functions.before is not None:
        return "run_group"
    if functions.job is None:
        return "run"
    return "run_beside" if functions.finish is None else "run_finished"


def _load_calls(context: LayerContext, functions: LayerFunctions) -> dict[str, object]:
    """What the template says about operands on their way to L1, and about L3."""
    marks = layer_marks(context.region, context.index)
    return {
        "l3_first": f"    l3_at({marks.number});\n" if marks.first else "",
        "l3_step": _l3_step(context, marks.number + 1) if marks.steps else "",
        "reloads_params": _reloads_params(context.plan),
        "loaded": loaded_operands(context),
        "loaded_ahead": _loaded_ahead(context),
        "load_next": functions.load.call("&next") if functions.load.body else "",
        "load_late": functions.late.call("step") if functions.late.body else "",
        "drained": _drained(context),
        "load_ahead": functions.ahead.call("step") if functions.ahead.body else "",
    }


def _compute_calls(functions: LayerFunctions) -> dict[str, object]:
    """What the template says about the computation, on the cores or on an engine beside them."""
    job, setup, finish = functions.job, functions.setup, functions.finish
    calls: dict[str, object] = {
        "compute_call": functions.compute.call("step") if functions.compute.body else "",
        "helpers": [helper.words for helper in functions.helpers],
        "finish": "",
    }
    if job is not None and setup is not None:
        calls |= {
            "state": job.state,
            "setup": setup.call("step"),
            "start": calls["compute_call"],
            "wait": job.wait,
        }
    if functions.before is not None:
        calls["before"] = functions.before.call("step")
    if finish is not None:
        calls |= {"finish": finish.call("step"), "finish_before": finish.call("&before")}
    return calls


def store_calls(context: LayerContext, store: LayerFunction) -> dict[str, str]:
    """What the template says about the output on its way to L2; a store is waited for when its slot is used
    again."""
    slots = 1 + max(step.y_slot for step in context.table.plan.steps)
    slot = context.table.expression("y_slot") if store.body else ""
    return {
        "store_call": store.call("step") if store.body else "",
        "store_before": store.call("&before"),
        "y_slot": slot,
        "y_slot_before": slot.replace("step->", "before."),
        "no_stores": ", ".join(["PULP_DMA_NONE"] * slots),
        "wait_stores": "\n".join(f"    pulp_dma_wait(stores[{one}]);" for one in range(slots)),
    }


def _reloads_params(plan: LayerPlan) -> bool:
    """True if steps load parameters for the next one."""
    return any(step.load_params for step in plan.steps[1:]) and Operand.PARAMS not in plan.late


def _drained(context: LayerContext) -> str:
    """C that says if parameters come over those of the step before, which has to be done with them."""
    if Operand.PARAMS not in context.plan.late:
        return ""
    loads = context.table.expression("load_params")
    return f"t > 0 && {loads}" if context.table.varies("load_params") else "t > 0"


def _l3_step(context: LayerContext, first_mark: int) -> str:
    """Does what is due between L3 and L2 at a step; `first_mark` is the first one's."""
    return f"l3_at({first_mark});" if len(context.plan.steps) == 1 else f"l3_at({first_mark} + t);"


def row_of(context: LayerContext, step: str) -> str:
    """C for a step's row."""
    name = context.layer.name
    divided = context.table.groups is not None or context.table_transfer is not None
    return f"row_{name}({step})" if divided else f"steps_{name}[{step}]"


def loaded_operands(context: LayerContext) -> list[str]:
    """The members of `loads_t` that the layer's steps use."""
    operands = zip(context.layer.inputs, ("x", "x2"), strict=False)
    loaded = [member for name, member in operands if name not in context.plan.in_l1]
    return loaded + ["params"] * (has_params(context.layer) and context.table.any("load_params"))


def _loaded_ahead(context: LayerContext) -> list[str]:
    """The members of `loads_t` that loads for the next layer use."""
    following = context.index + 1
    params = following < len(context.region.layers) and context.region.layers[following].params_ahead
    return [{"in": "x", "in2": "x2"}[one] for one in next_inputs(context)] + ["params"] * params


def pointers(inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters for inputs in L2."""
    return tuple(f"const uint8_t *{name}" for name in inputs)
