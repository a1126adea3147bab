from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest
from tvm_pulp import cli
from tvm_pulp.errors import TargetError
from tvm_pulp.failure import exit_status, one_line
from tvm_pulp.soc import list_socs, soc_path

Captured = pytest.CaptureFixture[str]


def test_help_lists_the_commands(capsys: Captured) -> None:
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.split("Commands:\n")[1].splitlines() if line[2] != " "] == sorted(
        cli.COMMANDS
    )


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_command_has_its_name_a_help_text_and_the_option_for_tracebacks(name: str) -> None:
    command = cli.program().get_command(click.Context(cli.program()), name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert sum("--verbose" in parameter.opts for parameter in command.params) == 1


def test_version(capsys: Captured) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"tvm-pulp, version {metadata.version('tvm-pulp')}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["targets"], ["targets", "--help"]])
def test_what_needs_no_tvm_does_not_load_it(arguments: list[str]) -> None:
    program = f"import sys; from tvm_pulp import cli; cli.run({arguments}); sys.exit('tvm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_targets_lists_every_soc(capsys: Captured) -> None:
    assert cli.run(["targets"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert " ".join(lines[0]) == "SoC cores L1 bytes usable L1 L2 bytes usable L2 description"
    assert tuple(line[0] for line in lines[2:]) == list_socs()
    gap8 = next(line for line in lines if line[0] == "gap8")
    assert gap8[1:6] == ["8", "65,536", "38,000", "524,288", "380,000"]


def test_targets_shows_the_file(capsys: Captured) -> None:
    assert cli.run(["targets", "show", "gap8"]) == 0
    assert capsys.readouterr().out == soc_path("gap8").read_text()


def test_targets_check_tells_every_fault(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "chip.toml"
    file.write_text(soc_path("gap8").read_text().replace("cores = 8", "cores = 5").replace('name = "gap8"', ""))
    assert cli.run(["targets", "check", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert first.startswith(f"tvm-pulp: error: {file}:1: `name` is missing")
    assert "`engines[0].cores` (5) is not 1, 2, 4 or 8" in second


def test_an_error_is_one_line_and_status_1(capsys: Captured) -> None:
    assert cli.run(["targets", "show", "xyz"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "tvm-pulp: error: target pulp: unknown SoC `xyz`; "
        "known SoCs: darkside, diana, gap8, gap9, pulp_open, pulp_open_ne16, pulp_open_ne16_l1_128k, "
        "or the path of a .toml file\n"
    )


@pytest.mark.parametrize("arguments", [["-v", "targets", "show", "xyz"], ["opt", "no-such.relay", "-v"]])
def test_verbose_shows_the_traceback(arguments: list[str], capsys: Captured) -> None:
    assert cli.run(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("tvm-pulp: error: ")


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["targets", "check"], ["opt"]])
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], capsys: Captured) -> None:
    assert cli.run(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("tvm-pulp: error: ")
    assert lines[0].endswith("--help`")


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (TargetError("a\nb", where="c", fix="d"), "c: a b; d", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (click.UsageError("Wrong."), "Wrong.", 2),
        (ZeroDivisionError("x"), "internal error: ZeroDivisionError: x; -v shows where, please report it", 1),
        (KeyError(), "internal error: KeyError: no reason given; -v shows where, please report it", 1),
    ],
)
def test_lines_and_statuses(error: BaseException, line: str, status: int) -> None:
    assert (one_line(error), exit_status(error)) == (line, status)


def test_inspect_reads_target_options_first(capsys: Captured) -> None:
    assert cli.run(["inspect", "no-such.onnx", "--target", "pulp -sock=gap8"]) == 1
    assert capsys.readouterr().err == (
        "tvm-pulp: error: target pulp: unknown option -sock; "
        "did you mean -soc? (options: -soc, -l1, -l2, -cores, -engines, -plan, -plan-time, -fusion, "
        "-split, -multiplier-error, -io)\n"
    )


def test_the_reader_of_our_output_may_leave() -> None:
    done = subprocess.run(
        f"{sys.executable} -c 'from tvm_pulp.cli import main; main()' targets show gap8 | head -c 1",
        shell=True,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"#"
    assert done.stderr == b""
