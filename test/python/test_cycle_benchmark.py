"""The cycle benchmark without a simulator: the page, its figures, the packages of the variants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cycles
import cycles_doc
import networks
import onnx
import pytest
from click.testing import CliRunner
from cycles_doc import Network, merge, read_networks, render, rows, summary_row
from measure import Measurement, Omission, network_memory, parse_sections
from rich.console import Console
from stock_tvm import Layout
from tvm_pulp.package import Package
from variants import VARIANTS, Kernels, Ours, Stock

STOCK = Measurement(
    network="net",
    variant="stock-nchw",
    title="TVM, NCHW",
    cycles=12_000_000,
    region_cycles=0,
    code_bytes=40_000,
    constant_bytes=50_000,
    data_bytes=1_000,
    l1_bytes=0,
    l2_bytes=70_000,
    compile_seconds=3.04,
    output_bytes=48,
    differing_bytes=0,
)
SLOWER = replace(STOCK, variant="stock-nchwc", title="TVM, NCHWc", cycles=13_000_000, differing_bytes=3)
ONE = replace(
    STOCK, variant="ours-1", title="ours, 1", cycles=1_700_000, region_cycles=1_500_000, l1_bytes=9_000
)
EIGHT = replace(ONE, variant="ours-8", title="ours, 8", cycles=400_000, region_cycles=200_000)
NETWORK = Network("net", "a network", 2_000_000, (STOCK, SLOWER, ONE, EIGHT))

RESULTS: dict[str, Any] = {
    "conditions": {
        "compiler": "gcc 1.0",
        "flags": "-O3",
        "gvsoc": "gvsoc abc",
        "tvm": "TVM 0.19.0",
        "source": "1234567",
        "input_seed": 7,
    },
    "networks": [
        {
            "name": "net",
            "title": "a network",
            "macs": 2_000_000,
            "measurements": [vars(m) for m in NETWORK.measurements],
        }
    ],
}


def test_results_are_read_back() -> None:
    assert read_networks(json.loads(json.dumps(RESULTS))) == [NETWORK]


def test_summary_compares_with_the_faster_layout() -> None:
    assert NETWORK.baseline == STOCK
    assert summary_row(NETWORK) == [
        *("a network", "2.00", "12,000,000", "400,000", "200,000"),
        *("30.0 ×", "60.0 ×", "7.5 ×"),
    ]


def test_rows() -> None:
    stock, slower, _, eight = rows(NETWORK)
    sizes = ["40,000", "50,000", "1,000"]
    assert stock == [
        *("TVM, NCHW", "12,000,000", "–", "0.17", "–", "1.0 ×"),
        *(*sizes, "–", "70,000", "3.0", "equal"),
    ]
    assert slower[-1] == "3 of 48 B differ"
    assert eight == [
        *("ours, 8", "400,000", "200,000", "5.00", "10.00", "30.0 ×"),
        *(*sizes, "9,000", "70,000", "3.0", "equal"),
    ]


def test_what_was_not_measured_is_a_dash() -> None:
    assert summary_row(replace(NETWORK, measurements=(ONE,)))[2:] == ["–"] * 6


def test_what_was_left_out_says_why() -> None:
    reason = "its parameters do not fit"
    left_out = Omission("stock-nchw", "TVM, NCHW", reason)
    network = replace(NETWORK, measurements=(ONE, EIGHT), omissions=(left_out,))
    assert summary_row(network)[2:] == [reason, "400,000", "200,000", "–", "–", "7.5 ×"]
    assert [row[:2] for row in rows(network)] == [
        ["TVM, NCHW", reason],
        ["ours, 1", "1,700,000"],
        ["ours, 8", "400,000"],
    ]
    assert {len(row) for row in rows(network)} == {13}


def test_without_l3_the_largest_network_is_not_compiled(tmp_path: Path) -> None:
    entry = cycles.measure_network("v1_100", [Stock(Layout.PACKED)], tmp_path, Console(quiet=True))
    assert (entry["macs"], entry["measurements"]) == (186_400_768, [])
    (left_out,) = entry["omissions"]
    assert left_out["reason"] == "its parameters do not fit the 1,638,400 B of L2"


def test_page_is_the_same_each_time(tmp_path: Path) -> None:
    results, page = tmp_path / "cycles.json", tmp_path / "benchmarks.md"
    results.write_text(json.dumps(RESULTS))
    written = []
    for _ in range(2):
        outcome = CliRunner().invoke(cycles_doc.main, [str(results), "-o", str(page)])
        assert outcome.exit_code == 0, outcome.output
        written.append(page.read_bytes())
    assert written[0] == written[1] == render(RESULTS).encode()
    lines = written[0].decode().splitlines()
    assert "| a network | 2.00 | 12,000,000 | 400,000 | 200,000 | 30.0 × | 60.0 × | 7.5 × |" in lines
    assert "## a network (`net`), 2.00 M MAC" in lines
    assert "| simulator | GVSoC, target `pulp-open`, gvsoc abc |" in lines
    assert lines[-1].startswith("| ours, 8 | 400,000 |")


def test_tables_have_as_many_columns_as_their_rows() -> None:
    tables = [line for line in render(RESULTS).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {3, 9, 14}


def test_runs_are_merged_if_conditions_are_the_same() -> None:
    assert [entry["name"] for entry in merge([RESULTS, RESULTS])["networks"]] == ["net", "net"]
    other = {**RESULTS, "conditions": {**RESULTS["conditions"], "compiler": "gcc 2.0"}}
    with pytest.raises(ValueError, match="different conditions"):
        merge([RESULTS, other])


def test_sections() -> None:
    printed = (
        "runner  :\nsection   size   addr\n.text   53480   469762048\n.rodata     60528   469815536\nTotal  9\n"
    )
    assert parse_sections(printed) == {"text": 53480, "rodata": 60528}


def test_without_gvsoc_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GVSOC_HOME", str(tmp_path))
    outcome = CliRunner().invoke(cycles.main, ["--folder", str(tmp_path / "bench")])
    assert outcome.exit_code == 0
    (line,) = outcome.output.splitlines()
    assert line.startswith("cycles on PULP-open are skipped: platform pulp-open: GVSOC_HOME is")
    assert not (tmp_path / "bench").exists()


def test_variants_have_names_of_their_own() -> None:
    assert [variant.key for variant in VARIANTS] == [
        *("stock-nchw", "stock-nchwc"),
        *("ours-1", "ours-2", "ours-4", "ours-8", "portable-8"),
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "ad.onnx"
    onnx.save(networks.quantized("ad"), path)
    return path


def sources(package: Package) -> list[str]:
    """The C that isn't TVM's."""
    return sorted(file.name for file in (package.path / "codegen/host/src/pulp").iterdir())


@pytest.mark.filterwarnings("ignore:NDArray.asnumpy:DeprecationWarning")  # of TVM's own pass
def test_stock_package_has_no_region(model: Path, tmp_path: Path) -> None:
    package = Stock(Layout.PACKED).compile(model, tmp_path / "stock", "ad")
    assert sources(package) == ["ad_io.c"]
    l1_bytes, l2_bytes = network_memory(package)
    assert l1_bytes == 0
    assert l2_bytes > networks.macs(networks.build("ad"))  # each weight is used once, and takes a byte or more
    text = (package.path / "CMakeLists.txt").read_text()
    assert text.endswith("target_compile_options(tvmgen_ad_tvm PRIVATE -fstrict-aliasing)\n")


def test_package_with_portable_kernels(model: Path, tmp_path: Path) -> None:
    package = Ours(2, Kernels.PORTABLE).compile(model, tmp_path / "ours", "ad")
    assert len(sources(package)) > 1
    assert package.metadata["pulp"]["options"]["cores"] == 2
    lines = (package.path / "CMakeLists.txt").read_text().splitlines()
    chosen = lines.index('set(PULP_KERNELS portable CACHE STRING "")')
    assert lines[chosen + 1] == "add_subdirectory(runtime)"
