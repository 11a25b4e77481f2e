"""Finished runs, handed on: folders laid out as model repositories of Hugging Face are, with a
card, from folder to folder or through its hub."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tybalt_like.core.errors import RunError
from tybalt_like.core.files import checksum, write_text
from tybalt_like.core.folders import check_place, whole_folder
from tybalt_like.core.marker import check_intact, known_checksums, written_files
from tybalt_like.report import about_of
from tybalt_like.run import hub
from tybalt_like.run.card import CARD, card
from tybalt_like.run.folder import KIND
from tybalt_like.run.portable import FILE as PORTABLE

SAMPLES_AND_GENES = ("_ng", "_mg")
"""Ends of the names of arrays whose rows are samples and whose columns genes."""


def push(
    folder: Path,
    dest: str,
    *,
    licence: str = "unknown",
    with_profiles: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Copy a finished run, with a card (``README.md``), to where others `pull` it from.

    Parameters
    ----------
    dest
        Folder to make, or ``hf://owner/name`` on the hub of Hugging Face: one commit, into a
        repository that is private if it is made now.
    licence
        Of what is handed on, as Hugging Face calls it, such as ``cc-by-4.0``.
    with_profiles
        Whether the expression of samples may be handed on with it.
    overwrite
        Replace what was pushed there before.

    Returns
    -------
    list of str
        The files that hold the expression of samples.

    Raises
    ------
    RunError
        If the folder is no whole run over a cohort, holds profiles that may not go, or `dest` may
        not be written.
    """
    about = about_of(folder)
    if about["kind"] != KIND:
        raise RunError(f"{folder} is a run of another kind ({about['kind']}); push runs of cohorts")
    names = [name for name in written_files(folder) if name != CARD]
    check_intact(folder, names)
    held = profiles_in(folder, names)
    if held and not with_profiles:
        more = f" and {len(held) - 1} more" if len(held) > 1 else ""
        raise RunError(
            f"{folder} holds the expression of its samples ({held[0]}{more}), which whoever gets "
            "it can read; add --with-profiles if they may, or push what `tybalt-like report "
            "--anonymous` makes, which scores nothing"
        )
    text = card(folder, about, licence=licence, profiles=held)
    if not dest.startswith(hub.SCHEME):
        _lay_out(folder, names, text, Path(dest), overwrite=overwrite)
        return held
    with TemporaryDirectory() as temporary:
        laid_out = Path(temporary) / "run"
        _lay_out(folder, names, text, laid_out, overwrite=False)
        hub.upload(laid_out, dest, overwrite=overwrite)
    return held


def _lay_out(folder: Path, names: Iterable[str], text: str, out: Path, *, overwrite: bool) -> None:
    """The files and the card; the marker that this leaves in `out` has the SHA-256 of each."""
    with whole_folder(out, kind=KIND, settings={}, inputs=[folder], overwrite=overwrite) as work:
        for name in names:
            _copy(folder / name, work / name)
        write_text(work / CARD, text)


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)


def profiles_in(folder: Path, names: Iterable[str]) -> list[str]:
    """Those files of a run that hold whole profiles of samples: matrices, detectors that compare
    with reference profiles, pages that do so. Tables of some genes are not among them."""
    return [name for name in names if _holds_profiles(folder / name)]


def _holds_profiles(path: Path) -> bool:
    from safetensors import safe_open

    if path.name == PORTABLE:
        return json.loads(gzip.decompress(path.read_bytes()))["profiles"] is not None
    if path.suffix == ".safetensors":
        with safe_open(path, framework="np") as file:
            return any(name.endswith(SAMPLES_AND_GENES) for name in file.keys())  # noqa: SIM118
    return path.suffix == ".h5ad"


def pull(source: str, out: Path, *, overwrite: bool = False) -> Path:
    """Copy a run that somebody has pushed, and hold every file to its SHA-256; but for the card,
    which people write on.

    Parameters
    ----------
    source
        Folder, or ``hf://owner/name``, perhaps with ``@revision``.
    out
        The folder to make.
    overwrite
        Replace `out` if it exists.

    Raises
    ------
    RunError
        If `source` is no run, a file of it is missing, damaged or lies outside, or `out` exists.
    """
    check_place(out)
    if not source.startswith(hub.SCHEME):
        return _take(Path(source), out, overwrite=overwrite)
    with TemporaryDirectory() as temporary:
        hub.download(source, Path(temporary))
        return _take(Path(temporary), out, overwrite=overwrite, called=source)


def _take(folder: Path, out: Path, *, overwrite: bool, called: str = "") -> Path:
    called = called or str(folder)
    known = known_checksums(folder)
    if not known:
        raise RunError(
            f"{called} is no run that was pushed: there is no list of its files and their SHA-256; "
            "name what `tybalt-like push` made"
        )
    about_of(folder)
    with whole_folder(out, kind=KIND, settings={}, inputs=[folder], overwrite=overwrite) as work:
        for name, sha in known.items():
            place = folder / name
            if (
                _leaves(name)
                or place.is_symlink()
                or not place.resolve().is_relative_to(folder.resolve())
            ):
                raise RunError(f"{called} names a file outside itself ({name!r}); do not trust it")
            if not place.is_file():
                raise RunError(f"{called} is not whole: {name} is missing; pull it again")
            _copy(place, work / name)
            if name != CARD and checksum(work / name) != sha:
                raise RunError(
                    f"{called}: {name} is not as it was pushed (its SHA-256 differs); pull it "
                    "again, or ask whoever pushed it"
                )
    return out


def _leaves(name: str) -> bool:
    """Whether a name could lead out of its folder, on any system."""
    parts = PurePosixPath(name).parts
    return not parts or ".." in parts or name.startswith("/") or "\\" in name or ":" in name
