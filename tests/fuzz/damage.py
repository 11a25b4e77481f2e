"""Damage to files, the same for the same seed, and what comes of opening them afterwards."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import select
import shutil
import signal
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tybalt_like.core.errors import TybaltLikeError

OUTCOMES = ("same", "otherwise", "refused", "wrong", "traceback", "signal", "timeout")
"""Read as if undamaged; read otherwise, which no reader can tell from another valid file; refused
in one sentence; read although it is known to be no valid file; any other error; the process
ended; it never returned."""
FAULTS = OUTCOMES[3:]
TIMEOUT = 20.0
MEMORY = 6 << 30
NUMBERS = [
    b"",
    b"-1",
    b"0",
    b"1e999",
    b"nan",
    b"1x2",
    b"3.7",
    b"99999999999",
    b"9" * 5000,
    b"[" * 5000,
]
EXTREMES = [0, -1, 1, 255, 2**15, 2**31 - 1, -(2**31), 2**40, 2**63 - 1]


@dataclass(frozen=True)
class Target:
    """One format.

    Parameters
    ----------
    make
        Writes the undamaged files into a folder and says what is to be opened.
    open
        Opens that, and gives bytes that are equal for equal contents.
    files
        Pattern of the files that are damaged.
    wrong
        Whether files that were read otherwise are known to be no valid ones.
    """

    make: Callable[[Path], Path]
    open: Callable[[Path], bytes]
    files: str = "*"
    wrong: Callable[[Path], bool] | None = None


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with one defect; of a gzip file, half of the time under its compression."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.5:
        return gzip.compress(damaged(gzip.decompress(content), rng), 1, mtime=0)
    at = int(rng.integers(len(content)))
    n = int(rng.choice([1, 1, 2, 4, 8, 64, 512]))
    defect = DEFECTS[int(rng.integers(len(DEFECTS)))]
    return defect(Place(content, at, n, rng))


class Place(NamedTuple):
    """Where content is damaged, and how much of it."""

    data: bytes
    at: int
    n: int
    rng: np.random.Generator

    def with_piece(self, piece: bytes) -> bytes:
        """The content with other bytes there."""
        return self.data[: self.at] + piece + self.data[self.at + self.n :]


def _flipped(place: Place) -> bytes:
    flipped = bytearray(place.data)
    for _ in range(min(place.n, 4)):
        flipped[int(place.rng.integers(len(flipped)))] ^= 1 << int(place.rng.integers(8))
    return bytes(flipped)


def _moved(place: Place) -> bytes:
    other = int(place.rng.integers(len(place.data)))
    return place.with_piece(place.data[other : other + place.n])


def _number(place: Place) -> bytes:
    """Another number, or what is none, in place of one that is written in digits."""
    numbers = list(re.finditer(rb"\d+", place.data))
    if not numbers:
        return place.data[: place.at]
    start, end = numbers[int(place.rng.integers(len(numbers)))].span()
    other = NUMBERS[int(place.rng.integers(len(NUMBERS)))]
    return place.data[:start] + other + place.data[end:]


def _extreme(place: Place) -> bytes:
    """An extreme number of 2, 4 or 8 bytes in a place where such a one may stand."""
    size = int(place.rng.choice([2, 4, 8]))
    value = EXTREMES[int(place.rng.integers(len(EXTREMES)))] % (1 << 8 * size)
    piece = value.to_bytes(size, str(place.rng.choice(["little", "big"])))
    return place._replace(at=place.at - place.at % size, n=size).with_piece(piece)


DEFECTS: list[Callable[[Place], bytes]] = [
    _flipped,
    _moved,
    _number,
    _extreme,
    lambda place: place.with_piece(place.rng.bytes(place.n)),
    lambda place: place.with_piece(place.rng.bytes(2 * place.n)),
    lambda place: place.with_piece(bytes(place.n)),
    lambda place: place.with_piece(b"\xff" * place.n),
    lambda place: place.with_piece(b""),
    lambda place: place.data[: place.at + place.n] + place.data[place.at :],
    lambda place: place.data[: place.at],
]


def outcomes(name: str, target: Target, seeds: range) -> Iterator[tuple[int, str, str]]:
    """What comes of each seed: its number, the outcome, and the message.

    The files are opened in a forked process, which is begun anew only when it dies.
    """
    with tempfile.TemporaryDirectory() as kept:
        whole = target.make(Path(kept))
        where = whole.relative_to(kept)
        start = seeds.start
        while start < seeds.stop:
            for seed, outcome, message in _worker(
                name, target, Path(kept), where, start, seeds.stop
            ):
                yield seed, outcome, message
                start = seed + 1


def _worker(
    name: str, target: Target, kept: Path, where: Path, start: int, stop: int
) -> Iterator[tuple[int, str, str]]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _work(write, name, target, kept, where, range(start, stop))
    os.close(write)
    seed, rest = start, b""
    try:
        while seed < stop:
            if not select.select([read], [], [], TIMEOUT)[0]:
                yield seed, "timeout", f"after {TIMEOUT:.0f} s"
                return
            piece = os.read(read, 1 << 16)
            if not piece:
                status = os.waitpid(child, 0)[1]
                child = 0
                ended = os.waitstatus_to_exitcode(status)
                yield seed, "signal", signal.Signals(-ended).name if ended < 0 else f"exit {ended}"
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                seed, outcome, message = json.loads(line)
                yield seed, outcome, message
                seed += 1
    finally:
        os.close(read)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _work(pipe: int, name: str, target: Target, kept: Path, where: Path, seeds: range) -> None:
    """The forked process: opens one damaged copy after the other, and never returns."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    code, seed = 0, seeds.start
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "copy"
            shutil.copytree(kept, place)
            expected = target.open(place / where)
            files = sorted(f.relative_to(kept) for f in kept.rglob(target.files) if f.is_file())
            for seed in seeds:
                rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
                file = files[int(rng.integers(len(files)))]
                (place / file).write_bytes(damaged((kept / file).read_bytes(), rng))
                outcome, message = _opened(target, place / where, expected)
                os.write(pipe, json.dumps([seed, outcome, message[:300]]).encode() + b"\n")
                shutil.copy(kept / file, place / file)
    except BaseException as error:
        os.write(pipe, json.dumps([seed, "traceback", f"harness: {error!r}"]).encode() + b"\n")
        code = 1
    os._exit(code)


def _opened(target: Target, path: Path, expected: bytes) -> tuple[str, str]:
    """Outcome and message."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = target.open(path)
            if found == expected:
                return "same", ""
            wrong = target.wrong is not None and target.wrong(path)
            return ("wrong" if wrong else "otherwise"), ""
    except TybaltLikeError as refusal:
        said = str(refusal)
        return ("traceback", f"two lines: {said}") if "\n" in said else ("refused", said)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "tybalt_like" in f.filename]
        return "traceback", f"{own[-1] if own else ''} {type(error).__name__}: {error}"


def table(counts: dict[str, Counter[str]]) -> str:
    """Formats x outcomes."""
    width = max(map(len, counts))
    lines = [" ".join([f"{'':{width}}", *(f"{name:>9}" for name in OUTCOMES)])]
    lines += [
        " ".join([f"{name:{width}}", *(f"{of[outcome]:>9,}" for outcome in OUTCOMES)])
        for name, of in counts.items()
    ]
    return "\n".join(lines)
