from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tvm_pulp.errors import TargetError
from tvm_pulp.options import PulpOptions
from tvm_pulp.soc import check_soc, list_socs, load_machine, load_soc, soc_path
from tvm_pulp.toml_lines import key_lines

GAP8 = soc_path("gap8").read_text()


def faults(tmp_path: Path, text: str) -> list[str]:
    """Check a file with this text; its faults without the folder."""
    file = tmp_path / "chip.toml"
    file.write_text(text)
    return [str(fault).replace(f"{tmp_path}/", "") for fault in check_soc(file)]


def line_of(text: str, start: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if line.startswith(start))


def test_known_socs() -> None:
    assert list_socs() == (
        "darkside",
        "diana",
        "gap8",
        "gap9",
        "pulp_open",
        "pulp_open_ne16",
        "pulp_open_ne16_l1_128k",
    )


@pytest.mark.parametrize("name", list_socs())
def test_files_of_ours_are_right_and_named_after_their_soc(name: str) -> None:
    assert check_soc(soc_path(name)) == ()
    assert load_soc(name).name == name


def test_gap8_machine() -> None:
    machine = load_machine(PulpOptions())
    assert (machine.soc, machine.cores, machine.l1_bytes, machine.l2_bytes) == ("gap8", 8, 38_000, 380_000)
    assert machine.dma.bytes_per_cycle == 8.0
    assert machine.cluster.word_pixel_cycles == 5.35


def test_options_override_the_file() -> None:
    machine = load_machine(PulpOptions(l1=65_536, l2=1_000, cores=2))
    assert (machine.cores, machine.l1_bytes, machine.l2_bytes) == (2, 65_536, 1_000)


def test_a_soc_by_path(tmp_path: Path) -> None:
    file = tmp_path / "chip.toml"
    file.write_text(GAP8.replace('"gap8"', '"chip"').replace("size = 65_536", "size = 70_000"))
    machine = load_machine(PulpOptions(soc=str(file)))
    assert (machine.soc, machine.l1_bytes) == ("chip", 70_000 - 27_536)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            PulpOptions(soc="gap7"),
            "target pulp: unknown SoC `gap7`; did you mean gap9? "
            "(known SoCs: darkside, diana, gap8, gap9, pulp_open, pulp_open_ne16, pulp_open_ne16_l1_128k), "
            "or the path of a .toml file",
        ),
        (
            PulpOptions(l1=65_537),
            "target pulp: option -l1=65537 is beyond the L1 of gap8, 65536 bytes; "
            "give 1 to 65536, or leave it out for 38000",
        ),
        (
            PulpOptions(l2=600_000),
            "target pulp: option -l2=600000 is beyond the L2 of gap8, 524288 bytes; "
            "give 1 to 524288, or leave it out for 380000",
        ),
        (
            PulpOptions(cores=3),
            "target pulp: option -cores=3 is not possible on gap8, which has 8; give one of 1, 2, 4, 8",
        ),
        (
            PulpOptions(soc="diana", cores=2),
            "target pulp: option -cores=2 is not possible on diana, which has 1; give 1",
        ),
        (
            PulpOptions(soc="no/such.toml"),
            "no/such.toml: no such file or directory; give the path of a SoC file (TOML)",
        ),
    ],
)
def test_bad_options(options: PulpOptions, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_machine(options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("old", "new", "start", "message"),
    [
        (
            "size = 65_536",
            "sise = 65_536",
            "sise",
            "unknown key `sise` in table [memory.l1]; did you mean size? (its keys: size, reserved)",
        ),
        (
            "cores = 8",
            "cores = 6",
            "cores",
            "`engines[0].cores` (6) is not 1, 2, 4 or 8; give cores that compute: 1, 2, 4 or 8",
        ),
        (
            "size = 524_288",
            'size = "512k"',
            'size = "512k"',
            "`memory.l2.size` ('512k') is no whole number; give bytes of the memory",
        ),
        (
            "size = 65_536",
            "size = 27_536",
            "reserved",
            "`memory.l1.reserved` (27536) leaves nothing of the memory's 27536 bytes; "
            "give bytes kept for stacks, the program and the SDK",
        ),
        (
            "bytes_per_cycle = 8.0",
            "bytes_per_cycle = -8.0",
            "bytes_per_cycle",
            "`dma.bytes_per_cycle` (-8.0) is not above 0; give bytes moved in a cycle",
        ),
        (
            "setup_cycles = 30",
            "setup_cycles = 3_000_000",
            "setup_cycles",
            "`dma.setup_cycles` (3000000) is above 1000000; give cycles to start a transfer",
        ),
        (
            "row_cycles = 1.0",
            "row_cycles = nan",
            "row_cycles",
            "`dma.row_cycles` (nan) is not finite; give additional cycles for each row of a 2-D transfer",
        ),
        (
            'name = "gap8"',
            'name = "GAP 8"',
            "name",
            "`name` ('GAP 8') is no name; give lower-case letters, digits and _",
        ),
        (
            "call_cycles = 500\n",
            "",
            "[[engines]]",
            "`engines[0].call_cycles` is missing; add it: cycles that a kernel call costs beside its work",
        ),
        (
            'type = "cluster"',
            'type = "ne16"',
            "type",
            "`engines[0].type` ('ne16') is not 'cluster'; give the kind of engine, \"cluster\"",
        ),
        (
            "[memory.l2]",
            "[memory.l4]",
            "[memory.l4]",
            "unknown key `l4` in table [memory]; its keys: l1, l2, l3",
        ),
        (
            "[dma]",
            "[dma",
            "[dma",
            "this is no valid TOML: expected ']' at the end of a table declaration; correct this line",
        ),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, start: str, message: str) -> None:
    text = GAP8.replace(old, new, 1)
    assert f"chip.toml:{line_of(text, start)}: {message}" in faults(tmp_path, text)


def test_all_faults_are_told_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = GAP8.replace("cores = 8", "cores = 0").replace("size = 65_536", "size = 0").replace('"gap8"', "8")
    lines = [int(fault.split(":")[1]) for fault in faults(tmp_path, text)]
    assert lines == [line_of(text, start) for start in ("name", "size = 0", "cores")]


def test_an_empty_file(tmp_path: Path) -> None:
    assert faults(tmp_path, "") == [
        "chip.toml:1: `name` is missing; add it: lower-case letters, digits and _",
        "chip.toml:1: `description` is missing; add it: one line for `tvm-pulp targets`",
        "chip.toml:1: `memory` is missing; add it: tables [memory.l1] and [memory.l2]",
        "chip.toml:1: `dma` is missing; add it: a table [dma]",
        'chip.toml:1: `engines` is missing; add it: one table [[engines]] with type = "cluster"',
    ]


def test_two_clusters(tmp_path: Path) -> None:
    text = GAP8 + GAP8[GAP8.index("[[engines]]") :]
    line = line_of(text, "[[engines]]")
    assert faults(tmp_path, text) == [
        f'chip.toml:{line}: `engines` has more than 1 entry; give one table [[engines]] with type = "cluster"'
    ]


def test_no_text_file(tmp_path: Path) -> None:
    file = tmp_path / "chip.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match=r"chip.toml: this is no text file; give a SoC file \(TOML, UTF-8\)"):
        check_soc(file)


def test_lines_of_keys() -> None:
    text = """\
# a comment
a = 1
b.c = [
  1, # ]
  2,
]
"d e" = '''
[x]
y = 1
'''

[[t]]
k = { l = 1 }
[[t]]
[t.u]
v = 2
"""
    assert key_lines(text) == {
        (): 1,
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 3,
        ("d e",): 7,
        ("t",): 12,
        ("t", 0): 12,
        ("t", 0, "k"): 13,
        ("t", 0, "k", "l"): 13,
        ("t", 1): 14,
        ("t", 1, "u"): 15,
        ("t", 1, "u", "v"): 16,
    }


def test_pulp_open_with_ne16_is_pulp_open_else() -> None:
    plain, both = (load_machine(PulpOptions(soc=name)) for name in ("pulp_open", "pulp_open_ne16"))
    assert [engine.name for engine in both.engines] == ["ne16"]
    assert replace(both, soc=plain.soc, engines=(), l2_bytes=plain.l2_bytes) == plain


def test_pulp_open_with_the_l1_of_gap9() -> None:
    plain, large = (load_machine(PulpOptions(soc=f"pulp_open_ne16{more}")) for more in ("", "_l1_128k"))
    assert large.l1_bytes == plain.l1_bytes + 65_536
    assert replace(large, soc=plain.soc, l1_bytes=plain.l1_bytes) == plain


def test_the_cluster_alone() -> None:
    assert load_machine(PulpOptions(soc="gap9", engines="cluster")).engines == ()
    assert [
        engine.name for engine in load_machine(PulpOptions(soc="gap9", engines="cluster,ne16")).engines
    ] == ["ne16"]


@pytest.mark.parametrize(
    ("soc", "engines", "message"),
    [
        (
            "gap8",
            "cluster,ne16",
            "option -engines=cluster,ne16: gap8 has no engine `ne16`; its engines: cluster",
        ),
        (
            "gap9",
            "ne16",
            "option -engines=ne16 leaves out the cluster, which runs what no other engine can; "
            "give -engines=cluster,ne16",
        ),
    ],
)
def test_engines_that_cannot_be_had(soc: str, engines: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_machine(PulpOptions(soc=soc, engines=engines))
    assert str(caught.value) == f"target pulp: {message}"


@pytest.mark.parametrize(
    ("old", "new", "start", "message"),
    [
        (
            "tile_cycles = 1300",
            "tile_cycles = -1",
            "tile_cycles",
            "`engines[1].tile_cycles` (-1) is below 0; "
            "give cycles in which core 0 programs a tile: task, loads and store, and their latency",
        ),
        (
            "start_cycles = 60",
            "speed = 60",
            "speed",
            "unknown key `speed` in table [engines[1]]; its keys: type, pass_3x3_cycles, pass_1x1_cycles, "
            "pass_depthwise_cycles, output_cycles, strided_task_cycles, tile_cycles, wait_cycles, "
            "conflict_share, depthwise_conflict_share, layer_cycles, "
            "start_cycles",
        ),
        (
            'type = "ne16"',
            'type = "ne17"',
            'type = "ne17"',
            "`engines[1].type` ('ne17') is no engine; "
            "give one of darkside_depthwise, diana_analog, diana_digital, ne16, or the path of a Python module "
            "that defines one",
        ),
        (
            'type = "ne16"\n',
            "",
            "pass_3x3_cycles",
            "`engines[1].type` ('') is no engine; "
            "give one of darkside_depthwise, diana_analog, diana_digital, ne16, or the path of a Python module "
            "that defines one",
        ),
    ],
)
def test_a_fault_of_another_engine(tmp_path: Path, old: str, new: str, start: str, message: str) -> None:
    text = soc_path("gap9").read_text().replace(old, new, 1)
    line = line_of(text, start) - (1 if old.endswith("\n") else 0)
    assert f"chip.toml:{line}: {message}" in faults(tmp_path, text)
