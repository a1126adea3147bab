"""An ONNX graph that can be edited: constants as NumPy arrays, producers and consumers of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]


class Graph:
    """The main graph of a model; `write` puts what was edited back into it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._arrays: dict[str, Array] = {}
        self._names = {name for node in self.nodes for name in (*node.input, *node.output)} | set(
            self._constants
        )

    @property
    def opset(self) -> int:
        """Version of the standard's own operators."""
        versions = [entry.version for entry in self._model.opset_import if entry.domain in ("", "ai.onnx")]
        return int(versions[0]) if versions else 1

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the network's outputs."""
        return frozenset(value.name for value in self._model.graph.output)

    @property
    def input_types(self) -> dict[str, int]:
        """The types of the network's inputs, as ONNX numbers them."""
        return {value.name: value.type.tensor_type.elem_type for value in self._model.graph.input}

    # ---- Reading ---------------------------------------------------------------------------------------

    def constant(self, name: str) -> Array | None:
        """The value of an initializer; None if the tensor is none, or has no name."""
        if name in self._arrays:
            return self._arrays[name]
        if name not in self._constants:
            return None
        self._arrays[name] = numpy_helper.to_array(self._constants[name])
        return self._arrays[name]

    def producer(self, name: str) -> onnx.NodeProto | None:
        """The node that computes a tensor."""
        return next((node for node in self.nodes if name and name in node.output), None)

    def consumers(self, name: str) -> list[onnx.NodeProto]:
        """The nodes that read a tensor."""
        return [node for node in self.nodes if name in node.input]

    def of_type(self, *types: str) -> Iterator[onnx.NodeProto]:
        """The nodes of these types, in order; nodes may be replaced meanwhile."""
        return (node for node in list(self.nodes) if node.op_type in types)

    def only_consumer(self, name: str, *types: str) -> onnx.NodeProto | None:
        """The one node that reads a tensor, if it is of these types and the tensor is no output."""
        readers = self.consumers(name)
        if name in self.outputs or len(readers) != 1 or readers[0].op_type not in types:
            return None
        return readers[0]

    # ---- Editing ---------------------------------------------------------------------------------------

    def fresh(self, wanted: str) -> str:
        """A name that no tensor has."""
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def add_constant(self, wanted: str, value: Array) -> str:
        """Make an initializer; its name."""
        name = self.fresh(wanted)
        self._arrays[name] = np.asarray(value)
        self._constants[name] = numpy_helper.from_array(
            np.ascontiguousarray(value).reshape(np.shape(value)), name
        )
        return name

    def replace(self, node: onnx.NodeProto, new: Sequence[onnx.NodeProto]) -> None:
        """Put nodes in the place of one."""
        index = self._index(node)
        self.nodes[index : index + 1] = new

    def remove(self, node: onnx.NodeProto) -> None:
        """Take a node out."""
        del self.nodes[self._index(node)]

    def _index(self, node: onnx.NodeProto) -> int:
        return next(index for index, other in enumerate(self.nodes) if other is node)

    def write(self) -> None:
        """Put the nodes and the constants that they read back into the model."""
        graph = self._model.graph
        del graph.node[:]
        graph.node.extend(self.nodes)
        read = {name for node in graph.node for name in _read_by(node)} | self.outputs
        del graph.initializer[:]
        graph.initializer.extend(tensor for name, tensor in self._constants.items() if name in read)


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """Tensors that a node or a graph inside it reads."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read_by(inner)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def input_of(node: onnx.NodeProto, index: int) -> str:
    """The name of an input; empty if it is left out."""
    return str(node.input[index]) if index < len(node.input) else ""


def set_attributes(node: onnx.NodeProto, **values: Any) -> None:
    """Replace attributes; None deletes one."""
    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    del node.attribute[:]
    node.attribute.extend(kept)
    new = {name: value for name, value in values.items() if value is not None}
    node.attribute.extend(helper.make_attribute(name, value) for name, value in new.items())
