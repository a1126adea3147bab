"""Quantize `digits_float.onnx` into `digits_int8.onnx` with onnxruntime and compare the two (no torch).

QDQ, int8 per-channel weights, asymmetric uint8 activations, calibrated on training images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from data import FloatArray, Split, load_split
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

FOLDER = Path(__file__).parent
FLOAT_MODEL = FOLDER / "digits_float.onnx"
INT8_MODEL = FOLDER / "digits_int8.onnx"
CALIBRATION_IMAGES = 256

log = logging.getLogger("digits")


class _Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    """Feeds images `[N, 1, 8, 8]` one at a time, for the network's batch is 1."""

    def __init__(self, images: FloatArray) -> None:
        self._feeds: Iterator[dict[str, FloatArray]] = ({"image": image[np.newaxis]} for image in images)

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._feeds, None)


def count_correct(model: Path, split: Split) -> int:
    """Return how many held-out images `model` gets right in onnxruntime.

    Graph optimizations are off: fused integer kernels saturate differently on CPUs without VNNI.
    """
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    logits = [session.run(["logits"], {"image": image[np.newaxis]})[0] for image in split.test_x]
    return int((np.concatenate(logits).argmax(axis=1) == split.test_y).sum())


def quantize(images: FloatArray) -> None:
    """Write `INT8_MODEL`, with activation ranges taken from `images` `[N, 1, 8, 8]`."""
    quantize_static(
        FLOAT_MODEL,
        INT8_MODEL,
        _Images(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def main() -> None:
    """Quantize, then report both accuracies."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    split = load_split()
    quantize(split.train_x[:CALIBRATION_IMAGES])
    for model in (FLOAT_MODEL, INT8_MODEL):
        correct = count_correct(model, split)
        log.info("%s: %d of %d right", model.name, correct, len(split.test_y))


if __name__ == "__main__":
    main()
