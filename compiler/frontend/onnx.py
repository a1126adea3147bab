"""Reads a quantized ONNX network into Relay; refuses what can't be compiled, in the user's terms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import onnx
import tvm
from google.protobuf.message import DecodeError
from tvm import relay

from ..errors import ModelError
from ..golden import GOLDEN_ATTR, golden_to_text
from ..operators import OPERATORS_ATTR
from .c_names import output_identifiers, rename_inputs
from .dory.golden import read_golden
from .dory.reader import read_integer_network
from .dory.recognise import is_integer_network
from .import_errors import cannot_import, first_line, named_failures
from .normalize.pipeline import normalize
from .quick_import import quick_import

Shapes = Mapping[str, Sequence[int]]

OUTPUT_NAMES_ATTR = "output_tensor_names"  # TVM's: what the C interface calls the outputs

_QUANTIZATION = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INTEGER = frozenset({"ConvInteger", "MatMulInteger"})
_PREFIXES = ("QLinear", "QGemm")
_HOW_TO_QUANTIZE = "quantize it: tvm-pulp quantize {path} --calibration samples.npz -o {stem}_int8.onnx"


class Dialect(Enum):
    """How an ONNX file says what its integers mean."""

    AUTO = "auto"  # whatever the file looks like
    QDQ = "qdq"  # Q and DQ, or operators that take integers; what is float stays float, in TVM's C
    DORY = "dory"  # integers in float tensors, as NEMO, QuantLab and DORY write them


def load_onnx(
    path: Path, shapes: Shapes | None = None, dialect: Dialect = Dialect.AUTO
) -> tuple[tvm.IRModule, dict[str, Any]]:
    """Relay module and parameters of an ONNX file; `shapes` replaces shapes of inputs by name.

    The module carries the user's operators (name and type, in order) as an attribute. Raises ModelError for a
    file that is no ONNX, a float network, a dynamic shape, and operators that TVM can't import.
    """
    model = _read(path)
    is_dory = dialect is Dialect.DORY or (dialect is Dialect.AUTO and _is_dory(model))
    if dialect is Dialect.AUTO and not is_dory:
        _check_quantized(model, path)
    _check_types(model.graph, path)
    _name_nodes(model.graph)
    fixed = _static_shapes(model.graph, path, dict(shapes or {}))
    with _located(path):
        mod, params = (
            (_integer_network(model, fixed, path), {})
            if is_dory
            else _import(normalize(model, fixed), fixed, path)
        )
    if not shapes:
        _check_output_shapes(mod, model.graph, path)
    mod["main"] = mod["main"].with_attr(OUTPUT_NAMES_ATTR, output_identifiers(model.graph))
    return mod.with_attr(OPERATORS_ATTR, json.dumps(_operators(model.graph))), params


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError("no such file", where=str(path), fix="give the path of an .onnx file")
    try:
        model = onnx.load(path)
    except (DecodeError, UnicodeDecodeError, onnx.checker.ValidationError, OSError) as error:
        raise ModelError(
            f"is not an ONNX file, or not all of one ({first_line(error)})",
            where=str(path),
            fix="check the path, or export the network again",
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ModelError("is not an ONNX file", where=str(path), fix="give the path of an .onnx file")
    return model


def _is_quantized(model: onnx.ModelProto) -> bool:
    types = {node.op_type for node in model.graph.node}
    return any(name in _QUANTIZATION | _INTEGER or name.startswith(_PREFIXES) for name in types)


def _is_dory(model: onnx.ModelProto) -> bool:
    return not _is_quantized(model) and is_integer_network(model)


def _check_quantized(model: onnx.ModelProto, path: Path) -> None:
    if not _is_quantized(model):
        raise ModelError(
            "is a float network", where=str(path), fix=_HOW_TO_QUANTIZE.format(path=path, stem=path.stem)
        )


def _check_types(graph: onnx.GraphProto, path: Path) -> None:
    for value in (*graph.input, *graph.output):
        name = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        if name in ("float16", "bfloat16", "double"):
            raise ModelError(
                f"`{value.name}` is of type {name}, which can't be compiled",
                where=str(path),
                fix="export the network in float32",
            )


def _name_nodes(graph: onnx.GraphProto) -> None:
    """A name for every node, so that messages can speak of it: `Conv_3` is node 3."""
    taken = {node.name for node in graph.node}
    for index, node in enumerate(graph.node):
        if not node.name:
            node.name = f"{node.op_type}_{index}"
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)


def _static_shapes(
    graph: onnx.GraphProto, path: Path, shapes: dict[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Every input's shape; ModelError for an unknown name or a dimension that has no number."""
    constants = {initializer.name for initializer in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    for name in shapes:
        if name not in inputs:
            raise ModelError(f"no input `{name}`", where=str(path), fix=f"its inputs are {_quoted(inputs)}")
    return {name: _shape(value, path, shapes.get(name)) for name, value in inputs.items()}


def _quoted(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shape(value: onnx.ValueInfoProto, path: Path, given: Sequence[int] | None) -> list[int]:
    dims = value.type.tensor_type.shape.dim
    if given is not None:
        if dims and len(dims) != len(given):
            raise ModelError(
                f"input `{value.name}` has {len(dims)} dimensions, {len(given)} are given",
                where=str(path),
                fix="give a size for each",
            )
        return [int(size) for size in given]
    sizes = [max(0, dim.dim_value) or dim.dim_param or "?" for dim in dims]
    if not value.type.tensor_type.HasField("shape"):
        raise ModelError(
            f"input `{value.name}` has no shape",
            where=str(path),
            fix=f'give it with `tvmc compile --input-shapes "{value.name}:[1,<sizes>]"`',
        )
    if any(not isinstance(size, int) for size in sizes):
        raise ModelError(
            f"input `{value.name}` has the dynamic shape [{', '.join(map(str, sizes))}]",
            where=str(path),
            fix=f'fix it with `tvmc compile --input-shapes "{value.name}:[{_example(sizes)}]"`',
        )
    return [int(size) for size in sizes]


@contextmanager
def _located(path: Path) -> Iterator[None]:
    """Errors about a node tell the file, too."""
    try:
        yield
    except ModelError as error:
        if error.where == str(path):
            raise
        raise ModelError(error.what, where=f"{path}: {error.where}", fix=error.fix) from error


def _example(sizes: Sequence[int | str]) -> str:
    """Sizes for the user to complete: the batch can only be 1, other unknown sizes stand in angle brackets."""
    known = [1 if index == 0 and not isinstance(size, int) else size for index, size in enumerate(sizes)]
    return ",".join(str(size) if isinstance(size, int) else f"<{size}>" for size in known)


def _integer_network(model: onnx.ModelProto, shapes: dict[str, list[int]], path: Path) -> tvm.IRModule:
    """The network with the golden numbers beside its file, where there are any."""
    network = read_integer_network(model, shapes)
    golden = read_golden(path.parent, network.mod, network.tail)
    return network.mod if golden is None else network.mod.with_attr(GOLDEN_ATTR, golden_to_text(golden))


def _import(
    model: onnx.ModelProto, shapes: dict[str, list[int]], path: Path
) -> tuple[tvm.IRModule, dict[str, Any]]:
    names = rename_inputs(model.graph)
    renamed = {names[name]: sizes for name, sizes in shapes.items()}
    try:
        with quick_import(), named_failures():
            mod, params = relay.frontend.from_onnx(model, shape=renamed, freeze_params=True)
    except ModelError:
        raise
    except tvm.error.OpNotImplemented as error:
        unknown = first_line(error).rpartition(": ")[2].split(", ")
        node = next((node for node in model.graph.node if node.op_type in unknown), model.graph.node[0])
        raise cannot_import(f"it does not know {node.op_type}", node.name) from error
    except Exception as error:  # TVM's importer raises whatever its helpers raise
        raise cannot_import(first_line(error), str(path)) from error
    return mod, dict(params)


def _check_output_shapes(mod: tvm.IRModule, graph: onnx.GraphProto, path: Path) -> None:
    """ModelError where TVM makes another shape of an output than the file says, as it may with ceil_mode."""
    result = relay.transform.InferType()(mod)["main"].ret_type
    types = result.fields if isinstance(result, tvm.ir.TupleType) else [result]
    for value, found in zip(graph.output, types, strict=True):
        declared = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if not all(isinstance(size, tvm.tir.IntImm) for size in found.shape):
            raise ModelError(
                f"the shape of output `{value.name}` is known at run time only",
                where=str(path),
                fix="leave out operators like NonZero, whose results have as many elements as their data want",
            )
        sizes = [int(size) for size in found.shape]
        if all(declared) and declared and sizes != declared:
            raise ModelError(
                f"TVM 0.19 makes the shape {sizes} of output `{value.name}`, the file says {declared}",
                where=str(path),
                fix="a pool with ceil_mode may be the cause",
            )


def _operators(graph: onnx.GraphProto) -> list[list[str]]:
    """Name and type of the nodes that compute something."""
    skipped = _QUANTIZATION | {"Constant"}
    return [[node.name, node.op_type] for node in graph.node if node.op_type not in skipped]
