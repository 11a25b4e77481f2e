"""A finished run as one file to mail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from tybalt_like.core.files import check_file, whole_file
from tybalt_like.core.marker import MARKER, check_intact, written_files
from tybalt_like.report import ABOUT, PAGE, about_of, linked
from tybalt_like.run.anonymous import NAME as ANONYMOUS
from tybalt_like.run.portable import FILE as PORTABLE

FIGURES, OTHERS = "figures/", "model and matrix"
TABLES = (".tsv", ".tsv.gz", ".csv", ".txt", "_mqc.json", ABOUT)
PACKED = (".gz", ".png", ".h5ad", ".npz", ".zip")
"""Endings of files that do not get smaller."""
UNIX, EPOCH = 3, (1980, 1, 1, 0, 0, 0)
"""System and time of every file, whatever they are: the same run gives the same bytes."""


@dataclass(frozen=True)
class Bundle:
    """What became of a run.

    Attributes
    ----------
    path
        The zip.
    held, left_out
        Bytes of the files that are in it and that are not, by what they are.
    discloses
        What whoever gets it learns of the samples.
    """

    path: Path
    held: dict[str, int]
    left_out: dict[str, int]
    discloses: str

    @property
    def size(self) -> int:
        """Bytes of the zip."""
        return self.path.stat().st_size


def bundle(
    folder: Path, out: Path | None = None, *, everything: bool = False, overwrite: bool = False
) -> Bundle:
    """Write page, figures and tables of a finished run of any kind into a zip.

    In the zip, the files that the page names are links. The same run gives the same bytes.

    Parameters
    ----------
    out
        The zip; beside the folder, under its name, if None.
    everything
        With the model and the matrix, so that new samples can be scored.
    overwrite
        Replace `out` if it exists.

    Raises
    ------
    RunError
        If the folder is no whole run, a file has changed since, or `out` may not be written.
    """
    about, place = about_of(folder), folder.resolve()
    out = out or place.with_name(f"{place.name}.zip")
    names = written_files(folder)
    check_file(out, inputs=[folder / name for name in names], ours=overwrite)
    held = [name for name in names if everything or _kind(name) != OTHERS]
    check_intact(folder, {*held} - {PAGE})
    with whole_file(out) as partial, ZipFile(partial, "w") as file:
        for name in [*held, MARKER] if everything else held:
            content = (folder / name).read_bytes()
            if name == PAGE:
                content = linked(content.decode(), held).encode()
            info = ZipInfo(f"{place.name}/{name}", EPOCH)
            info.create_system, info.external_attr = UNIX, 0o644 << 16
            info.compress_type = ZIP_STORED if name.endswith(PACKED) else ZIP_DEFLATED
            file.writestr(info, content, compresslevel=9)
    left_out = [name for name in names if name not in held]
    return Bundle(out, _bytes(folder, held), _bytes(folder, left_out), disclosed(folder, about))


def disclosed(folder: Path, about: Mapping[str, Any]) -> str:
    """What page and tables of a run tell of its samples."""
    said = "it holds the names of all samples, and their clinical columns"
    if about["name"] == ANONYMOUS:
        said = "it holds no names of samples and no clinical columns"
    if (folder / PORTABLE).is_file():
        said += "; its page scores new samples, and discloses what `report --portable` has said"
    return said


def _kind(name: str) -> str:
    if name == PAGE:
        return "page"
    if name.startswith(FIGURES):
        return "figures"
    return "tables" if name.endswith(TABLES) else OTHERS


def _bytes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[_kind(name)] = found.get(_kind(name), 0) + (folder / name).stat().st_size
    return found


def size(n_bytes: int) -> str:
    """As people say it: ``4.9 MB``."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{max(n_bytes, 50) / 1e3:.1f} kB"
