"""Why a layer's plan is as it is: its region is read again from a package, and other tiles are planned."""

from __future__ import annotations

import tvm
from tvm_pulp.codegen.alternatives import Alternatives, layer_alternatives
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.plan_json import plan_from_json

from .errors import InputError
from .options import PulpOptions
from .package import LEGALIZED_FILE, Package, plan_file
from .partition import region_graphs
from .soc import load_machine


def explain_layer(package: Package, region: str, layer: str) -> Alternatives:
    """The tiles that a layer of a package could have had, for the options that it was compiled with.

    Raises InputError where the package holds no network or another one, TargetError where its SoC file is gone.
    """
    options = PulpOptions(**package.metadata["pulp"]["options"])
    machine = load_machine(options)
    graph, found = _layer(package, region, layer)
    plan = plan_from_json(package.read(plan_file(region)).decode())
    chosen = next(layer_plan for layer_plan in plan.layers if layer_plan.layer == layer)
    return layer_alternatives(graph, found, machine, chosen)


def _layer(package: Package, region: str, layer: str) -> tuple[LayerGraph, Layer]:
    legalized = tvm.ir.load_json(package.read(LEGALIZED_FILE).decode())
    for graph in region_graphs(legalized, package.name):
        if graph.name == region:
            return graph, next(found for found in graph.layers if found.name == layer)
    raise InputError(
        f"its network has no region {region} in this version",
        where=str(package.path),
        fix="compile the network again",
    )
