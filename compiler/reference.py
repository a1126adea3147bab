"""The reference: what the legalized module computes when TVM builds it for this computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relay
from tvm.contrib import graph_executor

from .build import quiet_offline_build

# Passes that rewrite constants, for speed at run time; without them the build takes half as long.
_SKIPPED = ["AlterOpLayout", "FoldConstant", "FoldScaleAxis"]

# TVM 0.19 describes vectors of indices and common float expressions to debuggers in a way that LLVM 22 refuses.
_CONFIG = {"tir.disable_vectorize": True, "tir.disable_cse_tir": True}

Array = npt.NDArray[Any]


def load_legalized(text: str) -> tvm.IRModule:
    """The legalized module from its JSON."""
    return tvm.ir.load_json(text)


def input_names(legalized: tvm.IRModule) -> list[str]:
    """The inputs' names in order; in C, what isn't a letter, digit or _ has become _."""
    return [str(parameter.name_hint) for parameter in legalized["main"].params]


def run_reference(
    legalized: tvm.IRModule | str, samples: Sequence[Mapping[str, Array]]
) -> list[tuple[Array, ...]]:
    """The outputs of each sample (input name -> array of the input's exact shape and dtype), in order.

    `legalized` is the module or its JSON. TVM's llvm build of it does without fast-math, so integer and float
    operators alike give the same bytes as their C. It is fused as at level 3 whatever the level of the C: fused
    or not, the C multiplies by the reciprocal of a constant divisor, but llvm code only if fused.
    """
    mod = load_legalized(legalized) if isinstance(legalized, str) else legalized
    context = tvm.transform.PassContext(opt_level=3, config=_CONFIG, disabled_pass=_SKIPPED)
    with quiet_offline_build(), context:
        library = relay.build(mod, target="llvm")
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    return [_run(executor, sample) for sample in samples]


def _run(executor: Any, sample: Mapping[str, Array]) -> tuple[Array, ...]:
    executor.run(**{name: np.ascontiguousarray(array) for name, array in sample.items()})
    return tuple(executor.get_output(index).numpy() for index in range(executor.get_num_outputs()))
