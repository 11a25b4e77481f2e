"""The detector that is used when nobody chooses, and how any detector learns from all normals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, pp
from tybalt_like.anomaly import scores as tables
from tybalt_like.anomaly.calibration import Rule
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import is_images, record
from tybalt_like.models import Model, ModelSettings
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.fit import fit, in_split, latent
from tybalt_like.tl.score import groups, model_outputs, write_scores
from tybalt_like.tl.scorer import Scorer

if TYPE_CHECKING:
    from anndata import AnnData

Mask = NDArray[np.bool_]
FoldHook = Callable[[int, int], None]

DEFAULT = "default"
"""Name of the default detector's scores."""
LATENT_DIM, PER_FEATURE = 20, 3
"""Principal components of the default detector, and training samples for each at least."""
N_GENES = 2000
FOLDS, LEAVE_ONE_OUT = 10, 30
"""Folds of the reference; up to so many reference samples are left out one by one."""
LEAST = 8
"""Reference samples that a detector can be fitted to."""
VALIDATION = 0.1
"""Share of the training samples of a fold that decides when to stop, as in a recipe."""
AS_THEY_ARE = pp.Normalisation(units="log2", log="no", library="none", select="all", scale="none")
"""Pixels stay in their places, on their scale."""


@dataclass(frozen=True)
class Detection:
    """How a detector is fitted to a reference cohort; see `detect`."""

    views: tuple[str, ...] = anomaly.VIEWS
    n_neighbors: int = 5
    folds: int | None = None
    conditional_on: str | None = None
    group: str | None = None
    contamination: float = 0.0
    p_values: Rule = "auto"


@dataclass(frozen=True)
class Detected:
    """A detector fitted to all of a reference cohort, and what it says of every sample.

    Attributes
    ----------
    scores
        The long table (`anomaly.scores`) without q-values. Reference samples were scored by
        detectors that had not seen them, and are compared with the other ones.
    left_out
        Names of the reference samples that were too strange to learn from.
    """

    scorer: Scorer
    scores: pd.DataFrame
    left_out: tuple[str, ...]


def detect(
    adata: AnnData,
    *,
    normalisation: pp.Normalisation | None = None,
    views: Sequence[str] = anomaly.VIEWS,
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
        Expression as read, samples x genes. With ``obs["split"]`` (`pp.split`), all samples but
        the query are the reference; without, all are.
    normalisation
        Of the genes; by default the 2,000 that vary most, standardised. Its scale is always
        ``"zscore"``; images stay as they are.
    views
        Scores that the combined one, to which p-values belong, is made of.
    folds
        Of the reference; by default 10, or as many as samples if these are 30 or fewer.
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
        If there are fewer than 8 reference samples, or the values do not suit.
    """
    how = Detection(
        views=tuple(views),
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


def reference(adata: AnnData) -> Mask:
    """The samples of the reference cohort."""
    if keys.SPLIT not in adata.obs:
        return np.ones(adata.n_obs, dtype=bool)
    return ~in_split(adata, keys.QUERY)


def detected(
    adata: AnnData,
    how: Detection,
    *,
    normalisation: pp.Normalisation | None = None,
    seed: int = 0,
    on_fold: FoldHook | None = None,
) -> Detected:
    """What `detect` does; `adata` stays as it is.

    Parameters
    ----------
    on_fold
        Called with the number of folds done, and of all.
    """
    if is_images(adata):
        settings = AS_THEY_ARE
    else:
        given = normalisation or pp.Normalisation(n_genes=N_GENES)
        settings = replace(given, scale="zscore")
    fold_n = folds_of(adata, how, seed=seed)
    m = int((fold_n >= 0).sum())
    # The same number everywhere: a view may depend on it, and must not on the fold.
    in_fold = int(np.bincount(fold_n[fold_n >= 0]).max())
    latent_dim = max(1, min(LATENT_DIM, (m - in_fold) // PER_FEATURE, -(-adata.n_vars // 2)))
    model = ModelSettings.of("pca", {"latent_dim": latent_dim})
    return cross_fitted(
        adata, how, settings, model, name=DEFAULT, fold_n=fold_n, seed=seed, on_fold=on_fold
    )


def cross_fitted(
    adata: AnnData,
    how: Detection,
    normalisation: pp.Normalisation,
    model: ModelSettings,
    *,
    name: str,
    fold_n: NDArray[np.int64],
    seed: int = 0,
    device: str = "cpu",
    on_fold: FoldHook | None = None,
) -> Detected:
    """Any model's detector, calibrated with all reference samples (cross-conformal prediction,
    Vovk, Ann Math Artif Intell 74:9, 2015).

    Parameters
    ----------
    name
        Of its scores.
    fold_n
        Fold of every reference sample, -1 for all others.
    """

    def learned(train_n: Mask) -> _Learned:
        return _learned(adata, train_n, how, normalisation, model, seed=seed, device=device)

    n_folds, parts = int(fold_n.max()) + 1, []
    for fold in range(n_folds):
        held = np.flatnonzero(fold_n == fold)
        parts.append((held, *learned((fold_n >= 0) & (fold_n != fold)).measured(adata[held])))
        if on_fold is not None:
            on_fold(fold + 1, n_folds)
    whole = learned(fold_n >= 0)
    measures = pd.concat([part.set_axis(held) for held, part, _ in parts]).sort_index()
    residuals = pd.concat([part.set_axis(held) for held, _, part in parts]).sort_index()
    known = adata[measures.index.to_numpy()]
    detector = anomaly.Detector.calibrated(
        whole.views,
        anomaly.HeldOut(measures, residuals.reindex(columns=whole.genes).to_numpy(np.float64)),
        combined=how.views,
        conditional_on=how.conditional_on,
        stratum_c=groups(known, how.conditional_on) or (),
        unit_c=groups(known, how.group) or (),
        rule=how.p_values,
    )
    scorer = Scorer(name, whole.normaliser, whole.model, detector)
    scores = detector.score_held_out(measures, names=list(known.obs_names), model=name)
    if (fold_n < 0).any():
        scores = pd.concat([scores, scorer.score(adata[fold_n < 0])], ignore_index=True)
    return Detected(scorer, scores, whole.left_out)


@dataclass(frozen=True)
class _Learned:
    """What was learned from some samples, not calibrated yet."""

    normaliser: pp.Normaliser
    model: Model
    views: anomaly.FittedViews
    left_out: tuple[str, ...]

    @property
    def genes(self) -> list[str]:
        return list(self.normaliser.genes)

    def measured(self, held: AnnData) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Views of samples that were held out, and their residuals, a column per gene."""
        encoded = self.normaliser.transform(held)
        latent(encoded, self.model)
        outputs = model_outputs(encoded, model=self.model)
        residuals = pd.DataFrame(outputs.residual_ng, columns=self.genes)
        return self.views.measure(outputs), residuals


def _learned(
    adata: AnnData,
    train_n: Mask,
    how: Detection,
    normalisation: pp.Normalisation,
    model: ModelSettings,
    *,
    seed: int,
    device: str,
) -> _Learned:
    """Genes, scale, model and views of some samples, less those that are too strange."""
    part = adata[train_n]
    every_n = np.ones(part.n_obs, dtype=bool)
    normaliser = pp.Normaliser.fit(part, normalisation, train=every_n)
    encoded = normaliser.transform(part)
    out = anomaly.trimmed(np.asarray(encoded.X), share=how.contamination)
    left_out = tuple(encoded.obs_names[out])
    encoded = encoded[np.delete(np.arange(part.n_obs), out)].copy()
    encoded.obs[keys.SPLIT] = _to_train(encoded.n_obs, model, seed=seed)
    with few_threads(encoded.n_obs * encoded.n_vars):
        fitted = fit(encoded, model=model, seed=seed, device=device)
    train = model_outputs(encoded, model=fitted)[in_split(encoded, keys.TRAIN)]
    views = anomaly.FittedViews.fit(train, n_neighbors=how.n_neighbors)
    return _Learned(normaliser, fitted, views, left_out)


def _to_train(n: int, model: ModelSettings, *, seed: int) -> NDArray[np.object_]:
    """Which samples train; some decide when to stop if the model is trained in epochs."""
    split_n = np.full(n, keys.TRAIN, dtype=object)
    if model.kind.solve is Model.solve:
        some = np.random.default_rng(seed).permutation(n)[: round(VALIDATION * n)]
        split_n[some] = keys.VALIDATION
    return split_n


def folds_of(adata: AnnData, how: Detection, *, seed: int) -> NDArray[np.int64]:
    """Fold of every reference sample, -1 for the others.

    Raises
    ------
    DataError
        If there are fewer than 8 reference samples.
    """
    rows = np.flatnonzero(reference(adata))
    if len(rows) < LEAST:
        raise DataError(f"{len(rows)} reference samples; at least {LEAST} are needed")
    k = how.folds or (len(rows) if len(rows) <= LEAVE_ONE_OUT else FOLDS)
    group_n = groups(adata[rows], how.group)
    fold_n = np.full(adata.n_obs, -1, dtype=np.int64)
    fold_n[rows] = pp.folds(np.full(len(rows), ""), k, group_n=group_n, seed=seed)
    return fold_n
