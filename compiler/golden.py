"""Golden numbers that a network brings along: inputs, and what its last layer makes of them. Needs no TVM."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .package import Package

GOLDEN_ATTR = "pulp_golden"  # on the module: text of golden_to_text
GOLDEN_FILE = "golden.npz"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Golden:
    """`inputs` in the network's order and shapes, `last` the result of the last layer, `tail` the JSON of the
    Relay module that makes the outputs of it."""

    inputs: tuple[Array, ...]
    last: Array
    tail: str


def golden_to_bytes(golden: Golden) -> bytes:
    """As an .npz file."""
    stream = io.BytesIO()
    arrays = {f"input{index}": array for index, array in enumerate(golden.inputs)}
    arrays |= {"last": golden.last, "tail": np.array(golden.tail)}
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def golden_from_bytes(content: bytes) -> Golden:
    """What `golden_to_bytes` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        inputs = tuple(arrays[f"input{index}"] for index in range(len(arrays.files) - 2))
        return Golden(inputs, arrays["last"], str(arrays["tail"]))


def golden_to_text(golden: Golden) -> str:
    """For an attribute of a module."""
    return base64.b64encode(golden_to_bytes(golden)).decode()


def text_to_bytes(text: str) -> bytes:
    """The file that an attribute holds."""
    return base64.b64decode(text)


def golden_of(package: Package) -> Golden | None:
    """A package's golden numbers, if it has any."""
    try:
        return golden_from_bytes(package.read(GOLDEN_FILE))
    except KeyError:
        return None
