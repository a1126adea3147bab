"""Why a layer's plan is as it is: its region is read again from a package, and other tiles are planned."""

from __future__ import annotations

from dataclasses import replace

import tvm
from tvm_pulp.codegen.alternatives import Alternatives, layer_alternatives
from tvm_pulp.codegen.fusion.alternatives import group_alternatives
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.fusion.im2col import with_planned_products
from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.plan_json import plan_from_json

from .errors import InputError
from .options import PulpOptions
from .package import LEGALIZED_FILE, Package, plan_file
from .partition import region_graphs
from .report import LayerReport
from .soc import load_machine


def explain_layer(package: Package, region: str, layer: LayerReport) -> Alternatives:
    """The tiles that a layer of a package could have had, and the groups that it could have been in, for the
    options that it was compiled with.

    Raises InputError where the package holds no network or another one, TargetError where its SoC file is gone.
    """
    options = PulpOptions(**package.metadata["pulp"]["options"])
    machine = load_machine(options)
    graph = _graph(package, region)
    plan = plan_from_json(package.read(plan_file(region)).decode())
    planned = as_planned(graph, plan)
    index = [layer_plan.layer for layer_plan in plan.layers].index(layer.name)
    alternatives = layer_alternatives(planned, planned.layers[index], machine, plan.layers[index])
    if not options.fuses:
        return alternatives
    flat = with_planned_products(graph, plan)
    groups = group_alternatives(flat, layer.fused or (layer.name,), machine, plan, teams=options.shares)
    return replace(alternatives, groups=groups)


def _graph(package: Package, region: str) -> LayerGraph:
    legalized = tvm.ir.load_json(package.read(LEGALIZED_FILE).decode())
    for graph in region_graphs(legalized, package.name):
        if graph.name == region:
            return graph
    raise InputError(
        f"its network has no region {region} in this version",
        where=str(package.path),
        fix="compile the network again",
    )
