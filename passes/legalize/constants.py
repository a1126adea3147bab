"""Constant operands of element-wise operators."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .values import Layout, Quantized


def per_channel(values: npt.NDArray[np.generic], x: Quantized) -> npt.NDArray[np.generic] | None:
    """The constant as one number or one for each channel of the canonical tensor; None if it is neither."""
    if values.size == 1:
        return values.reshape(())
    if x.layout is Layout.FLAT_HWC:
        return None
    axis = 1 if x.layout is Layout.NHWC else len(x.shape) - 1
    shape = (1,) * (len(x.shape) - values.ndim) + values.shape
    is_vector = len(shape) == len(x.shape) and values.size == shape[axis] == x.shape[axis]
    return values.ravel() if is_vector else None
