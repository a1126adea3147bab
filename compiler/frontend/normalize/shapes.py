"""Shapes of a model's tensors, inferred when the first one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import onnx
from tvm_pulp.errors import ModelError

Shape = tuple[int, ...]


class TensorShapes:
    """Static shapes of the tensors of a model whose inputs have `shapes`."""

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
        self._model = model
        self._shapes = shapes

    def of(self, name: str) -> Shape:
        """A tensor's shape, with 0 for a size that is not known; empty if nothing is known."""
        return self._inferred.get(name, ())

    def rank(self, node: onnx.NodeProto) -> int:
        """The rank of a node's first input. ModelError if it isn't known."""
        rank = len(self.of(node.input[0]))
        if not rank:
            raise ModelError(
                f"the shape of its input `{node.input[0]}` is not known",
                where=node.name,
                fix="write shapes into the file with onnx.shape_inference",
            )
        return rank

    @cached_property
    def _inferred(self) -> dict[str, Shape]:
        copy = onnx.ModelProto()
        copy.CopyFrom(self._model)
        for value in copy.graph.input:
            for dim, size in zip(
                value.type.tensor_type.shape.dim, self._shapes.get(value.name, ()), strict=False
            ):
                dim.dim_value = int(size)
        del copy.graph.value_info[:]
        inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
        found = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
        for value in (*inferred.input, *inferred.value_info):
            found[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        return found
