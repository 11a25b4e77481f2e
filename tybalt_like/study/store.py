"""Jobs, and the folder of those that are done: shared by processes, repeated by none."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import RecipeError, RunError
from tybalt_like.core.files import whole_file
from tybalt_like.core.stored import sound
from tybalt_like.run.progress import Progress

J = TypeVar("J", bound="Job")


@dataclass(frozen=True)
class Job(ABC):
    """One training of many. Subclasses say what is trained."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Names its file; distinct within a study."""


class Finished(NamedTuple):
    """What is kept of a job: plain values, and arrays by name."""

    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def fingerprint(about: Any) -> str:
    """Of plain values that a result depends on."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


class Store:
    """A folder of finished jobs, a file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, job: Job) -> Path:
        """Where the job is kept."""
        return self.folder / f"{job.name}.npz"

    def is_done(self, job: Job, identity: str) -> bool:
        """Whether the job is there.

        Parameters
        ----------
        identity
            `fingerprint` of what it depends on.

        Raises
        ------
        RunError
            If it was done with other settings.
        """
        path = self.path(job)
        if not path.exists():
            return False
        with sound(path), np.load(path, allow_pickle=False) as stored:  # only what is asked for
            if json.loads(str(stored["about"]))["identity"] == identity:
                return True
        raise RunError(
            f"{path} was made with other settings; repeat those, choose another folder with --out, "
            "or remove the file"
        )

    def save(self, job: Job, found: Finished, *, identity: str) -> None:
        """Keep a job, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"identity": identity, **found.about})
        entries: dict[str, Any] = {"about": np.array(about), **found.arrays}
        with whole_file(self.path(job)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **entries)

    def load(self, job: Job) -> Finished:
        """Read what `save` kept."""
        path = self.path(job)
        with sound(path), np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            arrays = {name: stored[name] for name in stored.files if name != "about"}
        return Finished(about, arrays)


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone may do what the file stands for, until the block ends.

    The operating system gives the claim back when a process dies.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def missing(
    jobs: Sequence[J], store: Store, identity: Callable[[J], str], progress: Progress
) -> list[J]:
    """Those that are not in the store; says how many are."""
    left = [job for job in jobs if not store.is_done(job, identity(job))]
    if len(left) < len(jobs):
        progress.say(f"{len(jobs) - len(left)} of {len(jobs)} trainings are done already")
    return left


def named(jobs: Sequence[J], name: str) -> J:
    """The job of that name.

    Raises
    ------
    RecipeError
        If it is not among them.
    """
    for job in jobs:
        if job.name == name:
            return job
    raise RecipeError(f"--job {name}: not in this recipe; --list shows those that are")
