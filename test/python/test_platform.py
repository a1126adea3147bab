"""The checking platforms: DMA, counters, messages, runner; on host and, where the tools are, on rv32."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

RUNTIME = Path(__file__).parents[2] / "runtime"
PROJECT = Path(__file__).parent / "platform_project"
RV32_TOOLS = ("riscv64-unknown-elf-gcc", "qemu-riscv32")
POISON = 0xA5
L2_PATTERN = np.arange(10_000) % 251  # what the driver fills L2 with
PROPERTY = settings(max_examples=40, deadline=None)


@dataclass(frozen=True)
class Result:
    """What a driver printed; `memory` maps l1 and l2 to all the bytes that were shown, in order."""

    status: int
    stderr: str
    memory: dict[str, list[list[int]]]


@dataclass(frozen=True)
class Platform:
    """A built test project."""

    folder: Path
    emulator: list[str] = field(default_factory=list)

    def run(self, program: str, *args: str, text: str = "", **environment: str) -> Result:
        done = subprocess.run(
            [*self.emulator, str(self.folder / program), *args],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **environment},
        )
        memory: dict[str, list[list[int]]] = {"l1": [], "l2": []}
        for line in done.stdout.splitlines():
            name, *values = line.split()
            memory[name].append([int(value) for value in values])
        return Result(done.returncode, done.stderr, memory)

    def script(self, text: str, **environment: str) -> Result:
        return self.run("dma_driver", text=text, **environment)


def build(folder: Path, *options: str) -> None:
    cmake = (
        os.environ.get("CMAKE")
        or shutil.which("cmake")
        or pytest.importorskip("cmake").CMAKE_BIN_DIR + "/cmake"
    )
    options = (f"-DRUNTIME_DIR={RUNTIME}", "-DCMAKE_BUILD_TYPE=Debug", *options)
    for command in (["-S", str(PROJECT), "-B", str(folder), *options], ["--build", str(folder), "-j2"]):
        done = subprocess.run([cmake, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    folder = tmp_path_factory.mktemp("host")
    build(folder, f"-DPULP_SANITIZE={os.environ.get('PULP_TEST_SANITIZE', 'ON')}")
    return Platform(folder)


@pytest.fixture(scope="session")
def rv32(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    missing = [tool for tool in RV32_TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    folder = tmp_path_factory.mktemp("rv32")
    build(folder, f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME}/cmake/rv32.cmake", "-DPULP_PLATFORM=rv32")
    return Platform(folder, ["qemu-riscv32"])


@pytest.fixture(params=["host", "rv32"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """Each of the two."""
    chosen: Platform = request.getfixturevalue(request.param)
    return chosen


# ---- Transfers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transfer:
    """A box of `rows x cols x channels` in L2 and in L1, whose lines may lie apart."""

    rows: int
    cols: int
    channels: int
    l2_pixel: int
    l2_row: int
    l1_row: int
    l1_plane: int
    channels_first: bool

    def words(self) -> str:
        sizes = (self.rows, self.cols, self.channels, self.l2_row, self.l2_pixel, self.l1_row, self.l1_plane)
        return " ".join(map(str, sizes))

    def l2_index(self) -> npt.NDArray[Any]:
        y, x, c = np.ogrid[: self.rows, : self.cols, : self.channels]
        index: npt.NDArray[Any] = y * self.l2_row + x * self.l2_pixel + c
        return index

    def l1_index(self) -> npt.NDArray[Any]:
        y, x, c = np.ogrid[: self.rows, : self.cols, : self.channels]
        hwc: npt.NDArray[Any] = y * self.l1_row + x * self.channels + c
        return c * self.l1_plane + y * self.l1_row + x if self.channels_first else hwc


@st.composite
def transfers(draw: st.DrawFn, *, channels_first: bool | None = None) -> Transfer:
    gap = st.integers(0, 3)
    rows, cols, channels = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    chw = draw(st.booleans()) if channels_first is None else channels_first
    l2_pixel = channels + draw(gap)
    l2_row = cols * l2_pixel + draw(gap)
    l1_row = (cols if chw else cols * channels) + draw(gap)
    return Transfer(rows, cols, channels, l2_pixel, l2_row, l1_row, rows * l1_row + draw(gap), chw)


@PROPERTY
@given(transfer=transfers())
def test_a_load_arrives_when_waited_for(host: Platform, transfer: Transfer) -> None:
    command = "box_in_chw" if transfer.channels_first else "box_in"
    script = (
        f"arena 300 l2 500 begin a 0 300 0 500 {command} 7 11 {transfer.words()} show_l1 wait 1 show_l1 end"
    )
    late, early = host.script(script), host.script(script, PULP_DMA="early")
    before = np.full(300, POISON)
    after = before.copy()
    after[7 + transfer.l1_index()] = L2_PATTERN[11 + transfer.l2_index()]
    assert (late.status, early.status) == (0, 0)
    np.testing.assert_array_equal(late.memory["l1"], [before, after])
    np.testing.assert_array_equal(early.memory["l1"], [after, after])


@PROPERTY
@given(transfer=transfers(channels_first=False))
def test_a_store_reads_l1_when_waited_for(host: Platform, transfer: Transfer) -> None:
    script = f"""arena 300 l2 500 begin a 0 300 0 500 in 0 100 300 wait 1
        box_out 7 11 {transfer.words()} show_l2 set_l1 7 250 wait 2 show_l2 end"""
    late, early = host.script(script), host.script(script, PULP_DMA="early")
    l1 = L2_PATTERN[100:400].copy()
    poisoned, stored = L2_PATTERN[:500].copy(), L2_PATTERN[:500].copy()
    poisoned[11 + transfer.l2_index()] = POISON
    stored[11 + transfer.l2_index()] = l1[7 + transfer.l1_index()]
    stored_late = stored.copy()
    stored_late[11] = 250
    np.testing.assert_array_equal(late.memory["l2"], [poisoned, stored_late])
    np.testing.assert_array_equal(early.memory["l2"], [stored, stored])


def test_transfers_run_in_the_order_of_the_waits(platform: Platform) -> None:
    result = platform.script("""arena 4 l2 8 begin a 0 4 0 8 in 0 0 4 in 0 4 4
        wait 2 show_l1 wait 1 show_l1 wait 1 wait 2 wait 0 show_l1 end""")
    assert result.memory["l1"] == [[4, 5, 6, 7], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert result.status == 0


def test_a_late_load_reads_l2_when_waited_for(platform: Platform) -> None:
    script = "arena 4 l2 4 begin a 0 4 0 4 in 0 0 4 set_l2 1 99 wait 1 show_l1 end"
    assert platform.script(script).memory["l1"] == [[0, 99, 2, 3]]
    assert platform.script(script, PULP_DMA="early").memory["l1"] == [[0, 1, 2, 3]]


# ---- Faults ------------------------------------------------------------------------------------------------

SETUP = "arena 64 l2 100 begin conv 8 32 10 50"
FAULTS = {
    "in 0 10 4": "layer 'conv': pulp_dma_in: L1 bytes [0, 4) are in no L1 range of the layer",
    "in 36 10 5": "layer 'conv': pulp_dma_in: L1 bytes [36, 41) are in no L1 range of the layer",
    "in 8 5 4": "layer 'conv': pulp_dma_in: L2 bytes [-5, -1) of 'map' leave its 50 bytes",
    "in 8 58 4": "layer 'conv': pulp_dma_in: L2 bytes [48, 52) of 'map' leave its 50 bytes",
    "in 8 10 0": "layer 'conv': pulp_dma_in: empty transfer: 1 x 1 x 0 bytes",
    "box_in 8 10 2 3 4 40 4 21 0": (
        "layer 'conv': pulp_dma_box_in: L1 bytes [8, 41) are in no L1 range of the layer"
    ),
    "box_in_chw 8 10 1 4 2 8 2 4 32": (
        "layer 'conv': pulp_dma_box_in_chw: L1 bytes [8, 44) are in no L1 range of the layer"
    ),
    "box_out 8 10 2 3 4 40 4 12 0": (
        "layer 'conv': pulp_dma_box_out: L2 bytes [0, 52) of 'map' leave its 50 bytes"
    ),
    "box_in 8 10 2 3 4 11 4 12 0": (
        "layer 'conv': pulp_dma_box_in: pixels or rows overlap in L2: 2 x 3 x 4 bytes"
    ),
    "box_in 8 10 2 3 4 12 4 11 0": (
        "layer 'conv': pulp_dma_box_in: rows or planes overlap in L1: 2 x 3 x 4 bytes"
    ),
    "in 8 10 4 in 12 10 4 wait 2 end": (
        "layer 'conv': pulp_dma_in: job 1 on L1 bytes [8, 12) is not waited for when the layer ends"
    ),
    "in 8 10 4 wait 2": "layer 'conv': pulp_dma_wait: there is no job 2, the last one is 1",
    "in 8 10 1 " * 17: "layer 'conv': pulp_dma_in: more than 16 transfers under way",
    "begin pool 0 1 0 1": "layer 'conv': pulp_layer_begin: layer 'pool' begins before this one ends",
    "end in 8 10 4": "pulp_dma_in: called outside of a layer",
    "end end": "pulp_layer_end: called outside of a layer",
    "end begin pool 40 25 0 1": (
        "layer 'pool': pulp_layer_begin: L1 range 'tile' [40, 65) leaves the arena of 64 bytes"
    ),
}


@pytest.mark.parametrize("dma", ["late", "early"])
@pytest.mark.parametrize("commands", FAULTS)
def test_a_fault_ends_the_program_with_one_line(host: Platform, commands: str, dma: str) -> None:
    result = host.script(f"{SETUP} {commands}", PULP_DMA=dma)
    assert (result.status, result.stderr) == (3, f"pulp: {FAULTS[commands]}\n")


def test_only_core_0_may_program_the_dma(host: Platform) -> None:
    result = host.script(f"{SETUP} core_1")
    assert result.stderr == "pulp: layer 'conv': pulp_dma_in: called by core 1, only core 0 may\n"
    assert result.status == 3


def test_faults_on_rv32(rv32: Platform) -> None:
    result = rv32.script(f"{SETUP} in 8 58 4")
    assert result.stderr == "pulp: layer 'conv': pulp_dma_in: L2 bytes [48, 52) of 'map' leave its 50 bytes\n"
    assert result.status == 3


def test_unknown_dma_mode(host: Platform) -> None:
    result = host.script(f"{SETUP} in 8 10 4", PULP_DMA="soon")
    assert (result.status, result.stderr) == (2, "pulp: PULP_DMA is 'soon'; it may be 'late' or 'early'\n")


# ---- Counters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "commands"),
    [
        ("in 0 0 131071", 1),
        ("in 0 0 131072", 2),
        ("box_in 0 0 3 4 5 20 5 20 0", 1),  # contiguous on both sides
        ("box_in 0 0 3 4 5 30 5 20 0", 1),  # rows evenly spaced in L2
        ("box_in 0 0 3 4 5 20 5 23 0", 3),  # rows apart in L1
        ("box_in 0 0 3 4 5 32 8 20 0", 1),  # full width, some channels: pixels evenly spaced
        ("box_in 0 0 3 4 5 33 8 20 0", 3),  # neither
        ("box_in 0 0 3 1 5 33 8 5 0", 1),  # a column
        ("box_in 0 0 1 4 5 33 8 20 0", 1),  # a row
        ("box_in 0 0 300 500 1 500 1 500 0", 2),  # 150,000 bytes, all contiguous
        ("box_in 0 0 300 500 1 600 1 500 0", 2),  # 262 whole lines in the first
        ("box_in 0 0 2 140000 1 140001 1 140000 0", 4),  # two for each line
        ("box_in_chw 0 0 3 4 5 20 5 4 12", 5),  # a command for each channel
        ("box_in_chw 0 0 3 4 5 25 5 4 12", 15),  # part of the width: for each row and channel
        ("box_in_chw 0 0 3 4 5 20 5 6 20", 15),  # rows apart in L1
        ("box_in_chw 0 0 1 4 5 25 5 4 4", 5),
    ],
)
def test_commands_are_counted_as_mchan_would_take_them(
    host: Platform, tmp_path: Path, command: str, commands: int
) -> None:
    stats = tmp_path / "stats.json"
    script = f"arena 300000 l2 300000 begin a 0 300000 0 300000 {command} wait 1 end stats {stats} 1"
    assert host.script(script).status == 0
    assert json.loads(stats.read_text())["layers"][0]["commands_in"] == commands


def test_stats_by_layer(platform: Platform, tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    first = "begin conv 0 64 0 100 in 0 0 9 wait {} box_out 0 0 2 3 4 20 6 12 0 wait {} end"
    second = "begin pool 0 64 0 100 in 0 0 5 wait {} end"
    script = f"arena 64 l2 100 {first} {second} {first} {second} stats {stats} 2"
    assert platform.script(script.format(1, 2, 3, 4, 5, 6)).status == 0
    conv = {"runs": 2, "commands_in": 2, "commands_out": 4, "bytes_in": 18, "bytes_out": 48}
    pool = {"runs": 2, "commands_in": 2, "commands_out": 0, "bytes_in": 10, "bytes_out": 0}
    assert json.loads(stats.read_text()) == {
        "network": "driver",
        "inferences": 2,
        "layers": [{"name": "conv", **conv}, {"name": "pool", **pool}],
        "total": {name: conv[name] + pool[name] for name in conv},
    }


# ---- The runner --------------------------------------------------------------------------------------------


def write_inputs(folder: Path, samples: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Random inputs of the toy network, (samples, 10) uint8 each; a[·, 0] is never 255."""
    a, b = np.random.default_rng(1).integers(0, 255, (2, samples, 10), dtype=np.uint8)
    (folder / "in_0.bin").write_bytes(a.tobytes())
    (folder / "in_1.bin").write_bytes(b.tobytes())
    return a, b


@pytest.mark.parametrize("dma", ["late", "early"])
def test_runner_runs_every_sample(platform: Platform, tmp_path: Path, dma: str) -> None:
    a, b = write_inputs(tmp_path, 5)
    stats = tmp_path / "stats.json"
    result = platform.run("toy_runner", str(tmp_path), PULP_DMA=dma, PULP_STATS=str(stats))
    assert (result.status, result.stderr) == (0, "")
    expected = np.minimum(a.astype(int) + b, 255).astype(np.uint8)
    assert (tmp_path / "out_0.bin").read_bytes() == expected.tobytes()
    layer = {"runs": 5, "commands_in": 20, "commands_out": 10, "bytes_in": 100, "bytes_out": 50}
    report = json.loads(stats.read_text())
    assert (report["network"], report["inferences"]) == ("toy", 5)
    assert report["layers"] == [{"name": "add", **layer}]


def test_runner_runs_the_first_n(host: Platform, tmp_path: Path) -> None:
    write_inputs(tmp_path, 5)
    assert host.run("toy_runner", str(tmp_path), "2").status == 0
    assert (tmp_path / "out_0.bin").stat().st_size == 20


def test_runner_reports_a_failing_network(platform: Platform, tmp_path: Path) -> None:
    write_inputs(tmp_path, 2)
    a = bytearray((tmp_path / "in_0.bin").read_bytes())
    a[10] = 255
    (tmp_path / "in_0.bin").write_bytes(a)
    result = platform.run("toy_runner", str(tmp_path))
    assert (result.status, result.stderr) == (4, "pulp: network 'toy' failed with status 7 at sample 1\n")


@pytest.mark.parametrize(
    ("sizes", "args", "message"),
    [
        ([10], [], "can't open {}/in_1.bin: No such file or directory"),
        ([10, 11], [], "{}/in_1.bin has 11 bytes; input 'b' takes a multiple of 10"),
        ([0, 10], [], "{}/in_0.bin has 0 bytes; input 'a' takes a multiple of 10"),
        ([10, 20], [], "{0}/in_0.bin has 1 samples, in_1.bin has 2"),
        ([10, 10], ["2"], "N is '2'; there are 1 samples"),
        ([10, 10], ["-1"], "N is '-1'; there are 1 samples"),
    ],
)
def test_runner_refuses_wrong_files(
    platform: Platform, tmp_path: Path, sizes: list[int], args: list[str], message: str
) -> None:
    for i, size in enumerate(sizes):
        (tmp_path / f"in_{i}.bin").write_bytes(bytes(size))
    result = platform.run("toy_runner", str(tmp_path), *args)
    assert (result.status, result.stderr) == (2, f"pulp: {message.format(tmp_path)}\n")
