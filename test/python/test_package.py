"""The package: what is in it, the same bytes every time, whole or not at all."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hand_partition import SHAPE, partitioned
from tvm_pulp.archive import check_writable, write_archive
from tvm_pulp.build import build_module, missing_config, pulp_executor
from tvm_pulp.errors import ModelError, PulpError, TargetError
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import Package, TensorInfo
from tvm_pulp.packaging import package_files, write_package

REGION = "tvmgen_net_pulp_main_0"


@pytest.fixture(scope="module")
def files():
    return package_files(build_module(partitioned("net"), name="net"), PulpOptions(l1=20000))


def test_layout(files):
    assert sorted(name for name in files if not name.startswith("runtime/")) == [
        "CMakeLists.txt",
        "Makefile",
        "README.md",
        "codegen/host/include/tvmgen_net.h",
        "codegen/host/src/net_lib0.c",
        "codegen/host/src/net_lib1.c",
        "codegen/host/src/pulp/net_io.c",
        f"codegen/host/src/pulp/{REGION}.c",
        "metadata.json",
        "parameters/net.params",
        f"plan/{REGION}.json",
        "src/legalized.json",
        "src/legalized.relay",
        "src/net.relay",
    ]


def test_runtime_is_inside(files):
    assert {
        "runtime/CMakeLists.txt",
        "runtime/cmake/PulpNetwork.cmake",
        "runtime/include/pulp_runtime.h",
        "runtime/include/dlpack/dlpack.h",
        "runtime/include/tvm/runtime/c_runtime_api.h",
        "runtime/platform/runner.c",
    } <= files.keys()
    assert not [name for name in files if name.endswith((".py", ".pyc"))]


def test_header_declares_entry_and_structs(files):
    header = files["codegen/host/include/tvmgen_net.h"].decode()
    assert (
        "int32_t tvmgen_net_run(\n  struct tvmgen_net_inputs* inputs,\n  struct tvmgen_net_outputs* outputs\n);"
        in header
    )
    assert "struct tvmgen_net_inputs {\n  void* image;\n};" in header


def test_our_code_is_only_in_pulp(files):
    ours = files[f"codegen/host/src/pulp/{REGION}.c"].decode()
    tvms = [files[f"codegen/host/src/net_lib{index}.c"].decode() for index in (0, 1)]
    assert f"int32_t {REGION}(uint8_t *in0, uint8_t *out0) {{" in ours
    assert not [text for text in tvms if "out0[i] =" in text]


def test_no_code_twice_for_two_builds(files):
    again = package_files(build_module(partitioned("net"), name="net"), PulpOptions(l1=20000))
    assert {name for name in files if again[name] != files[name]} == set()


def test_metadata(files):
    metadata = json.loads(files["metadata.json"])
    pulp = metadata["pulp"]
    assert metadata["version"] == 7
    assert metadata["modules"]["net"]["executors"] == ["aot"]
    assert pulp["inputs"] == [{"name": "image", "shape": [1, 4, 4, 2], "dtype": "float32"}]
    assert pulp["outputs"] == [{"name": "output", "shape": [1, 32], "dtype": "float32"}]
    given = {name: value for name, value in pulp["options"].items() if value is not None}
    assert given == {"soc": "gap8", "l1": 20000}
    assert pulp["refusals"] == {"prob": "float operator"}
    assert [region["symbol"] for region in pulp["regions"]] == [REGION]
    assert pulp["versions"]["tvm"] == "0.19.0"


def test_tar_and_folder_hold_the_same(tmp_path):
    factory = build_module(partitioned("net"), name="net")
    tar = write_package(factory, tmp_path / "net.tar", PulpOptions())
    folder = write_package(factory, tmp_path / "net", PulpOptions())
    unpacked = tar.extract(tmp_path / "unpacked")
    assert contents(unpacked) == contents(folder.path)
    assert tar.inputs == folder.inputs == (TensorInfo("image", SHAPE, "float32"),)
    assert Package.open(tmp_path / "net.tar").metadata == Package.open(tmp_path / "net").metadata


def contents(folder: Path):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_region_without_code_is_refused():
    mod = partitioned("net")
    variable = mod.get_global_var(REGION)
    mod[variable] = mod[variable].without_attr("pulp_files")
    with pytest.raises(Exception, match="has no generated code") as caught:
        build_module(mod, name="net")
    assert isinstance(caught.value, ModelError)


# ---- Writing ---------------------------------------------------------------------------------------------


def test_tar_is_deterministic(tmp_path):
    write_archive({"b": b"2", "a": b"1"}, tmp_path / "x.tar", marker="a")
    write_archive({"a": b"1", "b": b"2"}, tmp_path / "y.tar", marker="a")
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert [(info.name, info.mtime, info.uid) for info in tar] == [("a", 0, 0), ("b", 0, 0)]


@pytest.mark.parametrize("name", ["x.tar", "x"])
def test_failed_write_leaves_nothing(tmp_path, name):
    with pytest.raises(TypeError):
        write_archive({"a": b"1", "b": None}, tmp_path / name, marker="a")
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_old_package(tmp_path):
    write_archive({"a": b"1"}, tmp_path / "x.tar", marker="a")
    before = (tmp_path / "x.tar").read_bytes()
    with pytest.raises(TypeError):
        write_archive({"a": None}, tmp_path / "x.tar", marker="a")
    assert (tmp_path / "x.tar").read_bytes() == before


def test_folder_replaces_only_a_package(tmp_path):
    write_archive({"a": b"1", "old": b"1"}, tmp_path / "x", marker="a")
    write_archive({"a": b"2"}, tmp_path / "x", marker="a")
    assert contents(tmp_path / "x") == {"a": b"2"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(PulpError) as caught:
        write_archive({"a": b"2"}, tmp_path / "mine", marker="a")
    assert str(caught.value) == f"{tmp_path}/mine: is a folder with other files in it; name a new folder"
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_no_folder_to_write_to(tmp_path):
    with pytest.raises(PulpError) as caught:
        check_writable(tmp_path / "none" / "x.tar")
    assert str(caught.value) == f"{tmp_path}/none: no such folder; make it, or choose another place"


def test_tar_with_a_path_outside_is_refused(tmp_path):
    metadata = {"pulp": {"name": "net", "inputs": [], "outputs": []}}
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, content in (("metadata.json", json.dumps(metadata)), ("../evil", "")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    with pytest.raises(PulpError, match=r"holds the path \.\./evil"):
        Package.open(tmp_path / "x.tar").extract(tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file or folder; compile a network with tvmc first"),
        (b"no tar", "is not a package for pulp; make one with `tvmc compile --target pulp`"),
    ],
)
def test_no_package(tmp_path, content, message):
    path = tmp_path / "x.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PulpError) as caught:
        Package.open(path)
    assert str(caught.value) == f"{path}: {message}"


# ---- Settings of the build -------------------------------------------------------------------------------


def test_pass_config_keeps_the_users_settings():
    assert missing_config({"tir.usmp.algorithm": "greedy_by_size"}) == {
        "tir.usmp.enable": True,
        "tir.disable_vectorize": True,
    }


def test_pass_config_refuses_what_breaks_the_package():
    with pytest.raises(TargetError) as caught:
        missing_config({"tir.usmp.enable": False})
    assert str(caught.value) == (
        "--pass-config tir.usmp.enable=0: the C of a pulp package needs it to be 1: "
        "no allocator, no vector types; leave it out"
    )


def test_executor_refuses_another_interface():
    with pytest.raises(TargetError, match="--executor-aot-interface-api: a pulp package needs c; leave it out"):
        pulp_executor({"interface-api": "packed"})


def test_size_of_a_tensor():
    assert TensorInfo("x", (1, 3, 5), "int16").size_bytes == 30
    assert np.dtype("int16").itemsize == 2
