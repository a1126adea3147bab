"""Writes a set of files as a folder or a tar: the same bytes every time, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from .errors import PulpError

_ELSEWHERE = "choose another place"


def check_writable(path: Path) -> None:
    """PulpError if nothing can be written to `path`, so that nobody waits for a compilation in vain."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise PulpError("no such folder", where=str(folder), fix=f"make it, or {_ELSEWHERE}")
    if not os.access(folder, os.W_OK):
        raise PulpError("the folder is not writable", where=str(folder), fix=_ELSEWHERE)


def write_archive(files: Mapping[str, bytes], path: Path, *, marker: str) -> None:
    """Write `files` (path inside -> content) to `path`: a tar if it ends in `.tar`, else a folder.

    A folder that exists is replaced only if it is empty or holds a file `marker`, i.e. is an earlier output.
    Raises PulpError if `path` can't be written; then it is as it was before.
    """
    if path.suffix == ".tar":
        write_whole(path, lambda stream: _write_tar(files, stream))
    else:
        _write_folder(files, path, marker)


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file that takes the place of `path` when it is complete.

    Raises PulpError if `path` can't be written; then it is as it was before.
    """
    if path.is_dir():
        raise PulpError("is a folder", where=str(path), fix="choose the name of a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_tar(files: Mapping[str, bytes], stream: BinaryIO) -> None:
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member in sorted(files):
            info = tarfile.TarInfo(member)  # time, owner and group are 0
            info.size = len(files[member])
            tar.addfile(info, io.BytesIO(files[member]))


def _write_folder(files: Mapping[str, bytes], path: Path, marker: str) -> None:
    if path.exists() and not path.is_dir():
        raise PulpError("is a file", where=str(path), fix="end the name in .tar, or name a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise PulpError("is a folder with other files in it", where=str(path), fix="name a new folder")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        for member, content in files.items():
            target = temporary / member
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        temporary.chmod(0o777 & ~_umask())
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> PulpError:
    return PulpError(f"can't be written: {error.strerror or error}", where=str(path), fix=_ELSEWHERE)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
