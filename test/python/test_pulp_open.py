"""PULP-open on GVSoC: team, DMA and counters of the platform, networks on 8 cores and on one."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx_layers import Kind, QdqLayer, QdqModel
from tvm_pulp.api import compile_model
from tvm_pulp.cli import run as tvm_pulp
from tvm_pulp.codegen.quantizer import bounds_of, float_of, key_of
from tvm_pulp.cycles import measured_cycles
from tvm_pulp.errors import ToolError
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import Package
from tvm_pulp.passes.patterns.quantize import quantized
from tvm_pulp.report import read_report
from tvm_pulp.runner import RunResult, run_package
from tvm_pulp.toolchain import Platform, build_tool, check_tools, find_gvsoc

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime"
PROJECT = Path(__file__).parent / "pulp_open_project"
DIGITS = ROOT / "examples/digits/digits_int8.onnx"

SHOWN = 2048
POISON = 0xA5
L2_PATTERN = np.arange(SHOWN) % 251
L1_PATTERN = np.arange(SHOWN) % 241  # before a store


@pytest.fixture(scope="session")
def gvsoc() -> str:
    try:
        check_tools(Platform.PULP_OPEN)
    except ToolError as error:
        pytest.skip(str(error))
    return find_gvsoc()


# ---- The platform ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What a command of the driver gave; `seen` are the cycles until the transfer was programmed."""

    status: int
    seen: int
    cycles: int


@dataclass(frozen=True)
class Result:
    """`memory` holds the first bytes of L1 and of L2 after each transfer: [transfers, 2, SHOWN]."""

    lines: list[Line]
    memory: npt.NDArray[np.uint8]
    layers: list[dict[str, int]]


@dataclass(frozen=True)
class Driver:
    """driver.c on the simulator."""

    program: Path
    gvsoc: str
    image: Path | None  # for L3

    def script(self, folder: Path, *commands: str) -> Result:
        (folder / "script.txt").write_text("\n".join(commands))
        if self.image:
            shutil.copyfile(self.image, folder / "l3.bin")
        words = [self.gvsoc, "--target=pulp-open", f"--binary={self.program}", f"--work-dir={folder}", "run"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [Line(*map(int, line.split()[1:])) for line in done.stdout.splitlines()]
        memory = np.fromfile(folder / "memory.bin", np.uint8).reshape(-1, 2, SHOWN)
        return Result(lines, memory, json.loads((folder / "stats.json").read_text())["layers"])


@pytest.fixture(scope="session")
def driver(gvsoc: str, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    folder = tmp_path_factory.mktemp("driver")
    options = [f"-DRUNTIME_DIR={RUNTIME}", f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME}/cmake/pulp_open.cmake"]
    configure = ["-S", str(PROJECT), "-B", str(folder), "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *options]
    for command in (configure, ["--build", str(folder)]):
        done = subprocess.run([build_tool("cmake"), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return Driver(folder / "driver", gvsoc, folder / "driver.l3")


def test_team(driver: Driver, tmp_path: Path) -> None:
    """Three times all cores of 1, 2 … 8 have passed the barrier when core 0 looks."""
    lines = driver.script(tmp_path, *(f"team {cores}" for cores in range(1, 10))).lines
    assert [line.status for line in lines] == [0] * 8 + [-1]
    assert [line.seen for line in lines[:8]] == [3 * n * (n + 1) // 2 for n in range(1, 9)]
    assert max(line.cycles for line in lines[1:8]) < 40  # of one barrier


@dataclass(frozen=True)
class Transfer:
    """A box of `rows x cols x channels` whose lines may lie apart in L2 and in L1."""

    rows: int
    cols: int
    channels: int
    l2_row: int
    l2_pixel: int
    l1_row: int
    l1_plane: int
    command: str

    def words(self) -> str:
        sizes = (self.rows, self.cols, self.channels, self.l2_row, self.l2_pixel, self.l1_row, self.l1_plane)
        return f"{self.command} 7 11 {' '.join(map(str, sizes))}"

    def expected(self) -> npt.NDArray[Any]:
        """L1 and L2 afterwards."""
        y, x, c = np.ogrid[: self.rows, : self.cols, : self.channels]
        in_l2 = 11 + y * self.l2_row + x * self.l2_pixel + c
        pixel_major = y * self.l1_row + x * self.channels + c
        channels_first = self.command == "box_in_chw"
        in_l1 = 7 + (c * self.l1_plane + y * self.l1_row + x if channels_first else pixel_major)
        if self.command == "box_out":
            l1, l2 = L1_PATTERN.copy(), L2_PATTERN.copy()
            l2[in_l2] = l1[in_l1]
        else:
            l1, l2 = np.full(SHOWN, POISON), L2_PATTERN.copy()
            l1[in_l1] = l2[in_l2]
        return np.stack([l1, l2])


def random_transfers(count: int) -> list[Transfer]:
    rng = np.random.default_rng(3)
    transfers = []
    for _ in range(count):
        rows, cols, channels = (int(n) for n in rng.integers(1, 7, 3))
        gaps = [int(gap) for gap in rng.integers(0, 4, 4) * rng.integers(0, 2, 4)]
        command = str(rng.choice(["box_in", "box_in_chw", "box_out"]))
        l2_pixel = channels + gaps[0]
        l1_row = (cols if command == "box_in_chw" else cols * channels) + gaps[2]
        l1_plane = rows * l1_row + gaps[3]
        transfers.append(
            Transfer(rows, cols, channels, cols * l2_pixel + gaps[1], l2_pixel, l1_row, l1_plane, command)
        )
    return transfers


def test_transfers(driver: Driver, tmp_path: Path) -> None:
    transfers = random_transfers(100)
    result = driver.script(tmp_path, *(transfer.words() for transfer in transfers))
    for transfer, memory in zip(transfers, result.memory, strict=True):
        np.testing.assert_array_equal(memory, transfer.expected(), err_msg=transfer.words())


@pytest.mark.parametrize("jobs", [1, 16, 32])
def test_jobs_at_once(driver: Driver, tmp_path: Path, jobs: int) -> None:
    """More jobs than the MCHAN has counters for, waited for in the opposite order."""
    memory = driver.script(tmp_path, f"many {jobs}").memory[0]
    expected = np.full(SHOWN, POISON)
    expected[: 4 * jobs] = L2_PATTERN[: 8 * jobs].reshape(jobs, 8)[:, :4].ravel()
    np.testing.assert_array_equal(memory, [expected, L2_PATTERN])


COMMANDS = {
    "in 0 0 32768": 1,
    "box_in 0 0 3 4 5 20 5 20 0": 1,  # contiguous on both sides
    "box_in 0 0 3 4 5 30 5 20 0": 1,  # rows evenly spaced in L2
    "box_in 0 0 3 4 5 20 5 23 0": 3,  # rows apart in L1
    "box_in 0 0 3 4 5 32 8 20 0": 1,  # full width, some channels: pixels evenly spaced
    "box_in 0 0 3 4 5 33 8 20 0": 3,  # neither
    "box_in 0 0 3 1 5 33 8 5 0": 1,  # a column
    "box_in 0 0 1 4 5 33 8 20 0": 1,  # a row
    "box_in_chw 0 0 3 4 5 20 5 4 12": 5,  # a command for each channel
    "box_in_chw 0 0 3 4 5 25 5 4 12": 15,  # part of the width: for each row and channel
    "box_in_chw 0 0 3 4 5 20 5 6 20": 15,  # rows apart in L1
    "box_in_chw 0 0 1 4 5 25 5 4 4": 5,
}


def test_commands_are_as_few_as_on_host(driver: Driver, tmp_path: Path) -> None:
    layers = driver.script(tmp_path, *COMMANDS).layers
    counts = [layer["commands_in"] // layer["runs"] for layer in layers]
    assert dict(zip(COMMANDS, counts, strict=True)) == COMMANDS


def test_bandwidth(driver: Driver, tmp_path: Path) -> None:
    """8 bytes a cycle on long lines and one on single bytes, and no more than 200 cycles to start and wait."""
    long, gather = driver.script(tmp_path, "in 0 0 32768", "box_in_chw 0 0 16 16 16 256 16 16 256").lines
    assert 32768 // 8 < long.cycles < 32768 // 8 + 200
    assert 4096 < gather.cycles < 4096 + 250


def test_l3(driver: Driver, tmp_path: Path) -> None:
    """What the image brought, and 62 words there and back in transfers that are all under way at once."""
    result = driver.script(tmp_path, "l3 31")
    expected = L2_PATTERN.copy()
    expected[:8] = [11, 22, 33, 44, 55, 66, 77, 88]
    expected[512 : 512 + 124] = expected[1024 : 1024 + 124]
    np.testing.assert_array_equal(result.memory[0, 1], expected)
    (layer,) = result.layers
    counts = [layer[f"l3_{key}"] for key in ("commands_in", "bytes_in", "commands_out", "bytes_out")]
    assert counts == [34, 33 * 4 + 32768, 31, 31 * 4]
    assert 32768 < result.lines[0].cycles < 1.03 * 32768  # a byte a cycle
    assert layer["l3_wait_cycles"] > 32_700
    assert layer["dma_wait_cycles"] == 0


def test_short_image_for_l3(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(9_996))
    with pytest.raises(AssertionError, match=r"pulp: can't read 10000 bytes for L3 from l3\.bin"):
        replace(driver, image=tmp_path / "short").script(tmp_path, "l3 1")


# ---- Networks ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def images() -> dict[str, npt.NDArray[np.float32]]:
    return {"image": np.random.default_rng(5).random((2, 1, 8, 8), dtype=np.float32) * 16}


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The digits network by number of cores."""
    folder = tmp_path_factory.mktemp("packages")
    options = {cores: PulpOptions(soc="pulp_open", cores=cores) for cores in (1, 8)}
    return {n: compile_model(DIGITS, folder / f"{n}.tar", options=options[n]).path for n in options}


@pytest.fixture(scope="session")
def results(
    gvsoc: str,
    packages: dict[int, Path],
    images: dict[str, npt.NDArray[np.float32]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[int, RunResult]:
    del gvsoc  # a run looks for it again
    workdir = tmp_path_factory.mktemp("run")
    return {
        cores: run_package(package, images, Platform.PULP_OPEN, check=True, workdir=workdir / str(cores))
        for cores, package in packages.items()
    }


@pytest.mark.parametrize("cores", [1, 8])
def test_digits_agree_with_reference(results: dict[int, RunResult], cores: int) -> None:
    assert (results[cores].compared_bytes, results[cores].mismatched_bytes) == (2 * 10 * 4, 0)


@pytest.mark.parametrize("cores", [1, 8])
def test_traffic_is_that_of_host(
    results: dict[int, RunResult],
    packages: dict[int, Path],
    images: dict[str, npt.NDArray[np.float32]],
    cores: int,
) -> None:
    host = run_package(packages[cores], images).stats["layers"]
    device = results[cores].stats["layers"]
    assert [{key: layer[key] for key in host[0]} for layer in device] == host


@pytest.mark.parametrize("cores", [1, 8])
def test_cycles_add_up(results: dict[int, RunResult], cores: int) -> None:
    cycles = measured_cycles(results[cores].stats)
    assert cycles is not None
    assert all(0 <= layer.dma_wait < layer.total for layer in cycles.layers)
    between_layers = cycles.cluster - cycles.all_layers.total
    fork, entry = 1_500, 400  # of the region, and of each layer's function, whose code comes from L2
    assert 0 < between_layers < fork + entry * len(cycles.layers)
    assert cycles.cluster < cycles.inference < cycles.cluster + 100_000


def test_eight_cores_are_faster(results: dict[int, RunResult]) -> None:
    """By less than eight: the layers are so small that calls and barriers take much of their time."""
    one, eight = (measured_cycles(results[cores].stats) for cores in (1, 8))
    assert one is not None
    assert eight is not None
    assert one.all_layers.total > 2 * eight.all_layers.total


def test_command_prints_cycles(
    results: dict[int, RunResult],
    packages: dict[int, Path],
    images: dict[str, npt.NDArray[np.float32]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.savez(tmp_path / "x.npz", image=images["image"])
    words = ["run", str(packages[8]), "--inputs", str(tmp_path / "x.npz"), "--platform", "pulp-open", "--check"]
    assert tvm_pulp(words) == 0
    out = capsys.readouterr().out
    cycles = measured_cycles(results[8].stats, read_report(Package.open(packages[8])))
    assert cycles is not None
    total = cycles.all_layers
    row = [f"{total.total:,}", f"{total.compute:,}", f"{total.dma_wait:,}", f"{total.macs_per_cycle:.2f}"]
    assert ["total", *row, f"{total.predicted:,}"] in [line.split()[:6] for line in out.splitlines()]
    assert f"cycles of the regions: {cycles.cluster:,}; of the network: {cycles.inference:,}" in out
    assert "check: 0 of 80 output bytes differ from the legalized network" in out


def test_floats_are_quantized(gvsoc: str, tmp_path: Path) -> None:
    """By the cores' float unit: floats beside each bound, infinities, NaNs, denormals, both zeros."""
    del gvsoc
    scale, zero_point = np.float32(0.0371), 93
    bounds = bounds_of(lambda x: quantized(x, np.float32(1) / scale, np.float32(zero_point)))
    special = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45, 3e38, -3e38, 2e9])
    floats = np.concatenate([bounds, float_of(key_of(bounds) - 1), float_of(key_of(bounds) + 1), special])
    network = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        quantize (float[1,1,{floats.size},1] x) => (float[1,1,{floats.size},1] y)
        <float scale = {{{scale}}}, uint8 zero_point = {{{zero_point}}}>
        {{ q = QuantizeLinear(x, scale, zero_point)
           y = DequantizeLinear(q, scale, zero_point) }}""")
    onnx.save(network, tmp_path / "quantize.onnx")
    options = PulpOptions(soc="pulp_open")
    package = compile_model(tmp_path / "quantize.onnx", tmp_path / "quantize.tar", options=options).path
    assert read_report(Package.open(package)).regions[0].layers[0].kernel == "pulp_quantize"
    inputs = {"x": floats.reshape(1, 1, -1, 1)}
    result = run_package(package, inputs, Platform.PULP_OPEN, check=True, workdir=tmp_path)
    assert (result.compared_bytes, result.mismatched_bytes) == (4 * floats.size, 0)


def test_input_channels_in_parts(gvsoc: str, tmp_path: Path) -> None:
    """In 3,000 bytes of L1 two convolutions, from and to 30 channels, and a fully connected layer add sums."""
    del gvsoc
    pads = (1, 1, 1, 1)
    layers = (
        QdqLayer(Kind.CONV, 30, pads=pads),
        QdqLayer(Kind.CONV, 32, pads=pads),
        QdqLayer(Kind.FLATTEN),
        QdqLayer(Kind.GEMM, 10),
    )
    model = tmp_path / "parts.onnx"
    onnx.save(QdqModel(layers, (64, 5, 7)).build(), model)
    package = compile_model(model, tmp_path / "parts.tar", options=PulpOptions(soc="pulp_open", l1=3_000)).path
    kernels = [layer.kernel for layer in read_report(Package.open(package)).regions[0].layers]
    assert kernels[1:4] == ["pulp_conv_add", "pulp_conv_add", "pulp_linear_add"]
    inputs = {"input": np.random.default_rng(7).uniform(-1, 1.5, (1, 64, 5, 7)).astype(np.float32)}
    result = run_package(package, inputs, Platform.PULP_OPEN, check=True, workdir=tmp_path)
    assert (result.compared_bytes, result.mismatched_bytes) == (10 * 4, 0)


def test_network_in_l3(gvsoc: str, images: dict[str, npt.NDArray[np.float32]], tmp_path: Path) -> None:
    """Parameters pass through 3,000 bytes of L2."""
    del gvsoc
    package = compile_model(DIGITS, tmp_path / "l3.tar", options=PulpOptions(soc="pulp_open", l2=3_000)).path
    result = run_package(package, images, Platform.PULP_OPEN, check=True, profile=True, workdir=tmp_path)
    assert (result.compared_bytes, result.mismatched_bytes) == (2 * 10 * 4, 0)
    host = run_package(package, images).stats
    assert host["total"]["l3_bytes_in"] > 10_000
    assert [
        {key: layer[key] for key in one}
        for layer, one in zip(result.stats["layers"], host["layers"], strict=True)
    ] == host["layers"]
    cycles = measured_cycles(result.stats)
    assert cycles is not None
    assert cycles.all_layers.l3_wait < cycles.all_layers.total
    assert_profile(json.loads(result.trace)["traceEvents"], [layer["name"] for layer in host["layers"]])


def assert_profile(events: list[dict[str, Any]], layers: list[str]) -> None:
    """All layers one after another, each with its steps; transfers from L3 one after another."""
    slices = [event for event in events if event["ph"] == "X"]
    spans = [event for event in slices if event["tid"] == 0]
    assert [span["name"] for span in spans] == layers
    for one, other in pairwise(spans):
        assert one["ts"] + one["dur"] < other["ts"]
    for span in spans:
        steps = [e for e in slices if e["name"] == "compute" and e["args"]["layer"] == span["name"]]
        assert [step["args"]["step"] for step in steps] == list(range(span["args"]["steps"]))
        assert 0 < sum(step["dur"] for step in steps) <= span["dur"]
    transfers = [event for event in slices if event["name"] == "parameters from L3"]
    assert len(transfers) > 1
    for one, other in pairwise(sorted(transfers, key=lambda event: float(event["ts"]))):
        assert one["ts"] + one["dur"] <= other["ts"]
