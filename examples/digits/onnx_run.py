"""The digit networks in onnxruntime: what the generated C is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from data import FloatArray, LabelArray
from onnx import numpy_helper
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions


def run_onnx(model: Path, images: FloatArray) -> FloatArray:
    """Return the logits `[N, 10]` of images `[N, 1, 8, 8]`.

    Graph optimizations are off: fused integer kernels saturate differently on CPUs without VNNI.
    """
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    logits: FloatArray = np.concatenate(
        [session.run(["logits"], {"image": image[None]})[0] for image in images]
    )
    return logits


def count_right(logits: FloatArray, labels: LabelArray) -> int:
    """Return how many rows of `logits` `[N, 10]` are largest at their label."""
    return int((logits.argmax(axis=1) == labels).sum())


def output_step(model: Path) -> float:
    """Return the scale of a quantized network's logits: the difference between neighbouring values."""
    graph = onnx.load(model).graph
    dequantize = next(node for node in graph.node if "logits" in node.output)
    scale = next(tensor for tensor in graph.initializer if tensor.name == dequantize.input[1])
    return float(numpy_helper.to_array(scale))
