"""Where a network enters and leaves 8 bits: float32 quantized and dequantized, int8 as uint8 and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm.relay.dataflow_pattern import DFPattern, is_constant, is_op, wildcard

from ...codegen.graph import LayerKind, Window
from ...codegen.quantizer import bounds_of
from ..expressions import as_call
from .operator import Exactness, Operands, OperatorPattern, Table, check_map

_BYTES = np.arange(256)
_MIDDLE = 128


def _cast(expr: DFPattern, dtype: str) -> DFPattern:
    return is_op("cast")(expr).has_attr({"dtype": dtype})


def _reshaped(expr: DFPattern) -> DFPattern:
    return is_op("reshape")(expr) | expr


def _behind_reshape(expr: relay.Expr) -> relay.Expr:
    call = as_call(expr, "reshape")
    return expr if call is None else call.args[0]


def _number(expr: relay.Constant) -> np.float32:
    return np.float32(expr.data.numpy())


def _elementwise(kind: LayerKind, data: relay.Expr, table: Table) -> Operands:
    return Operands(kind, (data,), Window(), None, None, table=table)


def _check_scalars(*constants: relay.Constant) -> str | None:
    return None if all(c.data.shape == () for c in constants) else "its scale differs between channels"


# ---- Quantization --------------------------------------------------------------------------------------------


def quantize_pattern() -> DFPattern:
    """`cast(clip(round(x * factor) + zero_point))`, perhaps in another shape."""
    units = is_op("round")(is_op("multiply")(wildcard(), is_constant()))
    return _reshaped(_cast(is_op("clip")(is_op("add")(units, is_constant())), "uint8"))


def _parts(call: relay.Call) -> tuple[relay.Expr, relay.Constant, relay.Constant, relay.Call]:
    """What is quantized, factor, zero point, and the clip."""
    clip = _behind_reshape(call).args[0]
    units, zero_point = clip.args[0].args
    data, factor = units.args[0].args
    return data, factor, zero_point, clip


def read_quantize(call: relay.Call) -> Operands:
    """Takes a match apart."""
    data, factor, zero_point, _ = _parts(call)
    table = bounds_of(lambda x: quantized(x, _number(factor), _number(zero_point)))
    return _elementwise(LayerKind.QUANTIZE, data, table)


def quantized(x: npt.NDArray[np.float32], factor: np.float32, zero_point: np.float32) -> npt.NDArray[np.uint8]:
    """What the canonical form computes of numbers: float32 arithmetic, halves rounded away from 0."""
    with np.errstate(all="ignore"):
        scaled = (x * factor).astype(np.float64)
    units = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled).astype(np.float32)
    return np.asarray(np.clip(units + zero_point, 0, 255).astype(np.uint8))


def check_quantize(call: relay.Call) -> str | None:
    """One scale and zero point, all bytes."""
    data, factor, zero_point, clip = _parts(call)
    if (float(clip.attrs.a_min), float(clip.attrs.a_max)) != (0.0, 255.0):
        return "its bounds are not those of uint8"
    return _check_scalars(factor, zero_point) or check_map(data, "float32") or check_map(call)


# ---- Dequantization ------------------------------------------------------------------------------------------


def dequantize_pattern() -> DFPattern:
    """`(x - zero_point) * scale` in float32, of x perhaps in another shape."""
    centred = is_op("subtract")(_cast(_reshaped(wildcard()), "int32"), is_constant())
    return is_op("multiply")(_cast(centred, "float32"), is_constant())


def read_dequantize(call: relay.Call) -> Operands:
    """Takes a match apart."""
    centred, scale = call.args[0].args[0], call.args[1]
    widened, zero_point = centred.args
    table = (_BYTES - int(zero_point.data.numpy())).astype(np.float32) * _number(scale)
    return _elementwise(LayerKind.DEQUANTIZE, _behind_reshape(widened.args[0]), table)


def check_dequantize(call: relay.Call) -> str | None:
    """One scale and zero point."""
    centred, scale = call.args[0].args[0], call.args[1]
    widened, zero_point = centred.args
    return _check_scalars(scale, zero_point) or check_map(widened.args[0]) or check_map(call, "float32")


# ---- int8 ----------------------------------------------------------------------------------------------------


def flip_pattern() -> DFPattern:
    """`cast(cast(x) + 128)` and `cast(cast(x) - 128)` by way of int16, of x perhaps in another shape."""
    widened = _cast(_reshaped(wildcard()), "int16")
    to_uint8 = _cast(is_op("add")(widened, is_constant()), "uint8")
    to_int8 = _cast(is_op("subtract")(widened, is_constant()), "int8")
    return _reshaped(to_uint8 | to_int8)


def read_flip(call: relay.Call) -> Operands:
    """Takes a match apart."""
    moved = _behind_reshape(call).args[0]
    data = _behind_reshape(moved.args[0].args[0])
    return _elementwise(LayerKind.TABLE, data, (_BYTES ^ _MIDDLE).astype(np.uint8))


def check_flip(call: relay.Call) -> str | None:
    """From int8 to uint8 with +, back with -."""
    cast = _behind_reshape(call)
    moved = cast.args[0]
    widened, constant = moved.args
    data = widened.args[0]
    dtypes = ("int8", "uint8") if moved.op.name == "add" else ("uint8", "int8")
    if constant.data.shape != () or int(constant.data.numpy()) != _MIDDLE:
        return "it is no change between int8 and uint8"
    return check_map(data, dtypes[0]) or check_map(cast, dtypes[1])


QUANTIZE = OperatorPattern(
    name="pulp.quantize",
    description="float32 to 8 bits",
    pattern=quantize_pattern,
    check=check_quantize,
    read=read_quantize,
    kinds=(LayerKind.QUANTIZE,),
    onnx=("QuantizeLinear",),
    conditions=("one scale and zero point",),
    exactness=Exactness.FLOAT,
)

DEQUANTIZE = OperatorPattern(
    name="pulp.dequantize",
    description="8 bits to float32",
    pattern=dequantize_pattern,
    check=check_dequantize,
    read=read_dequantize,
    kinds=(LayerKind.DEQUANTIZE,),
    onnx=("DequantizeLinear",),
    conditions=("one scale and zero point",),
    exactness=Exactness.FLOAT,
)

FLIP = OperatorPattern(
    name="pulp.flip",
    description="int8 inputs and outputs of the network, uint8 inside",
    pattern=flip_pattern,
    check=check_flip,
    read=read_flip,
    kinds=(LayerKind.TABLE,),
    onnx=(),
    exactness=Exactness.COPY,
)
