"""The benchmark that plans large networks with many sizes of memory."""

from __future__ import annotations

from pathlib import Path

from plan_grid import LARGE_L3, Combination, Network, Outcome, attempt, describe, gap, page, soc_of
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import load_machine


def test_a_network_runs_or_is_refused(tmp_path: Path) -> None:
    network = Network("ad", tmp_path)
    soc = soc_of("ad", tmp_path)
    fits = attempt(Combination("ad", 10_000, 380_000), network, soc, tmp_path)
    assert (fits.differing_bytes, fits.output_bytes, fits.refusal) == (0, 2560, "")
    assert fits.cycles >= fits.bound_cycles > 0
    refused = attempt(Combination("ad", 500, 380_000), network, soc, tmp_path)
    assert refused.cycles == 0
    assert "bytes of L1" in refused.refusal


def test_resnet18_gets_more_l3(tmp_path: Path) -> None:
    machine = load_machine(PulpOptions(soc=soc_of("resnet18", tmp_path)))
    assert machine.l3 is not None
    assert machine.l3.size == LARGE_L3


def test_lines_of_the_page() -> None:
    ran = Outcome("v1_100", 64_000, 380_000, 15_000_000, 400_000, 14_500_000, 9.0, 4000, 0)
    refused = Outcome("v1_100", 500, 380_000, refusal="too little")
    assert round(gap(ran), 2) == 3.45
    assert describe(refused) == "v1_100    L1    500 L2 380,000: refused: too little"
    rows = page([ran, refused]).splitlines()[-2:]
    assert rows[0] == "| v1_100 | 64,000 | 380,000 | 15.00 | 0.40 | 3.4 % | 0 of 4,000 |"
    assert rows[1] == "| v1_100 | 500 | 380,000 | – | – | – | refused: too little |"
