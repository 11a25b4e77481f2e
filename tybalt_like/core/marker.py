"""The marker of a folder: that this package wrote it, which files, and what was in them.

Only a folder with a marker is ever replaced, and only if nothing else was put into it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tybalt_like.core.errors import RunError
from tybalt_like.core.files import checksum, write_text

MARKER = ".tybalt_like.json"
"""In every folder that this package wrote: its kind, which files in it are the package's, and the
SHA-256 of each."""
CHECKSUMS = "sha256"


def written_files(folder: Path) -> list[str]:
    """The files of a finished folder that are the package's and there.

    Raises
    ------
    RunError
        If the folder carries no marker.
    """
    marker = marker_of(folder)
    if not marker:
        raise RunError(
            f"{folder} carries no mark of tybalt_like; name the folder of a finished run"
        )
    return [name for name in marker.get("files", []) if (folder / name).is_file()]


def known_checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a finished folder by name; empty if nothing is known of them."""
    return {str(name): str(sha) for name, sha in marker_of(folder).get(CHECKSUMS, {}).items()}


def kind_of(folder: Path) -> str | None:
    """What a folder of this package holds; None if it is not one."""
    kind = marker_of(folder).get("kind")
    return None if kind is None else str(kind)


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
    marker = marker_of(folder)
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


def about_to_write(folder: Path, names: Iterable[str]) -> None:
    """Count files of a finished folder as the package's, and nothing as known of what is in them:
    whenever the process is killed that writes them, the folder is sound."""
    marker, names = marker_of(folder), set(names)
    known = {name: sha for name, sha in marker.get(CHECKSUMS, {}).items() if name not in names}
    mark(folder, str(marker.get("kind", "")), sorted(names.union(marker.get("files", []))), known)


def add_to_marker(folder: Path, names: Iterable[str]) -> None:
    """Count further files of a finished folder as the package's."""
    marker, names = marker_of(folder), list(names)
    known = marker.get(CHECKSUMS, {}) | {name: checksum(folder / name) for name in names}
    files = sorted({*marker.get("files", []), *names})
    mark(folder, str(marker.get("kind", "")), files, known)


def forget(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a finished folder, and from the list of what it holds."""
    marker, names = marker_of(folder), set(names)
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if names.isdisjoint(marker.get("files", [])):
        return
    kept = [name for name in marker["files"] if name not in names]
    known = {name: sha for name, sha in marker.get(CHECKSUMS, {}).items() if name not in names}
    mark(folder, str(marker.get("kind", "")), kept, known)


def marker_of(folder: Path) -> dict[str, Any]:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    sound = isinstance(marker, dict) and isinstance(marker.get(CHECKSUMS, {}), dict)
    return marker if sound else {}


def mark(
    folder: Path, kind: str, files: list[str], checksums: Mapping[str, str] | None = None
) -> None:
    """Write the marker; a folder that grows has no checksums."""
    marker: dict[str, Any] = {"kind": kind, "files": files}
    if checksums is not None:
        marker[CHECKSUMS] = dict(checksums)
    write_text(folder / MARKER, json.dumps(marker, indent=1))
