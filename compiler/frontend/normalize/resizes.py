"""Resize: nearest neighbours become indices, of which TVM's importer can't take others than the standard does;
what it would interpolate otherwise is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from tvm_pulp.errors import ModelError

from .graph import Graph, attributes_of, input_of, set_attributes
from .shapes import TensorShapes

Reals = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Axis:
    """One axis: its size before and after, and the factor of the file."""

    size: int
    resized: int
    factor: np.float32

    @property
    def changes(self) -> bool:
        return self.size != self.resized

    @property
    def at(self) -> Reals:
        """The output's elements."""
        return np.arange(self.resized, dtype=np.float32)


def _half_pixel(axis: _Axis) -> Reals:
    half = np.float32(0.5)
    return np.asarray((axis.at + half) / axis.factor - half, np.float32)


def _align_corners(axis: _Axis) -> Reals:
    return np.asarray(axis.at * np.float32(axis.size - 1) / np.float32(max(1, axis.resized - 1)), np.float32)


def _half_pixel_symmetric(axis: _Axis) -> Reals:
    centre, kept = np.float32(axis.size / 2), np.float32(axis.resized) / (axis.factor * np.float32(axis.size))
    return np.asarray(centre * (1 - kept) + _half_pixel(axis), np.float32)


_POSITIONS: dict[str, Callable[[_Axis], Reals]] = {
    "asymmetric": lambda axis: np.asarray(axis.at / axis.factor, np.float32),
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": lambda axis: _half_pixel(axis) if axis.resized > 1 else np.zeros(1, np.float32),
    "align_corners": _align_corners,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "tf_half_pixel_for_nn": lambda axis: np.asarray((axis.at + np.float32(0.5)) / axis.factor, np.float32),
}
"""Where the standard looks for each output element, in the arithmetic of onnxruntime."""

_ROUNDINGS: dict[str, Callable[[Reals], Reals]] = {
    "round_prefer_floor": lambda at: np.asarray(np.ceil(at - np.float32(0.5)), np.float32),
    "round_prefer_ceil": lambda at: np.asarray(np.floor(at + np.float32(0.5)), np.float32),
    "floor": lambda at: np.asarray(np.floor(at), np.float32),
    "ceil": lambda at: np.asarray(np.ceil(at), np.float32),
}
_EXPORT = "export it without"


def standard_resizes(graph: Graph, shapes: TensorShapes) -> None:
    """Write every Resize such that TVM computes what the standard says.

    ModelError for sizes that are computed at run time, and for attributes and coordinates unknown to TVM.
    """
    if graph.opset < 11:  # Upsample and the first Resize have none of these attributes
        return
    for node in graph.of_type("Resize"):
        attributes = attributes_of(node)
        if attributes.get("antialias", 0):
            raise ModelError("TVM 0.19 can't resize with antialias", where=node.name, fix=_EXPORT)
        if attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            raise ModelError("its sizes depend on keep_aspect_ratio_policy", where=node.name, fix=_EXPORT)
        coordinates = _text(node, "coordinate_transformation_mode", "half_pixel")
        if coordinates not in _POSITIONS:
            raise ModelError(f"TVM 0.19 can't resize with {coordinates}", where=node.name, fix=_EXPORT)
        axes = _axes_of(graph, node, shapes)
        if _text(node, "mode", "nearest") == "nearest":
            graph.replace(node, _nearest(graph, node, axes, coordinates))
        else:
            _interpolating(graph, node, axes, coordinates)


def _text(node: onnx.NodeProto, name: str, default: str) -> str:
    return str(attributes_of(node).get(name, default.encode()).decode())


def _axes_of(graph: Graph, node: onnx.NodeProto, shapes: TensorShapes) -> list[_Axis]:
    rank = shapes.rank(node)
    size = shapes.of(node.input[0])
    chosen = [int(axis) % rank for axis in attributes_of(node).get("axes", range(rank))]
    factors, sizes = (graph.constant(input_of(node, index)) for index in (2, 3))
    given = sizes if sizes is not None and sizes.size else factors
    if given is None or given.size != len(chosen) or not all(size[axis] for axis in chosen):
        raise ModelError("its sizes are computed at run time", where=node.name, fix="make them constants")
    axes = [_Axis(n, n, np.float32(1)) for n in size]
    for axis, number in zip(chosen, given.tolist(), strict=True):
        before = size[axis]
        by_size = given is sizes
        resized = int(number) if by_size else int(np.floor(np.float32(number) * np.float32(before)))
        factor = np.float32(resized / before) if by_size else np.float32(number)
        axes[axis] = _Axis(before, resized, factor)
    return axes


def _nearest(graph: Graph, node: onnx.NodeProto, axes: list[_Axis], coordinates: str) -> list[onnx.NodeProto]:
    """A Resize that repeats the pixels of a map, or a Gather for each axis that changes."""
    rounding = _ROUNDINGS[_text(node, "nearest_mode", "round_prefer_floor")]
    indices = {
        number: np.clip(rounding(_POSITIONS[coordinates](axis)), 0, axis.size - 1).astype(np.int64)
        for number, axis in enumerate(axes)
        if axis.changes
    }
    if not indices:
        return [helper.make_node("Identity", node.input[:1], node.output, name=node.name)]
    if len(axes) == 4 and all(_repeats(axes[number], at) for number, at in indices.items()):
        return [_repeating(graph, node, axes)]
    nodes, source = [], node.input[0]
    for number, at in indices.items():
        is_last = number == max(indices)
        target = node.output[0] if is_last else graph.fresh(f"{node.output[0]}_{number}")
        names = [source, graph.add_constant(f"{node.name}_indices", at)]
        nodes.append(helper.make_node("Gather", names, [target], name=node.name, axis=number))
        source = target
    return nodes


def _repeats(axis: _Axis, indices: npt.NDArray[np.int64]) -> bool:
    times = axis.resized // axis.size
    return bool(axis.resized == times * axis.size and np.array_equal(indices, np.arange(axis.resized) // times))


def _repeating(graph: Graph, node: onnx.NodeProto, axes: list[_Axis]) -> onnx.NodeProto:
    """In the coordinates that TVM and every exporter understand alike."""
    factors = np.array([axis.resized / axis.size for axis in axes], np.float32)
    name = graph.add_constant(f"{node.name}_factors", factors)
    how = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    return helper.make_node("Resize", [node.input[0], "", name], node.output, name=node.name, **how)


def _interpolating(graph: Graph, node: onnx.NodeProto, axes: list[_Axis], coordinates: str) -> None:
    """Sizes of every axis; ModelError where TVM would look for other positions."""
    if coordinates not in ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"):
        raise ModelError(f"TVM 0.19 can't interpolate with {coordinates}", where=node.name, fix=_EXPORT)
    if coordinates == "align_corners" and any(axis.resized == 1 for axis in axes[2:]):
        raise ModelError("TVM 0.19 can't align the corners of one pixel", where=node.name, fix=_EXPORT)
    exact = [np.isclose(axis.resized / axis.size, axis.factor, rtol=1e-6) for axis in axes]
    if coordinates != "align_corners" and not all(exact):
        raise ModelError(
            f"its factors {[float(axis.factor) for axis in axes]} make no whole sizes of"
            f" {[axis.size for axis in axes]}",
            where=node.name,
            fix="give it sizes in place of factors",
        )
    sizes = graph.add_constant(f"{node.name}_sizes", np.array([axis.resized for axis in axes], np.int64))
    del node.input[1:]
    node.input.extend(["", "", sizes])
    set_attributes(node, axes=None)
