"""Rewrites of a QDQ model into what other exporters write; none of them changes what it computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

Dialect = Callable[[ModelProto], None]


def constants_of(model: ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def set_constant(model: ModelProto, name: str, value: np.ndarray) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(value, name))
            return
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def weight_nodes(model: ModelProto) -> list[NodeProto]:
    """The DQ nodes of 8-bit constants."""
    constants = constants_of(model)
    stored = ("int8", "uint8")
    return [
        node
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and str(getattr(constants.get(node.input[0]), "dtype", "")) in stored
    ]


def share_initializers(model: ModelProto) -> None:
    """One initializer for equal values."""
    names: dict[tuple[object, ...], str] = {}
    renamed = {}
    for name, value in constants_of(model).items():
        renamed[name] = names.setdefault((str(value.dtype), value.shape, value.tobytes()), name)
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    kept = [tensor for tensor in model.graph.initializer if renamed[tensor.name] == tensor.name]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def float_weights(model: ModelProto) -> None:
    """Weights as floats behind a Q."""
    constants = constants_of(model)
    for node in weight_nodes(model):
        stored, scale, zero_point = (constants[name] for name in node.input)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        shape = [-1 if scale.size > 1 and i == axis else 1 for i in range(stored.ndim)]
        real = (stored.astype(np.int64) - zero_point.reshape(shape)) * scale.reshape(shape)
        set_constant(model, node.input[0], real.astype(np.float32))
        q = f"{node.name}_q"
        quantize = helper.make_node("QuantizeLinear", list(node.input), [q], name=q)
        quantize.attribute.extend(node.attribute)
        node.input[0] = q
        index = next(i for i, other in enumerate(model.graph.node) if other is node or other == node)
        model.graph.node.insert(index, quantize)


def no_zero_points(model: ModelProto) -> None:
    """Zero points left out where they are the default."""
    constants = constants_of(model)
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or np.any(constants[node.input[2]]):
            continue
        known = node.input[0] in constants or constants[node.input[2]].dtype == np.uint8
        if known:
            del node.input[2]


def offset_weights(model: ModelProto) -> None:
    """Weights as uint8 with zero point 128."""
    constants = constants_of(model)
    for node in weight_nodes(model):
        stored = constants[node.input[0]].astype(np.int16) + 128
        set_constant(model, node.input[0], stored.astype(np.uint8))
        zero_point = constants[node.input[2]]
        set_constant(model, node.input[2], np.full(zero_point.shape, 128, np.uint8))


def vectors_of_one(model: ModelProto) -> None:
    """Per-tensor scales and zero points as vectors of one element."""
    for name, value in constants_of(model).items():
        if value.shape == () and name.endswith(("_scale", "_zero_point")):
            set_constant(model, name, value.reshape(1))


def constant_nodes(model: ModelProto) -> None:
    """Constants as nodes."""
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    nodes += list(model.graph.node)
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def identities(model: ModelProto) -> None:
    """An Identity behind every DQ."""
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type == "DequantizeLinear" and node.output[0] != "output":
            inner = f"{node.output[0]}_same"
            nodes.append(helper.make_node("Identity", [inner], [node.output[0]], name=f"{inner}_id"))
            node.output[0] = inner
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def dequantize_for_each(model: ModelProto) -> None:
    """A DQ of its own for every consumer."""
    counts: dict[str, int] = {}
    dequantized = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    nodes = []
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name in dequantized:
                counts[name] = counts.get(name, 0) + 1
                copy = NodeProto.FromString(dequantized[name].SerializeToString())
                copy.output[0] = node.input[index] = f"{name}_{counts[name]}"
                copy.name += f"_{counts[name]}"
                nodes.append(copy)
        if node.op_type != "DequantizeLinear" or node.output[0] == "output":
            nodes.append(node)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def negative_axes(model: ModelProto) -> None:
    """Per-channel axes counted from the end."""
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "axis" and node.input[0] in ranks:
                attribute.i -= ranks[node.input[0]]


def transposed_gemms(model: ModelProto) -> None:
    """Weights of Gemm as (K, N), quantized along axis 1."""
    constants = constants_of(model)
    by_output = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type == "Gemm":
            weights = by_output[node.input[1]]
            set_constant(model, weights.input[0], np.ascontiguousarray(constants[weights.input[0]].T))
            for attribute in weights.attribute:
                attribute.i = 1
            del node.attribute[:]


def gemm_factors(model: ModelProto) -> None:
    """alpha = 0.5 and beta = 2, powers of two that the scales of weights and bias make up for."""
    by_output = {node.output[0]: node for node in model.graph.node}
    constants = constants_of(model)
    for node in model.graph.node:
        if node.op_type == "Gemm":
            node.attribute.extend([helper.make_attribute("alpha", 0.5), helper.make_attribute("beta", 2.0)])
            for index, factor in ((1, 2.0), (2, 0.5)):
                scale = by_output[node.input[index]].input[1]
                set_constant(model, scale, (constants[scale] * factor).astype(np.float32))


def channels_last(model: ModelProto) -> None:
    """NHWC tensors everywhere, with transpositions around what ONNX defines on NCHW, as tf2onnx writes."""
    nodes = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool"):
            inner, result = f"{node.name}_nchw", f"{node.name}_nhwc"
            before = helper.make_node("Transpose", [node.input[0]], [inner], name=inner, perm=[0, 3, 1, 2])
            after = helper.make_node("Transpose", [result], [node.output[0]], name=result, perm=[0, 2, 3, 1])
            node.input[0], node.output[0] = inner, result
            nodes += [before, node, after]
        elif node.op_type == "Flatten":
            inner = f"{node.name}_nchw"
            nodes.append(helper.make_node("Transpose", [node.input[0]], [inner], name=inner, perm=[0, 3, 1, 2]))
            node.input[0] = inner
            nodes.append(node)
        else:
            nodes.append(node)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    for value in (model.graph.input[0], model.graph.output[0]):
        dims = value.type.tensor_type.shape.dim
        sizes = [dim.dim_value for dim in dims]
        if len(sizes) == 4:
            sizes = [sizes[0], *sizes[2:], sizes[1]]
        for dim, size in zip(dims, sizes, strict=True):
            dim.dim_value = size


def stored_moves(model: ModelProto) -> None:
    """Flatten between Q and DQ, on the integers: swaps it with the DQ before it and the Q behind it."""
    nodes = list(model.graph.node)
    for index, node in enumerate(nodes):
        if node.op_type == "Flatten":
            before = next(n for n in nodes if node.input[0] in n.output)
            quantize = next(n for n in nodes if node.output[0] in n.input)
            node.input[0] = before.input[0]
            node.output[0] = quantize.output[0]
            nodes = [n for n in nodes if n is not quantize and n is not before]
            assert index > 0
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def implicit_moves(model: ModelProto) -> None:
    """Flatten without Q and DQ behind it."""
    nodes = list(model.graph.node)
    for node in list(nodes):
        if node.op_type == "Flatten":
            quantize = next(n for n in nodes if node.output[0] in n.input)
            dequantize = next(n for n in nodes if quantize.output[0] in n.input)
            node.output[0] = dequantize.output[0]
            nodes = [n for n in nodes if n is not quantize and n is not dequantize]
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def qoperators(model: ModelProto) -> None:
    """Operators that take integers: QLinearConv, QGemm, QLinearAdd, … as onnxruntime's QOperator format."""
    by_output = {node.output[0]: node for node in model.graph.node}
    readers = {name: node for node in model.graph.node for name in node.input}
    nodes: list[NodeProto] = []
    replaced: set[str] = set()
    domain = "com.microsoft"
    names = {"Conv": ("QLinearConv", ""), "Gemm": ("QGemm", domain), "Add": ("QLinearAdd", domain)}
    names |= {"GlobalAveragePool": ("QLinearGlobalAveragePool", domain)}
    names |= {"AveragePool": ("QLinearAveragePool", domain), "MatMul": ("QLinearMatMul", "")}
    for node in model.graph.node:
        quantize = readers.get(node.output[0])
        if node.op_type not in names or quantize is None or quantize.op_type != "QuantizeLinear":
            nodes.append(node)
            continue
        op_type, op_domain = names[node.op_type]
        operands = [by_output[name] for name in node.input]
        inputs = [name for operand in operands[:2] for name in operand.input]
        bias = [operands[2].input[0]] if len(operands) > 2 else []
        out = list(quantize.input[1:])
        tail = [*(bias or [""]), *out] if op_type == "QGemm" else [*out, *bias]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        nodes.append(
            helper.make_node(
                op_type, [*inputs, *tail], [quantize.output[0]], name=node.name, domain=op_domain, **attributes
            )
        )
        replaced.add(quantize.output[0])
    nodes = [node for node in nodes if node.op_type != "QuantizeLinear" or node.output[0] not in replaced]
    read = {name for node in nodes for name in node.input} | {"output"}
    copies = [NodeProto.FromString(n.SerializeToString()) for n in nodes if n.output[0] in read]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    model.opset_import.append(helper.make_opsetid(domain, 1))
