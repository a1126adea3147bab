"""The one place in code generation that knows Relay: an external function becomes a layer graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
from tvm import relay
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Requant, Tensor, View
from tvm_pulp.codegen.groups import group_layers, splits_into_groups
from tvm_pulp.codegen.planar_quantize import with_planar_quantize
from tvm_pulp.codegen.relay_views import inside, is_contiguous, reshaped, whole

from ..passes.expressions import dtype_of, operator_name, post_order, shape_of
from ..passes.legalize.spans import SEPARATOR
from ..passes.numerics import accumulator_of, low_bits_of
from ..passes.patterns.operator import Border, Moves, Operands, Place, Transposition
from ..passes.patterns.table import find_operator

INT8 = np.iinfo(np.int8)
LONGEST_NAME = 40
"""Characters of a name; TFLite joins those of all operators that became one."""

_ELEMENTWISE = (LayerKind.QUANTIZE, LayerKind.DEQUANTIZE, LayerKind.TABLE)
"""Kinds whose input may be read in the output's shape."""

_AT_ENDS = (LayerKind.QUANTIZE, LayerKind.DEQUANTIZE, LayerKind.TRANSPOSE)
"""Kinds whose layers are named after what they do."""


def _identifier(text: str) -> str:
    """`text` as a C identifier, lower case; of a long one the begin."""
    name = re.sub(r"\W+", "_", text).strip("_").lower()
    if len(name) > LONGEST_NAME:
        name = name[:LONGEST_NAME].rpartition("_")[0] or name[:LONGEST_NAME]
    return name if name and not name[0].isdigit() else f"l_{name}"


def _map_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width, channels of a batch-1 tensor; a row of N is a 1x1 map of N channels, several are its
    pixels."""
    if len(shape) == 4:
        return shape[1], shape[2], shape[3]
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return 1, 1, int(np.prod(shape[1:]))


def _weights(operands: Operands) -> tuple[npt.NDArray[np.int8] | None, int]:
    """Weights in the kernels' order, from HWIO (HWOI with a channel for each group) or (N, K), and what is to
    be added to all of them."""
    if operands.weights is None:
        return None, 0
    values = np.asarray(operands.weights.data.numpy())
    offset = max(0, int(values.max()) - INT8.max) + min(0, int(values.min()) - INT8.min)
    values = values - offset
    if operands.kind in (LayerKind.POINTWISE, LayerKind.CONV_DIRECT) and values.ndim == 2:
        values = values[:, np.newaxis, np.newaxis]
    elif operands.kind is LayerKind.DEPTHWISE:
        values = values[..., 0].transpose(2, 0, 1)
    elif operands.kind is LayerKind.CONV_DIRECT and operands.one_channel_groups:
        height, width, groups, outputs = values.shape
        values = values.transpose(2, 3, 0, 1).reshape(groups * outputs, height, width, 1)
    elif operands.kind is not LayerKind.LINEAR:
        values = values.transpose(3, 0, 1, 2)
    return np.ascontiguousarray(values, np.int8), offset


def _in_parts(
    requant: Requant | None, weights: npt.NDArray[np.int8] | None, weight_offset: int
) -> Requant | None:
    """The requantization with multipliers in two parts where it is wide but that is enough."""
    if requant is None or not requant.wide or weights is None:
        return requant
    whole_weights = weights.astype(np.int64) + weight_offset
    acc = accumulator_of(whole_weights, np.zeros(len(weights), np.int64), 0)
    k, offset = (
        np.broadcast_to(values.astype(object), (len(weights),))
        for values in (requant.multiplier, requant.offset)
    )
    return replace(requant, low_bits=low_bits_of(k, offset, requant.shift, acc))


def _sources(body: relay.Call) -> tuple[str, ...]:
    """The user's operators that a composite stands for, its main one first."""
    found = dict.fromkeys(operator_name(body).split(SEPARATOR))
    for expr in post_order(body):
        if isinstance(expr, relay.Call):
            found.update(dict.fromkeys(operator_name(expr).split(SEPARATOR)))
    return tuple(name for name in found if name)


class _Reader:
    """Collects tensors and layers of one external function."""

    def __init__(self, symbol: str, func: relay.Function) -> None:
        self._symbol = symbol
        self._func = func
        self._tensors: dict[str, Tensor] = {}
        self._names: dict[relay.Expr, str] = {}
        self._layers: list[Layer] = []
        self._zero_points: dict[str, int] = {}  # of tensors whose layers need to know
        self._placed: list[str] = []
        self._leaving = set(self._results())
        self._sources: tuple[str, ...] = ()  # the user's operators of the composite being read
        self._main = ""  # the first of them

    def read(self) -> LayerGraph:
        for index, param in enumerate(self._func.params):
            self._add_tensor(param, f"in{index}")
        for expr in post_order(self._func.body):
            if isinstance(expr, relay.Call) and isinstance(expr.op, relay.Function):
                self._add_layer(expr)
        outputs = tuple(self._names[expr] for expr in self._results())
        inputs = tuple(self._names[param] for param in self._func.params)
        layers, placed = tuple(self._layers), tuple(dict.fromkeys(self._placed))
        graph = LayerGraph(self._symbol, self._tensors, inputs, outputs, layers, placed)
        return with_planar_quantize(graph)

    def _results(self) -> Iterator[relay.Expr]:
        body = self._func.body
        yield from body.fields if isinstance(body, relay.Tuple) else (body,)

    # ---- Tensors ---------------------------------------------------------------------------------------

    def _new_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._tensors:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _add_tensor(self, expr: relay.Expr, wanted: str, source: str = "") -> str:
        name = self._new_name(wanted)
        dtype = Dtype(dtype_of(expr))
        self._tensors[name] = Tensor(name, *_map_shape(shape_of(expr)), source=source, dtype=dtype)
        self._names[expr] = name
        return name

    def _add_view(self, wanted: str, like: str, view: View) -> str:
        """A tensor of the shape of `like` that lies where `view` says."""
        name = self._new_name(wanted)
        self._tensors[name] = replace(self._tensors[like], name=name, view=view)
        return name

    def _with_zero_point(self, name: str, value: int | None) -> str:
        """The tensor with this zero point; where another layer reads it with a different one, a view of it."""
        if value is None or self._zero_points.setdefault(name, value) == value:
            if value is not None:
                self._tensors[name] = replace(self._tensors[name], zero_point=value)
            return name
        view = self._add_view(f"{name}_zero{value}", name, whole(self._tensors[name]))
        self._tensors[view] = replace(self._tensors[view], zero_point=value)
        return view

    def _in_shape(self, name: str, shape: tuple[int, int, int]) -> str:
        """The tensor's bytes as a map of another shape."""
        tensor = self._tensors[name]
        if (tensor.height, tensor.width, tensor.channels) == shape:
            return name
        if not is_contiguous(tensor):
            name = self._copied(name, f"{name}_packed", None)
        view = reshaped(self._tensors[name], self._new_name(f"{name}_rows"), shape)
        self._tensors[view.name] = view
        return view.name

    # ---- Layers ----------------------------------------------------------------------------------------

    def _add_layer(self, call: relay.Call) -> None:
        composite = call.op
        operands = find_operator(str(composite.attrs["Composite"])).read(composite.body)
        arguments = dict(zip(composite.params, call.args, strict=True))
        inputs = tuple(self._names[arguments[operand]] for operand in operands.inputs)
        self._sources = _sources(composite.body)
        self._main = operator_name(composite.body).split(SEPARATOR)[0]
        if operands.moves is not None:
            self._add_moves(call, operands.moves, inputs)
        elif operands.border is not None:
            self._add_border(call, operands.border, inputs[0])
        elif operands.reshapes:
            self._add_reshape(call, inputs[0])
        elif operands.transposition is not None:
            self._add_transposition(call, operands.transposition, inputs[0])
        else:
            self._add_computation(call, operands, inputs)

    def _add_computation(self, call: relay.Call, operands: Operands, inputs: tuple[str, ...]) -> None:
        zero_points = (operands.pad_value, operands.pad_value2)
        inputs = tuple(
            self._with_zero_point(name, zero) for name, zero in zip(inputs, zero_points, strict=False)
        )
        weights, weight_offset = _weights(operands)
        matrix = operands.kind in (LayerKind.POINTWISE, LayerKind.CONV_DIRECT) and len(shape_of(call)) == 2
        if matrix and weights is not None:
            inputs = (self._in_shape(inputs[0], (1, shape_of(call)[0], weights.shape[-1])),)
        if operands.kind in _ELEMENTWISE:
            inputs = (self._in_shape(inputs[0], _map_shape(shape_of(call))),)
        name = self._layer_name(operands.kind)
        output = self._add_tensor(call, f"{name}_out", self._main)
        layer = Layer(
            name=name,
            kind=operands.kind,
            inputs=inputs,
            output=output,
            window=operands.window,
            weights=weights,
            requant=_in_parts(operands.requant, weights, weight_offset),
            sources=self._sources,
            groups=operands.groups,
            table=operands.table,
            weight_offset=weight_offset,
            bias=operands.bias,
        )
        if splits_into_groups(layer):
            self._add_groups(layer)
        else:
            self._layers.append(layer)

    def _add_groups(self, layer: Layer) -> None:
        """A convolution for each group, from a part of the input's channels to a part of the output's."""
        for part in group_layers(layer):
            inputs, outputs = part.inputs_of_group, part.outputs_of_group
            source = self._part(layer.inputs[0], Place(c0=inputs.start), len(inputs))
            output = self._part(layer.output, Place(c0=outputs.start), len(outputs))
            name = self._layer_name(part.layer.kind)
            self._layers.append(replace(part.layer, name=name, inputs=(source,), output=output))

    def _part(self, name: str, place: Place, channels: int) -> str:
        """A view of some channels of a tensor."""
        view = self._add_view(f"{name}_part", name, inside(self._tensors[name], place))
        self._tensors[view] = replace(self._tensors[view], channels=channels)
        return view

    def _layer_name(self, kind: LayerKind) -> str:
        name = self._main if kind not in _AT_ENDS else ""
        return f"l{len(self._layers)}_{_identifier(name or kind.value)}"

    def _copied(self, source: str, wanted: str, view: View | None) -> str:
        """A new tensor, in the place of `view` if there is one, that a copy of `source` fills."""
        name = self._new_name(wanted)
        self._tensors[name] = replace(self._tensors[source], name=name, view=view)
        layer = Layer(self._layer_name(LayerKind.COPY), LayerKind.COPY, (source,), name, sources=self._sources)
        self._layers.append(layer)
        return name

    def _add_reshape(self, call: relay.Call, source: str) -> None:
        """The output is a view of the input, or a copy of it where it leaves the region."""
        self._placed += self._sources
        view = self._in_shape(source, _map_shape(shape_of(call)))
        if call in self._leaving:
            self._copied_into(
                self._add_tensor(call, f"{self._layer_name(LayerKind.COPY)}_out", self._main), view
            )
        else:
            self._names[call] = view

    def _add_transposition(self, call: relay.Call, transposition: Transposition, source: str) -> None:
        """A copy between a planar view and an HWC one; the tensors themselves have the shapes of Relay."""
        name = self._layer_name(LayerKind.TRANSPOSE)
        output = self._add_tensor(call, f"{name}_out", self._main)
        if transposition.to_planar:
            made = self._as_planar(output, transposition.shape)
            read = self._in_shape(source, transposition.shape)
        else:
            made = self._in_shape(output, transposition.shape)
            read = self._as_planar(source, transposition.shape)
        self._layers.append(Layer(name, LayerKind.TRANSPOSE, (read,), made, sources=self._sources))

    def _as_planar(self, name: str, shape: tuple[int, int, int]) -> str:
        """The tensor's bytes as a map in CHW order."""
        height, width, channels = shape
        flat = self._in_shape(name, (channels, height, width))
        whole_view = whole(self._tensors[flat])
        planar = self._add_view(f"{name}_planar", flat, whole_view)
        self._tensors[planar] = replace(
            self._tensors[planar], height=height, width=width, channels=channels, planar=True
        )
        return planar

    # ---- Operators that only move bytes ----------------------------------------------------------------

    def _add_moves(self, call: relay.Call, moves: Moves, inputs: tuple[str, ...]) -> None:
        self._placed += self._sources
        wanted = f"l{len(self._layers)}_{_identifier(self._main or 'moves')}_out"
        if not moves.into_output:
            self._add_part(call, inputs[0], moves.places[0], wanted)
            return
        output = self._add_tensor(call, wanted, self._main)
        for source, place in zip(inputs, moves.places, strict=True):
            self._put(source, output, place)

    def _put(self, source: str, output: str, place: Place) -> None:
        """A tensor has its place in the output: it lies there, or it is copied."""
        view = inside(self._tensors[output], place)
        if self._is_free(source) and (place.step_h, place.step_w) == (1, 1):
            self._tensors[source] = replace(self._tensors[source], view=view)
        else:
            self._copied(source, f"{output}_part", view)

    def _add_border(self, call: relay.Call, border: Border, source: str) -> None:
        """The source in the middle of the output; around it what a table of one value makes of parts of it."""
        output = self._add_tensor(
            call, f"l{len(self._layers)}_{_identifier(self._main or 'pad')}_out", self._main
        )
        top, left, bottom, right = border.padding
        inner = self._tensors[source]
        self._put(source, output, Place(h0=top, w0=left))
        rows = ((0, top), (top, inner.height), (top + inner.height, bottom))
        columns = ((0, left), (left, inner.width), (left + inner.width, right))
        table = np.full(256, border.value, np.uint8)
        for (h0, height), (w0, width) in product(rows, columns):
            if height and width and (h0, w0) != (top, left):
                read = self._box(source, Place(), height, width)
                self._add_lookup(read, self._box(output, Place(h0=h0, w0=w0), height, width), table)

    def _box(self, name: str, place: Place, height: int, width: int) -> str:
        """A view of a part of a tensor."""
        view = self._add_view(f"{name}_part", name, inside(self._tensors[name], place))
        self._tensors[view] = replace(self._tensors[view], height=height, width=width)
        return view

    def _add_lookup(self, source: str, output: str, table: npt.NDArray[np.uint8]) -> None:
        name = self._layer_name(LayerKind.TABLE)
        layer = Layer(name, LayerKind.TABLE, (source,), output, sources=self._sources, table=table)
        self._layers.append(layer)

    def _add_part(self, call: relay.Call, source: str, place: Place, wanted: str) -> None:
        """The output is a view of the input, or a copy of that view where it leaves the region."""
        name = self._add_tensor(call, wanted, self._main)
        view = inside(self._tensors[source], place)
        if call in self._leaving:
            self._copied_into(name, self._add_view(f"{name}_part", name, view))
        else:
            self._tensors[name] = replace(self._tensors[name], view=view)

    def _copied_into(self, output: str, source: str) -> None:
        layer = Layer(
            self._layer_name(LayerKind.COPY), LayerKind.COPY, (source,), output, sources=self._sources
        )
        self._layers.append(layer)

    def _is_free(self, name: str) -> bool:
        """Whether a layer's output may lie anywhere: it stays in the region, and no tensor is a part of it."""
        made = any(layer.output == name for layer in self._layers)
        leaves = any(self._names.get(expr) == name for expr in self._leaving)
        bases = sum(tensor.base == name for tensor in self._tensors.values())
        return made and not leaves and bases == 1


def read_region(symbol: str, func: relay.Function) -> LayerGraph:
    """Layer graph of an external function made by `partition-regions`.

    `symbol` is its C name. Tensors are named after the layer that makes them; sources are the user's operators.
    """
    return _Reader(symbol, func).read()
