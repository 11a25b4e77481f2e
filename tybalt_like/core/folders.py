"""Folders: written whole or not at all, resumed where they were left, and never over what somebody
else made."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tybalt_like.core import sigterm
from tybalt_like.core.errors import RunError, WriteError
from tybalt_like.core.files import checksum, errors_as_sentences, write_text
from tybalt_like.core.marker import CHECKSUMS, MARKER, about_to_write, mark, marker_of

SETTINGS, CHECKPOINT, JOBS = "settings.json", "checkpoint.safetensors", "jobs"
"""In an unfinished folder: what it depends on, the state of training, finished trainings."""
RESUMABLE = (f"{Path(CHECKPOINT).stem}*", f"{JOBS}/*")


def unfinished(out: Path) -> Path:
    """Where the folder `out` lies until it is whole."""
    return out.with_name(f"{out.name}.partial")


@contextmanager
def whole_folder(
    out: Path,
    *,
    kind: str,
    settings: Mapping[str, Any],
    inputs: Iterable[Path] = (),
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[Path]:
    """A folder ``<out>.partial`` to write into, renamed to `out` when the block ends well.

    If it does not, what training has reached (`RESUMABLE`) stays there to be resumed, whatever
    the error; without any, the folder vanishes. One process at a time may write `out`.

    Parameters
    ----------
    kind
        What the folder holds, for its marker.
    settings
        What it depends on; an unfinished folder is only resumed with the same.
    inputs
        Files and folders that are read, which `out` must not hold.
    resume
        Go on in the unfinished folder, if there is one.
    overwrite
        Replace `out` if it exists, and start anew if it is unfinished.

    Raises
    ------
    RunError
        If `out` exists and may not be replaced, if another process is writing it, or if the
        unfinished folder was made with other settings.
    WriteError
        If it cannot be written.
    """
    check_place(out, inputs=inputs)
    with errors_as_sentences(out), _locked(out):
        _mend(out)
        _check_replaceable(out, overwrite=overwrite)
        work = unfinished(out)
        _begin(work, settings, resume=resume, overwrite=overwrite)
        try:
            yield work
            with sigterm.postponed():
                _end(work, out, kind)
        except BaseException as error:
            _keep_or_remove(work, error)
            raise


def growing_folder(
    out: Path,
    *,
    kind: str,
    owns: Iterable[str],
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Make a folder that several processes add to, or see that `out` is one of that kind.

    Parameters
    ----------
    owns
        Names in it that are the package's; with a slash at the end, of folders.
    overwrite
        Empty it first.

    Raises
    ------
    RunError
        If something else is there.
    WriteError
        If it cannot be written.
    """
    check_place(out, inputs=inputs)
    if any(path.is_file() for path in out.rglob("*")):
        found = marker_of(out).get("kind")
        if overwrite:
            _check_replaceable(out, overwrite=True)
            shutil.rmtree(out)
        elif found is None:
            raise RunError(f"{out} holds other files; choose another folder with --out")
        elif found != kind:
            raise RunError(f"{out} holds a {found}; choose another folder with --out")
    with errors_as_sentences(out):
        out.mkdir(parents=True, exist_ok=True)
        mark(out, kind, sorted(owns))


@contextmanager
def growing(folder: Path) -> Iterator[None]:
    """Work that adds to such a folder: an interrupt says how to go on.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    try:
        with errors_as_sentences(folder):
            yield
    except (KeyboardInterrupt, SystemExit) as error:
        error.add_note(f"what is done is kept in {folder}; the same command goes on")
        raise


@contextmanager
def whole_part(folder: Path, name: str) -> Iterator[Path]:
    """A folder within a finished one, written whole or not at all, in place of what this package
    wrote there before.

    Raises
    ------
    RunError
        If other files lie there, or another process is writing.
    WriteError
        If it cannot be written.
    """
    place = folder / name
    work, old = unfinished(place), _replaced(place)
    with errors_as_sentences(place), _locked(folder):
        if old.exists():  # killed between the renames, or after them
            if not place.exists():
                old.rename(place)
            shutil.rmtree(old, ignore_errors=True)
        owned = set(marker_of(folder).get("files", []))
        for path in place.rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in owned:
                raise RunError(f"{path} is not of tybalt_like's making; move it elsewhere")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        with sigterm.postponed():
            _replace_part(folder, name)


def _replace_part(folder: Path, name: str) -> None:
    """The part that is written takes its place. The marker lists files of both until then, without
    checksums, so that a folder is sound whenever this process is killed."""
    place = folder / name
    work, old = unfinished(place), _replaced(place)
    written = {
        f"{name}/{path.relative_to(work).as_posix()}": checksum(path)
        for path in work.rglob("*")
        if path.is_file()
    }
    here = f"{name}/"
    before = {file for file in marker_of(folder).get("files", []) if file.startswith(here)}
    about_to_write(folder, before | written.keys())
    if place.exists():
        place.rename(old)
    work.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    marker = marker_of(folder)
    files = {file for file in marker["files"] if not file.startswith(here)} | written.keys()
    mark(folder, str(marker.get("kind", "")), sorted(files), marker[CHECKSUMS] | written)


def check_place(out: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a place where no folder can, or should, be made.

    Raises
    ------
    RunError
        If `out` is a file, a link or the folder in which the user works, or holds an input.
    """
    if out.is_symlink():
        raise RunError(f"{out} is a link; name the folder itself with --out")
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; name a folder with --out")
    place = out.resolve()
    if place in (Path.cwd(), *Path.cwd().parents):
        raise RunError(f"{out} is, or holds, the folder that you work in; name another with --out")
    for source in inputs:
        if place in (source.resolve(), *source.resolve().parents):
            raise RunError(f"{out} holds {source}, which is read; name another folder with --out")


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One process at a time; the operating system gives the lock back when that dies."""
    from filelock import FileLock, Timeout

    number, made = "", [folder for folder in out.parents if not folder.exists()]
    out.parent.mkdir(parents=True, exist_ok=True)
    path, who = (out.with_name(f".{out.name}.{what}") for what in ("lock", "writer"))
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        with suppress(OSError):  # it has just begun, or ended
            number = f" ({who.read_text(encoding='utf-8')})"
        raise RunError(
            f"another process{number} is writing {out}; wait for it, or choose another folder with "
            "--out"
        ) from None
    try:
        who.write_text(f"number {os.getpid()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # whoever waits for this very file sees that it is gone
            who.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # of what was refused nothing stays; what holds something does
            for folder in made:  # the innermost first
                folder.rmdir()


def _mend(out: Path) -> None:
    """Finish what was killed when the folder was whole, before or between its renames."""
    old, work = _replaced(out), unfinished(out)
    if (work / MARKER).is_file():
        if out.exists():
            out.rename(old)
        work.rename(out)
    if not (old / MARKER).is_file():
        return
    if not out.exists():
        old.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(out: Path, *, overwrite: bool) -> None:
    if not any(path.is_file() for path in out.rglob("*")):
        return
    if not overwrite:
        raise RunError(f"{out} exists; choose another folder with --out, or add --overwrite")
    marker = marker_of(out)
    if not marker:
        raise RunError(
            f"{out} carries no mark of tybalt_like and is not replaced; choose another folder with "
            "--out, or remove it yourself"
        )
    names = (path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir())
    owned = set(marker.get("files", []))
    folders = tuple(name for name in owned if name.endswith("/"))
    ours = (*folders, *_leftovers(owned))
    foreign = sorted(
        n
        for n in names
        if n not in owned | {MARKER} and not n.startswith(ours) and _becomes(n) not in owned
    )
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise RunError(
            f"{out} also holds {foreign[0]}{more}, which tybalt_like did not write; move it "
            "elsewhere, or choose another folder with --out"
        )


def _leftovers(owned: set[str]) -> list[str]:
    """Folders that a process which was killed has left within one that lists those files."""
    parts = {name.split("/")[0] for name in owned if "/" in name}
    return [
        f"{left}/" for p in parts for left in (f"{p}.partial", f".{p}.partial", f".{p}.replaced")
    ]


def _becomes(name: str) -> str:
    """The file that one of `whole_file`, left by a process which was killed, was to become."""
    return re.sub(r"(^|/)\.([^/]+)\.\d+\.partial$", r"\1\2", name)


def _begin(work: Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """The unfinished folder, empty or with what is to be resumed."""
    text = json.dumps(settings, indent=1)
    if work.is_dir() and any(_becomes(path.name) != SETTINGS for path in work.iterdir()):
        if not (work / SETTINGS).is_file():
            raise RunError(f"{work} holds other files; remove it, or choose another --out")
        if resume:
            if (work / SETTINGS).read_text(encoding="utf-8") != text:
                raise RunError(
                    f"{work} was interrupted with other settings; repeat those, or start anew with "
                    "--overwrite"
                )
        elif _resumable(work) and not overwrite:
            raise RunError(
                f"{work} holds an interrupted run; go on with --resume, or start anew with "
                "--overwrite"
            )
        else:
            shutil.rmtree(work)
    work.mkdir(exist_ok=True)
    try:
        write_text(work / SETTINGS, text)
    except WriteError:
        if not _resumable(work):
            shutil.rmtree(work, ignore_errors=True)
        raise


def _end(work: Path, out: Path, kind: str) -> None:
    """The unfinished folder, now whole, becomes `out`."""
    killed = [path for path in work.rglob(".*.partial") if _becomes(path.name) != path.name]
    for path in [work / SETTINGS, *work.glob(RESUMABLE[0]), *killed]:
        path.unlink(missing_ok=True)
    files = sorted(path for path in work.rglob("*") if path.is_file())
    known = {path.relative_to(work).as_posix(): checksum(path) for path in files}
    mark(work, kind, list(known), known)
    if not out.exists():
        work.rename(out)
        return
    old = _replaced(out)
    out.rename(old)
    work.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _keep_or_remove(work: Path, error: BaseException) -> None:
    if _resumable(work):
        error.add_note(f"what is done is kept in {work}; the same command with --resume goes on")
    else:
        shutil.rmtree(work, ignore_errors=True)
        if not isinstance(error, Exception):  # an interrupt
            error.add_note("nothing was far enough to be kept; the same command starts anew")


def _resumable(work: Path) -> bool:
    return any(True for pattern in RESUMABLE for _ in work.glob(pattern))


def _replaced(out: Path) -> Path:
    """Where the old folder lies while the new one takes its place."""
    return out.with_name(f".{out.name}.replaced")
