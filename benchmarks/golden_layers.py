"""Integer networks and the golden files beside them: which tensor each file holds, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

LAYERS = {
    "PenguiNet_32": ["64", "65", "75", "85", "95", "105", "115", "125", "127"],
    "Residual_connection_test_1": ["58", "70", "82", "94", "106", "114", "126", "129"],
    "TCN_T": ["74", "85", "96", "106", "121", "132", "143", "158", "169", "180", "195", "198"],
    "dscnn_test": ["89", "101", "112", "124", "135", "147", "158", "170", "181", "190", "192"],
    "eegnet_1d_8b_1xW": ["44", "56", "57", "69", "70", "84", "86"],
}
"""The tensor that each golden file of a network holds, in the order of the files."""

_CHANNELS_FIRST = ("dscnn_test",)  # in its golden layers; every input is HWC

Integers = npt.NDArray[np.int64]


def with_outputs(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """The network whose outputs are these tensors."""
    del model.graph.output[:]
    values = [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None) for tensor in tensors]
    model.graph.output.extend(values)
    return model


def read_golden(file: Path) -> Integers:
    """One number a line behind a remark."""
    lines = file.read_text().splitlines()[1:]
    return np.array([float(text) for line in lines if (text := line.strip(" \\,"))]).astype(np.int64)


def golden_input(folder: Path, model: onnx.ModelProto) -> npt.NDArray[np.uint8]:
    """The golden input of a network in its own layout."""
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    values = read_golden(folder / "input.txt").reshape(1, *shape[2:], shape[1])
    return np.moveaxis(values, -1, 1).astype(np.uint8)


def golden_layers(folder: Path) -> list[Integers]:
    """What the files of a network's folder say, in their order."""
    return [read_golden(folder / f"out_layer{index}.txt") for index in range(len(LAYERS[folder.name]))]


def in_golden_order(network: str, values: npt.NDArray[np.generic]) -> Integers:
    """A layer's result in the order of its golden file."""
    channels_last = values.ndim > 2 and network not in _CHANNELS_FIRST
    return (np.moveaxis(values, 1, -1) if channels_last else values).ravel().astype(np.int64)
