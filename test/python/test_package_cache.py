"""Packages that are kept: copied where nothing they depend on has changed, made anew elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from tvm_pulp.archive import write_archive
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import METADATA_FILE, Package
from tvm_pulp.package_cache import MOST_BYTES, KeptPackage, kept_package

METADATA = b'{"pulp": {"name": "net", "inputs": [], "outputs": []}}'
FILES = {METADATA_FILE: METADATA, "src/a.c": b"int a;\n"}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    write_archive(FILES, tmp_path / "made.tar", marker=METADATA_FILE)
    return Package.open(tmp_path / "made.tar")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"a network")
    return path


def place(model: Path, **settings: object) -> Path:
    """Where a package is kept."""
    options = PulpOptions(soc=str(settings.pop("soc", "gap8")), l1=32_000)
    kept = kept_package(model, settings, options, {"TVM_PULP_CACHE": str(model.parent / "cache")})
    assert kept is not None
    return kept.file


def test_a_tar_is_the_same_file(tmp_path: Path, package: Package) -> None:
    kept = KeptPackage(tmp_path / "cache" / "key.tar.gz")
    assert kept.fetch(tmp_path / "again.tar") is None
    kept.keep(package)
    again = kept.fetch(tmp_path / "again.tar")
    assert again is not None
    assert again.path.read_bytes() == package.path.read_bytes()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["key.tar.gz"]


def test_a_folder_has_the_same_files(tmp_path: Path, package: Package) -> None:
    kept = KeptPackage(tmp_path / "key.tar.gz")
    kept.keep(package)
    again = kept.fetch(tmp_path / "folder")
    assert again is not None
    assert {name: again.read(name) for name in FILES} == FILES


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_damaged_file(tmp_path: Path, package: Package, share: float) -> None:
    kept = KeptPackage(tmp_path / "key.tar.gz")
    kept.keep(package)
    whole = kept.file.read_bytes()
    kept.file.write_bytes(whole[: int(share * len(whole))])
    assert kept.fetch(tmp_path / "again.tar") is None
    assert not (tmp_path / "again.tar").exists()


def test_the_key(model: Path, tmp_path: Path) -> None:
    first = place(model, name="default")
    assert first.parent == tmp_path / "cache" / "packages"
    assert place(model, name="default") == first
    assert place(model, name="other") != first
    assert place(model, name="default", soc="pulp_open") != first
    model.write_bytes(b"another network")
    assert place(model, name="default") != first


def test_golden_files_count(model: Path, tmp_path: Path) -> None:
    first = place(model)
    (tmp_path / "input.txt").write_text("# input\n1,\n")
    assert place(model) == first  # one alone is not used
    (tmp_path / "out_layer0.txt").write_text("# layer\n2,\n")
    second = place(model)
    (tmp_path / "out_layer0.txt").write_text("# layer\n3,\n")
    assert len({first, second, place(model)}) == 3


def test_the_content_of_a_soc_file_counts(model: Path, tmp_path: Path) -> None:
    soc = tmp_path / "my.toml"
    stock = Path(__file__).parents[2] / "compiler" / "targets" / "gap8.toml"
    soc.write_text(stock.read_text())
    first = place(model, soc=soc)
    soc.write_text(stock.read_text().replace("bytes_per_cycle = 8.0", "bytes_per_cycle = 4.0"))
    assert place(model, soc=soc) != first


@pytest.mark.parametrize(
    ("environment", "options", "settings", "content"),
    [
        ({"TVM_PULP_CACHE": "off"}, PulpOptions(), {}, b""),
        ({}, PulpOptions(plan="plan.json"), {}, b""),
        ({}, PulpOptions(), {"hook": object()}, b""),
        ({}, PulpOptions(), {}, b"weights.bin at location"),
    ],
    ids=["off", "given plan", "settings that have no text", "weights in other files"],
)
def test_what_is_made_anew(
    model: Path,
    environment: dict[str, str],
    options: PulpOptions,
    settings: dict[str, object],
    content: bytes,
) -> None:
    model.write_bytes(content)
    assert kept_package(model, settings, options, {"HOME": "/home/a", **environment}) is None


def test_the_least_recently_used_go_first(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (KeptPackage(tmp_path / f"{name}.tar.gz") for name in "abc")
    for kept in (first, second):
        kept.keep(package)
    size = first.file.stat().st_size
    assert size < MOST_BYTES
    monkeypatch.setattr("tvm_pulp.package_cache.MOST_BYTES", 2 * size)
    assert first.fetch(tmp_path / "again.tar") is not None
    third.keep(package)
    assert [kept.file.exists() for kept in (first, second, third)] == [True, False, True]
