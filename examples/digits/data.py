"""The 8x8 digit images of scikit-learn and the one split that training, calibration and the demo share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FloatArray = npt.NDArray[np.float32]
LabelArray = npt.NDArray[np.int64]

TEST_IMAGES = 360
SPLIT_SEED = 2024
MAX_PIXEL = 16.0  # scikit-learn counts ink in 17 levels


class Split(NamedTuple):
    """Images are float32 NCHW `[N, 1, 8, 8]` in 0..1, labels int64 `[N]` in 0..9."""

    train_x: FloatArray
    train_y: LabelArray
    test_x: FloatArray
    test_y: LabelArray


def load_split() -> Split:
    """Return 1,437 training images and the 360 held-out ones, always the same and stratified by digit."""
    digits = load_digits()
    images = (digits.images[:, np.newaxis] / MAX_PIXEL).astype(np.float32)
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=TEST_IMAGES, random_state=SPLIT_SEED, stratify=labels
    )
    return Split(train_x, train_y, test_x, test_y)
