"""Files: written whole or not at all, and never over what somebody else made."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import DiskFullError, RunError, WriteError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` when the block ends well.

    Raises
    ------
    WriteError
        If the folder does not exist, or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise WriteError(f"{path.parent}: no such folder; make it first")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with errors_as_sentences(path):
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def has_room(path: Path, n_bytes: int) -> bool:
    """Whether so much, and some more, can be written beside `path`."""
    return shutil.disk_usage(path.parent).free > 1.1 * n_bytes + (1 << 20)


def check_file(path: Path, *, inputs: Iterable[Path] = (), ours: bool = False) -> None:
    """Find out before the work whether a file can be written.

    Parameters
    ----------
    inputs
        Files that are read.
    ours
        Whether what is there already may be replaced.

    Raises
    ------
    RunError
        If `path` is a folder, a link or an input, or exists and may not be replaced.
    WriteError
        If its folder does not exist, or cannot be written to.
    """
    if path.is_dir() or path.is_symlink():
        raise RunError(f"{path} is a {'link' if path.is_symlink() else 'folder'}; name a file")
    for source in inputs:
        if source.exists() and source.resolve() == path.resolve():
            raise RunError(f"{path} is read and would be overwritten; choose another file")
    if path.exists() and not ours:
        raise RunError(f"{path} exists and would be lost; choose another file, or remove it")
    if not path.parent.is_dir():
        raise WriteError(f"{path.parent}: no such folder; make it first")
    with errors_as_sentences(path):
        probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
        probe.touch()
        probe.unlink()


def checksum(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_of(path: Path) -> dict[str, Any]:
    """Name, bytes and SHA-256 of a file or, of all that it holds, of a folder: what tells it from
    others wherever it lies."""
    if path.is_file():
        return {"name": path.name, "bytes": path.stat().st_size, "sha256": checksum(path)}
    digest, size = hashlib.sha256(), 0
    for inside in sorted(path.rglob("*")):
        if inside.is_file():
            digest.update(f"{inside.relative_to(path).as_posix()} {checksum(inside)}\n".encode())
            size += inside.stat().st_size
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


@contextmanager
def errors_as_sentences(path: Path) -> Iterator[None]:
    """Errors of writing below the folder of `path`, each as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL or "No space left on device" in str(error):
            raise DiskFullError(
                f"{path} could not be written: the disk is full, or a limit is reached; make "
                "room, or choose another place with --out"
            ) from error
        here = str(error.filename or path).startswith(str(path.parent))
        if error.errno in DENIED and here:
            raise WriteError(
                f"{error.filename or path} cannot be written ({os.strerror(error.errno)}); choose "
                "another place with --out"
            ) from error
        raise
