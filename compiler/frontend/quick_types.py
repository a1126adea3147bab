"""Types for TVM's ONNX importer without a look at all that it has imported so far, for each of them.

The importer asks for the types of its expressions, and TVM infers those of the whole network in front of them
each time. Here an expression keeps its type, and inference starts from the types that are known.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relay

InferType = Callable[..., relay.Expr]


def inferring_once(infer: InferType) -> InferType:
    """The importer's `infer`, which returns an expression that has its type."""

    def quick_infer(expr: relay.Expr, mod: tvm.IRModule | None = None) -> relay.Expr:
        if mod is not None or not isinstance(expr, relay.Call):
            return infer(expr, mod)
        relay.transform.InferTypeLocal(expr)  # sets the type
        return expr

    return quick_infer
