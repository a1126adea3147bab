"""A compiled network on disk: what its metadata say, and where its files are. Needs no TVM."""

from __future__ import annotations

import json
import math
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import PulpError

METADATA_FILE = "metadata.json"
REPORT_FILE = "report.json"
HTML_REPORT_FILE = "report.html"
LEGALIZED_FILE = "src/legalized.json"


def plan_file(region: str) -> str:
    """Where a package keeps a region's plan."""
    return f"plan/{region}.json"


def timeline_file(region: str) -> str:
    """Where a package keeps a region's predicted timeline."""
    return f"plan/{region}.timeline.json"


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of the network, in the order and under the name of the C interface's structs.

    Where the network's quantization of it is left to the caller (`-io=integer`), its bytes stand for
    `scale * (byte - zero_point)`; else both are None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Package:
    """A package, folder or tar. `name` is the network's name: its entry function is `tvmgen_<name>_run`."""

    path: Path
    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> Package:
        """Read the metadata of a package. Raises PulpError if `path` is none."""
        path = Path(path)
        if not path.exists():
            raise PulpError("no such file or folder", where=str(path), fix="compile a network with tvmc first")
        try:
            metadata = json.loads(read_member(path, METADATA_FILE))
            return package_from_metadata(path, metadata)
        except (OSError, tarfile.TarError, KeyError, ValueError, TypeError) as error:
            raise PulpError(
                "is not a package for pulp",
                where=str(path),
                fix="make one with `tvmc compile --target pulp`",
            ) from error

    def read(self, member: str) -> bytes:
        """One file of the package; KeyError if it has none of that name."""
        return read_member(self.path, member)

    def extract(self, folder: Path) -> Path:
        """The folder that holds the package's files: its own, or `folder`, where a tar is unpacked."""
        if self.path.is_dir():
            return self.path
        with tarfile.open(self.path) as tar:
            for info in tar.getmembers():
                _unpack(tar, info, folder)
        return folder


def _unpack(tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path) -> None:
    """Write one file of a tar below `folder`; only plain files are unpacked, and none outside of it."""
    target = (folder / info.name).resolve()
    stream = tar.extractfile(info) if info.isfile() else None
    if stream is None:
        return
    if not target.is_relative_to(folder.resolve()):
        raise PulpError(f"holds the path {info.name}", where=str(tar.name), fix="don't trust this package")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(stream.read())


def read_member(path: Path, member: str) -> bytes:
    """One file of the package at `path`. KeyError if there is none of that name."""
    if path.is_dir():
        try:
            return (path / member).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(member) from error
    with tarfile.open(path) as tar:
        stream = tar.extractfile(member)
        if stream is None:
            raise KeyError(member)
        return stream.read()


def package_from_metadata(path: Path, metadata: dict[str, Any]) -> Package:
    """The package at `path` with this content of `metadata.json`. KeyError if it is none of ours."""
    section = metadata["pulp"]
    return Package(
        path=path,
        name=str(section["name"]),
        inputs=tuple(_tensor(entry) for entry in section["inputs"]),
        outputs=tuple(_tensor(entry) for entry in section["outputs"]),
        metadata=metadata,
    )


def _tensor(entry: dict[str, Any]) -> TensorInfo:
    shape = tuple(int(n) for n in entry["shape"])
    return TensorInfo(
        str(entry["name"]), shape, str(entry["dtype"]), entry.get("scale"), entry.get("zero_point")
    )
