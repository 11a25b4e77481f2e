"""A cohort larger than memory: all of it is learned from, encoded and scored, some is held.

The matrix is read in pieces. Random samples of it, which are held in memory, go through a run as
any cohort does: they calibrate, are judged, and shown. All others are scored as new samples are;
the strangest of them are shown too.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import distributed, keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.memory import giving_back_arrays
from tybalt_like.core.messages import without_folders
from tybalt_like.core.provenance import record
from tybalt_like.io.grid import repeated_genes_allowed
from tybalt_like.io.parts import hints, kinds_of
from tybalt_like.io.samples import SampleTable, join
from tybalt_like.models import Model
from tybalt_like.pp.matrix import CHUNK, read_rows, spread_rows
from tybalt_like.pp.scale import detect
from tybalt_like.report.run_contents import NORM
from tybalt_like.report.words import counted
from tybalt_like.tl.explain import N_STRANGEST
from tybalt_like.tl.scorer import Scorer

if TYPE_CHECKING:
    from anndata import AnnData

Numbers = NDArray[np.intp]
NORMALISED = "checkpoint_normalised.h5ad"
"""The cohort as the model sees it, beside the checkpoint: kept as long as that is."""
SHOWN = 1000
"""Flagged samples that were not held and are shown all the same, at most: the strangest."""


@dataclass(frozen=True)
class OnDisk:
    """All samples of a cohort, most of which stay on disk.

    Attributes
    ----------
    adata
        As read, with the split; the matrix is on disk.
    held_n
        Numbers of the samples that are held in memory.
    """

    adata: AnnData
    held_n: Numbers

    @classmethod
    def divided(cls, adata: AnnData, n: int, *, seed: int) -> OnDisk:
        """Hold `n` samples, drawn at random: of the query at most half of them."""
        rng, query_n = np.random.default_rng(seed), np.asarray(adata.obs[keys.SPLIT] == keys.QUERY)
        query, known = (rng.permutation(np.flatnonzero(mask_n)) for mask_n in (query_n, ~query_n))
        n_query = min(len(query), max(n // 2, n - len(known)))
        return cls(adata, np.sort(np.concatenate([query[:n_query], known[: n - n_query]])))

    def held(self) -> AnnData:
        """The samples that are held."""
        return samples(self.adata, self.held_n)

    @property
    def finding(self) -> str:
        """What becomes of which samples, in a sentence."""
        return (
            f"{len(self.held_n):,} of {counted(self.adata.n_obs, 'sample')}, drawn at random, are "
            "held in memory: detectors compare with them, the encoding is judged on them, and they "
            "are shown, beside the strangest of the others; all are learned from, encoded and "
            "scored"
        )

    @cached_property
    def others_n(self) -> Numbers:
        """Numbers of all other samples."""
        return np.setdiff1d(np.arange(self.adata.n_obs), self.held_n)

    def parts(self) -> Iterator[AnnData]:
        """All other samples, as many at a time as are made dense at once."""
        size = max(1, CHUNK // self.adata.n_vars)
        for start in range(0, len(self.others_n), size):
            yield samples(self.adata, self.others_n[start : start + size])
            gc.collect()  # an AnnData is a cycle, which would lie about with its arrays


def opened(path: Path, obs: str | None) -> AnnData:
    """An h5ad or zarr that stays on disk, with the sample table joined to it.

    Raises
    ------
    DataError
        If it is neither, names a sample twice, or holds features that are no genes.
    """
    with repeated_genes_allowed():  # of names that are, more is said here
        adata, name = pp.open_backed(path), path.name
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][0]
        raise DataError(f"{path}: sample {twice!r} occurs twice; rename or remove the copies")
    if kinds_of(adata) is not None:
        raise DataError(
            f"{path}: some features are no genes; write the genes to a file of their own"
        )
    notes, warnings, unmatched = hints(adata), list[str](), dict[str, Any]()
    if obs is not None:
        joined = join(adata, SampleTable.of(obs))
        notes += joined.notes
        warnings, unmatched = joined.warnings, joined.record
    told: list[str | Path] = [path, *([] if obs is None else [obs])]
    reading: dict[str, Any] = {
        "source": name,
        "format": "h5ad" if path.is_file() else "zarr",
        "genes_in": "columns",
        "n_obs": adata.n_obs,
        "n_vars": adata.n_vars,
        "parts": {},
        "notes": without_folders(notes, told),
        "warnings": without_folders(warnings, told),
    }
    # Pieces of it must not be told apart by how their values happen to look.
    scale = asdict(detect(spread_rows(adata)))
    record(adata, reading=reading | unmatched, **{keys.SCALE: scale})
    return adata


def samples(adata: AnnData, rows_n: Numbers) -> AnnData:
    """Some samples of a matrix on disk, whose numbers rise, in memory."""
    return type(adata)(
        read_rows(adata.X, rows_n),
        obs=adata.obs.iloc[rows_n].copy(),
        var=adata.var.copy(),
        uns=dict(adata.uns),
        obsm={
            key: values.iloc[rows_n] if isinstance(values, pd.DataFrame) else values[rows_n]
            for key, values in adata.obsm.items()
        },
    )


def normalised(adata: AnnData, normaliser: pp.Normaliser, path: Path) -> AnnData:
    """The whole cohort as the model sees it, in a file that is written unless it is there: by one
    process, for all that train together."""
    if distributed.is_main() and not path.exists():
        normaliser.write(adata, path)
    distributed.agreed(True)  # wait for it
    return pp.open_backed(path)


def scored(
    cohort: OnDisk,
    scorers: Mapping[str, Scorer],
    normaliser: pp.Normaliser,
    norm: anomaly.Norm,
    *,
    on_part: Callable[[int, int], None],
) -> pd.DataFrame:
    """The long table (`anomaly.scores`) of all samples that are not held, without q-values."""
    parts, done = list[pd.DataFrame](), 0
    with giving_back_arrays():
        for part in cohort.parts():
            parts += [scorer.score(part) for scorer in scorers.values()]
            norm_n = norm.score(np.asarray(normaliser.transform(part).X))
            parts.append(tables.tabulate({NORM: norm_n}, list(part.obs_names), model=""))
            done += part.n_obs
            on_part(done, len(cohort.others_n))
    return pd.concat(parts, ignore_index=True)


def strangest(cohort: OnDisk, scores: pd.DataFrame, *, model: str) -> AnnData | None:
    """Of the samples that are not held, as read: the flagged ones or, if there are none, those that
    are strangest of all that were asked about; None if all of these are held."""
    found = scores[(scores["model"] == model) & (scores["score"] == tables.COMBINED)]
    found = found[found["q_value"].notna()].sort_values("value", ascending=False, kind="stable")
    called = found[found["flagged"]]
    shown = called if len(called) else found[:N_STRANGEST]
    rows_n = cohort.adata.obs_names.get_indexer(pd.Index(shown["sample"]))
    rows_n = rows_n[np.isin(rows_n, cohort.others_n)][:SHOWN]
    return samples(cohort.adata, np.sort(rows_n)) if len(rows_n) else None


def encoded(others: AnnData, normaliser: pp.Normaliser, models: Iterable[Model]) -> AnnData:
    """Samples as read, as the models see them, with latents and reconstructions."""
    scaled = normaliser.transform(others)
    for model in models:
        tl.latent(scaled, model)
    return scaled
