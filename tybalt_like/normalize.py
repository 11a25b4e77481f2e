"""A matrix normalised into a file, with its quality on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like import io, pp
from tybalt_like.errors import DataError, RecipeError
from tybalt_like.progress import Narrator
from tybalt_like.toml import changed

if TYPE_CHECKING:
    from anndata import AnnData


def normalize(
    matrix: Path,
    out: Path,
    *,
    obs: Path | None = None,
    batch: str | None = None,
    train: str | None = None,
    using: Path | None = None,
    changes: Sequence[str] = (),
    narrator: Narrator | None = None,
) -> None:
    """Write `out` (h5ad), ``<out>.normaliser.json`` and the page ``<out>.qc.png``.

    Parameters
    ----------
    matrix
        Any format that `io.read` knows. h5ad and zarr stay on disk.
    obs
        Sample table; with one, the matrix is read into memory.
    batch
        obs column of batches: the page then shows how much samples keep to theirs.
    train
        ``"column=value"``: learn from these samples only; from all if None.
    using
        A saved normaliser to apply instead.
    changes
        Settings of `pp.Normalisation` such as ``"scale=zscore"``.

    Raises
    ------
    DataError, RecipeError
        One clear sentence; nothing is written then.
    """
    narrator = narrator or Narrator(quiet=True)
    if out.suffix != ".h5ad":
        raise RecipeError(f"--out {out} must end in .h5ad")
    with narrator.stage("Reading"):
        adata = _open(matrix, obs)
        findings = pp.inspect(adata)
        for line in findings.lines():
            narrator.say(line)
        pp.check(findings)
    with narrator.stage("Normalising"):
        if using is not None:
            normaliser = pp.Normaliser.load(using)
        else:
            settings = pp.Normalisation.configure(**changed({}, changes))
            normaliser = pp.Normaliser.fit(adata, settings, train=_rows(adata, train))
        normaliser.write(adata, out)
        narrator.say(f"{len(normaliser.genes):,} of {adata.n_vars:,} genes")
        for note in normaliser.notes:
            narrator.say(note)
    with narrator.stage("Drawing"):
        from tybalt_like import pl

        figure = pl.qc(adata, pp.open_backed(out), batch=batch)
        figure.savefig(out.with_suffix(".qc.png"), dpi=160, bbox_inches="tight")
    normaliser.save(out.with_suffix(".normaliser.json"))
    for path in (out, out.with_suffix(".normaliser.json"), out.with_suffix(".qc.png")):
        narrator.say(str(path))


def _open(matrix: Path, obs: Path | None) -> AnnData:
    """On disk where that is possible, in memory otherwise."""
    if obs is None and matrix.suffix in (".h5ad", ".zarr"):
        return pp.open_backed(matrix)
    return io.read(matrix, obs=obs)


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
