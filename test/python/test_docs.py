"""The examples of docs/ do what the pages say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tvm_pulp import Package, run_package
from tvm_pulp.errors import PulpError
from tvm_pulp.toolchain import build_tool

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MODEL = ROOT / "examples" / "digits" / "digits_int8.onnx"
LINK = re.compile(r"\]\(([^)#:]+)\)")
FILE = re.compile(r"`((?:compiler|passes|codegen|runtime|test)/(?!host)[\w./-]+)`")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copy(MODEL, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_python_api(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks("python-api.md", "python"):
        exec(compile(block, "python-api.md", "exec"), names)
    inputs, digits, traffic, regions, error = capsys.readouterr().out.splitlines()
    assert inputs.startswith("(TensorInfo(name='image', shape=(1, 1, 8, 8), dtype='float32'")
    assert len(digits.strip("[]").split()) == 5
    assert int(traffic.split()[0]) > 10_000
    assert regions == "['tvmgen_digits_pulp_main_0']"
    assert error.startswith(
        "layer l0_quantize (image_QuantizeLinear) | no tile fits the 100 bytes of L1 memory"
    )
    assert not Path("small.tar").exists()
    factory = names["factory"]
    assert factory.libmod_name == "digits"  # type: ignore[attr-defined]


def test_cmake_project(folder: Path) -> None:
    (cmake,), (main,), (commands,) = (blocks("platforms.md", kind) for kind in ("cmake", "c", "sh"))
    Path("CMakeLists.txt").write_text(cmake)
    Path("main.c").write_text(main)
    tools = [str(Path(sys.executable).parent), str(Path(build_tool("cmake")).parent)]
    environment = {**os.environ, "PATH": os.pathsep.join([*tools, os.environ["PATH"]])}
    done = subprocess.run(
        ["/bin/sh", "-e"], input=commands, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = np.array(done.stdout.split()[-10:], np.float32)
    image = (np.arange(64) % 17).astype(np.float32).reshape(1, 1, 8, 8)
    result = run_package(Package.open("digits"), {"image": image}, check=True)
    assert result.mismatched_bytes == 0
    assert np.array_equal(printed, result.outputs["logits"].ravel())


def test_pass_of_the_guide() -> None:
    (block,) = blocks("write-a-pass.md", "python")
    names: dict[str, object] = {"__name__": "tvm_pulp.passes.example", "__package__": "tvm_pulp.passes"}
    exec(compile(block, "write-a-pass.md", "exec"), names)
    from tvm_pulp.passes.relay_pass import RelayPass
    from tvm_pulp.relay_text import parse_relay, print_relay

    drop = names["DropIdentityReshape"]
    assert isinstance(drop, type) and issubclass(drop, RelayPass)
    mod = parse_relay("def @main(%x: Tensor[(1, 4), uint8]) { reshape(%x, newshape=[1, 4]) }", file="x")
    assert "reshape" in print_relay(mod)
    assert "reshape" not in print_relay(drop()(mod))


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_and_files_exist(page: str) -> None:
    text = (DOCS / page).read_text()
    missing = [link for link in LINK.findall(text) if not (DOCS / link).exists()]
    missing += [file for file in FILE.findall(text) if not (ROOT / file).exists()]
    assert missing == []


def test_errors_of_the_guide_are_the_compilers() -> None:
    """Messages that the page quotes stand in the code."""
    sources = "\n".join(
        path.read_text() for part in ("compiler", "passes", "codegen") for path in (ROOT / part).rglob("*.py")
    )
    rows = re.findall(r"^\| (`.+?) \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    quoted = [part for row in rows for message in re.findall(r"`([^`]+)`", row) for part in message.split("…")]
    parts = [part.strip(" ;[]") for part in quoted if len(part.strip(" ;[]")) > 5]
    missing = [part for part in parts if part not in sources]
    assert missing == []
    assert PulpError("what", where="where", fix="fix").args == ("where: what; fix",)
