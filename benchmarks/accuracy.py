"""Compares compiled networks with other runtimes, in units of the output's last place.

    PULP_MODELS=<folder> python benchmarks/accuracy.py [--inputs 100] [--multiplier-error 0.01] [network …]

For each network: what TVM's build of the legalized module computes (generated C computes the same bytes, which
the tests show), against onnxruntime without optimizations, on random inputs that use every byte. Compared is
the last quantized tensor in front of a softmax.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.console import console, new_table
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.reference import run_reference

ROOT = Path(__file__).resolve().parents[1]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
FOLDERS = ("mlperf_tiny", "mlperf_tiny/tf2onnx", "mobilenet")
COLUMNS = ("inputs", "largest", "mean", "equal", "top-1", "top-1 beyond 2 units")

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Difference:
    """Over all inputs and outputs, in units of the output.

    `largest` and `mean` difference, the share of `equal` numbers, the share of inputs with the same `top1`, and
    that share where the other runtime's two largest outputs are more than two units apart.
    """

    inputs: int
    largest: float
    mean: float
    equal: float
    top1: float
    clear_top1: float


def compare(ours: Array, theirs: Array, step: float) -> Difference:
    """Both [inputs, …], one unit is `step`."""
    a, b = (np.rint(values.reshape(len(values), -1).astype(np.float64) / step) for values in (ours, theirs))
    difference = np.abs(a - b)
    agrees = a[np.arange(len(b)), b.argmax(axis=1)] == a.max(axis=1)
    ordered = np.sort(b, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 if b.shape[1] > 1 else np.ones(len(b), bool)
    return Difference(
        inputs=len(a),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        equal=float(np.mean(difference == 0)),
        top1=float(agrees.mean()),
        clear_top1=float(agrees[clear].mean()) if clear.any() else 1.0,
    )


def without_softmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network up to the last dequantized tensor in front of its softmax."""
    softmax = next((node for node in model.graph.node if node.op_type == "Softmax"), None)
    if softmax is not None:
        del model.graph.output[:]
        value = helper.make_tensor_value_info(softmax.input[0], onnx.TensorProto.FLOAT, None)
        inferred = onnx.shape_inference.infer_shapes(model)
        known = {info.name: info for info in inferred.graph.value_info}
        model.graph.output.append(known.get(softmax.input[0], value))
    return model


def fixed_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with a batch of 1."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    return model


def output_step(model: onnx.ModelProto) -> float:
    """One unit of the output: its scale where it is real, else 1."""
    producers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    node = producers[model.graph.output[0].name]
    while node.op_type in ("Reshape", "Flatten", "Squeeze"):
        node = producers[node.input[0]]
    if node.op_type != "DequantizeLinear":
        return 1.0
    return float(numpy_helper.to_array(constants[node.input[1]]).ravel()[0])


def random_inputs(model: onnx.ModelProto, count: int) -> Array:
    """Inputs that use every byte of the first quantization: [count, *shape]."""
    value = model.graph.input[0]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if dtype != np.float32:
        limits = np.iinfo(dtype)
        drawn: Array = rng.integers(limits.min, limits.max + 1, (count, *shape)).astype(dtype)
        return drawn
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantize = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    scale, zero_point = (constants[name].ravel()[0] for name in quantize.input[1:3])
    limits = np.iinfo(zero_point.dtype)
    bytes_ = rng.integers(limits.min, limits.max + 1, (count, *shape))
    real: Array = ((bytes_ - int(zero_point)) * scale).astype(np.float32)
    return real


def our_outputs(model: onnx.ModelProto, inputs: Array, multiplier_error: float | None = None) -> Array:
    """What the legalized module computes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        mod = legalize(prepare(*load_onnx(path)), multiplier_error)
    name = str(mod["main"].params[0].name_hint)
    return np.stack([outputs[0] for outputs in run_reference(mod, [{name: x} for x in inputs])])


def onnxruntime_outputs(model: onnx.ModelProto, inputs: Array) -> Array:
    """What onnxruntime computes without optimizations."""
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.stack([np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0]) for x in inputs])


def measure(path: Path, count: int, multiplier_error: float | None) -> Difference:
    """One network before its softmax against onnxruntime."""
    model = without_softmax(fixed_batch(onnx.load(path)))
    inputs = random_inputs(model, count)
    return compare(
        our_outputs(model, inputs, multiplier_error), onnxruntime_outputs(model, inputs), output_step(model)
    )


def networks(chosen: tuple[str, ...]) -> Iterator[Path]:
    """The files of these names, or all."""
    for folder in FOLDERS:
        for path in sorted((MODELS / folder).glob("*.onnx")):
            if not chosen or path.stem in chosen:
                yield path


@click.command()
@click.argument("names", nargs=-1)
@click.option("--inputs", "count", default=100, show_default=True, help="Random inputs for each network.")
@click.option("--multiplier-error", type=float, help="The option of the target.")
def main(names: tuple[str, ...], count: int, multiplier_error: float | None) -> None:
    """Print how far compiled networks are from onnxruntime."""
    logging.disable(logging.ERROR)  # TVM's, about schedules
    table = new_table(
        "network", *COLUMNS, numbers=COLUMNS, title="Before the softmax, in units of the last place"
    )
    for path in networks(names):
        found = measure(path, count, multiplier_error)
        shares = (f"{100 * share:.2f} %" for share in (found.equal, found.top1, found.clear_top1))
        table.add_row(path.stem, str(found.inputs), f"{found.largest:.0f}", f"{found.mean:.3f}", *shares)
    console().print(table)


if __name__ == "__main__":
    main()
