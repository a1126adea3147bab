"""plan.json: round trip, stability, and what is refused."""

from __future__ import annotations

import json

import pytest
from layers import residual_network
from machines import machine
from tvm_pulp.codegen.plan_json import plan_from_json, plan_to_json
from tvm_pulp.codegen.planner import plan_region
from tvm_pulp.errors import PlanError


@pytest.fixture(scope="module")
def text() -> str:
    return plan_to_json(plan_region(residual_network(), machine(5000)))


def test_round_trip(text: str) -> None:
    plan = plan_region(residual_network(), machine(5000))
    assert plan_from_json(text) == plan
    assert plan_to_json(plan_from_json(text)) == text


def test_is_plain_json_with_enums_by_value(text: str) -> None:
    body = json.loads(text)
    assert body["version"] == 2
    assert body["layers"][0]["order"] in ("channels_outer", "space_outer")
    assert body["layers"][0]["buffers"][0]["operand"] == "x"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version": 2', '"version": 1', "plan: version 1 of the plan format, expected 2"),
        ('"operand": "x"', '"operand": "z"', "plan.layers[0].buffers[0].operand: 'z' is none of"),
        ('"cores": 8', '"cores": "8"', "plan.cores: '8' isn't int"),
        ('"cores": 8', '"cores": -8', "plan.cores: -8 isn't between 0 and 2147483647"),
        ('"cores": 8', '"cores": 2147483648', "plan.cores: 2147483648 isn't between 0 and 2147483647"),
        ('"cores": 8', '"kores": 8', "plan: unknown field 'kores'; fields: region, soc, cores, "),
        ('"layers": [', '"layers": 3, "x": [', "plan: unknown field 'x'"),
        ('"cores": 8,', "", "plan: the field 'cores' is missing"),
        ('"y": {', '"y": 3, "q": {', "plan.layers[0].steps[0]: unknown field 'q'"),
        ('"tile": {', '"tile": 3, "slots": {', "plan.layers[0]: unknown field 'slots'"),
        ("{", "", "plan: not JSON"),
    ],
)
def test_refused(text: str, old: str, new: str, message: str) -> None:
    with pytest.raises(PlanError) as error:
        plan_from_json(text.replace(old, new, 1))
    assert str(error.value).startswith(message)


def test_fields_with_a_default_may_be_left_out(text: str) -> None:
    assert plan_from_json(text.replace(', "clip": false', "", 1)) == plan_from_json(text)
    assert ', "clip": false' in text or '"clip": false,' in text
