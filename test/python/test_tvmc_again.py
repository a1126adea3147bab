"""Command lines of tvmc whose package is in the cache: what is done without TVM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tvm_pulp import tvmc
from tvm_pulp.archive import write_archive
from tvm_pulp.package import METADATA_FILE
from tvm_pulp.tvmc_again import again

METADATA = b'{"pulp": {"name": "net", "inputs": [], "outputs": []}}'
PLAIN = ["compile", "--target", "pulp", "net.onnx"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That of a folder with a network and a cache."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"a network")
    return {"TVM_PULP_CACHE": str(tmp_path / "cache")}


def place(environment: dict[str, str], *words: str) -> Path:
    """Where the package of a command line is kept."""
    found = again([*PLAIN, *words], environment)
    assert found is not None
    return found.kept.file


def test_what_is_written_differently_is_the_same(environment: dict[str, str]) -> None:
    first = place(environment, "-o", "a.tar", "--target-pulp-l1", "32000", "--module-name", "net")
    assert place(environment, "--module-name=net", "--target-pulp-l1=32000", "--output=b.tar") == first


def test_what_a_package_depends_on(environment: dict[str, str]) -> None:
    settings = [
        [],
        ["--target-pulp-l1", "32000"],
        ["--target-pulp-l2", "320000"],
        ["--module-name", "net"],
        ["--onnx-dialect", "dory"],
        ["--opt-level", "0"],
    ]
    assert len({place(environment, *words) for words in settings}) == len(settings)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "net.tar"],
        ["-v", *PLAIN],
        [*PLAIN, "-v"],
        [*PLAIN, "--dump-offloads", "-"],
        [*PLAIN, "--pass-config", "tir.usmp.enable=1"],
        [*PLAIN, "--module", "net"],
        [*PLAIN, "second.onnx"],
        [*PLAIN, "--target-pulp-soc", "no_such"],
        [*PLAIN, "--target-pulp-plan", "plan.json"],
        ["compile", "--target", "pulp"],
        ["compile", "--target", "llvm", "net.onnx"],
        ["compile", "net.onnx"],
        ["compile", "--target", "pulp", "no-such.onnx"],
        [],
    ],
    ids=" ".join,
)
def test_left_to_tvm(environment: dict[str, str], words: list[str]) -> None:
    assert again(words, environment) is None


def test_configurations_are_left_to_tvm(environment: dict[str, str], tmp_path: Path) -> None:
    assert again(PLAIN, {**environment, "TVM_CONFIGS_JSON_DIR": "configs"}) is None
    assert again(PLAIN, {"TVM_PULP_CACHE": "off"}) is None
    (tmp_path / "default.json").write_text("{}")
    assert again(PLAIN, environment) is None


def test_compiled_once(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def compile_with_tvm() -> int:
        calls.append(sys.argv)
        write_archive({METADATA_FILE: METADATA}, Path(sys.argv[-1]), marker=METADATA_FILE)
        return 0

    monkeypatch.setenv("TVM_PULP_CACHE", environment["TVM_PULP_CACHE"])
    monkeypatch.setattr(tvmc, "_stock", compile_with_tvm)
    for name, status in (("a.tar", 0), ("b.tar", None)):
        monkeypatch.setattr(sys, "argv", ["tvmc", *PLAIN, "-o", name])
        with pytest.raises(SystemExit) as end:
            tvmc.main()
        assert end.value.code == status
    assert len(calls) == 1
    assert (tmp_path / "b.tar").read_bytes() == (tmp_path / "a.tar").read_bytes()


def test_a_failure_is_not_kept(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TVM_PULP_CACHE", environment["TVM_PULP_CACHE"])
    monkeypatch.setattr(tvmc, "_stock", lambda: 3)
    monkeypatch.setattr(sys, "argv", ["tvmc", *PLAIN])
    with pytest.raises(SystemExit, match="3"):
        tvmc.main()
    assert not place(environment).exists()


def test_folders_that_do_not_exist_are_left_to_tvm(environment: dict[str, str]) -> None:
    found = again([*PLAIN, "-o", "none/a.tar"], environment)
    assert found is not None
    assert not found.fetch()


def test_tvm_is_not_loaded() -> None:
    code = "import sys, tvm_pulp.tvmc; sys.exit('tvm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
