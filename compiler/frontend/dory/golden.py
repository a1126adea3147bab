"""Golden files beside an integer network: `input.txt` and `out_layer<N>.txt`, integers in HWC order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relay
from tvm_pulp.errors import ModelError
from tvm_pulp.passes.expressions import dtype_of, shape_of
from tvm_pulp.passes.portable_math import PortableMath

from ...golden import Golden
from ...golden_files import golden_files

Integers = npt.NDArray[np.int64]


def read_golden(folder: Path, mod: tvm.IRModule, tail: tvm.IRModule | None) -> Golden | None:
    """What the files in `folder` say about the network `mod`; None where there are none, or its operators after
    the last layer, `tail`, are not known.

    Raises ModelError for files that hold something else than this network's numbers.
    """
    files, params = golden_files(folder), mod["main"].params
    if tail is None or len(params) != 1 or files is None:
        return None
    last = tail["main"].params[0]
    return Golden(
        inputs=(_tensor(files.input, shape_of(params[0]), dtype_of(params[0])),),
        last=_tensor(files.layers[-1], shape_of(last), dtype_of(last)),
        tail=tvm.ir.save_json(tail),
    )


def _tensor(file: Path, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.generic]:
    """A file's numbers as a tensor in the network's order: maps have channels first."""
    values = _integers(file)
    limits = np.iinfo(dtype)
    if values.size != int(np.prod(shape)) or values.min() < limits.min or values.max() > limits.max:
        found = f"{values.size} numbers from {values.min()} to {values.max()}"
        raise ModelError(
            f"holds {found}, the network's tensor is {dtype} {list(shape)}",
            where=str(file),
            fix="take the golden files away, or put those of this network beside it",
        )
    if len(shape) > 2:
        values = np.moveaxis(values.reshape(1, *shape[2:], shape[1]), -1, 1)
    return np.ascontiguousarray(values.reshape(shape).astype(dtype))


def _integers(file: Path) -> Integers:
    """One number a line, perhaps with a comma or a backslash behind it; the first line is a remark."""
    lines = (line.strip(" \\,\t") for line in file.read_text().splitlines()[1:])
    try:
        numbers = [float(line) for line in lines if line]
    except ValueError as error:
        raise _unreadable(file) from error
    values = np.array(numbers)
    if not numbers or np.any(values != np.rint(values)):
        raise _unreadable(file)
    return values.astype(np.int64)


def _unreadable(file: Path) -> ModelError:
    fix = "take the golden files away, or write a remark, then one whole number a line"
    return ModelError("can't be read as golden numbers", where=str(file), fix=fix)


def tail_of(outputs: Sequence[relay.Expr], last: Sequence[relay.Expr]) -> tvm.IRModule | None:
    """The network's outputs as a function of its only `last` layer's result, in legalized form; None if there
    are several."""
    if len(last) != 1:
        return None
    part = relay.Function(relay.analysis.free_vars(last[0]), last[0])
    typed = relay.transform.InferType()(tvm.IRModule.from_expr(part))
    var = relay.var("last", type_annotation=typed["main"].ret_type)
    body = outputs[0] if len(outputs) == 1 else relay.Tuple(list(outputs))
    replaced = _Replaced(last[0], var).visit(body)
    return PortableMath()(relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([var], replaced))))


class _Replaced(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    """An expression with another in the place of one of its parts."""

    def __init__(self, part: relay.Expr, by: relay.Expr) -> None:
        super().__init__()
        self.memo_map[part] = by
