"""Samples for a network: read from a file, checked against its inputs. Needs no TVM.

An array holds one sample, with the input's exact shape, or N samples: shape [N, *shape], or [N, *shape[1:]]
for an input whose first dimension is a batch of 1.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .package import TensorInfo

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """`arrays[i]` holds all samples of input i: shape [count, *shape of the input].

    `single` says that the user gave one sample without an axis for samples.
    """

    arrays: tuple[Array, ...]
    count: int
    single: bool


def load_arrays(path: Path, inputs: Sequence[TensorInfo]) -> dict[str, Array]:
    """The arrays of an `.npz` file, or of an `.npy` file for a network with one input, by name."""
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(
            "no such file", where=str(path), fix="give an .npz file: numpy.savez(path, name=array)"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            "can't be read as NumPy arrays", where=str(path), fix="write it with numpy.savez(path, name=array)"
        ) from error
    if isinstance(loaded, np.ndarray):
        if len(inputs) != 1:
            raise InputError(
                f"holds one array, the network takes {len(inputs)}", where=str(path), fix="use an .npz file"
            )
        return {inputs[0].name: loaded}
    try:
        return dict(loaded)
    except ValueError as error:
        raise InputError(
            "holds an array of Python objects", where=str(path), fix="save numbers only"
        ) from error


def check_samples(inputs: Sequence[TensorInfo], arrays: Mapping[str, Array]) -> Samples:
    """The samples in the network's order. Raises InputError for wrong names, dtypes, shapes or counts."""
    named = _by_input_name(inputs, arrays)
    found = [_with_sample_axis(tensor, named[tensor.name]) for tensor in inputs]
    counts = {tensor.name: len(array) for tensor, (array, _) in zip(inputs, found, strict=True)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"the inputs have different numbers of samples: {listed}", where="inputs")
    return Samples(
        arrays=tuple(np.ascontiguousarray(array) for array, _ in found),
        count=next(iter(counts.values()), 1),
        single=all(single for _, single in found),
    )


def _by_input_name(inputs: Sequence[TensorInfo], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays under the network's names; a model's own name that is no C identifier is understood."""
    known = {tensor.name for tensor in inputs}
    renamed = {name if name in known else re.sub(r"\W", "_", name): array for name, array in arrays.items()}
    takes = f"the network takes {', '.join(describe(tensor) for tensor in inputs)}"
    missing = [tensor.name for tensor in inputs if tensor.name not in renamed]
    if missing:
        given = ", ".join(arrays) or "nothing"
        raise InputError(f"no array named {', '.join(missing)}, found {given}", where="inputs", fix=takes)
    unknown = [name for name in renamed if name not in known]
    if unknown:
        raise InputError(f"no input is named {', '.join(unknown)}", where="inputs", fix=takes)
    return renamed


def _with_sample_axis(tensor: TensorInfo, array: Array) -> tuple[Array, bool]:
    """The array as [samples, *shape], and whether it held one sample without such an axis."""
    where = f"input {tensor.name}"
    if array.dtype != np.dtype(tensor.dtype):
        raise InputError(
            f"dtype is {array.dtype}, the network takes {tensor.dtype}",
            where=where,
            fix=_conversion(tensor),
        )
    shape = tensor.shape
    if array.shape == shape:
        return array[np.newaxis], True
    batched = shape[:1] == (1,)
    if len(array) if array.ndim else 0:
        if array.shape[1:] == shape:
            return array, False
        if batched and array.shape[1:] == shape[1:]:
            return array.reshape(len(array), *shape), False
    many = ["N", *(shape[1:] if batched else shape)]
    raise InputError(
        f"shape is {_list(array.shape)}, the network takes {_list(shape)}",
        where=where,
        fix=f"give that, or {_list(many)} for N samples",
    )


def _conversion(tensor: TensorInfo) -> str:
    """How an array of another dtype becomes the input."""
    if tensor.scale is None:
        return f'convert it with .astype("{tensor.dtype}")'
    return f"quantize it: clip(round(x / {tensor.scale:.9g}) + {tensor.zero_point}, 0, 255)"


def describe(tensor: TensorInfo) -> str:
    """Name, dtype and shape for a message."""
    return f"{tensor.name} {tensor.dtype} {_list(tensor.shape)}"


def _list(shape: Sequence[object]) -> str:
    return "[" + ", ".join(str(size) for size in shape) + "]"
