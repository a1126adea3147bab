"""Reads an int8 TFLite network through TVM's own importer. Needs the extra `tvm-pulp[tflite]`."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import tvm
from tvm import relay
from tvm_pulp.errors import ModelError, ToolError
from tvm_pulp.passes.infer_type import InferType
from tvm_pulp.passes.qnn_to_qdq import QnnToQdq

from ..operators import OPERATORS_ATTR

_QUANTIZED_TYPES = ("INT8", "UINT8")


def load_tflite(path: Path) -> tuple[tvm.IRModule, dict[str, Any]]:
    """Relay module of a TFLite file in the form of a QDQ network, its constants inlined.

    Raises ModelError for a file that is no TFLite, a float network and operators that TVM can't import,
    ToolError without the package `tflite`.
    """
    tflite = _package()
    model = _read(tflite, path)
    graph = model.Subgraphs(0)
    if not _is_quantized(tflite, graph):
        raise ModelError(
            "is a float network", where=str(path), fix="quantize it to int8 with the TFLite converter"
        )
    try:
        mod, params = relay.frontend.from_tflite(model)
    except tvm.error.OpNotImplemented as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(first, where=str(path), fix="TVM 0.19 can't import it") from error
    except Exception as error:  # TVM's importer raises whatever its helpers raise
        raise ModelError(f"TVM 0.19 can't import it ({error})", where=str(path)) from error
    bound = relay.build_module.bind_params_by_name(mod["main"], params)
    mod = QnnToQdq()(InferType()(tvm.IRModule.from_expr(bound)))
    return mod.with_attr(OPERATORS_ATTR, json.dumps(_operators(tflite, model))), {}


def _package() -> Any:
    try:
        import tflite  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ToolError(
            "the package tflite is not installed", where="TFLite", fix="pip install 'tvm-pulp[tflite]'"
        ) from error
    return tflite


def _read(tflite: Any, path: Path) -> Any:
    if not path.is_file():
        raise ModelError("no such file", where=str(path))
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise ModelError("is not a TFLite file", where=str(path))
    try:
        model = tflite.Model.GetRootAsModel(data, 0)
        model.Subgraphs(0).OperatorsLength()
    except (struct.error, IndexError, AttributeError) as error:
        raise ModelError("is a damaged TFLite file", where=str(path)) from error
    return model


def _is_quantized(tflite: Any, graph: Any) -> bool:
    types = {getattr(tflite.TensorType, name) for name in _QUANTIZED_TYPES}
    return any(graph.Tensors(index).Type() in types for index in range(graph.TensorsLength()))


def _operators(tflite: Any, model: Any) -> list[list[str]]:
    """Name (that of its first output, as TVM's importer names spans) and type of each operator."""
    graph = model.Subgraphs(0)
    found = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        found.append([graph.Tensors(operator.Outputs(0)).Name().decode(), kind])
    return found
