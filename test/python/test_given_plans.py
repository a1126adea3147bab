"""-plan=: what is taken, and the words with which what is wrong is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import planned_region
import pytest
from machines import machine
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.timeline import simulate
from tvm_pulp.errors import PlanError, PulpError, TargetError
from tvm_pulp.given_plans import accept_plan, check_regions, read_given_plans

GRAPH, PLAN, LARGE = planned_region.graph(), planned_region.plan(), machine(38_000)
REGION = PLAN.region


def written(folder: Path, change: Any = None, name: str = "plan.json") -> Path:
    """A file with the plan, after `change` has edited its JSON."""
    body = json.loads(plan_to_json(PLAN))
    if change is not None:
        change(body)
    (folder / name).write_text(json.dumps(body))
    return folder / name


def accept(path: Path) -> Any:
    return accept_plan(read_given_plans(str(path))[REGION], GRAPH, LARGE)


def test_a_saved_plan_is_taken(tmp_path: Path) -> None:
    plan = accept(written(tmp_path))
    assert replace(plan, layers=PLAN.layers) == replace(PLAN, l1_bytes=38_000, l2_bytes=380_000)
    assert [replace(layer, cycles=0) for layer in plan.layers] == [
        replace(layer, cycles=0) for layer in PLAN.layers
    ]


def test_predictions_are_made_again(tmp_path: Path) -> None:
    def forget(body: dict[str, Any]) -> None:
        body["layers"][0]["cycles"] = 1

    plan = accept(written(tmp_path, forget))
    assert plan.layers[0].cycles > 1
    assert simulate(GRAPH, plan, LARGE).cycles == sum(layer.cycles for layer in plan.layers)


def test_a_folder_of_plans(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / f"{REGION}.timeline.json").write_text("{}")
    assert {region: given.plan for region, given in read_given_plans(str(tmp_path)).items()} == {REGION: PLAN}
    assert read_given_plans(None) == {}


def _step(body: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = body["layers"][0]["steps"][1]
    return step


def _l1(body: dict[str, Any]) -> None:
    body["l1_used"] = 40_000


def _soc(body: dict[str, Any]) -> None:
    body["soc"] = "gap9"


def _cores(body: dict[str, Any]) -> None:
    body["cores"] = 4


def _kernel(body: dict[str, Any]) -> None:
    body["layers"][0]["kernel"] = "pulp_add"


def _twice(body: dict[str, Any]) -> None:
    _step(body)["y"]["h0"] = 0
    _step(body)["x"]["h0"] = 0


def _address(body: dict[str, Any]) -> None:
    body["layers"][0]["buffers"][1]["offset"] = 8


def _missing(body: dict[str, Any]) -> None:
    del _step(body)["padding"]


def _negative(body: dict[str, Any]) -> None:
    _step(body)["y"]["h0"] = -1


def _small(body: dict[str, Any]) -> None:
    body["layers"][1]["buffers"][2]["size"] = 64


def _slot(body: dict[str, Any]) -> None:
    _step(body)["load_x"] = False


def _lifetime(body: dict[str, Any]) -> None:
    body["l2_buffers"][0]["last"] = 9


FIX = "correct it, or leave out -plan"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_l1, "plan, header: uses 40000 bytes of L1, there are 38000"),
        (_cores, "plan, header: made for 4 cores, there are 8"),
        (_soc, "made for gap9, the target is gap8"),
        (_kernel, "plan, layer conv_1, step 0: pulp_add: pulp_add isn't a kernel for this pointwise layer"),
        (_address, "plan, layer conv_1: buffers x[0] and x[1] overlap"),
        (_slot, "plan, layer conv_1, step 1: slot 1 doesn't hold the x of this step, and it isn't loaded"),
        (_lifetime, "plan, L2 buffer t: lives until layer 9, the last is 1"),
        (_twice, "plan, layer conv_1: output element (2, 0, 0) is computed never"),
        (_small, "plan, layer add_2, step 0: buffer y[0] needs 128 bytes and has 64"),
        (_missing, "plan.layers[0].steps[1]: the field 'padding' is missing"),
        (_negative, "plan.layers[0].steps[1].y.h0: -1 isn't between 0 and 2147483647"),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = written(tmp_path, change)
    with pytest.raises(PlanError) as caught:
        accept(path)
    assert str(caught.value) == f"{path}: {message}; {FIX}"


def test_no_file(tmp_path: Path) -> None:
    missing, empty = tmp_path / "no.json", tmp_path / "empty"
    empty.mkdir()
    where = "target pulp: option -plan"
    assert refusal(missing, TargetError) == (
        f"{where}={missing}: no such file or folder; give a plan of a package, plan/<region>.json"
    )
    assert refusal(empty, TargetError) == (
        f"{where}={empty}: no plan in this folder; give a package's plan/ or one of its files"
    )


def test_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("[1]")
    assert refusal(path, PlanError) == f"{path}: plan: version None of the plan format, expected 2; {FIX}"
    path.write_bytes(b"\xff")
    assert refusal(path, PlanError) == f"{path}: not a text file; {FIX}"


def test_two_plans_of_a_region(tmp_path: Path) -> None:
    one, other = written(tmp_path, name="a.json"), written(tmp_path, name="b.json")
    message = f"{other}: region {REGION} has another plan in {one}; keep one of them"
    assert refusal(tmp_path, PlanError) == message


def test_a_plan_of_another_network(tmp_path: Path) -> None:
    path = written(tmp_path)
    given = read_given_plans(str(path))
    check_regions(given, [GRAPH])
    for graphs, there in (([replace(GRAPH, name="other")], "other"), ([], "none")):
        with pytest.raises(PlanError) as caught:
            check_regions(given, graphs)
        assert str(caught.value) == (f"{path}: made for region {REGION}; the network's are: {there}; {FIX}")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert plan_from_json(written(tmp_path).read_text()) == PLAN


def refusal(path: Path, kind: type[PulpError]) -> str:
    with pytest.raises(kind) as caught:
        read_given_plans(str(path))
    return str(caught.value)
