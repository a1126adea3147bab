"""Why operators are not offloaded: a dictionary from operator name to reason, carried by the module."""

from __future__ import annotations

import json
from collections.abc import Mapping

import tvm

from .attributes import attribute

ATTRIBUTE = "pulp_refusals"


def refusals_of(mod: tvm.IRModule) -> dict[str, str]:
    """What has been recorded so far: the user's operator name → the reason."""
    return dict(json.loads(attribute(mod, ATTRIBUTE) or "{}"))


def add_refusals(mod: tvm.IRModule, refusals: Mapping[str, str]) -> tvm.IRModule:
    """The module with more refusals recorded; an earlier reason is kept, since it is nearer to the cause."""
    if not refusals:
        return mod
    return mod.with_attr(ATTRIBUTE, json.dumps({**refusals, **refusals_of(mod)}))
