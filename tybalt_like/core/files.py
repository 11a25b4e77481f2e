"""Files and folders: written whole or not at all, and never over what somebody else made.

A folder that this package wrote carries a marker that lists its files. Only such a folder is ever
replaced, and only if nothing else was put into it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tybalt_like.core import sigterm
from tybalt_like.core.errors import DiskFullError, RunError, TybaltLikeError, WriteError

MARKER = ".tybalt_like.json"
"""In every folder that this package wrote: its kind, which files in it are the package's, and the
SHA-256 of each."""
CHECKSUMS = "sha256"
SETTINGS, CHECKPOINT, JOBS = "settings.json", "checkpoint.safetensors", "jobs"
"""In an unfinished folder: what it depends on, the state of training, finished trainings."""
RESUMABLE = (f"{Path(CHECKPOINT).stem}*", f"{JOBS}/*")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def unfinished(out: Path) -> Path:
    """Where the folder `out` lies until it is whole."""
    return out.with_name(f"{out.name}.partial")


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
        with _sentences(path):
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
    with _sentences(path):
        probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
        probe.touch()
        probe.unlink()


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
    with _sentences(out), _locked(out):
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
        found = _marker(out).get("kind")
        if overwrite:
            _check_replaceable(out, overwrite=True)
            shutil.rmtree(out)
        elif found is None:
            raise RunError(f"{out} holds other files; choose another folder with --out")
        elif found != kind:
            raise RunError(f"{out} holds a {found}; choose another folder with --out")
    with _sentences(out):
        out.mkdir(parents=True, exist_ok=True)
        _mark(out, kind, sorted(owns))


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
    with _sentences(place), _locked(folder):
        if old.exists():  # killed between the renames, or after them
            if not place.exists():
                old.rename(place)
            shutil.rmtree(old, ignore_errors=True)
        owned = set(_marker(folder).get("files", []))
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
    before = {file for file in _marker(folder).get("files", []) if file.startswith(here)}
    about_to_write(folder, before | written.keys())
    if place.exists():
        place.rename(old)
    work.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    marker = _marker(folder)
    files = {file for file in marker["files"] if not file.startswith(here)} | written.keys()
    _mark(folder, str(marker.get("kind", "")), sorted(files), marker[CHECKSUMS] | written)


def about_to_write(folder: Path, names: Iterable[str]) -> None:
    """Count files of a finished folder as the package's, and nothing as known of what is in them:
    whenever the process is killed that writes them, the folder is sound."""
    marker, names = _marker(folder), set(names)
    known = {name: sha for name, sha in marker.get(CHECKSUMS, {}).items() if name not in names}
    _mark(folder, str(marker.get("kind", "")), sorted(names.union(marker.get("files", []))), known)


def add_to_marker(folder: Path, names: Iterable[str]) -> None:
    """Count further files of a finished folder as the package's."""
    marker, names = _marker(folder), list(names)
    known = marker.get(CHECKSUMS, {}) | {name: checksum(folder / name) for name in names}
    files = sorted({*marker.get("files", []), *names})
    _mark(folder, str(marker.get("kind", "")), files, known)


def forget(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a finished folder, and from the list of what it holds."""
    marker, names = _marker(folder), set(names)
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if names.isdisjoint(marker.get("files", [])):
        return
    kept = [name for name in marker["files"] if name not in names]
    known = {name: sha for name, sha in marker.get(CHECKSUMS, {}).items() if name not in names}
    _mark(folder, str(marker.get("kind", "")), kept, known)


def check_intact(folder: Path, names: Iterable[str]) -> None:
    """Refuse files of a finished folder that are not as they were written.

    Of folders without checksums, as earlier versions wrote them, nothing is said.

    Parameters
    ----------
    names
        Files that are about to be read; those that the folder never had may be among them.

    Raises
    ------
    RunError
        If one has changed or is missing, or the marker itself cannot be read.
    """
    marker = _marker(folder)
    if not marker and (folder / MARKER).is_file():
        raise RunError(f"{folder / MARKER} is damaged; copy the folder again, or make it anew")
    known = marker.get(CHECKSUMS, {})
    for name in names:
        if name not in known:
            continue
        path = folder / name
        if not path.is_file():
            raise RunError(f"{folder} is not whole: {name} missing; copy it again, or make it anew")
        if checksum(path) != known[name]:
            raise RunError(
                f"{path} is not as it was written (its checksum differs): it is damaged or was "
                "changed; copy the folder again, or make it anew"
            )


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


def checksum(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written_files(folder: Path) -> list[str]:
    """The files of a finished folder that are the package's and there.

    Raises
    ------
    RunError
        If the folder carries no marker.
    """
    marker = _marker(folder)
    if not marker:
        raise RunError(
            f"{folder} carries no mark of tybalt_like; name the folder of a finished run"
        )
    return [name for name in marker.get("files", []) if (folder / name).is_file()]


def known_checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a finished folder by name; empty if nothing is known of them."""
    return {str(name): str(sha) for name, sha in _marker(folder).get(CHECKSUMS, {}).items()}


def kind_of(folder: Path) -> str | None:
    """What a folder of this package holds; None if it is not one."""
    kind = _marker(folder).get("kind")
    return None if kind is None else str(kind)


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
def _sentences(path: Path) -> Iterator[None]:
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
    marker = _marker(out)
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
    _mark(work, kind, list(known), known)
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


def _marker(folder: Path) -> dict[str, Any]:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    sound = isinstance(marker, dict) and isinstance(marker.get(CHECKSUMS, {}), dict)
    return marker if sound else {}


def _mark(
    folder: Path, kind: str, files: list[str], checksums: Mapping[str, str] | None = None
) -> None:
    """Write the marker; a folder that grows has no checksums."""
    marker: dict[str, Any] = {"kind": kind, "files": files}
    if checksums is not None:
        marker[CHECKSUMS] = dict(checksums)
    write_text(folder / MARKER, json.dumps(marker, indent=1))


@contextmanager
def growing(folder: Path) -> Iterator[None]:
    """Work that adds to such a folder: an interrupt says how to go on.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    try:
        with _sentences(folder):
            yield
    except (KeyboardInterrupt, SystemExit) as error:
        error.add_note(f"what is done is kept in {folder}; the same command goes on")
        raise


def notes_of(error: BaseException) -> list[str]:
    """What is to be said beside an error, such as how to resume."""
    cause = error.__cause__ if isinstance(error, TybaltLikeError) else None
    own = getattr(error, "__notes__", [])
    return [*own, *(getattr(cause, "__notes__", []) if cause else [])]
