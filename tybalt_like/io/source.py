"""Where a matrix comes from: a file, a folder or standard input, decompressed on the way."""

from __future__ import annotations

import bz2
import codecs
import lzma
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from isal.igzip_lib import IsalError

from tybalt_like.core.errors import DataError
from tybalt_like.core.memory import available
from tybalt_like.io.hdf5 import Hdf5, walked
from tybalt_like.io.lines import Lines

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 21
LONGEST_LINE = 1 << 28
"""Bytes without a line break that are no line of a table: 30 million cells."""
RATIO, SHARE = 200, 8
"""What decompresses to so many times its size, and to more than 1 / 8 of the memory, is refused.
Tables of mostly zeros, the most repetitive ones there are, shrink to about 1 / 100."""
SMALL, UTMOST = 1 << 26, 2000
"""So is what decompresses to more than 64 MB, and to so many times its size: gzip never does."""

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
        return self.hdf5.keys

    @cached_property
    def hdf5(self) -> Hdf5:
        """What is known of an HDF5 file, without having opened it in this process."""
        if self.compression:
            raise DataError(f"{self.name}: decompress this HDF5 file first ({self.compression})")
        return walked(self.path, name=self.name)

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
        rest, newline = bytearray(), b"\n"
        for chunk in self.chunks(size):
            if b"\0" in chunk:
                raise DataError(f"{self.name}: this is not text, and no known binary format")
            if not rest and b"\n" not in chunk and b"\r" in chunk:
                newline = b"\r"
            cut = chunk.rfind(newline) + 1
            if cut == 0:
                rest += chunk
                if len(rest) > LONGEST_LINE:
                    raise DataError(
                        f"{self.name}: a line of over {LONGEST_LINE >> 20} MB; no table"
                    )
                continue
            block, rest = bytes(rest) + chunk[:cut], bytearray(chunk[cut:])
            if len(block) >= BLOCK_BYTES and block.isspace():
                raise DataError(f"{self.name}: {len(block) >> 20} MB of blank lines; no table")
            yield _unix_lines(block)
        if rest:
            yield _unix_lines(bytes(rest) + b"\n")

    def chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Decompressed pieces; damage becomes a sentence, and so does what swells beyond reason."""
        try:
            with self.open() as file:
                pieces = self._pieces(file, size)
                first = next(pieces, b"")
                if first.startswith(_UTF16):
                    texts = codecs.iterdecode(chain([first], pieces), "utf-16")
                    yield from (text.encode() for text in texts)
                    return
                yield first.removeprefix(b"\xef\xbb\xbf")
                yield from pieces
        except _DAMAGE as error:
            kind = self.compression or "file"
            raise DataError(
                f"{self.name}: the {kind} data are damaged or end early ({error}); copy it again"
            ) from error

    def _pieces(self, file: BinaryIO, size: int) -> Iterator[bytes]:
        most, total = self._most(), 0
        while piece := file.read(size):
            total += len(piece)
            if total > most:
                raise self._swelling(total)
            yield piece

    def check_archive(self, *, most: int | None = None) -> None:
        """Refuse a zip archive that swells beyond reason, or to more than so many bytes.

        Raises
        ------
        DataError
            If it does, or is no zip archive.
        """
        try:
            with zipfile.ZipFile(self.path) as file:
                total = sum(entry.file_size for entry in file.infolist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(
                f"{self.name}: damaged or ends early ({error}); copy it again"
            ) from None
        if total > min(self._most(), most or total):
            raise self._swelling(total)

    def _most(self) -> int:
        """Bytes that it may decompress to."""
        size = self.path.stat().st_size
        return max(RATIO * size, min(available() // SHARE, max(SMALL, UTMOST * size)))

    def _swelling(self, total: int) -> DataError:
        packed, unpacked = self.path.stat().st_size / 2**20, total / 2**20
        return DataError(
            f"{self.name}: its {packed:,.1f} MB swell to {unpacked:,.0f} MB or more, which is no "
            "matrix or table; unpack it first if it is one"
        )


def _unix_lines(block: bytes) -> bytes:
    if b"\r" in block:
        return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return block
