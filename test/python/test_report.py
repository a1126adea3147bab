from __future__ import annotations

import io
import re

import planned_region
import pytest
from layers import heavy_network
from machines import machine, with_l3
from rich.console import Console
from tvm_pulp.chart_memory import l2_bar
from tvm_pulp.codegen.effort import Effort
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.codegen.traffic import Traffic, layer_traffic, region_traffic
from tvm_pulp.errors import InputError
from tvm_pulp.report import CompilationReport, OperatorReport, region_report, report_from_json
from tvm_pulp.report_tables import plan_tables, report_tables

TIMELINE = simulate(planned_region.graph(), planned_region.plan(), machine())
REGION = region_report(planned_region.graph(), planned_region.plan(), TIMELINE)
REPORT = CompilationReport(
    soc="gap8",
    cores=8,
    operators=(
        OperatorReport("Conv_1", "Conv", offloaded=True, layer="conv_1", macs=512),
        OperatorReport("Add_3", "Add", offloaded=True, layer="add_2", macs=128),
        OperatorReport("Softmax_4", "Softmax", offloaded=False, reason="there is no kernel for it", macs=0),
        OperatorReport("Conv_5", "Conv", offloaded=False, reason="dilation 2", macs=160),
    ),
    regions=(REGION,),
)


def rows(text: str) -> list[list[str]]:
    """Split a printed table into lines of cells."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def printed(renderable: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=240).print(renderable)
    return stream.getvalue()


def test_traffic_counts_each_transfer_once() -> None:
    graph, plan = planned_region.graph(), planned_region.plan()
    pointwise = Traffic(inputs=2 * 2 * 4 * 4, params=planned_region.PARAMS_BYTES, outputs=2 * 2 * 4 * 8)
    add = Traffic(inputs=2 * 128, params=0, outputs=128)
    assert layer_traffic(graph, graph.layers[0], plan.layers[0]) == pointwise
    assert layer_traffic(graph, graph.layers[1], plan.layers[1]) == add
    total = region_traffic(graph, plan)
    assert (total.bytes_in, total.bytes_out) == (64 + 96 + 256, 128 + 128)


def test_region() -> None:
    conv, add = REGION.layers
    assert (conv.kind, conv.inputs, conv.output) == ("pointwise", ((4, 4, 4),), (4, 4, 8))
    assert (conv.sources, conv.tile, conv.steps) == (("Conv_1", "Relu_2"), (2, 4, 8), 2)
    assert (conv.macs, conv.cycles, conv.l1_bytes) == (512, 256, 288)
    assert (conv.dma_in, conv.dma_out, conv.wide, conv.shift) == (160, 128, False, 7)
    assert (add.inputs, add.macs, add.wide, add.shift) == (((4, 4, 8), (4, 4, 8)), 128, True, 5)
    assert (REGION.macs, REGION.cycles, REGION.dma_in, REGION.dma_out) == (640, 320, 416, 256)
    assert (REGION.l1_used, REGION.l1_limit, REGION.l2_arena, REGION.l2_params) == (384, 1000, 128, 96)


def test_shares() -> None:
    assert [operator.name for operator in REPORT.offloaded] == ["Conv_1", "Add_3"]
    assert [operator.name for operator in REPORT.refused] == ["Softmax_4", "Conv_5"]
    assert (REPORT.offloaded_macs, REPORT.macs) == (640, 800)


def test_json_and_back() -> None:
    assert report_from_json(REPORT.to_json(), file="report.json") == REPORT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "r.json: the file: input should be .*; make the package again with this version"),
        ('{"soc": "gap8"}', "r.json: cores: field required; make the package again with this version"),
        ("x", "r.json: the file: invalid json: .*; make the package again with this version"),
    ],
)
def test_no_report(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        report_from_json(text, file="r.json")


def test_tables() -> None:
    text = printed(report_tables(REPORT))
    lines = rows(text)
    assert lines[0] == ["gap8, 8 cores: 2 of 4 operators offloaded, 80.0 % of 800 MAC"]
    assert ["Conv_5", "Conv", "160", "dilation 2"] in lines
    kernel = "pulp_nn_pointwise_HoWo_parallel"
    assert ["conv_1", "Conv_1, Relu_2", "4x4x4", "4x4x8", "cluster", kernel, "2x4x8", ">> 7"] in lines
    assert ["conv_1", "2", "288", "160", "128", "512", "256", "2.00"] in lines
    assert ["add_2", "Add_3", "4x4x8 + 4x4x8", "4x4x8", "cluster", "pulp_add", "4x4x8", ">> 5 64-bit"] in lines
    assert ["add_2", "1", "384", "256", "128", "128", "64", "2.00"] in lines
    assert ["total", "416", "256", "640", "320", "2.00"] in lines
    assert ["L1", "384", "1,000", "38 %"] in lines
    assert ["L2", "272", "2,000", "14 %"] in lines


def test_tables_of_a_network_without_multiplications() -> None:
    report = CompilationReport("gap8", 1, (), ())
    assert printed(report_tables(report)).strip() == "gap8, 1 core: 0 of 0 operators offloaded, 0.0 % of 0 MAC"


def test_plan_tables() -> None:
    conv, add = planned_region.plan().layers
    lines = rows(printed(plan_tables(REGION.layers[0], conv)))
    assert lines[0] == ["conv_1: pulp_nn_pointwise_HoWo_parallel, 2 steps, channels outer"]
    assert ["params", "0", "64", "96"] in lines
    assert ["0", "0:2 0:4 0:8", "0:2 0:4 0:4", "0 0 0 0", "yes", "yes", "96", "0 0 0"] in lines
    assert ["1", "2:4 0:4 0:8", "2:4 0:4 0:4", "0 0 0 0", "yes", "kept", "96", "1 0 1"] in lines
    lines = rows(printed(plan_tables(REGION.layers[1], add)))
    assert lines[0] == ["add_2: pulp_add, 1 steps, space outer, clipping pass"]
    assert ["0", "0:4 0:4 0:8", "0:4 0:4 0:8", "0 0 0 0", "yes", "none", "0", "0 0 0"] in lines


def test_parameters_that_come_from_l3_are_part_of_the_arena() -> None:
    graph, target = heavy_network(), with_l3(3_000, 12_000)
    plan = plan_region(graph, target, Effort(fuses=False))
    region = region_report(graph, plan, simulate(graph, plan, target))
    assert region.l2_arena_holds == "activations and what comes from L3"
    assert sum(layer.params_bytes for layer in region.layers) == region.l2_params
    assert sum(segment.percent for segment in l2_bar(region)) == pytest.approx(100)
    assert REGION.l2_arena_holds == "activations between layers"
