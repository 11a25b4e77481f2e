"""Where a matrix comes from: a file, a folder or standard input, decompressed on the way."""

from __future__ import annotations

import bz2
import io
import lzma
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from isal.igzip_lib import IsalError

from tybalt_like.core.errors import DataError
from tybalt_like.io.lines import Lines

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 21

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_DAMAGE: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    ValueError,
    lzma.LZMAError,
    cast(type[Exception], IsalError),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Source:
    """A file, a folder, or ``-`` for standard input.

    Parameters
    ----------
    path
        What the user named. Standard input is copied to a temporary file, because a format is
        recognised by looking at the first bytes twice.

    Raises
    ------
    DataError
        If nothing is there, or the file is empty.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.path = Path(path).expanduser()
        if self.name == "-":
            self.name = "standard input"
            self._spool = tempfile.NamedTemporaryFile(suffix=".stdin")  # noqa: SIM115
            shutil.copyfileobj(sys.stdin.buffer, self._spool)
            self._spool.flush()
            self.path = Path(self._spool.name)
        if not self.path.exists():
            raise DataError(f"{self.name}: no such file or folder")
        if self.is_folder:
            if not any(self.path.iterdir()):
                raise DataError(f"{self.name}: the folder is empty")
        elif self.path.stat().st_size == 0 or not self.head:
            raise DataError(f"{self.name}: the file is empty")

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @cached_property
    def compression(self) -> str | None:
        """Of the file, by its first bytes."""
        with self.path.open("rb") as file:
            start = file.read(6)
        return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB of the decompressed content; nothing for a folder."""
        if self.is_folder:
            return b""
        return next(self.chunks(HEAD_BYTES), b"")

    @cached_property
    def hdf5_keys(self) -> frozenset[str]:
        """Names at the top of an HDF5 file; none for other files."""
        if _HDF5 not in (self.head[:8], self.head[512:520]):  # h5mu begins with a text of its own
            return frozenset()
        if self.compression:
            raise DataError(f"{self.name}: decompress this HDF5 file first ({self.compression})")
        import h5py

        with h5py.File(self.path) as file:
            return frozenset(file)

    def open(self) -> BinaryIO:
        """The decompressed bytes."""
        if self.compression == "gzip":
            from isal import igzip_threaded

            return cast(BinaryIO, igzip_threaded.open(self.path, "rb", threads=1))
        if self.compression == "bzip2":
            return cast(BinaryIO, bz2.open(self.path, "rb"))
        if self.compression == "xz":
            return cast(BinaryIO, lzma.open(self.path, "rb"))
        if self.compression == "zstd":
            import pyarrow as pa

            return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(self.path)), "zstd"))
        return self.path.open("rb")

    def lines(self) -> Lines:
        """The text, to be read once."""
        return Lines(self.blocks())

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        r"""Text in blocks of whole lines, each line ended by ``\n``, without byte-order mark."""
        rest, newline = b"", b"\n"
        for chunk in self.chunks(size):
            if b"\0" in chunk:
                raise DataError(f"{self.name}: this is not text, and no known binary format")
            if not rest and b"\n" not in chunk and b"\r" in chunk:
                newline = b"\r"
            cut = chunk.rfind(newline) + 1
            if cut == 0:
                rest += chunk
                continue
            block, rest = rest + chunk[:cut], chunk[cut:]
            yield _unix_lines(block)
        if rest:
            yield _unix_lines(rest + b"\n")

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Decompressed pieces; damage becomes a sentence."""
        try:
            with self.open() as file:
                first = file.read(size)
                if first.startswith(_UTF16):
                    text = (first + file.read()).decode("utf-16")
                    yield from _pieces(io.BytesIO(text.encode()), size)
                    return
                yield first.removeprefix(b"\xef\xbb\xbf")
                yield from _pieces(file, size)
        except _DAMAGE as error:
            kind = self.compression or "file"
            raise DataError(
                f"{self.name}: the {kind} data are damaged or end early ({error}); copy it again"
            ) from error


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    while piece := file.read(size):
        yield piece


def _unix_lines(block: bytes) -> bytes:
    if b"\r" in block:
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return block
