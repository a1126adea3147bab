"""A report and a plan as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tvm_pulp.codegen.alternatives import Alternative, Alternatives
from tvm_pulp.codegen.plan import Box, LayerPlan, Operand, Padding

from .console import new_table
from .report import CompilationReport, LayerReport, RegionReport, Shape


def report_tables(report: CompilationReport) -> RenderableType:
    """Return what is offloaded, what is not and why, and each region's layers and memory."""
    parts: list[RenderableType] = [Text(_summary(report))]
    if report.refused:
        parts.append(_refused_table(report))
    for region in report.regions:
        parts += [_layer_table(region), _cost_table(region), _memory_table(region, report.l2_outside)]
    return Group(*parts)


def plan_tables(layer: LayerReport, plan: LayerPlan) -> RenderableType:
    """Return the L1 buffers and the steps of one layer's plan."""
    buffers = new_table("buffer", "slot", "offset", "bytes", numbers=("slot", "offset", "bytes"))
    for buffer in plan.buffers:
        buffers.add_row(buffer.operand.value, str(buffer.slot), f"{buffer.offset:,}", f"{buffer.size:,}")
    numbers = ("step", "params bytes")
    columns = (
        "step",
        "output",
        "input",
        "padding t b l r",
        "load x",
        "load params",
        "params bytes",
        "slots x p y",
    )
    steps = new_table(*columns, numbers=numbers)
    for index, step in enumerate(plan.steps):
        steps.add_row(
            str(index),
            _box(step.y),
            _box(step.x),
            _padding(step.padding),
            _loaded(plan, Operand.X) if step.load_x else "kept",
            _loaded(plan, Operand.PARAMS)
            if step.load_params and step.params_size
            else "kept"
            if step.params_size
            else "none",
            f"{step.params_size:,}",
            f"{step.x_slot} {step.params_slot} {step.y_slot}",
        )
    return Group(Text(_layer_summary(layer, plan)), buffers, steps, *_stage_tables(plan))


def _stage_tables(plan: LayerPlan) -> list[Table]:
    """Return what each layer of a fused group computes in each step."""
    tables = []
    for stage in plan.stages:
        table = new_table(
            "step",
            "output",
            "padding t b l r",
            "params bytes",
            numbers=("step", "params bytes"),
            title=stage.layer,
        )
        for index, step in enumerate(stage.steps):
            table.add_row(str(index), _box(step.y), _padding(step.padding), f"{step.params_size:,}")
        tables.append(table)
    return tables


def _loaded(plan: LayerPlan, operand: Operand) -> str:
    """When an operand is loaded: while the step before computes, or after it."""
    return "late" if operand in plan.late else "yes"


def alternatives_tables(layer: LayerReport, alternatives: Alternatives, most: int) -> RenderableType:
    """Return the `most` fastest ways to tile a layer and the chosen one, with how they compare."""
    columns = (
        "",
        "rank",
        "cycles",
        "more",
        "tile",
        "order",
        "kernel",
        "steps",
        "L1 bytes",
        "DMA in",
        "DMA out",
    )
    table = new_table(*columns, numbers=("rank", "cycles", "more", "steps", "L1 bytes", "DMA in", "DMA out"))
    for rank, one in enumerate(alternatives.tried, start=1):
        if rank <= most or one.chosen:
            table.add_row("chosen" if one.chosen else "", str(rank), *_alternative(one, alternatives.chosen))
    groups = [_groups_table(alternatives)] if alternatives.groups else []
    return Group(Text(_alternatives_summary(layer, alternatives)), table, *groups)


def _groups_table(alternatives: Alternatives) -> Table:
    """Return the groups that the layer could be in, with how their cycles compare with those of their layers
    alone; what moving maps to L3 and back would cost is not among these."""
    columns = ("", "fused layers", "cycles", "alone", "more", "bytes kept out of L2", "L1 bytes")
    table = new_table(*columns, numbers=columns[2:])
    for one in alternatives.groups:
        more = None if one.cycles is None or not one.alone else 100 * (one.cycles - one.alone) / one.alone
        table.add_row(
            "chosen" if one.chosen else "",
            " + ".join(one.layers),
            "no tile fits" if one.cycles is None else f"{one.cycles:,}",
            f"{one.alone:,}",
            "" if more is None else f"{more:+.1f} %",
            f"{one.inside:,}",
            "" if one.l1_bytes is None else f"{one.l1_bytes:,}",
        )
    return table


def _alternatives_summary(layer: LayerReport, alternatives: Alternatives) -> str:
    chosen, fastest = alternatives.chosen, alternatives.tried[0]
    tried = f"{len(alternatives.tried):,} of {alternatives.fitting:,} tiles that fit L1 planned"
    if chosen.cycles == fastest.cycles:
        return f"{layer.name}: {tried}; the chosen one is the fastest"
    more = 100 * (chosen.cycles - fastest.cycles) / fastest.cycles
    place = f"rank {alternatives.rank}, {more:.1f} % slower than the fastest"
    return f"{layer.name}: {tried}; the chosen one has {place}"


def _alternative(one: Alternative, chosen: Alternative) -> list[str]:
    more = 100 * (one.cycles - chosen.cycles) / chosen.cycles
    return [
        f"{one.cycles:,}",
        "" if one.chosen else f"{more:+.1f} %",
        _tile((one.plan.tile.h, one.plan.tile.w, one.plan.tile.c), one.plan.c_in),
        one.plan.order.value.replace("_", " "),
        one.plan.kernel,
        f"{len(one.plan.steps):,}",
        f"{one.l1_bytes:,}",
        f"{one.dma_in:,}",
        f"{one.dma_out:,}",
    ]


def _summary(report: CompilationReport) -> str:
    offloaded, total = len(report.offloaded), len(report.operators)
    share = 100 * report.offloaded_macs / report.macs if report.macs else 0.0
    cores = f"{report.cores} core" + ("s" if report.cores > 1 else "")
    operators = f"{offloaded} of {total} operators offloaded"
    return f"{report.soc}, {cores}: {operators}, {share:.1f} % of {report.macs:,} MAC"


def _refused_table(report: CompilationReport) -> Table:
    table = new_table("left to TVM", "type", "MAC", "why", numbers=("MAC",))
    for operator in report.refused:
        table.add_row(operator.name, operator.op_type, f"{operator.macs:,}", operator.reason or "")
    return table


def _layer_table(region: RegionReport) -> Table:
    columns = ("layer", "from", "input", "output", "engine", "kernel", "tile", "requantize")
    table = new_table(*columns, title=f"region {region.name}")
    for layer in region.layers:
        inputs = " + ".join(_shape(shape) for shape in layer.inputs)
        shapes = (inputs, _shape(layer.output), layer.where, layer.kernel, _tile(layer.tile, layer.c_in))
        table.add_row(layer.name, ", ".join(layer.sources), *shapes, _requantize(layer))
    return table


def _cost_table(region: RegionReport) -> Table:
    l3 = ("L3 bytes", "L3 waits") if region.l3_transfers else ()
    columns = ("steps", "L1 bytes", "DMA in", "DMA out", *l3, "MAC", "cycles", "MAC/cycle")
    table = new_table("layer", *columns, numbers=columns, title="predicted, for one inference")
    for layer in region.layers:
        l3_cost = (layer.l3_bytes, layer.l3_waits) if l3 else ()
        cycles = layer.cycles + layer.l3_waits
        traffic = (layer.dma_in, layer.dma_out, *l3_cost, layer.macs, cycles)
        counts = (f"{value:,}" for value in (layer.steps, layer.l1_bytes, *traffic))
        table.add_row(layer.name, *counts, _rate(layer.macs, cycles))
    table.add_section()
    l3_total = (region.l3_bytes, region.l3_waits) if l3 else ()
    total = (region.dma_in, region.dma_out, *l3_total, region.macs, region.cycles)
    table.add_row("total", "", "", *(f"{value:,}" for value in total), _rate(region.macs, region.cycles))
    if region.bound_cycles:
        table.caption = (
            f"at least {region.bound_cycles:,} cycles with these tiles, gap {100 * region.gap:.1f} %"
        )
        table.caption_justify = "left"
    return table


def _memory_table(region: RegionReport, outside: int) -> Table:
    table = new_table("memory", "used", "of", "share", numbers=("used", "of", "share"))
    l2 = ("L2", region.l2_used + outside, region.l2_limit + outside)
    for name, used, limit in (("L1", region.l1_used, region.l1_limit), l2):
        table.add_row(name, f"{used:,}", f"{limit:,}", f"{100 * used / limit:.0f} %")
    table.add_row("  activations in L2", f"{region.l2_arena:,}", "", "")
    table.add_row("  parameters in L2", f"{region.l2_params:,}", "", "")
    table.add_row("  tensors of TVM's part in L2", f"{outside:,}", "", "")
    table.add_row("  tables in L2", f"{region.l2_tables:,}", "", "")
    return table


def _layer_summary(layer: LayerReport, plan: LayerPlan) -> str:
    notes = [f"{layer.name}: {plan.kernel}", f"{len(plan.steps)} steps", plan.order.value.replace("_", " ")]
    notes += ["input gathered to CHW"] if plan.channels_first else []
    notes += ["padding in L1"] if plan.pad_in_l1 else []
    notes += ["clipping pass"] if plan.clip else []
    notes += [f"{plan.c_in} input channels at a time"] if plan.c_in else []
    notes += [f"{name} stays in L1" for name in plan.in_l1]
    ahead = ["parameters"] * plan.params_ahead + ["input"] * plan.x_ahead
    notes += [f"first {' and '.join(ahead)} loaded during the layer before"] if ahead else []
    return ", ".join(notes)


def _requantize(layer: LayerReport) -> str:
    if layer.shift is None:
        return ""
    return f">> {layer.shift}" + (" 64-bit" if layer.wide else "")


def _rate(macs: int, cycles: int) -> str:
    return f"{macs / cycles:.2f}" if cycles else ""


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _tile(tile: Shape, c_in: int) -> str:
    """Write a tile's shape, and how many input channels at a time it is computed of."""
    return f"{_shape(tile)} of {c_in}" if c_in else _shape(tile)


def _box(box: Box) -> str:
    """Write a box as the ranges of its rows, columns and channels."""
    ranges = ((box.h0, box.h), (box.w0, box.w), (box.c0, box.c))
    return " ".join(f"{start}:{start + length}" for start, length in ranges)


def _padding(padding: Padding) -> str:
    return f"{padding.top} {padding.bottom} {padding.left} {padding.right}"
