"""The genes, and sets of genes, behind the scores of samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly
from tybalt_like.anomaly import scores as tables
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.genes import names_in, symbols
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.tl.fit import in_split
from tybalt_like.tl.score import model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

N_STRANGEST = 10
"""Samples that are explained where none is flagged."""


def explain(
    adata: AnnData,
    detector: anomaly.Detector,
    *,
    model: str = keys.MODEL,
    samples: Sequence[str] | None = None,
    n_top: int | None = 20,
    of_interest: Collection[str] = (),
) -> pd.DataFrame:
    """The genes that make samples strange, with symbol and direction; see `anomaly.gene_scores`.

    Parameters
    ----------
    samples
        Names; the flagged or else the strangest tested ones of ``adata.obs`` if None.
    n_top
        Genes of each sample; all if None.
    of_interest
        Genes that matter more, by any name.

    Raises
    ------
    DataError
        If a sample does not exist.
    """
    samples = _scored(adata, model) if samples is None else samples
    rows = _rows(adata, samples)
    table = anomaly.gene_scores(
        detector.usual,
        model_outputs(adata, model=model)[rows],
        names=samples,
        genes=list(adata.var_names),
        n_top=n_top,
        of_interest=names_in(adata, list(of_interest)),
    )
    return table.assign(symbol=table["gene"].map(symbols(adata.var)))


def explain_gene_sets(
    adata: AnnData,
    sets: Mapping[str, Collection[str]],
    *,
    model: str = keys.MODEL,
    samples: Sequence[str] | None = None,
    n_top: int = 10,
) -> pd.DataFrame:
    """The gene sets whose genes, together, are furthest from what the model expects.

    A set's residual in a sample is the mean z of its genes, as normal scores. It is compared with
    the same mean in the calibration samples (`anomaly.SetNull`), which know how the genes of the
    set move together.

    Parameters
    ----------
    adata
        Scored (`tl.score`).
    sets
        Name -> genes, as `io.read_gmt` gives them; sets of 5 to 500 genes of `adata` are used.
    samples
        Names; the flagged or else the strangest tested ones of ``adata.obs`` if None.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, rank, set, n_genes, mean_z, z, p_value, p_adjusted, direction``, the
        `n_top` smallest p-values of each sample. ``mean_z``: of the genes, as normal scores;
        ``z``: the same in units of what is usual for the set; ``p_adjusted``: over all sets of the
        sample.

    Raises
    ------
    DataError
        If a sample does not exist or no set fits the genes.
    """
    samples = _scored(adata, model) if samples is None else samples
    rows = _rows(adata, samples)
    within = GeneSets.within(list(adata.var_names), sets)
    outputs = model_outputs(adata, model=model)
    known_n, chosen_ng = in_split(adata, keys.CALIBRATION), adata.layers.get(keys.CHOSEN)
    null = anomaly.SetNull.fit(
        outputs[known_n].residual_ng,
        within.member_sg,
        chosen_cg=None if chosen_ng is None else np.asarray(chosen_ng)[known_n],
    )
    mean_ns = null.mean(outputs[rows].residual_ng)
    z_ns = null.sets.z(mean_ns)
    p_ns = null.sets.p_values(z_ns)
    adjusted_ns = null.sets.adjusted(p_ns)
    n_top = min(n_top, len(within.names))
    top_nt = np.lexsort((-np.abs(z_ns), p_ns), axis=1)[:, :n_top]
    z = np.take_along_axis(z_ns, top_nt, axis=1).ravel()
    return pd.DataFrame(
        {
            "sample": np.repeat(np.asarray(samples, dtype=object), n_top),
            "rank": np.tile(np.arange(1, n_top + 1), len(samples)),
            "set": np.asarray(within.names, dtype=object)[top_nt.ravel()],
            "n_genes": within.member_sg.sum(1)[top_nt.ravel()],
            "mean_z": np.take_along_axis(mean_ns, top_nt, axis=1).ravel(),
            "z": z,
            "p_value": np.take_along_axis(p_ns, top_nt, axis=1).ravel(),
            "p_adjusted": np.take_along_axis(adjusted_ns, top_nt, axis=1).ravel(),
            "direction": np.where(z > 0, "up", "down"),
        }
    )


def strangest(scores: pd.DataFrame, *, model: str) -> list[str]:
    """The flagged samples of a long table of scores, or the ten strangest tested ones if none is;
    strangest first."""
    rows = scores[(scores["model"] == model) & (scores["score"] == tables.COMBINED)]
    rows = rows[rows["q_value"].notna()].sort_values("value", ascending=False)
    flagged = rows[rows["flagged"].astype(bool)]
    return list((flagged if len(flagged) else rows.head(N_STRANGEST))["sample"].astype(str))


def _scored(adata: AnnData, model: str) -> list[str]:
    """`strangest` of the scores that ``adata.obs`` holds."""
    names = {what: keys.score(model, what) for what in (tables.COMBINED, "q_value", "flagged")}
    if missing := [name for name in names.values() if name not in adata.obs]:
        raise DataError(f"there is no column {missing[0]!r}; run tl.score first, or name samples")
    obs = adata.obs[list(names.values())].set_axis(["value", "q_value", "flagged"], axis=1)
    obs = obs.assign(sample=adata.obs_names, model=model, score=tables.COMBINED)
    return strangest(obs, model=model)


def _rows(adata: AnnData, samples: Sequence[str]) -> np.ndarray:
    rows = adata.obs_names.get_indexer(pd.Index(samples))
    if (rows < 0).any():
        raise DataError(f"no sample is called {samples[int(np.argmin(rows))]!r}")
    return np.asarray(rows)
