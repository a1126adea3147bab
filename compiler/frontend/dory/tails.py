"""Operators behind an integer network's last layer, on its int32 or 8-bit results: left to TVM's C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relay

from ..normalize.graph import Array

Rule = Callable[[relay.Expr, "list[Array]", "dict[str, Any]"], relay.Expr]


def _real(data: relay.Expr) -> relay.Expr:
    return relay.cast(data, "float32")


def _axes(constants: list[Array], attributes: dict[str, Any]) -> list[int]:
    given: Any = attributes["axes"] if "axes" in attributes else constants[0]
    return [int(axis) for axis in np.ravel(given)]


def _unsqueeze(data: relay.Expr, constants: list[Array], attributes: dict[str, Any]) -> relay.Expr:
    for axis in sorted(_axes(constants, attributes)):
        data = relay.expand_dims(data, axis)
    return data


TAILS: dict[str, Rule] = {
    "Sigmoid": lambda data, _, attributes: relay.sigmoid(_real(data)),
    "Tanh": lambda data, _, attributes: relay.tanh(_real(data)),
    "Softmax": lambda data, _, attributes: relay.nn.softmax(_real(data), int(attributes.get("axis", -1))),
    "LogSoftmax": lambda data, _, attributes: relay.nn.log_softmax(
        _real(data), int(attributes.get("axis", -1))
    ),
    "Gather": lambda data, constants, attributes: relay.take(
        data, relay.const(constants[0].astype(np.int64)), axis=int(attributes.get("axis", 0))
    ),
    "Unsqueeze": _unsqueeze,
    "Squeeze": lambda data, constants, attributes: relay.squeeze(data, _axes(constants, attributes)),
    "ArgMax": lambda data, _, attributes: relay.argmax(
        data, axis=int(attributes.get("axis", 0)), keepdims=bool(attributes.get("keepdims", 1))
    ),
    "Identity": lambda data, _, attributes: data,
}
