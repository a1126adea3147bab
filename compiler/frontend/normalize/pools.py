"""Pools as TVM's importer takes them: without the indices of the largest elements, and with padding in numbers
where ceil_mode makes a part of a window more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper
from tvm_pulp.errors import ModelError

from .graph import Graph, attributes_of, set_attributes
from .shapes import TensorShapes


def pools_without_indices(graph: Graph) -> None:
    """Drop a MaxPool's second output where nobody reads it; ModelError where somebody does."""
    for node in graph.of_type("MaxPool"):
        for name in list(node.output[1:]):
            if name in graph.outputs or graph.consumers(name):
                raise ModelError(
                    f"its indices, `{name}`, can't be compiled", where=node.name, fix="export it without them"
                )
        del node.output[1:]
        set_attributes(node, storage_order=None)


@dataclass(frozen=True)
class _Windows:
    """The windows on one axis: `extent` elements each, dilation included."""

    size: int
    extent: int
    stride: int
    before: int
    after: int

    @property
    def beyond(self) -> int:
        """How many elements the last window reaches beyond the padding. The standard leaves a window out that
        starts there; TVM doesn't."""
        padded = self.before + self.size + self.after
        last = -(-(padded - self.extent) // self.stride) * self.stride
        if last >= self.before + self.size:
            last -= self.stride
        return max(0, last + self.extent - padded)


def pools_without_ceil_mode(graph: Graph, shapes: TensorShapes) -> None:
    """Padding behind the map for the last windows in place of ceil_mode.

    Elements that an average counts come from a Pad in front of it, as those beyond don't count.
    """
    for node in graph.of_type("MaxPool", "AveragePool"):
        attributes = attributes_of(node)
        if not attributes.get("ceil_mode", 0):
            continue
        spatial = shapes.of(node.input[0])[2:]
        kernel = attributes["kernel_shape"]
        if len(spatial) != len(kernel) or not all(spatial):
            raise ModelError("its input's shape is not known", where=node.name, fix="export without ceil_mode")
        axes = len(kernel)
        ones = [1] * axes
        pads = [int(pad) for pad in attributes.get("pads", [0] * 2 * axes)]
        strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        beyond = [
            _Windows(*numbers).beyond
            for numbers in zip(spatial, extents, strides, pads[:axes], pads[axes:], strict=True)
        ]
        if any(beyond) and attributes.get("count_include_pad", 0):
            _pad_in_front(graph, node, pads)
            pads = [0] * 2 * axes
            set_attributes(node, count_include_pad=0)
        ends = [pad + more for pad, more in zip(pads[axes:], beyond, strict=True)]
        set_attributes(node, ceil_mode=None, pads=pads[:axes] + ends)


def _pad_in_front(graph: Graph, node: onnx.NodeProto, pads: list[int]) -> None:
    axes = len(pads) // 2
    if not any(pads):
        return
    widths = np.array([0, 0, *pads[:axes], 0, 0, *pads[axes:]], np.int64)
    padded = graph.fresh(f"{node.name}_padded")
    names = [node.input[0], graph.add_constant(f"{node.name}_widths", widths)]
    graph.replace(node, [helper.make_node("Pad", names, [padded], name=node.name), node])
    node.input[0] = padded
