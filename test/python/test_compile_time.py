"""The compile time benchmark, with a stand-in for the compiler."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import compile_time
from click.testing import CliRunner

WORKING = """#!/bin/sh
for last; do :; done
printf package > "$last"
if [ "$1" = -v ]; then echo "timing: import 0.5 s"; echo "timing: tvm build 1.25 s" >&2; fi
"""
FAILING = """#!/bin/sh
echo "some progress"; echo "Error: no such target" >&2; exit 1
"""


def run(tmp_path: Path, script: str) -> tuple[int, str, Path]:
    tvmc, output = tmp_path / "tvmc", tmp_path / "new" / "times.json"
    tvmc.write_text(script)
    tvmc.chmod(tvmc.stat().st_mode | stat.S_IXUSR)
    arguments = ["ad", "--runs", "3", "--tvmc", str(tvmc), "-o", str(output)]
    result = CliRunner().invoke(compile_time.main, arguments)
    return result.exit_code, result.output, output


def test_result(tmp_path: Path) -> None:
    status, printed, output = run(tmp_path, WORKING)
    assert status == 0, printed
    (network,) = json.loads(output.read_text())["networks"]
    assert len(network["seconds"]) == 3
    assert network["median_seconds"] == sorted(network["seconds"])[1]
    assert (network["network"], network["macs"], network["package_bytes"]) == ("ad", 264192, len("package"))
    assert 0 < network["cached_cpu_seconds"] < 10 * network["cached_seconds"]
    assert network["stage_seconds"] == {"import": 0.5, "tvm build": 1.25}
    assert "tvm build s" in printed


def test_compiler_without_timings() -> None:
    assert compile_time.stage_seconds("One or more operators have not been tuned\n") == {}


def test_failure_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    status, printed, output = run(tmp_path, FAILING)
    assert status == 1
    assert printed.splitlines()[-1] == "Error: ad.onnx: tvmc failed with status 1: Error: no such target"
    assert not output.exists()


def test_missing_compiler(tmp_path: Path) -> None:
    result = CliRunner().invoke(compile_time.main, ["ad", "--tvmc", str(tmp_path / "tvmc")])
    assert result.exit_code == 1
    assert "No such file or directory; install the package or use --tvmc" in result.output
