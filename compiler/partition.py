"""From an imported module to one whose quantized operators are external functions that carry their C."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import tvm
from tvm import relay
from tvm_pulp.codegen.effort import DEFAULT_SECONDS, Effort
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import LayerGraph, weight_bytes
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.l2_errors import beside
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.codegen.plan_json import plan_to_json
from tvm_pulp.codegen.relay_reader import read_region
from tvm_pulp.codegen.rounding_noise import expected_difference
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.codegen.timeline_json import timeline_to_json
from tvm_pulp.passes.attributes import attribute
from tvm_pulp.passes.expressions import with_main
from tvm_pulp.passes.infer_type import InferType
from tvm_pulp.passes.integer_io import IntegerIo
from tvm_pulp.passes.legalize_qdq import LegalizeQdq
from tvm_pulp.passes.lower_leftovers import LowerLeftovers
from tvm_pulp.passes.merge_patterns import MergePatterns
from tvm_pulp.passes.numerics import LARGEST_ERROR, PRECISE_ERROR
from tvm_pulp.passes.partition_regions import PartitionRegions
from tvm_pulp.passes.portable_math import PortableMath
from tvm_pulp.passes.simplify_inference import SimplifyInference

from .cache_folder import cache_folder
from .errors import PlanError
from .given_plans import GivenPlan, accept_plan, check_regions, read_given_plans
from .golden import GOLDEN_ATTR
from .operators import report_operators
from .options import INTEGER_HWC, PulpOptions
from .plan_cache import checked_plan
from .relay_ext import (
    FILES_ATTR,
    LEGALIZED_ATTR,
    PARTITIONED_ATTR,
    PLAN_ATTR,
    REPORT_ATTR,
    TIMELINE_ATTR,
    declared,
    is_region,
)
from .report import CompilationReport, peak_macs_per_cycle, region_report
from .soc import load_machine
from .tvm_memory import tvm_bytes


def partition_for_pulp(
    mod: tvm.IRModule,
    params: Mapping[str, Any] | None = None,
    *,
    options: PulpOptions | None = None,
    mod_name: str = "default",
) -> tvm.IRModule:
    """Legalize, partition, plan and emit; `relay.build` can take the result.

    `mod` is a QDQ network as TVM's front ends import it, `params` its constants. External functions carry their
    C files and their plan as attributes, and zeros for a body; the module carries the legalized module (the
    reference), its own text before the bodies went, and a report.
    Raises TargetError for bad options and PlanError where memory does not suffice or a given plan is wrong.
    """
    options = options or PulpOptions()
    whole = load_machine(options)
    given = read_given_plans(options.plan)
    imported = prepare(mod, params)
    error = multiplier_error_on(whole, options)
    legalized, partitioned = _in_regions(imported, error, mod_name, _integer_io(options))
    machine = _beside_tvm(whole, tvm_bytes(partitioned))
    graphs = _graphs(partitioned)
    check_regions(given, list(graphs.values()))
    effort = Effort(options.plan_time or DEFAULT_SECONDS, options.fuses, options.shares, options.pairs)
    plans = _plans(graphs, machine, given, effort)
    _check_total(plans, machine)
    graphs = {var: as_planned(graph, plans[var]) for var, graph in graphs.items()}
    timelines = {var: simulate(graph, plans[var], machine) for var, graph in graphs.items()}
    readable = partitioned.astext(show_meta_data=False)
    for var, graph in graphs.items():
        function = _with_code(declared(partitioned[var]), graph, plans[var], machine)
        partitioned.update_func(var, function.with_attr(TIMELINE_ATTR, timeline_to_json(timelines[var])))
    report = CompilationReport(
        soc=machine.soc,
        cores=machine.cores,
        operators=report_operators(imported, partitioned, graphs.values()),
        regions=tuple(region_report(graph, plans[var], timelines[var]) for var, graph in graphs.items()),
        peak_macs_per_cycle=peak_macs_per_cycle(machine),
        dma_bytes_per_cycle=machine.dma.bytes_per_cycle,
        l2_outside=machine.l2_outside,
    )
    texts = {
        LEGALIZED_ATTR: tvm.ir.save_json(legalized),
        PARTITIONED_ATTR: readable,
        REPORT_ATTR: report.to_json(),
        GOLDEN_ATTR: attribute(mod, GOLDEN_ATTR) if _same_type(imported, legalized) else None,
    }
    return partitioned.with_attrs({name: text for name, text in texts.items() if text is not None})


def multiplier_error_on(machine: Machine, options: PulpOptions) -> float | None:
    """How far the multipliers of a layer may be off, in units of its output; None: the network decides. Beside
    the cores there are only engines that multiply in 32 bits, and would leave layers with more bits to them."""
    return LARGEST_ERROR if options.multiplier_error is None and machine.engines else options.multiplier_error


def _integer_io(options: PulpOptions) -> IntegerIo | None:
    return IntegerIo(channels_last=options.io == INTEGER_HWC) if options.integer_io else None


def _same_type(one: tvm.IRModule, other: tvm.IRModule) -> bool:
    """Whether two networks take and give the same tensors."""
    return bool(tvm.ir.structural_equal(one["main"].checked_type, other["main"].checked_type))


def _beside_tvm(machine: Machine, outside: int) -> Machine:
    """The machine as the regions have it: with less L2. Raises PlanError if there is nothing left."""
    if outside >= machine.l2_bytes:
        raise PlanError(
            f"what lies between its regions and the parts that TVM compiles takes {outside} bytes of L2,"
            f" {machine.l2_bytes} may be used",
            where="network",
            fix="choose a SoC or -l2= with more, or a network with a smaller input",
        )
    return replace(machine, l2_bytes=machine.l2_bytes - outside, l2_outside=outside)


def prepare(mod: tvm.IRModule, params: Mapping[str, Any] | None = None) -> tvm.IRModule:
    """The module with its constants inlined, batch norms folded and types inferred; what passes expect."""
    if params:
        bound = relay.build_module.bind_params_by_name(mod["main"], dict(params))
        mod = with_main(mod, bound)
    return InferType()(SimplifyInference()(mod))


def legalize(mod: tvm.IRModule, multiplier_error: float | None = None) -> tvm.IRModule:
    """The module in the canonical integer form: from here on it is the meaning of the network.

    `multiplier_error`: see `PulpOptions`.
    """
    return _in_regions(mod, multiplier_error, "default")[0]


def _in_regions(
    mod: tvm.IRModule, multiplier_error: float | None, mod_name: str, io: IntegerIo | None = None
) -> tuple[tvm.IRModule, tvm.IRModule]:
    """The legalized module, with integer inputs and outputs if `io` is given, and it with its regions. Where no
    `multiplier_error` is given, multipliers have more bits if 32 are expected to cost the network's result too
    much."""
    legalized = _in_integers(mod, LARGEST_ERROR if multiplier_error is None else multiplier_error, io)
    partitioned = _partitioned(legalized, mod_name)
    if multiplier_error is None and _differs(_graphs(partitioned).values()):
        return _in_regions(mod, PRECISE_ERROR, mod_name, io)
    return legalized, partitioned


def _differs(graphs: Iterable[LayerGraph]) -> bool:
    """Whether results are expected to be off by more than multipliers of a single layer may be."""
    return any(expected_difference(graph) > LARGEST_ERROR for graph in graphs)


def _in_integers(mod: tvm.IRModule, multiplier_error: float, io: IntegerIo | None) -> tvm.IRModule:
    legalized = LegalizeQdq(multiplier_error)(mod)
    return PortableMath()(LowerLeftovers()(legalized if io is None else io(legalized)))


def region_graphs(legalized: tvm.IRModule, mod_name: str) -> list[LayerGraph]:
    """The layer graphs of a legalized module's regions."""
    return list(_graphs(_partitioned(legalized, mod_name)).values())


def _partitioned(legalized: tvm.IRModule, mod_name: str) -> tvm.IRModule:
    return PartitionRegions(mod_name)(MergePatterns()(legalized))


def _graphs(partitioned: tvm.IRModule) -> dict[relay.GlobalVar, LayerGraph]:
    """The layer graph of each region, by its variable, in the order of their names."""
    found = [(var, func) for var, func in partitioned.functions.items() if is_region(func)]
    ordered = sorted(found, key=lambda item: str(item[0].name_hint))
    return {var: read_region(var.name_hint, func) for var, func in ordered}


def _plans(
    graphs: Mapping[relay.GlobalVar, LayerGraph],
    machine: Machine,
    given: Mapping[str, GivenPlan],
    effort: Effort,
) -> dict[relay.GlobalVar, Plan]:
    """The regions' plans, in the order of `graphs`.

    A region that doesn't fit L2 takes all of it for what it brings from L3. Hence the small regions come first,
    and with L3 each gets what those before have left.
    """
    plans: dict[relay.GlobalVar, Plan] = {}
    for var in sorted(graphs, key=lambda var: weight_bytes(graphs[var])):
        graph = graphs[var]
        plans[var] = _planned(graph, machine, given.get(graph.name), effort)
        left = machine.l2_bytes - plans[var].l2_used
        if machine.l3 is not None and left > 0:
            machine = replace(machine, l2_bytes=left)
    return {var: plans[var] for var in graphs}


def _planned(graph: LayerGraph, machine: Machine, given: GivenPlan | None, effort: Effort) -> Plan:
    if given is not None:
        return accept_plan(given, graph, machine)
    return checked_plan(graph, machine, cache_folder(os.environ), effort)


def _check_total(plans: Mapping[Any, Plan], machine: Machine) -> None:
    """PlanError if the regions together need more L2 than there is."""
    needed = sum(plan.l2_used for plan in plans.values())
    if needed > machine.l2_bytes:
        raise PlanError(
            f"its {len(plans)} regions need {needed} bytes of L2 together, {machine.l2_bytes} may be used"
            f"{beside(machine)}",
            where="network",
            fix=f"give -l2={needed + machine.l2_outside} or a SoC with more L2",
        )


def _with_code(func: relay.Function, graph: LayerGraph, plan: Plan, machine: Machine) -> relay.Function:
    files = emit_region(graph, plan, machine.engines)
    return func.with_attr(FILES_ATTR, json.dumps(files)).with_attr(PLAN_ATTR, plan_to_json(plan))
