"""The benchmark that plans large networks with many sizes of memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from compile_time import Measurement
from plan_grid import LARGE_L3, Network, Stopwatch, attempt, describe, missing, soc_of
from plan_grid_doc import main as write_page
from plan_grid_doc import render, row, sources, times
from plan_grid_outcomes import Combination, Outcome, keep, kept
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine

RAN = Outcome("v1_100", 64_000, 380_000, 15_000_000, 400_000, 14_500_000, 9.0, 21.5, 4000, 0, source="abc")
REFUSED = Outcome("v1_100", 500, 380_000, planning_seconds=0.5, compile_seconds=8, refusal="few", source="abc")


def test_a_network_runs_or_is_refused(tmp_path: Path) -> None:
    network = Network("ad", tmp_path)
    soc = soc_of("ad", tmp_path)
    fits = attempt(Combination("ad", 10_000, 380_000), network, soc, tmp_path)
    assert (fits.differing_bytes, fits.output_bytes, fits.refusal) == (0, 2560, "")
    assert fits.cycles >= fits.bound_cycles > 0
    assert 0 < fits.planning_seconds < fits.compile_seconds
    refused = attempt(Combination("ad", 500, 380_000), network, soc, tmp_path)
    assert refused.cycles == 0
    assert "bytes of L1" in refused.refusal


def test_resnet18_gets_more_l3(tmp_path: Path) -> None:
    machine = load_machine(PulpOptions(soc=soc_of("resnet18", tmp_path)))
    assert machine.l3 is not None
    assert machine.l3.size == LARGE_L3


def test_calls_that_fail_are_timed_too() -> None:
    watch = Stopwatch()

    def fail(count: int) -> None:
        raise ValueError(sum(range(count)))

    with pytest.raises(ValueError, match="499999500000"):
        watch.timed(fail)(1_000_000)
    assert watch.seconds > 0


def test_outcomes_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    small = replace(RAN, network="kws")
    assert missing(folder, "v1_100", [(64_000, 380_000), (500, 380_000)]) == [(64_000, 380_000), (500, 380_000)]
    for one in (REFUSED, RAN, small):
        keep(folder, one)
    assert kept(folder) == [small, RAN, REFUSED]
    assert missing(folder, "v1_100", [(64_000, 380_000), (64_000, 128_000)]) == [(64_000, 128_000)]


def test_lines() -> None:
    assert round(RAN.gap, 2) == 3.45
    assert describe(REFUSED) == "v1_100    L1    500 L2 380,000: refused after 0.5 s of 8.0 s: few"
    assert row(RAN) == ["64,000", "380,000", "15.00", "0.40", "3.4 %", "9.0", "0 of 4,000"]
    assert row(REFUSED) == ["500", "380,000", "–", "–", "–", "0.5", "no plan: few"]
    assert times("V1", [RAN, REFUSED]) == ["V1", "2", "0.5", "9.0", "21.5"]
    assert sources([RAN, REFUSED]) == "`abc`"
    assert sources([RAN, replace(REFUSED, source="def")]) == "`abc` (1), `def` (1)"


def test_page(tmp_path: Path) -> None:
    small = replace(RAN, network="kws")
    again = Measurement("v1_100", 1, [9.0], 9.0, 100, {}, 2.25, 0.75)
    text = render([small, RAN, REFUSED], [again])
    assert "| MobileNetV1 1.0-128 | 0.75 | 2.25 |" in text
    assert "second time" not in render([RAN])
    assert "Of 2 combinations that were tried 1 have a plan, 1 are\nrefused" in text
    assert "0 of 8,000 output bytes differ" in text
    assert "| 64,000 | 380,000 | 15.00 | 0.40 | 3.4 % | 9.0 | 0 of 4,000 |" in text
    assert "| DS-CNN, keyword spotting | 1 | 9.0 | 9.0 | 21.5 |" in text
    empty = CliRunner().invoke(write_page, ["--folder", str(tmp_path), "-o", str(tmp_path / "page.md")])
    assert empty.exit_code == 1
    assert "holds no results" in empty.output
