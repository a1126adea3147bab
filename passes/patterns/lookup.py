"""A table of 256 bytes that every element is looked up in."""

from __future__ import annotations

import numpy as np
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from .operator import Exactness, Operands, OperatorPattern, check_map

TABLE_ENTRIES = 256


def table_pattern() -> DFPattern:
    """`take` of a constant at the bytes of a tensor."""
    return is_op("take")(is_constant(), is_op("cast")(wildcard()))


def read_table(take: relay.Call) -> Operands:
    """Takes a match apart."""
    table, index = take.args
    values = np.asarray(table.data.numpy()).astype(np.uint8)
    return Operands(LayerKind.TABLE, (index.args[0],), Window(), None, None, table=values)


def check_table(take: relay.Call) -> str | None:
    """256 bytes, and a map to look up."""
    table, index = take.args
    if table.data.shape != (TABLE_ENTRIES,) or str(table.data.dtype) != "uint8":
        return "its table has not 256 bytes"
    return check_map(index.args[0])


TABLE = OperatorPattern(
    name="pulp.table",
    description="any function of one tensor, element by element",
    pattern=table_pattern,
    check=check_table,
    read=read_table,
    kinds=(LayerKind.TABLE,),
    onnx=(
        *("Abs", "Ceil", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu"),
        *("Log", "Mul", "Neg", "Pow", "Sigmoid", "Softplus", "Sqrt", "Sub", "Add", "Tanh"),
    ),
    conditions=("one input, of 8 bit with one scale; other operands constants of one number",),
    exactness=Exactness.TABLE,
)
