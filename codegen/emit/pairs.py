"""Two layers that run at the same time, as text: each has its own functions, and one entry function goes
through the steps of both.
"""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment
from tvm_pulp.codegen.emit.context import LayerContext, loaded_names
from tvm_pulp.codegen.emit.layer import (
    LayerFunction,
    LayerFunctions,
    LayerText,
    definitions,
    layer_context,
    layer_functions,
    loaded_operands,
    pointers,
    row_of,
    store_calls,
)
from tvm_pulp.codegen.emit.ranges import l2_ranges
from tvm_pulp.codegen.emit.tables import table_text
from tvm_pulp.codegen.emit.text import signature
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.plan import Plan

SECOND = "second_"
"""Before the names of the second layer's variables."""


def pair_text(
    templates: Environment, graph: LayerGraph, turn: range, region: Plan, engines: Iterable[Engine]
) -> LayerText:
    """Text of two layers of a region, whose indices are `turn`; `engines` are those beside the cluster."""
    contexts = [layer_context(graph, index, region) for index in turn]
    pair = [(context, layer_functions(context, engines)) for context in contexts]
    name = f"run_{'_beside_'.join(context.layer.name for context in contexts)}"
    first, second = (
        definitions(templates, context, functions, _steps(templates, context), run)
        for (context, functions), run in zip(pair, ("", _run(templates, name, pair)), strict=True)
    )
    return LayerText(name, f"{first}\n{second}")


def _steps(templates: Environment, context: LayerContext) -> str:
    return table_text(templates, context.layer.name, context.table).own


def _run(templates: Environment, name: str, pair: list[tuple[LayerContext, LayerFunctions]]) -> str:
    """The entry function."""
    prefixes = ("", SECOND)
    ranges = [
        line for (context, _), prefix in zip(pair, prefixes, strict=True) for line in l2_ranges(context, prefix)
    ]
    first, second = (_member(*one, prefix) for one, prefix in zip(pair, prefixes, strict=True))
    next_steps = pair[0][0].plan.next_steps
    body = templates.get_template("run_pair.c.j2").render(
        first=first,
        second=second,
        done_after=", ".join(map(str, next_steps)) if len(next_steps) > 1 else "",
        l2_ranges="\n".join(ranges),
        n_l2=len(ranges),
    )
    parameters = [
        one for (context, _), prefix in zip(pair, prefixes, strict=True) for one in _parameters(context, prefix)
    ]
    return signature("void ", name, ["uint8_t *l1", *parameters]) + f"\n{body}}}"


def _parameters(context: LayerContext, prefix: str) -> list[str]:
    """The parameters that are a layer's own."""
    loaded = (prefix + name for name in loaded_names(context.layer, context.plan))
    return [*pointers(tuple(loaded)), f"uint8_t *{prefix}out"]


def _member(context: LayerContext, functions: LayerFunctions, prefix: str) -> dict[str, object]:
    """What the template says about one of the layers; `prefix` is that of its variables."""
    job, stores = functions.job, store_calls(context, functions.store)
    step, own_job = f"{prefix}step", "&second_job" if prefix else "&jobs[t % 2]"
    loads = bool(functions.load.body)
    slot = f"{prefix}stores[{stores['y_slot'].replace('step->', f'{step}->')}]"
    compute = functions.compute.call(step, prefix).format(job=own_job)
    return {
        "name": context.layer.name,
        "steps": len(context.plan.steps),
        "state": "" if job is None else job.state,
        "has_steps": bool(context.table.columns()),
        "first_row": row_of(context, "0"),
        "row": row_of(context, "done + 1" if prefix else "t"),
        "loads": loads,
        "load_first": functions.load.call("&second_next" if prefix else "&rows[0]", prefix) if loads else "",
        "load": functions.load.call("&second_next" if prefix else step, prefix) if loads else "",
        "begin": [
            *(f"pulp_dma_wait({prefix}loads.{one});" for one in loaded_operands(context) if loads),
            f"pulp_dma_wait({slot});",
            *([] if job is None else [f"{compute};"]),
        ],
        "compute": compute,
        "setup": [] if functions.setup is None else _setups(functions.setup, prefix),
        "wait": "" if job is None else job.wait.format(job=own_job),
        "finish": "" if functions.finish is None else functions.finish.call(step, prefix),
        "store": f"{slot} = {functions.store.call(step, prefix)}",
        "no_stores": stores["no_stores"],
        "slots": range(1 + max(step.y_slot for step in context.plan.steps)),
    }


def _setups(setup: LayerFunction, prefix: str) -> list[str]:
    """The calls that set up a layer's jobs."""
    jobs = ["&second_job"] if prefix else ["&jobs[0]", "&jobs[1]"]
    return [setup.call("step").format(job=job) for job in jobs]
