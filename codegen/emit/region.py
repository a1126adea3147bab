"""Layer graph + plan -> the C files of a region. Nothing is decided here: the plan says it all."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment
from tvm_pulp.codegen.emit.context import in_l2
from tvm_pulp.codegen.emit.environment import template_environment
from tvm_pulp.codegen.emit.l3 import l3_text
from tvm_pulp.codegen.emit.layer import LayerText, layer_text
from tvm_pulp.codegen.emit.pairs import pair_text
from tvm_pulp.codegen.emit.params import emit_params
from tvm_pulp.codegen.emit.text import address, call, comment_text, fill, labelled
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.registry import engine_named
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph, Tensor, macs
from tvm_pulp.codegen.params import has_params
from tvm_pulp.codegen.plan import CLUSTER_NAME, Plan, turns
from tvm_pulp.errors import PlanError

_L3_ARENA = """/* Activations in L3; bands of their rows pass through the arena in L2. */
enum {{ L3_ARENA_BYTES = {} }};
static PULP_L3_RAM uint8_t l3_arena[L3_ARENA_BYTES];

"""


def emit_region(graph: LayerGraph, plan: Plan, engines: Sequence[Engine] = ()) -> dict[str, str]:
    """C sources and headers of a region, file name -> text: `<region>.{c,h}` and, where a layer has
    parameters, `<region>_params.{c,h}`.

    `engines` are those beside the cluster that the plan may name. The same graph and plan give the same text.
    Raises PlanError if the plan isn't this graph's.
    """
    if plan.region != graph.name:
        raise PlanError(f"the plan of region {plan.region} does not belong to it", where=graph.name)
    graph = as_planned(graph, plan)
    used = _used(plan, engines)
    templates = template_environment()
    files = {
        f"{graph.name}.c": _source(templates, graph, plan, used),
        f"{graph.name}.h": _header(templates, graph, used),
    }
    return files | emit_params(templates, graph, plan, used)


def _used(plan: Plan, engines: Sequence[Engine]) -> tuple[Engine, ...]:
    """The engines beside the cluster that some layer runs on."""
    names = dict.fromkeys(name for layer in plan.layers for name in layer.engines)
    return tuple(engine_named(name, engines) for name in names if name != CLUSTER_NAME)


def _source(templates: Environment, graph: LayerGraph, plan: Plan, engines: tuple[Engine, ...]) -> str:
    layers = [_turn_text(templates, graph, turn, plan, engines) for turn in turns(plan.layers)]
    places = _tensor_places(graph) | {buffer.tensor: "l2_arena" for buffer in plan.l3_buffers}
    calls = [
        call(layer.function, ["l1", *(places[name] for index in turn for name in in_l2(graph, plan, index))])
        for turn, layer in zip(turns(plan.layers), layers, strict=True)
    ]
    return templates.get_template("region.c.j2").render(
        name=graph.name,
        comment="\n".join(_comment(graph, plan)),
        includes="\n".join(f'#include "{header}"' for header in _headers(graph, engines)),
        cores=plan.cores,
        l1_bytes=plan.l1_used,
        arena=_arena(plan),
        l3="".join(layer.in_l3 for layer in layers) + l3_text(templates, graph, plan),
        layers=[layer.definitions for layer in layers],
        fields="\n".join(f"  uint8_t *{name};" for name in _parameters(graph)),
        tensors="\n".join(_tensors(graph, plan)),
        calls="\n".join(_engines_around(_around(calls) if plan.transfers else calls, engines)),
        entry=_prototype(graph),
        arguments="{" + ", ".join(["pulp_l1_arena(L1_BYTES)", *_parameters(graph)]) + "}",
    )


def _turn_text(
    templates: Environment, graph: LayerGraph, turn: range, plan: Plan, engines: tuple[Engine, ...]
) -> LayerText:
    """The text of a layer, or of two that run at the same time."""
    if len(turn) > 1:
        return pair_text(templates, graph, turn, plan, engines)
    return layer_text(templates, graph, turn.start, plan, engines)


def _headers(graph: LayerGraph, engines: tuple[Engine, ...]) -> list[str]:
    params = [f"{graph.name}_params.h"] if any(map(has_params, graph.layers)) else []
    own = [header for engine in engines for header in engine.headers]
    return sorted([*params, *own, "pulp_kernels.h", "pulp_nn_kernels.h", "pulp_runtime.h"])


def _header(templates: Environment, graph: LayerGraph, engines: tuple[Engine, ...]) -> str:
    lines = [f"{name}: {_describe(graph.tensors[name])}" for name in (*graph.inputs, *graph.outputs)]
    body = [f"/* {lines[0]}", *(f" * {line}" for line in lines[1:])]
    return templates.get_template("region.h.j2").render(
        title=f"Region {graph.name}: {_layers(graph)} on {_units(engines)}.",
        guard=f"{graph.name.upper()}_H",
        comment="\n".join(body) + "\n * Returns 0, or not 0 if the cluster or its L1 memory can't be had. */",
        prototype=_prototype(graph),
    )


def _units(engines: tuple[Engine, ...]) -> str:
    return " and ".join(["the cluster", *(engine.name for engine in engines)])


def _describe(tensor: Tensor) -> str:
    source = f" ({comment_text(tensor.source)})" if tensor.source else ""
    sizes = {"h": tensor.height, "w": tensor.width, "c": tensor.channels}
    order = "chw" if tensor.planar else "hwc"
    shape, names = " x ".join(str(sizes[axis]) for axis in order), " x ".join(order)
    return f"{tensor.dtype.value} {shape} ({names}){source}"


def _comment(graph: LayerGraph, plan: Plan) -> list[str]:
    work = sum(macs(graph, layer) for layer in graph.layers)
    cycles = sum(layer.cycles for layer in plan.layers)
    return [
        f"/* Region {graph.name}: {_layers(graph)} for {plan.soc}. Generated by tvm-pulp.",
        " *",
        *labelled("L1", [f"{plan.l1_used:,} of {plan.l1_bytes:,} bytes"]),
        *labelled(
            "L2",
            [
                f"{plan.l2_used:,} of {plan.l2_bytes:,} bytes",
                f"{plan.l2_arena:,} of them activations",
                f"{plan.l2_tables:,} tables",
            ],
        ),
        *labelled("work", [f"{work:,} MAC", f"about {cycles:,} cycles"]),
        *_l3_comment(plan),
        " *",
        " * Read it from its end: the entry function starts region_worker on every core, which calls",
        " * run_<layer> for one layer after another. run_<layer> goes through the steps of its tile loop:",
        " * compute_<layer> is all cores' work and ends with a barrier; core 0 also calls load_<layer> and",
        " * store_<layer>, which start transfers. While a step computes, the loads of the next step and the",
        " * store of the one before are under way. load_ahead_<layer> fetches what the next layer needs",
        " * first; a map that is neither stored nor loaded stays in L1 from layer to layer.",
        " *",
        " * x and y are a layer's input and output, x2 an addition's second input. Maps lie in HWC order.",
        " * In the kernels' sizes (in_x, in_y, ch_in) x counts columns, y rows and ch channels. */",
    ]


def _l3_comment(plan: Plan) -> list[str]:
    if not plan.transfers:
        return []
    size, waits = sum(one.size for one in plan.transfers), plan.prediction.l3_waits
    words = [f"{size:,} bytes in {len(plan.transfers)} transfers", f"about {waits:,} cycles of waiting"]
    return labelled("L3", words)


def _layers(graph: LayerGraph) -> str:
    return f"{len(graph.layers)} layer" + ("s" if len(graph.layers) > 1 else "")


def _parameters(graph: LayerGraph) -> list[str]:
    return [f"in_{name}" for name in graph.inputs] + [f"out_{name}" for name in graph.outputs]


def _prototype(graph: LayerGraph) -> str:
    return fill(f"int32_t {graph.name}(", [f"uint8_t *{name}" for name in _parameters(graph)], ")")


def _arena(plan: Plan) -> str:
    if plan.l2_arena == 0:
        return ""
    return (
        f"/* Activations between layers{' and parameters from L3' if plan.transfers else ''}. */\n"
        f"enum {{ L2_ARENA_BYTES = {plan.l2_arena} }};\n"
        "static PULP_L2 uint8_t l2_arena[L2_ARENA_BYTES];\n\n"
        + (_L3_ARENA.format(plan.l3_arena) if plan.l3_arena else "")
    )


def _around(calls: list[str]) -> list[str]:
    """The calls of the layers between begin and end of the use of L3."""
    return ["  if (pulp_core_id() == 0) l3_begin();", *calls, "  if (pulp_core_id() == 0) l3_end();"]


def _engines_around(calls: list[str], engines: tuple[Engine, ...]) -> list[str]:
    """The calls of the layers between begin and end of the use of engines."""
    begin = [line for engine in engines for line in engine.begin_region()]
    end = [line for engine in reversed(engines) for line in engine.end_region()]
    return [*_on_core_0(begin), *calls, *_on_core_0(end)]


def _on_core_0(statements: list[str]) -> list[str]:
    if not statements:
        return []
    return ["  if (pulp_core_id() == 0) {", *(f"    {line}" for line in statements), "  }"]


def _tensor_places(graph: LayerGraph) -> dict[str, str]:
    """C for the address of each tensor inside `region_worker`."""
    own = {name: f"t_{name}" for name in graph.tensors}
    own |= {name: f"args->in_{name}" for name in graph.inputs}
    own |= {name: f"args->out_{name}" for name in graph.outputs}
    return {
        name: own[name] if tensor.view is None else address(own[tensor.base], str(tensor.view.offset))
        for name, tensor in graph.tensors.items()
    }


def _tensors(graph: LayerGraph, plan: Plan) -> list[str]:
    return [
        "  uint8_t *const l1 = args->l1;",
        *(
            f"  uint8_t *const t_{buffer.tensor} = {address('l2_arena', str(buffer.offset))};"
            for buffer in plan.l2_buffers
        ),
    ]
