"""Running a package: inputs are checked, outputs compared with the reference, faults are one line."""

import shutil

import numpy as np
import pytest
import tvm
from hand_partition import SHAPE, partitioned
from tvm import relay
from tvm_pulp.build import build_module
from tvm_pulp.cli import run as tvm_pulp
from tvm_pulp.errors import InputError, ToolError
from tvm_pulp.inputs import check_samples, load_arrays
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import TensorInfo
from tvm_pulp.packaging import write_package
from tvm_pulp.runner import run_package
from tvm_pulp.toolchain import Platform, check_tools

IMAGE = TensorInfo("image", (1, 4, 4, 2), "float32")
STATE = TensorInfo("state", (3, 2), "int8")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "net.tar"
    return write_package(build_module(partitioned("net"), name="net"), path, PulpOptions())


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A folder for builds; CMake runs once for all tests that share it."""
    return tmp_path_factory.mktemp("build")


def images(count):
    return np.random.default_rng(7).random((count, *SHAPE[1:]), dtype=np.float32)


# ---- Runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sanitize", [False, True])
def test_samples_agree_with_reference(package, workdir, sanitize):
    result = run_package(package, {"image": images(5)}, check=True, sanitize=sanitize, workdir=workdir)
    assert result.outputs["output"].shape == (5, 32)
    assert (result.samples, result.compared_bytes, result.mismatched_bytes) == (5, 5 * 32 * 4, 0)


def test_profile_is_refused_where_nothing_is_timed(package, workdir):
    with pytest.raises(ToolError) as error:
        run_package(package, {"image": images(1)}, Platform.RV32, profile=True, workdir=workdir)
    assert str(error.value) == (
        "platform rv32: nothing is timed here, so there is no timeline; profile on the platform pulp-open"
    )


def test_a_run_has_no_more_than_its_time(package, tmp_path, monkeypatch):
    runner = tmp_path / "runner"
    runner.write_text("#!/bin/sh\nsleep 60\n")
    runner.chmod(0o755)
    monkeypatch.setattr("tvm_pulp.runner.build_package", lambda *_, **__: runner)
    with pytest.raises(ToolError, match=r"^running net: has not ended after 0\.2 s$"):
        run_package(package, {"image": images(1)}, workdir=tmp_path, seconds=0.2)


def test_one_sample_keeps_its_shape(package, workdir):
    image = images(1)
    result = run_package(package, {"image": image}, workdir=workdir)
    byte = (np.clip(np.round(image * np.float32(255)), 0, 255).astype(int) + 3) % 256
    expected = np.exp((byte - byte.max()).astype(np.float32)).reshape(1, 32)
    assert result.comparisons == ()
    np.testing.assert_allclose(result.outputs["output"], expected / expected.sum(), rtol=1e-6)


def test_wrong_code_is_found(tmp_path, workdir):
    wrong = build_module(partitioned("wrong", addend=4), name="wrong")
    package = write_package(wrong, tmp_path / "wrong.tar", PulpOptions())
    # softmax doesn't see a constant addend, except where the byte wraps around
    image = np.full(SHAPE, 252 / 255, dtype=np.float32)
    image[0, 0, 0, 0] = 0
    result = run_package(package, {"image": image}, check=True, workdir=tmp_path)
    assert result.compared_bytes == 128
    assert result.mismatched_bytes > 0
    np.savez(tmp_path / "x.npz", image=image)
    words = ["run", package.path, "--inputs", tmp_path / "x.npz", "--check", "--workdir", tmp_path]
    assert tvm_pulp([str(word) for word in words]) == 1


def test_command(package, workdir, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", image=images(2))
    words = ["run", package.path, "--inputs", tmp_path / "x.npz", "--platform", "host", "--check"]
    words += ["--output", tmp_path / "y.npz", "--workdir", workdir]
    assert tvm_pulp([str(word) for word in words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "net: 2 samples on host",
        "check: 0 of 256 output bytes differ from the legalized network",
        f"outputs: {tmp_path}/y.npz",
    ]
    assert np.load(tmp_path / "y.npz")["output"].shape == (2, 32)


RV32_TOOLS = shutil.which("riscv64-unknown-elf-gcc") and shutil.which("qemu-riscv32")
NO_RV32 = pytest.mark.skipif(
    not RV32_TOOLS, reason="needs gcc-riscv64-unknown-elf, picolibc-riscv64-unknown-elf and qemu-user"
)


@pytest.mark.parametrize("platform", ["host", pytest.param("rv32", marks=NO_RV32)])
def test_inputs_and_outputs_of_any_kind(tmp_path, platform):
    module = relay.transform.InferType()(tvm.IRModule.from_expr(any_kind()))
    module = module.with_attr("pulp_legalized", tvm.ir.save_json(module))
    package = write_package(build_module(module, name="kinds"), tmp_path / "kinds.tar", PulpOptions())
    state = np.array([[0.5, -3, 1e-20], [1, 2, 3]], np.float32)
    arrays = {"bytes.1:0": np.array([[[1, -128, 3]], [[4, 5, 127]]], np.int8), "State": state}
    result = run_package(package, arrays, platform, check=True, workdir=tmp_path)
    assert result.mismatched_bytes == 0
    np.testing.assert_array_equal(result.outputs["output0"], [[2, 0, 6], [8, 10, -2]])
    np.testing.assert_array_equal(result.outputs["output1"], state * np.float32(0.1234567))


def any_kind():
    """An input whose name is no C identifier, two outputs, a constant with more digits than TVM prints."""
    integers = relay.var("bytes.1:0", shape=(1, 3), dtype="int8")
    floats = relay.var("State", shape=(3,), dtype="float32")
    scaled = relay.multiply(floats, relay.const(np.float32(0.1234567)))
    return relay.Function([integers, floats], relay.Tuple([relay.add(integers, integers), scaled]))


# ---- Tools -----------------------------------------------------------------------------------------------


def test_no_c_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ToolError) as caught:
        check_tools(Platform.HOST)
    assert str(caught.value) == (
        "no C compiler found (cc, gcc or clang); install one: apt install gcc, or set CC to yours"
    )


def test_no_emulator(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError) as caught:
        check_tools(Platform.RV32)
    assert str(caught.value) == (
        "platform rv32: no riscv64-unknown-elf-gcc and no qemu-riscv32 found on PATH; "
        "install them: apt install gcc-riscv64-unknown-elf qemu-user picolibc-riscv64-unknown-elf"
    )


def test_failing_build_names_the_error(tmp_path):
    mod = partitioned("broken", addend="oops")
    package = write_package(build_module(mod, name="broken"), tmp_path / "broken.tar", PulpOptions())
    with pytest.raises(ToolError, match=r"^building broken for host: .*error: .*oops.* undeclared"):
        run_package(package, {"image": images(1)}, workdir=tmp_path)


# ---- Inputs ----------------------------------------------------------------------------------------------


def test_sample_axis():
    one = check_samples([IMAGE], {"image": images(1)})
    many = check_samples([IMAGE], {"image": images(4)})
    stacked = check_samples([IMAGE], {"image": images(4)[:, np.newaxis]})
    assert (one.count, one.single, one.arrays[0].shape) == (1, True, (1, 1, 4, 4, 2))
    assert (many.count, many.single, many.arrays[0].shape) == (4, False, (4, 1, 4, 4, 2))
    assert stacked.arrays[0].tobytes() == many.arrays[0].tobytes()


def test_sample_axis_without_batch():
    samples = check_samples([STATE], {"state": np.zeros((5, 3, 2), np.int8)})
    assert (samples.count, samples.arrays[0].shape) == (5, (5, 3, 2))


def test_name_that_is_no_c_identifier():
    tensor = TensorInfo("input_1_0", (1, 2), "int8")
    assert check_samples([tensor], {"input.1:0": np.ones((1, 2), np.int8)}).count == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"img": images(1)},
            "inputs: no array named image, found img; the network takes image float32 [1, 4, 4, 2]",
        ),
        ({}, "inputs: no array named image, found nothing; the network takes image float32 [1, 4, 4, 2]"),
        (
            {"image": images(1), "mask": images(1)},
            "inputs: no input is named mask; the network takes image float32 [1, 4, 4, 2]",
        ),
        (
            {"image": images(1).astype(np.float64)},
            'input image: dtype is float64, the network takes float32; convert it with .astype("float32")',
        ),
        (
            {"image": images(2)[..., :1]},
            "input image: shape is [2, 4, 4, 1], the network takes [1, 4, 4, 2]; "
            "give that, or [N, 4, 4, 2] for N samples",
        ),
        (
            {"image": images(1)[:0]},
            "input image: shape is [0, 4, 4, 2], the network takes [1, 4, 4, 2]; "
            "give that, or [N, 4, 4, 2] for N samples",
        ),
    ],
)
def test_wrong_inputs(arrays, message):
    with pytest.raises(InputError) as caught:
        check_samples([IMAGE], arrays)
    assert str(caught.value) == message


def test_different_numbers_of_samples():
    arrays = {"image": images(2), "state": np.zeros((3, 3, 2), np.int8)}
    with pytest.raises(InputError) as caught:
        check_samples([IMAGE, STATE], arrays)
    assert str(caught.value) == "inputs: the inputs have different numbers of samples: image 2, state 3"


def test_files_that_are_no_inputs(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        load_arrays(tmp_path / "none.npz", [IMAGE])
    (tmp_path / "x.npz").write_text("text")
    with pytest.raises(InputError, match=r"x\.npz: can't be read as NumPy arrays; write it with numpy\.savez"):
        load_arrays(tmp_path / "x.npz", [IMAGE])
    np.save(tmp_path / "x.npy", images(1))
    assert list(load_arrays(tmp_path / "x.npy", [IMAGE])) == ["image"]
    with pytest.raises(InputError, match=r"x\.npy: holds one array, the network takes 2; use an \.npz file"):
        load_arrays(tmp_path / "x.npy", [IMAGE, STATE])
