"""The steps of a layer that one engine computes, or two: which rows of a tile each of them takes."""

from __future__ import annotations

from dataclasses import replace

from tvm_pulp.codegen.cost.arrays import tiles_of
from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.engines.team import Team
from tvm_pulp.codegen.fusion.groups import largest_box
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import (
    KERNEL_SEPARATOR,
    Box,
    LayerPlan,
    LoopOrder,
    Operand,
    Share,
    ShareStep,
    TileStep,
)
from tvm_pulp.codegen.tiles.geometry import Span, rows, span
from tvm_pulp.codegen.tiles.schedule import schedule_layer


def schedule_on(
    graph: LayerGraph,
    layer: Layer,
    machine: Machine,
    tile: Box,
    order: LoopOrder,
    *,
    engine: Engine = CLUSTER,
    in_l1: frozenset[str] = frozenset(),
    late: tuple[Operand, ...] = (),
    c_in: int = 0,
) -> LayerPlan:
    """The plan of a layer on an engine, or a team of two; arguments as those of `schedule_layer`."""
    plan = schedule_layer(
        graph, layer, tile, machine.cores, order, engine=engine, in_l1=in_l1, late=late, c_in=c_in
    )
    return _with_shares(graph, layer, machine, engine, plan) if isinstance(engine, Team) else plan


def _with_shares(graph: LayerGraph, layer: Layer, machine: Machine, team: Team, plan: LayerPlan) -> LayerPlan:
    axis = rows(graph, layer)
    first = team.first_rows(machine, layer, tiles_of(plan))
    cuts = [
        (span(axis, step.y.h0, int(count)), span(axis, step.y.h0 + int(count), step.y.h - int(count)))
        for step, count in zip(plan.steps, first, strict=True)
    ]
    blocks = [team.blocks(layer, step.y.c) for step in plan.steps]
    shares = []
    for number, member in enumerate(team.members):
        steps = tuple(
            _share_step(step, cut[number], block[number])
            for step, cut, block in zip(plan.steps, cuts, blocks, strict=True)
        )
        choice = member.choose_kernel(graph, layer, largest_box([step.y for step in steps]), machine.cores)
        shares.append(Share(member.name, choice.name, steps, choice.clip))
    kernel = KERNEL_SEPARATOR.join(share.kernel for share in shares)
    return replace(plan, kernel=kernel, shares=tuple(shares))


def _share_step(step: TileStep, part: Span, block: tuple[int, int]) -> ShareStep:
    return ShareStep(
        y=replace(step.y, h0=part.start, h=part.size),
        x=replace(step.x, h0=part.in_start, h=part.in_size),
        padding=replace(step.padding, top=part.before, bottom=part.after),
        params_offset=block[0],
        params_size=block[1],
    )
