"""The package as a project for PMSIS: its Makefile, with a PMSIS of one core that checks how it is used."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tvm_pulp.api import compile_model
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import LEGALIZED_FILE, Package
from tvm_pulp.reference import load_legalized, run_reference

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits" / "digits_int8.onnx"
RULES = Path(__file__).parent / "pmsis_project"
TOOLS = ("make", "riscv64-unknown-elf-gcc", "qemu-riscv32")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
RUNNER = "runtime/platform/runner.c"

needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("RULES_DIR", "PULP_NN_DIR")}
    command = ["make", "-C", str(folder), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**inherited, **environment}
    )


def built(folder: Path, *words: str) -> Path:
    done = make(folder, "-j2", "KERNELS=portable", *words, RULES_DIR=str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    return next(path for path in (folder / "build").iterdir() if not path.suffix)


def qemu(program: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["qemu-riscv32", str(program), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The digits network; little L1, so that there are many tiles."""
    folder = tmp_path_factory.mktemp("pmsis") / "digits"
    return compile_model(DIGITS, output=folder, options=PulpOptions(l1=6000), name="digits")


def reference(package: Package, sample: np.ndarray) -> np.ndarray:
    legalized = load_legalized(package.read(LEGALIZED_FILE).decode())
    return run_reference(legalized, [{package.inputs[0].name: sample}])[0][0]


def test_without_an_sdk(digits):
    done = make(digits.path)
    assert done.returncode == 2
    assert "RULES_DIR is not set: source the settings of gap_sdk or pulp-sdk first.  Stop." in done.stderr


def test_network_in_l3(digits, tmp_path):
    folder = tmp_path / "digits"
    shutil.copytree(digits.path, folder, ignore=shutil.ignore_patterns("build"))
    (folder / "codegen/host/src/pulp/more.c").write_text("pulp_l3_load(l2, l3, 8);")
    done = make(folder, RULES_DIR=str(RULES))
    assert done.returncode == 2
    assert "keeps data in L3, which this project has no driver for: compile it for more L2" in done.stderr


@needs_tools
def test_bytes_are_those_of_the_legalized_module(digits, tmp_path):
    sample = np.random.default_rng(0).uniform(0, 16, digits.inputs[0].shape).astype(np.float32)
    (tmp_path / "in_0.bin").write_bytes(sample.tobytes())
    done = qemu(built(digits.path, f"MAIN={RUNNER}"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out_0.bin").read_bytes() == reference(digits, sample).tobytes()


@needs_tools
def test_program_to_start_from(digits, tmp_path):
    folder = tmp_path / "digits"
    shutil.copytree(digits.path, folder, ignore=shutil.ignore_patterns("build"))
    done = qemu(built(folder))
    expected = reference(digits, np.zeros(digits.inputs[0].shape, np.float32))
    first, *layers, last = done.stdout.splitlines()
    assert first == "network 'digits': status 0"
    assert layers and all(line.startswith("      1234 cycles  ") for line in layers)
    total = int(expected.view(np.uint8).astype(int).sum())
    assert last == f"output '{digits.outputs[0].name}': {expected.nbytes} bytes, sum {total}"


@needs_tools
def test_transfers_of_any_shape(digits, tmp_path):
    folder = tmp_path / "boxes"
    shutil.copytree(digits.path, folder, ignore=shutil.ignore_patterns("build"))
    done = qemu(built(folder, f"MAIN={RULES / 'boxes.c'}"))
    assert (done.stdout, done.stderr) == ("status 0, 0 wrong\n", "")


def test_pulp_nn_stands_for_our_kernels(digits, tmp_path):
    """Names alone: upstream's C needs the SDK's compiler."""
    for name in ("pulp_nn_matmul.c", "pulp_nn_linear.c", "pulp_nn_add.c"):
        (tmp_path / "32bit/src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "32bit/src" / name).touch()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/pmsis_rules.mk").write_text("all:\n\t@echo $(APP_SRCS)\n")
    done = make(digits.path, f"PULP_NN_DIR={tmp_path}", RULES_DIR=str(tmp_path / "rules"))
    files = {Path(word).name for word in done.stdout.split() if word.endswith(".c")}
    assert {"pulp_nn_matmul.c", "pulp_nn_linear.c", "pool.c", "depthwise.c", "team.c"} <= files
    assert not {"pulp_nn_add.c", "conv.c", "linear.c", "maxpool.c", "pointwise.c"} & files
