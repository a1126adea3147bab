"""Quantize `digits_float.onnx` into `digits_int8.onnx` with onnxruntime and compare the two (no torch).

QDQ, int8 per-channel weights, asymmetric uint8 activations, calibrated on training images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from data import FloatArray, load_split
from onnx_run import count_right, run_onnx
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
        correct = count_right(run_onnx(model, split.test_x), split.test_y)
        log.info("%s: %d of %d right", model.name, correct, len(split.test_y))


if __name__ == "__main__":
    main()
