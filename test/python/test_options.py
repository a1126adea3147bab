from __future__ import annotations

import pytest
from tvm_pulp.errors import TargetError
from tvm_pulp.options import PulpOptions


def test_all_options() -> None:
    options = PulpOptions.parse("-soc=gap8 -l1=38000 -l2=380000 -cores=8")
    assert options == PulpOptions(soc="gap8", l1=38000, l2=380000, cores=8)


def test_nothing_given_means_gap8() -> None:
    assert PulpOptions.parse("  ") == PulpOptions(soc="gap8", l1=None, l2=None, cores=None)


def test_two_dashes_and_quoted_paths() -> None:
    assert PulpOptions.parse("--soc='my chips/a.toml' --cores=2") == PulpOptions(soc="my chips/a.toml", cores=2)


@pytest.mark.parametrize(
    "options",
    [
        PulpOptions(),
        PulpOptions(soc="my chips/a.toml", l1=1, l2=2, cores=4, plan="my plans/a.json", plan_time=5),
        PulpOptions(fusion="off", split="off"),
        PulpOptions(multiplier_error=0.01),
        PulpOptions(multiplier_error=0.0),
        PulpOptions(multiplier_error=1e-05),
        PulpOptions(io="integer-hwc"),
    ],
)
def test_written_options_are_read_back(options: PulpOptions) -> None:
    assert PulpOptions.parse(str(options)) == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "-core=8",
            "target pulp: unknown option -core; did you mean -cores? "
            "(options: -soc, -l1, -l2, -cores, -engines, -plan, -plan-time, -fusion, -split, "
            "-multiplier-error, -io)",
        ),
        (
            "-frequency=8",
            "target pulp: unknown option -frequency; "
            "options: -soc, -l1, -l2, -cores, -engines, -plan, -plan-time, -fusion, -split, "
            "-multiplier-error, -io",
        ),
        (
            "-l1=38k",
            "target pulp: option -l1 is not a number of bytes: `38k`; "
            "give a whole number of bytes above 0, without a unit",
        ),
        (
            "-l2=0",
            "target pulp: option -l2 is not a number of bytes: `0`; "
            "give a whole number of bytes above 0, without a unit",
        ),
        (
            "-cores=-1",
            "target pulp: option -cores is not a number of cores: `-1`; "
            "give a whole number of cores above 0, without a unit",
        ),
        (
            "-plan-time=0.5",
            "target pulp: option -plan-time is not a number of seconds: `0.5`; "
            "give a whole number of seconds above 0, without a unit",
        ),
        ("-fusion=on", "target pulp: option -fusion is not one of auto, off: `on`; write -fusion=auto"),
        (
            "-multiplier-error=0.6",
            "target pulp: option -multiplier-error is not a number of units: `0.6`; "
            "give a number of units from 0 to 0.5",
        ),
        (
            "-multiplier-error=nan",
            "target pulp: option -multiplier-error is not a number of units: `nan`; "
            "give a number of units from 0 to 0.5",
        ),
        ("-soc", "target pulp: option -soc has no value; write -soc=<value>"),
        ("-l1= -l2=1", "target pulp: option -l1 has no value; write -l1=<value>"),
        ("-l1=1 -l1=2", "target pulp: option -l1 is given twice; give it once"),
        ("gap8", "target pulp: `gap8` is not an option; options look like -soc=gap8 -l1=38000"),
        (
            "-soc='x",
            "target pulp: cannot split the options `-soc='x`: no closing quotation; close the quotation mark",
        ),
    ],
)
def test_bad_options(text: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        PulpOptions.parse(text)
    assert str(caught.value) == message
