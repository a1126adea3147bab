"""tvmc with the target pulp: as a subprocess from end to end, and in this process for what it refuses."""

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from tvm.driver.tvmc import compiler, composite_target
from tvm.driver.tvmc import main as driver
from tvm_pulp.errors import TargetError
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import Package
from tvm_pulp.runner import run_package
from tvm_pulp.tvmc_plugin import register
from tvm_pulp.tvmc_target import PulpTarget, names_pulp, parse_target

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_int8.onnx"
TVMC = shutil.which("tvmc", path=sysconfig.get_path("scripts"))


@pytest.fixture
def tvmc(monkeypatch, tmp_path, capsys):
    """Runs tvmc in this process, in an empty folder; exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, "REGISTERED_PARSER", list(driver.REGISTERED_PARSER))
    monkeypatch.setattr(composite_target, "REGISTERED_CODEGEN", dict(composite_target.REGISTERED_CODEGEN))
    register()

    def run(*words):
        try:
            status = driver._main([str(word) for word in words])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_command_line_of_the_readme(tmp_path):
    words = [
        TVMC,
        "compile",
        "--target",
        "pulp -soc=gap8 -l1=38000 -l2=380000 -cores=8",
        DIGITS,
        "-o",
        "model.tar",
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    package = Package.open(tmp_path / "model.tar")
    assert package.metadata["pulp"]["options"] == {
        "soc": "gap8",
        "l1": 38000,
        "l2": 380000,
        "cores": 8,
        "engines": None,
        "plan": None,
        "plan_time": None,
        "fusion": None,
        "split": None,
        "multiplier_error": None,
        "io": None,
    }
    assert len(package.metadata["pulp"]["regions"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.tar"]


def test_help_lists_target_options_and_format(tvmc):
    status, out, _ = tvmc("compile", "--help")
    assert status == 0
    assert "--target-pulp-soc" in out
    assert "-f {so,pulp}" in out


def test_same_bytes_twice_and_dumps(tvmc, tmp_path):
    dumps = ["--dump-code", "relay,c", "--dump-offloads", "offloads.txt"]
    assert tvmc("compile", "--target", "pulp", DIGITS, "-o", "a.tar", *dumps) == (0, "", "")
    assert tvmc("compile", "--target", "pulp, c", DIGITS, "-o", "b.tar", "-f", "pulp") == (0, "", "")
    assert Path("a.tar").read_bytes() == Path("b.tar").read_bytes()
    assert "int32_t tvmgen_default_" in Path("a.tar.c").read_text()
    assert "@tvmgen_default_pulp_main_0" in Path("a.tar.relay").read_text()
    assert Path("offloads.txt").read_text().splitlines()[:7] == [
        "Total number of operators and distribution by targets",
        "Total: 14",
        "pulp: 14",
        "generic: 0",
        "",
        "pulp           <-     l1_stem",
        "pulp           <-          stem (Conv)",
    ]


def test_users_settings_are_kept(tvmc):
    words = ["--executor", "aot", "--runtime", "crt", "--module-name", "digits", "-o", "out"]
    words += ["--pass-config", "tir.usmp.algorithm=greedy_by_size", "--target-pulp-cores", "4", "-O", "0"]
    assert tvmc("compile", "--target", "pulp", DIGITS, *words) == (0, "", "")
    package = Package.open("out")
    assert (package.name, package.metadata["pulp"]["options"]["cores"]) == ("digits", 4)
    assert (package.path / "codegen/host/include/tvmgen_digits.h").is_file()
    # sixteenths, and values where multiplying by the reciprocal of the scale would round another way
    image = np.resize(np.float32([0.5, 1.5 / 255, 0.0625, 1]), (2, 1, 8, 8))
    assert run_package(package, {"image": image}, check=True).mismatched_bytes == 0


AOT = "pulp needs the ahead-of-time executor: there is no graph executor on the microcontroller"
CRT = "pulp needs TVM's C runtime: there is no C++ runtime on the microcontroller"
SOURCES = "pulp needs the package of C sources: TVM's other formats are made by a C++ compiler"
NAME = "`My-Net` can't be part of C names; use lower-case letters, digits and _, a letter first"
ONLY_C = 'a pulp package holds C only, no code for llvm; write --target pulp, or "pulp -soc=<name>, c"'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "graph"], f"--executor graph: {AOT}; leave it out"),
        (["--runtime", "cpp"], f"--runtime cpp: {CRT}; leave it out"),
        (["-f", "so"], f"--output-format so: {SOURCES}; leave it out"),
        (
            ["--executor-aot-interface-api", "packed"],
            "--executor-aot-interface-api: a pulp package needs c; leave it out",
        ),
        (
            ["--cross-compiler", "g++"],
            "--cross-compiler: CMake builds the package; give CMake a toolchain file; leave it out",
        ),
        (["--module-name", "My-Net"], f"module name: {NAME}"),
        (["--target", "pulp, llvm"], f"--target pulp, llvm: {ONLY_C}"),
        (
            ["--target-pulp-l1", "lots"],
            "target pulp: option -l1 is not a number of bytes: `lots`; "
            "give a whole number of bytes above 0, without a unit",
        ),
        (
            ["--target", "pulp -soc=gap8", "--target-pulp-soc", "gap9"],
            "target pulp: option -soc is given twice; give it once",
        ),
        (["-o", "none/x.tar"], "{cwd}/none: no such folder; make it, or choose another place"),
    ],
)
def test_refused(tvmc, tmp_path, words, message):
    status, out, err = tvmc("compile", "--target", "pulp", DIGITS, *words)
    assert (status, out, err) == (1, "", f"tvmc: error: {message.format(cwd=tmp_path)}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-f", "pulp"], "-f pulp: only --target pulp makes such a package; leave it out"),
        (["--target-pulp-soc", "gap9"], "--target-pulp-soc: the target is llvm; add --target pulp"),
    ],
)
def test_options_of_pulp_with_another_target(tvmc, words, message):
    assert tvmc("compile", "--target", "llvm", DIGITS, *words) == (1, "", f"tvmc: error: {message}\n")


def test_no_such_model(tvmc):
    message = "tvmc: error: none.onnx: no such file; give the path of a network\n"
    assert tvmc("compile", "--target", "pulp", "none.onnx") == (1, "", message)


def test_verbose_shows_the_traceback(tvmc):
    status, _, err = tvmc("compile", "-v", "--target", "pulp", "none.onnx")
    assert status == 1
    assert "Traceback (most recent call last)" in err
    assert err.endswith("tvmc: error: none.onnx: no such file; give the path of a network\n")


def test_other_targets_take_the_stock_way(tvmc, monkeypatch):
    seen = {}
    monkeypatch.setattr(compiler.frontends, "load_model", lambda *_: "model")
    monkeypatch.setattr(
        compiler, "compile_model", lambda model, target, **rest: seen.update(rest, target=target)
    )
    assert tvmc("compile", "--target", "llvm", DIGITS)[0] == 0
    chosen = (seen["target"], str(seen["executor"].name), str(seen["runtime"].name), seen["output_format"])
    assert chosen == ("llvm", "graph", "cpp", "so")


def test_run_points_to_our_command(tvmc, tmp_path):
    metadata = {"pulp": {"name": "net", "inputs": [], "outputs": []}}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    message = "is a package of C sources; run it with `tvm-pulp run"
    assert f"tvmc: error: {tmp_path}: {message} {tmp_path} --inputs x.npz`\n" == tvmc("run", tmp_path)[2]


# ---- Target strings --------------------------------------------------------------------------------------


def test_target_strings():
    assert parse_target("pulp") == PulpTarget(PulpOptions(), "c")
    assert parse_target("pulp -l1=9, c -keys=cpu") == PulpTarget(PulpOptions(l1=9), "c -keys=cpu")
    assert parse_target("pulp", "-soc=gap9").options == PulpOptions(soc="gap9")
    assert parse_target('pulp -soc="a, b/c.toml"').options == PulpOptions(soc="a, b/c.toml")


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("pulp", True),
        ("pulp, c", True),
        ("pulpissimo", False),
        ("c -x=pulp", False),
        ("", False),
        (None, False),
    ],
)
def test_target_names_pulp(target, named):
    assert names_pulp(target) is named


@pytest.mark.parametrize("target", ["c, pulp", "pulp, c, llvm", "bnns, pulp, c"])
def test_targets_beside_pulp(target):
    with pytest.raises(TargetError, match='write --target pulp, or "pulp -soc=<name>, c"'):
        parse_target(target)
