"""A process that looks through HDF5 files before anybody opens them, started by `io.hdf5`.

    python -I -S walker.py

Reads a JSON line with the search path of modules, then one per file, and answers each. A file is
looked through in a fork with limits of time and memory, so that damage that makes the HDF5 library
crash or loop ends that fork and nothing else. What HDF5 itself refuses is passed over: whoever
opens the file is told the same.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

PIECE = 1 << 23
"""Bytes read at a time."""
READ = 1 << 26
"""Bytes of a file that are read for a trial: data sets that fit in. Of larger ones only the index
of the chunks is, and text of variable length, which has an index of its own."""
FULLEST, SMALL = 1100, 1 << 24
"""How many times its stored size deflate makes of anything (1032), with room; and bytes up to which
a data set may be promised and not be stored."""
DEFLATE = 1
HARMLESS = {DEFLATE, 2, 3, 32000}
"""Deflate, shuffle, Fletcher's checksum and LZF meet damage with an error; data that went through
other filters are read for a trial."""
MEMORY, SECONDS, BYTES_PER_SECOND = 1 << 31, 3, 10_000_000
"""Limits of a fork: memory beside what the process holds, and seconds of the processor."""
DEEPEST = 50
"""Groups within each other. Readers follow them by recursion, and at Python's limit for that h5py
fails to give its lock back: whatever reads HDF5 in another thread then waits for ever."""
NOTHING = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)
"""What h5py raises where HDF5 refuses."""


Address = tuple[int, int]
"""Of an object: number of the file, and place in it."""


class Refused(Exception):
    """What is wrong with a file, in words that follow its name."""


class Walk:
    """One file.

    Parameters
    ----------
    largest
        Bytes that a single chunk may decompress to.

    Attributes
    ----------
    total
        Bytes of all data sets seen so far, as they are in memory.
    """

    def __init__(self, path: str, *, largest: int) -> None:
        import h5py

        self.h5py, self.largest = h5py, largest
        self.file = h5py.File(path, "r")
        self.total, self.left = 0, READ
        self.inside: dict[Address, set[Address]] = {}
        self.links: list[tuple[Any, bytes]] = []

    def all(self) -> None:
        """Every object of the file, once.

        Raises
        ------
        Refused
            If one leads out of the file, promises what the file cannot hold, or holds itself.
        """
        waiting, seen = [self.file["/"]], set[Address]()
        while waiting:
            one = waiting.pop()
            _tried(self._attributes, one)
            if isinstance(one, self.h5py.Dataset):
                self._dataset(one)
                continue
            inside = self.inside.setdefault(self._address(one), set())
            for name in _tried(self._names, one) or []:
                child = _tried(self._child, one, name)
                if child is None:
                    continue
                inside.add(at := self._address(child))
                if at not in seen:
                    seen.add(at)
                    waiting.append(child)
        self._depth()

    def _depth(self) -> None:
        """Refuse groups that hold themselves, or too many within each other; links within the file
        count, which are followed now that none is known to lead out of it."""
        for group, name in self.links:
            found = _tried(self.h5py.h5o.open, group.id, name)
            if found is not None:
                info = self.h5py.h5o.get_info(found)
                self.inside[self._address(group)].add((info.fileno, info.addr))
        depth: dict[Address, int] = {}
        try:
            for at in TopologicalSorter(self.inside).static_order():  # what is inside comes first
                depth[at] = 1 + max((depth[one] for one in self.inside.get(at, ())), default=0)
        except CycleError:
            raise Refused("it is damaged: a group in it holds itself") from None
        if max(depth.values()) > DEEPEST:
            raise Refused(f"more than {DEEPEST} groups lie within each other; is it damaged?")

    def _address(self, one: Any) -> Address:
        info = self.h5py.h5o.get_info(one.id)
        return info.fileno, info.addr

    def _names(self, group: Any) -> list[bytes]:
        names: list[bytes] = []
        group.id.links.iterate(names.append)
        return names

    def _child(self, group: Any, name: bytes) -> Any:
        """The group or data set of that name; None for links within the file, which are kept for
        later as they lead to what is seen anyway, and for named types."""
        h5l, h5i = self.h5py.h5l, self.h5py.h5i
        kind = group.id.links.get_info(name).type
        if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
            raise Refused(f"{_shown(name)} is a link to another file; copy what it names into this")
        if kind == h5l.TYPE_SOFT:
            self.links.append((group, name))
            return None
        found = self.h5py.h5o.open(group.id, name)
        kinds = {h5i.GROUP: self.h5py.Group, h5i.DATASET: self.h5py.Dataset}
        wrap = kinds.get(h5i.get_type(found))
        return None if wrap is None else wrap(found)

    def _attributes(self, one: Any) -> None:
        h5a, names = self.h5py.h5a, list[bytes]()
        h5a.iterate(one.id, names.append)
        for name in names:
            _tried(self._attribute, one, name)

    def _attribute(self, one: Any, name: bytes) -> None:
        attribute = self.h5py.h5a.open(one.id, name)
        if math.prod(attribute.shape) * attribute.get_type().get_size() > SMALL:
            raise Refused(f"the attribute {_shown(name)} is damaged: it promises too much")
        one.attrs[name.decode("utf-8", "surrogateescape")]

    def _dataset(self, one: Any) -> None:
        plan = _tried(one.id.get_create_plist)
        if plan is None:
            return
        if plan.get_layout() == self.h5py.h5d.VIRTUAL or plan.get_external_count():
            raise Refused(f"{one.name!r} lies in other files; copy the data into this one")
        size = _tried(lambda: math.prod(one.shape) * one.id.get_type().get_size())
        filters = _tried(lambda: {plan.get_filter(i)[0] for i in range(plan.get_nfilters())})
        if size is None or filters is None:
            return
        stored = one.id.get_storage_size()
        if size > SMALL + FULLEST * stored and filters <= HARMLESS:
            raise Refused(
                f"{one.name!r} is damaged: it promises {size / 2**20:,.0f} MB and holds "
                f"{stored / 2**20:,.1f}"
            )
        self.total += size
        if plan.get_layout() == self.h5py.h5d.CHUNKED:
            _tried(self._chunks, one, filters)
        if size <= self.left or not filters <= HARMLESS or _tried(lambda: one.dtype.hasobject):
            self.left -= min(size, self.left)
            _tried(self._read, one)

    def _chunks(self, one: Any, filters: set[int]) -> None:
        """Their index from end to end; those that could swell are read."""
        whole = math.prod(one.chunks) * one.id.get_type().get_size()
        swelling: list[tuple[int, ...]] = []
        damaged: list[int] = []

        def look(chunk: Any) -> None:
            if chunk.size > 1.2 * whole + 4096:
                damaged.append(chunk.size)
            if DEFLATE in filters and FULLEST * chunk.size > self.largest:
                swelling.append(chunk.chunk_offset)

        one.id.chunk_iter(look)
        if damaged:
            raise Refused(f"{one.name!r} is damaged: {damaged[0]:,} bytes in a chunk of {whole:,}")
        for at in swelling:
            place = tuple(slice(a, a + n) for a, n in zip(at, one.chunks, strict=True))
            try:
                one[place]
            except (OSError, MemoryError) as error:
                raise Refused(f"{one.name!r} is damaged: {error}") from None

    def _read(self, one: Any) -> None:
        for piece in _pieces(one):
            one[piece]


def _pieces(one: Any) -> Iterator[Any]:
    """Parts of a data set along its first axis, of about `PIECE` bytes each."""
    if not one.shape:
        yield ()
        return
    of_row = max(1, math.prod(one.shape[1:]) * one.dtype.itemsize)
    n = max(1, PIECE // of_row)
    for start in range(0, one.shape[0], n):
        yield slice(start, start + n)


def _tried(what: Callable[..., Any], *given: Any) -> Any:
    """What a function returns; None where HDF5 refuses."""
    try:
        return what(*given)
    except NOTHING:
        return None


def _shown(name: bytes) -> str:
    return repr(name[:60].decode("utf-8", "replace"))


def look(path: str, largest: int) -> dict[str, Any]:
    """The answer for one file: ``keys`` and ``total``, or else ``refused`` or ``error``."""
    try:
        walk = Walk(path, largest=largest)
        walk.all()
        return {"keys": list(walk.file), "total": walk.total}
    except Refused as refused:
        return {"refused": str(refused)}
    except MemoryError:
        return {"refused": "it is damaged: looking through it takes too much memory"}
    except Exception as error:
        return {"error": " ".join(str(error).split())[:200]}


def _limit(path: str) -> None:
    import resource

    held = Path("/proc/self/statm")
    pages = int(held.read_text().split()[0]) if held.exists() else 1 << 18
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + MEMORY,
        resource.RLIMIT_CPU: SECONDS + Path(path).stat().st_size // BYTES_PER_SECOND,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in limits.items():
        hard = resource.getrlimit(what)[1]
        lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (lower, lower))


def serve() -> None:
    """Answer until standard input ends."""
    sys.path[:] = json.loads(sys.stdin.readline())
    import h5py  # noqa: F401 - before the first file, once for all

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        given = json.loads(line)
        if not hasattr(os, "fork"):
            print(json.dumps(look(**given)), flush=True)
            continue
        fork = os.fork()
        if fork == 0:
            _limit(given["path"])
            answer = json.dumps(look(**given)).encode() + b"\n"
            os.write(1, answer)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
        if code:
            print(json.dumps({"died": -code}), flush=True)


if __name__ == "__main__":
    serve()
