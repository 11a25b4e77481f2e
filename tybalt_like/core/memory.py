"""How much memory there is, to refuse what could never fit before it is touched; giving it back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNKNOWN = 8 << 30
"""Bytes to go by where the system does not say."""
_CONTAINERS = {
    Path("/sys/fs/cgroup"): ("memory.max", "memory.current"),
    Path("/sys/fs/cgroup/memory"): ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Of cgroups, version 2 and 1: the limit, and what is used of it, with files in the cache."""
MMAP_THRESHOLD, ARRAY, HIGHEST = -3, 1 << 20, 32 << 20
"""M_MMAP_THRESHOLD of ``mallopt``: the bytes from which an array has a map of its own; the last is
what glibc raises it to by itself."""


def available() -> int:
    """Bytes that this process could still use: free, or held by files that are only cached,
    within the limits of its container and its own (``ulimit -v``)."""
    free = _free()
    return max(1, min([free, *_left_by_containers(), _left_by_own_limit(free)]))


def _free() -> int:
    found = _entry(Path("/proc/meminfo"), "MemAvailable:")
    if found is not None:
        return found << 10
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def _left_by_containers() -> list[int]:
    left = []
    for folder, (limit, used) in _CONTAINERS.items():
        numbers = [_read(folder / name) for name in (limit, used)]
        if all(number.isdigit() for number in numbers):
            cached = _entry(folder / "memory.stat", "inactive_file") or 0
            left.append(int(numbers[0]) - int(numbers[1]) + cached)
    return left


def _left_by_own_limit(free: int) -> int:
    try:
        import resource
    except ImportError:  # Windows
        return free
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    used = _read(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not used:
        return free
    return limit - int(used[0]) * resource.getpagesize()


def _entry(path: Path, name: str) -> int | None:
    """The number behind a name, in a file with one to a line."""
    for line in _read(path).splitlines():
        first, *rest = line.split()
        if first == name:
            return int(rest[0])
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@contextmanager
def giving_back_arrays() -> Iterator[None]:
    """Have arrays that are let go given back to the system at once, where glibc manages memory.

    Otherwise it raises its threshold with the arrays that it sees: smaller ones lie between what is
    kept of each piece of work, leave holes, and memory creeps from piece to piece.
    """
    _map_from(ARRAY)
    try:
        yield
    finally:
        _map_from(HIGHEST)


def _map_from(n_bytes: int) -> None:
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, n_bytes)
