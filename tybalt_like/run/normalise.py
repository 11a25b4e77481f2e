"""A matrix normalised into a file, with its quality on one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like import io, pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.core.files import check_file, whole_file
from tybalt_like.core.provenance import reading_notes, record
from tybalt_like.core.toml import changed
from tybalt_like.io.hdf5 import walked
from tybalt_like.io.parts import hints, kinds_of
from tybalt_like.pp.cluster import connected
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

SOFTWARE = "tybalt_like normalize"
"""Stands in the pictures that were drawn here."""


def normalise(
    matrix: Path,
    out: Path,
    *,
    obs: Path | None = None,
    reading: Mapping[str, Any] | None = None,
    batch: str | None = None,
    train: str | None = None,
    using: Path | None = None,
    changes: Sequence[str] = (),
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write `out` (h5ad), ``<out>.normaliser.json`` and the page ``<out>.qc.png``.

    Parameters
    ----------
    matrix
        Any format that `io.read` knows. h5ad and zarr stay on disk.
    obs
        Sample table; with one, the matrix is read into memory.
    reading
        `io.Options` by name; with any, the matrix is read into memory.
    batch
        obs column of batches: the page then shows how much samples keep to theirs.
    train
        ``"column=value"``: learn from these samples only; from all if None.
    using
        A saved normaliser to apply instead.
    changes
        Settings of `pp.Normalisation` such as ``"scale=zscore"``.
    scheduler
        Address of a dask scheduler whose workers look through the matrix, learn and apply: they
        have to find the file in the same place.
    overwrite
        Replace what an earlier call wrote.

    Raises
    ------
    TybaltLikeError
        One clear sentence; nothing is written then.
    """
    progress = progress or Progress(quiet=True)
    progress.steps = 4
    if out.suffix != ".h5ad":
        raise RecipeError(f"--out {out} must end in .h5ad")
    page, state = out.with_suffix(".qc.png"), out.with_suffix(".normaliser.json")
    for path in (out, page, state):
        inputs = [matrix, *(given for given in (obs, using) if given is not None)]
        check_file(path, inputs=inputs, ours=overwrite and _is_ours(path))
    with connected(scheduler) as client, whole_file(out) as partial:
        with progress.stage("Reading"):
            adata = _open(matrix, obs, reading or {})
            for note in reading_notes(adata):
                progress.say(note)
            findings = pp.inspect(adata, client=client)
            for line in findings.lines():
                progress.say(line)
            pp.check(findings)
        with progress.stage("Normalising"):
            if using is not None:
                normaliser = pp.Normaliser.load(using)
            else:
                settings = pp.Normalisation.configure(**changed({}, changes))
                rows_n = _rows(adata, train)
                normaliser = pp.Normaliser.fit(adata, settings, train=rows_n, client=client)
            progress.say(f"{len(normaliser.genes):,} of {adata.n_vars:,} genes")
            for note in normaliser.notes:
                progress.say(note)
        with progress.stage("Writing"):
            normaliser.write(adata, partial, client=client)
        with progress.stage("Drawing"):
            from tybalt_like import pl

            figure = pl.qc(adata, pp.open_backed(partial), batch=batch)
            with whole_file(page) as image:
                figure.savefig(
                    image,
                    format="png",
                    dpi=160,
                    bbox_inches="tight",
                    metadata={"Software": SOFTWARE},
                )
        with whole_file(state) as text:
            normaliser.save(text)
    for path in (out, state, page):
        progress.say(str(path))


def _is_ours(path: Path) -> bool:
    """Whether an earlier call wrote the file."""
    if not path.is_file():
        return False
    try:
        if path.suffix == ".png":
            from PIL import Image

            with Image.open(path) as image:
                return image.info.get("Software") == SOFTWARE
        if path.suffix == ".json":
            return "sample_steps" in json.loads(path.read_text(encoding="utf-8"))
        import h5py

        walked(path, name=str(path))
        with h5py.File(path) as file:
            about = file.get(f"uns/{keys.UNS}")
            return about is not None and "normalisation" in json.loads(about[()])
    except (OSError, ValueError, TypeError, RecursionError, DataError):
        return False


def _open(matrix: Path, obs: Path | None, reading: Mapping[str, Any]) -> AnnData:
    """On disk where that is possible, in memory otherwise: an h5ad or zarr of which all is used."""
    whole = matrix.suffix in (".h5ad", ".zarr") and not (matrix / "mod").is_dir()
    if obs is None and not reading and whole:
        adata = pp.open_backed(matrix)
        if kinds_of(adata) is None:
            record(adata, reading={"notes": hints(adata)})
            return adata
    return io.read(matrix, obs=obs, **reading)


def _rows(adata: AnnData, train: str | None) -> NDArray[np.bool_]:
    """The samples to learn from."""
    if train is None:
        return np.ones(adata.n_obs, dtype=bool)
    column, equals, value = train.partition("=")
    if not equals or column not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise DataError(f"--train {train!r}: write COLUMN=VALUE; sample columns: {known}")
    rows_n = np.asarray(adata.obs[column].astype(str) == value)
    if not rows_n.any():
        raise DataError(f"--train {train!r}: no sample has {column} = {value!r}")
    return rows_n
