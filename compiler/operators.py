"""The user's operators: which of them run on the cluster, and why the others do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tvm
from tvm import relay
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, macs
from tvm_pulp.passes.attributes import attribute
from tvm_pulp.passes.expressions import as_call, operator_name, post_order, shape_of
from tvm_pulp.passes.legalize.spans import SEPARATOR
from tvm_pulp.passes.patterns.table import served_operators
from tvm_pulp.passes.refusals import refusals_of

from .report import OperatorReport

_TFLITE_TYPES = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "AveragePool",
    "CONCATENATION": "Concat",
    "CONV_2D": "Conv",
    "DEPTHWISE_CONV_2D": "Conv",
    "FULLY_CONNECTED": "Gemm",
    "MAX_POOL_2D": "MaxPool",
    "MEAN": "ReduceMean",
    "MUL": "Mul",
    "PAD": "Pad",
    "RESHAPE": "Reshape",
    "SUB": "Sub",
}
_COPIES = ("Dropout", "Identity")  # in inference
_AROUND = (LayerKind.QUANTIZE, LayerKind.DEQUANTIZE, LayerKind.TRANSPOSE)
OPERATORS_ATTR = "pulp_operators"  # on the module: JSON list of [name, type], in the order of the user's file


def report_operators(
    imported: tvm.IRModule, partitioned: tvm.IRModule, graphs: Iterable[LayerGraph]
) -> tuple[OperatorReport, ...]:
    """What became of each operator.

    `imported` is the type-inferred module before any pass, `partitioned` the one that carries the refusals.
    """
    graphs, remaining = tuple(graphs), set(_names(partitioned["main"].body))
    layers, placed = dict(_layer_of(graphs, remaining)), {name for graph in graphs for name in graph.placed}
    reasons = {name: why for names, why in refusals_of(partitioned).items() for name in names.split(SEPARATOR)}
    sums = _macs(imported)
    reports = []
    for name, kind in _operators(imported):
        layer, count = layers.get(name, (None, 0))
        offloaded = layer is not None or name in placed
        reason = None if offloaded else reasons.get(name) or _default_reason(name, kind, remaining)
        reports.append(OperatorReport(name, kind, offloaded, layer, reason, sums.get(name, count)))
    return tuple(reports)


def _operators(imported: tvm.IRModule) -> list[tuple[str, str]]:
    """Name and type of the user's operators: as the front end left them, else read off the Relay."""
    recorded = attribute(imported, OPERATORS_ATTR)
    if recorded is not None:
        return [(name, kind) for name, kind in json.loads(recorded)]
    found: dict[str, str] = {}
    for call in _calls(imported["main"].body):
        if not call.op.name.startswith("qnn."):
            found.setdefault(operator_name(call) or call.op.name, call.op.name)
    return list(found.items())


def _calls(body: relay.Expr) -> Iterator[relay.Call]:
    return (
        expr for expr in post_order(body) if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op)
    )


def _names(body: relay.Expr) -> Iterator[str]:
    return (name for call in _calls(body) for name in operator_name(call).split(SEPARATOR))


def _layer_of(graphs: Iterable[LayerGraph], remaining: set[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    """Each source operator with its layer; the layer's MACs are those of its first source. A layer that only
    makes bytes of an operator's operand, or floats of its result, isn't that of one among the `remaining`."""
    for graph in graphs:
        for layer in graph.layers:
            for part in layer.parts or (layer,):
                for index, source in enumerate(part.sources):
                    if part.kind not in _AROUND or source not in remaining:
                        yield source, (layer.name, macs(graph, part) if index == 0 else 0)


def _macs(imported: tvm.IRModule) -> Mapping[str, int]:
    """Multiply-accumulates of the convolutions and linear layers, by operator, whatever their layout."""
    found = {}
    for call in _calls(imported["main"].body):
        if as_call(call, "nn.conv2d", "nn.conv1d", "nn.dense", "nn.matmul") is not None:
            weights = int(np.prod(shape_of(call.args[1])))
            found[operator_name(call).split(SEPARATOR)[0]] = (
                int(np.prod(shape_of(call))) * weights // _output_channels(call)
            )
        elif as_call(call, "nn.batch_matmul") is not None:
            summed = shape_of(call.args[0])[-2 if call.attrs.transpose_a else -1]
            found[operator_name(call).split(SEPARATOR)[0]] = int(np.prod(shape_of(call))) * summed
    return found


def _output_channels(call: relay.Call) -> int:
    if "conv" not in call.op.name:
        return shape_of(call)[-1]
    return shape_of(call)[str(call.attrs.out_layout or call.attrs.data_layout).index("C")]


def _onnx_type(kind: str) -> str:
    """The float operator of ONNX that an operator of ONNX or TFLite is."""
    return _TFLITE_TYPES.get(kind) or kind.removeprefix("QLinear").removeprefix("Q").removesuffix("Integer")


def _default_reason(name: str, kind: str, remaining: set[str]) -> str:
    if _onnx_type(kind) not in (*served_operators(), *_COPIES):
        return f"there is no kernel for {kind}"
    if name not in remaining:
        return "nothing is left to do for it at run time"
    return "it does not stand between dequantized inputs and a quantized output"
