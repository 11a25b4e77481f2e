"""The detector that is used when nobody chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tybalt_like import pp
from tybalt_like.anomaly import scores as tables
from tybalt_like.anomaly.calibration import Rule
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.helpers import Helpers
from tybalt_like.core.keys import DEFAULT
from tybalt_like.core.provenance import is_images, record
from tybalt_like.models import ModelSettings
from tybalt_like.pp.split import MIN_REFERENCE
from tybalt_like.tl.cross_fit import Detected, Detection, FoldHook, cross_fit, folds_of, reference
from tybalt_like.tl.score import write_scores
from tybalt_like.tl.scorer import Scorer

if TYPE_CHECKING:
    from anndata import AnnData

LATENT_DIM, PER_FEATURE = 20, 3
"""Principal components of the default detector, and training samples for each at least."""
N_GENES = 2000
AS_THEY_ARE = pp.Normalisation(units="log2", log="no", library="none", select="all", scale="none")
"""Pixels stay in their places, on their scale."""


def detect(
    adata: AnnData,
    *,
    normalisation: pp.Normalisation | None = None,
    views: Sequence[str] | None = None,
    folds: int | None = None,
    conditional_on: str | None = None,
    group: str | None = None,
    contamination: float = 0.0,
    p_values: Rule = "auto",
    fdr: float = 0.05,
    seed: int = 0,
) -> Scorer:
    """Score every sample by the default detector, calibrated with all reference samples.

    It looks at residuals of a PCA with 20 components and at distances between profiles
    (`anomaly.VIEWS`) and needs no training loop. The reference is divided into folds; for each,
    the choice of genes, the normalisation, the PCA and the views are learned from the others, so
    that every reference sample is scored by detectors that have not seen it. These scores
    calibrate one detector that is fitted to all of the reference and scores everybody else.

    Adds the obs columns ``default_<score>`` of every view, ``default_combined``,
    ``default_p_value``, ``default_extrapolated``, ``default_q_value`` and ``default_flagged``.
    Query samples are tested; if all samples belong to the reference, all are.

    Parameters
    ----------
    adata
        Expression as read, samples x genes. With ``obs["tybalt_split"]`` (`pp.split`), all samples
        but the query are the reference; without, all are.
    normalisation
        Of the genes; by default the 2,000 that vary most, standardised. Genes are always
        standardised, and counts divided by library size and logged; images stay as they are.
    views
        Scores that the combined one, to which p-values belong, is made of; `anomaly.VIEWS`, of
        images `anomaly.IMAGE_VIEWS`, if None.
    folds
        Of the reference; by default 10, of 5,000 and more samples 5, and as many as samples if
        these are 30 or fewer.
    conditional_on
        obs column with a label or a batch: samples are compared with reference samples of their
        own group, so that error rates hold within each.
    group
        obs column of samples that depend on each other (a patient, an experiment): they share a
        fold and count as one, and p-values hold for samples of new groups.
    contamination
        Share of the reference that may be anomalous without being labelled so: that many of its
        strangest samples are not learned from. All of it calibrates.
    p_values
        See `anomaly.Calibration`.
    fdr
        Samples with q <= fdr are flagged.
    seed
        Of the folds.

    Returns
    -------
    Scorer
        To score further samples.

    Raises
    ------
    DataError
        If there are fewer than 20 reference samples, or the values do not suit.

    Examples
    --------
    >>> import tybalt_like as ty
    >>> adata = ty.datasets.load("tcga_brca")[:, :100].copy()
    >>> ty.pp.split(adata, label="pam50", normal=["Luminal A", "Luminal B"])
    >>> scorer = ty.tl.detect(adata, folds=3)
    >>> adata.obs.groupby("pam50", observed=True)["default_combined"].mean().idxmax()
    'Basal-like'
    >>> scores = scorer.score(adata[:5])  # of further samples
    """
    n = int(reference(adata).sum())
    if n < MIN_REFERENCE:
        raise DataError(f"{n} reference samples; at least {MIN_REFERENCE} are needed")
    how = Detection(
        views=tuple(views) if views else None,
        folds=folds,
        conditional_on=conditional_on,
        group=group,
        contamination=contamination,
        p_values=p_values,
    )
    found = detected(adata, how, normalisation=normalisation, seed=seed)
    scores = tables.with_q_values(found.scores, fdr=fdr, tested=tested(adata))
    write_scores(adata, scores)
    about = {"combined": str(found.scorer.detector.combination), "fdr": fdr}
    record(adata, **{keys.score(DEFAULT, "scores"): about})
    return found.scorer


def tested(adata: AnnData) -> list[str]:
    """Names of the samples that are asked about: the query, or all if there is none."""
    query_n = ~reference(adata)
    return list(adata.obs_names[query_n if query_n.any() else ~query_n])


def detected(
    adata: AnnData,
    how: Detection,
    *,
    normalisation: pp.Normalisation | None = None,
    seed: int = 0,
    on_fold: FoldHook | None = None,
    helpers: Helpers | None = None,
) -> Detected:
    """What `detect` does; `adata` stays as it is.

    Parameters
    ----------
    on_fold
        Called with the number of folds done, and of all.
    helpers
        Processes that share the folds.
    """
    settings = _comparable(normalisation or pp.Normalisation(n_genes=N_GENES))
    fold_n = folds_of(adata, how, seed=seed)
    # The same number everywhere: a view may depend on it, and must not on the fold.
    largest = int(np.bincount(fold_n[fold_n >= 0]).max())
    per_feature = (int((fold_n >= 0).sum()) - largest) // PER_FEATURE
    latent_dim = max(1, min(LATENT_DIM, per_feature, -(-adata.n_vars // 2)))
    return cross_fit(
        adata,
        how,
        AS_THEY_ARE if is_images(adata) else settings,
        ModelSettings.of("pca", {"latent_dim": latent_dim}),
        name=DEFAULT,
        fold_n=fold_n,
        seed=seed,
        on_fold=on_fold,
        helpers=helpers,
    )


def _comparable(normalisation: pp.Normalisation) -> pp.Normalisation:
    """The same with all genes on one scale and counts on the logarithmic one, also where a model
    wants them as they are."""
    log = "auto" if normalisation.log == "no" else normalisation.log
    library = "auto" if normalisation.library == "none" else normalisation.library
    return replace(normalisation, log=log, library=library, scale="zscore")
