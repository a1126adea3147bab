"""Float ONNX to QDQ ONNX with onnxruntime's static quantization, in the form that suits PULP: per-channel int8
weights, asymmetric 8-bit activations. Needs the extra `tvm-pulp[quantize]`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from tvm_pulp.errors import ModelError, ToolError
from tvm_pulp.inputs import Samples, check_samples
from tvm_pulp.package import TensorInfo

Array = npt.NDArray[Any]
Progress = Callable[[str, int, int], None]  # what is done, samples done, all samples


class Activations(Enum):
    """Type of the activations."""

    UINT8 = "uint8"
    INT8 = "int8"


@dataclass(frozen=True)
class OutputLoss:
    """How one output of the quantized network differs from the float network's, over all samples.

    `sqnr_db` is the power of the float output over that of the difference, in decibels, infinite if they are
    equal; `largest` is the largest absolute difference; `same_top1` counts the samples whose largest element is
    the same (None for outputs of one element).
    """

    name: str
    sqnr_db: float
    largest: float
    same_top1: int | None


@dataclass(frozen=True)
class QuantizationResult:
    """What was lost on `samples` calibration samples."""

    samples: int
    losses: tuple[OutputLoss, ...]


def float_inputs(model: onnx.ModelProto) -> tuple[TensorInfo, ...]:
    """Inputs of a network; an unknown first dimension is a batch of 1. ModelError for any other."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return tuple(_input(value) for value in model.graph.input if value.name not in constants)


def _input(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    sizes = [int(dim.dim_value) for dim in tensor.shape.dim]
    if sizes and sizes[0] < 1:
        sizes[0] = 1
    if any(size < 1 for size in sizes):
        raise ModelError(
            "has a dimension without a number",
            where=f"input `{value.name}`",
            fix="fix it with onnxruntime.tools.make_dynamic_shape_fixed",
        )
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return TensorInfo(value.name, tuple(sizes), dtype)


def quantize(
    model_path: Path,
    calibration: Mapping[str, Array],
    output: Path,
    *,
    activations: Activations = Activations.UINT8,
    progress: Progress = lambda *_: None,
) -> QuantizationResult:
    """Write the quantized network to `output`, its batch fixed to 1, and measure what it loses.

    `calibration` are samples for each input as `tvm_pulp.inputs` takes them. Raises ModelError for a file that
    is no float network, InputError for samples that don't fit, ToolError without onnxruntime.
    """
    onnxruntime = _onnxruntime()
    model = _read(model_path)
    inputs = float_inputs(model)
    samples = check_samples(inputs, calibration)
    for value, info in zip((v for v in model.graph.input if _is_input(model, v)), inputs, strict=True):
        value.type.tensor_type.shape.dim[0].dim_value = info.shape[0]
    feeds = [_sample(inputs, samples, index) for index in range(samples.count)]
    with tempfile.TemporaryDirectory(prefix="tvm-pulp-") as folder:
        fixed, prepared = Path(folder) / "fixed.onnx", Path(folder) / "prepared.onnx"
        onnx.save(model, fixed)
        onnxruntime.quantization.quant_pre_process(fixed, prepared, skip_symbolic_shape=True)
        quantized = Path(folder) / "quantized.onnx"
        kinds = {
            Activations.UINT8: onnxruntime.quantization.QuantType.QUInt8,
            Activations.INT8: onnxruntime.quantization.QuantType.QInt8,
        }
        onnxruntime.quantization.quantize_static(
            prepared,
            quantized,
            _Reader(feeds, progress),
            quant_format=onnxruntime.quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=kinds[activations],
            weight_type=onnxruntime.quantization.QuantType.QInt8,
        )
        losses = _losses(onnxruntime, (fixed, quantized), feeds, progress)
        output.write_bytes(quantized.read_bytes())
    return QuantizationResult(samples.count, losses)


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
        import onnxruntime.quantization  # noqa: PLC0415
    except ImportError as error:
        raise ToolError(
            "onnxruntime is not installed", where="quantize", fix="pip install 'tvm-pulp[quantize]'"
        ) from error
    return onnxruntime


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError("no such file", where=str(path))
    try:
        model = onnx.load(path)
    except Exception as error:  # onnx raises what protobuf, its checker and the system raise
        raise ModelError("is not a readable ONNX file", where=str(path)) from error
    if any(node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear") for node in model.graph.node):
        raise ModelError("is quantized already", where=str(path), fix="compile it as it is")
    return model


def _is_input(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> bool:
    return value.name not in {tensor.name for tensor in model.graph.initializer}


class _Reader:
    """Feeds the samples one by one, as onnxruntime's calibration asks for them."""

    def __init__(self, feeds: Sequence[dict[str, Array]], progress: Progress) -> None:
        self._feeds, self._progress = feeds, progress
        self._next = 0

    def get_next(self) -> dict[str, Array] | None:
        self._progress("calibrating", self._next, len(self._feeds))
        if self._next == len(self._feeds):
            return None
        self._next += 1
        return self._feeds[self._next - 1]


def _sample(inputs: tuple[TensorInfo, ...], samples: Samples, index: int) -> dict[str, Array]:
    return {info.name: array[index] for info, array in zip(inputs, samples.arrays, strict=True)}


def _losses(
    onnxruntime: Any, models: tuple[Path, Path], feeds: Sequence[dict[str, Array]], progress: Progress
) -> tuple[OutputLoss, ...]:
    """Of the second model against the first."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    sessions = [onnxruntime.InferenceSession(str(path), options) for path in models]
    names = [output.name for output in sessions[0].get_outputs()]
    pairs: list[list[list[Array]]] = []
    for index, feed in enumerate(feeds):
        progress("comparing", index, len(feeds))
        pairs.append([session.run(names, feed) for session in sessions])
    progress("comparing", len(feeds), len(feeds))
    return tuple(
        _loss(name, *(np.stack([pair[side][position] for pair in pairs]) for side in (0, 1)))
        for position, name in enumerate(names)
    )


def _loss(name: str, exact: Array, coarse: Array) -> OutputLoss:
    """Both arrays [samples, …]."""
    exact, coarse = (values.reshape(len(values), -1).astype(np.float64) for values in (exact, coarse))
    noise, signal = np.square(exact - coarse).sum(), np.square(exact).sum()
    sqnr = float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-300) / noise))
    same = int(np.count_nonzero(exact.argmax(axis=1) == coarse.argmax(axis=1))) if exact.shape[1] > 1 else None
    return OutputLoss(name, sqnr, float(np.abs(exact - coarse).max()), same)
