"""``run.json``: what a finished run of any kind says of itself."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tybalt_like import __version__
from tybalt_like.core.errors import DataError, RunError
from tybalt_like.core.files import content_of, write_text
from tybalt_like.core.provenance import recorded
from tybalt_like.core.settings import by_name, files_in, with_files
from tybalt_like.report import ABOUT, PACKAGE, SCHEMA

if TYPE_CHECKING:
    from anndata import AnnData

UNINSTALLED = (
    "tybalt-like was run from its source without being installed, so the versions of the packages "
    "that it used are not known; install it (pip install --editable FOLDER) to have them recorded"
)
"""What a run is to be careful about that cannot say with what it was made."""


def write_about(
    work: Path,
    *,
    kind: str,
    name: str,
    recipe: Mapping[str, Any],
    seed: int,
    adata: AnnData | None,
    summary: Sequence[str],
    warnings: Sequence[str],
    facts: Mapping[str, Any],
    seconds: Mapping[str, float],
    **special: Any,
) -> None:
    """Write ``run.json``: what was done, with what, what came out, and what to be careful about.

    Parameters
    ----------
    kind
        Of run; says which page it gets.
    recipe
        Nested plain values; files in it are named without their folders.
    adata
        As read, with the record of that; None if nothing was.
    summary
        What was found, in sentences, the gravest first.
    warnings
        What to be careful about; what was doubtful in reading `adata` comes first.
    facts
        Numbers and names that the page shows in a table.
    special
        What runs of this kind say beside.
    """
    read = {} if adata is None else recorded(adata)
    doubts = read.get("reading", {}).get("warnings", [])
    with_what = versions()
    if len(with_what) == 1:
        warnings = [*warnings, UNINSTALLED]
    about = {
        "schema": SCHEMA,
        "kind": kind,
        "name": name,
        "recipe": by_name(recipe),
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": with_what,
        "platform": machine(),
        "reading": read.get("reading", {}),
        "findings": read.get("findings", []),
        "summary": list(summary),
        "warnings": [*doubts, *warnings],
        "facts": facts,
        "seconds": seconds,
    }
    write_text(work / ABOUT, json.dumps(about | special, indent=1))


def inputs_of(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name, size and SHA-256 of every file that a recipe names, by its key: what tells whether the
    same data are there when it is resumed or verified.

    Standard input, and what is no file, has none.
    """
    found = {}
    for key, path in files_in(tables).items():
        place = path.expanduser()
        if place.is_file() or place.is_dir():
            with suppress(OSError):  # whoever reads it says what is wrong
                found[key] = content_of(place)
    return found


def located_again(
    about: Mapping[str, Any], folder: Path, *, data: Sequence[Path] = (), only: str = ""
) -> dict[str, Any]:
    """The recipe of a finished run, with its files where they are now.

    Parameters
    ----------
    about
        ``run.json`` of the run, in `folder`.
    data
        The files, or folders that hold them; if there are none, the working folder, that of the run
        and the one above it are looked through.
    only
        The table whose files are needed; all if empty.

    Raises
    ------
    RunError
        If a file is not there, or was standard input.
    DataError
        If it is not the one that the run was made from, by SHA-256.
    """
    here, inputs = folder.resolve(), about.get("inputs", {})
    places = list(data) or [Path.cwd(), here.parent, here.parent.parent]

    def place(key: str, name: str) -> str:
        if not key.startswith(only):
            return name
        if name == "-":
            raise RunError(
                f"{folder} was made from standard input, which cannot be read again; save that to "
                "a file, and run it from there"
            )
        return str(_place(key, name, inputs.get(key), places))

    return with_files(about["recipe"], place)


def _place(key: str, name: str, wanted: Mapping[str, Any] | None, places: Sequence[Path]) -> Path:
    """Where a file lies: of those in question, the one with the content that is wanted, which
    folders of earlier versions do not tell."""
    found = [place / name for place in places if (place / name).exists()]
    found += [place for place in places if place.is_file() or place.name == name]
    if wanted is not None:
        alike = [path for path in found if content_of(path)["sha256"] == wanted["sha256"]]
    else:
        alike = [path for path in found if path.name == Path(name).name or key == "data.path"]
    if alike:
        return alike[0].resolve()
    if not (named := [path for path in found if path.name == Path(name).name]):
        looked = ", ".join(map(str, places))
        raise RunError(
            f"{Path(name).name} ({key} of the run) is not in {looked}; say where it is with --data"
        )
    raise DataError(
        f"{named[0]} is not the file that the run was made from ({key}; its SHA-256 differs); name "
        "the right one with --data"
    )


def machine() -> dict[str, str]:
    """What results may depend on beside versions: nothing that says whose machine it is."""
    import torch

    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of this package and of all that it needs, which only an installed package tells."""
    try:
        needed = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return {PACKAGE: __version__}
    names = [re.split(r"[\s<>=!~;\[]", line)[0] for line in needed if "extra ==" not in line]
    others = {name: importlib.metadata.version(name) for name in sorted(names)}
    return {PACKAGE: __version__} | others
