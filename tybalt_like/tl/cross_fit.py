"""A detector calibrated with all reference samples, each scored by what was learned without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly, pp
from tybalt_like.anomaly.calibration import Rule
from tybalt_like.anomaly.domain import MIN_REFERENCE as LEAST_OF_DOMAIN
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.helpers import Helpers
from tybalt_like.core.provenance import is_images
from tybalt_like.models import Model, ModelSettings
from tybalt_like.pp.split import kept_together
from tybalt_like.tl.closest_normal import encode, explained, observed
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.fit import fit, in_split
from tybalt_like.tl.score import groups, model_outputs, usual_views
from tybalt_like.tl.scorer import Scorer, unscaled
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
FoldHook = Callable[[int, int], None]

LEAVE_ONE_OUT, FOLDS, MANY, FOLDS_OF_MANY = 30, 10, 5000, 5
"""Up to so many reference samples are left out one by one, others in so many folds. Of many, four
in five are enough to learn from, and folds are what large cohorts spend their time on."""
LEAST = 8
"""Reference samples that a detector can be fitted to."""
MOST_TRAININGS_ON = 1000
"""Reference samples up to which models that are trained in epochs are trained once a fold."""
RIDGES = np.geomspace(1e-4, 1e2, 7)
"""Penalties to choose from, for each training sample and standardised codes."""
VALIDATION = 0.1
"""Share of the training samples of a fold that decides when to stop, as in a recipe."""


@dataclass(frozen=True)
class Detection:
    """How a detector is fitted to a reference cohort; see `tl.detect`."""

    views: tuple[str, ...] | None = None
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
    expected
        Every sample on the scale of ``tl.closest_normal.explained``, log2 where a logarithm was
        taken. Under the scorer's name: the layer with what is expected, the closest normal profile
        that a model which has not seen the sample can make, and the latents. The reference is
        called the calibration split; the layer ``chosen`` holds whether a gene was chosen without
        the sample.
    left_out
        Names of the reference samples that were too strange to learn from.
    verdict
        Whether the p-values of the query hold (`anomaly.Domain`); None without one, and where
        nothing can be said.
    """

    scorer: Scorer
    scores: pd.DataFrame
    expected: AnnData
    left_out: tuple[str, ...]
    verdict: anomaly.Verdict | None

    def with_others(self, adata: AnnData) -> Detected:
        """What is expected of further samples too, as read, which stand beside the query."""
        import anndata

        name, model = self.scorer.name, self.scorer.model
        encoded = self.scorer.encode(adata)
        told = self.scorer.explained(encoded)
        others = _expected(
            encoded,
            told.x_ng,
            pd.DataFrame(told.residual_ng),
            np.ones(told.x_ng.shape, dtype=bool),
            np.zeros(encoded.n_obs, dtype=bool),
            model=model,
            name=name,
        )
        both = [self.expected, others]
        return replace(self, expected=anndata.concat(both, merge="first", uns_merge="first"))


def cross_fit(
    adata: AnnData,
    how: Detection,
    normalisation: pp.Normalisation,
    model: ModelSettings,
    *,
    name: str,
    fold_n: NDArray[np.int64],
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    on_fold: FoldHook | None = None,
    on_epoch: EpochHook | None = None,
    helpers: Helpers | None = None,
) -> Detected:
    """Learn genes, scale, model and views from all reference samples, and calibrate them by what
    is learned without each fold (cross-conformal prediction, Vovk, Ann Math Artif Intell 74:9,
    2015).

    Parameters
    ----------
    adata
        Expression as read.
    name
        Of the scores.
    fold_n
        Fold of every reference sample, -1 for all others (`folds_of`).
    checkpoint
        File that the state of trainings is saved beside, one for each.
    on_fold
        Called with the number of folds done, and of all.
    helpers
        Processes that share the folds, if nothing is trained in epochs.
    """
    learned = partial(
        _learned,
        adata,
        how,
        model=model,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )
    n_folds, reference_n = int(fold_n.max()) + 1, fold_n >= 0
    whole = learned(reference_n, normalisation, n_folds)
    # What kind of values these are does not depend on the fold.
    same = replace(normalisation, units=whole.normaliser.scale)
    encoded = whole.encoded(adata)
    observed_ng = observed(encoded, whole.model)
    values = pd.DataFrame(observed_ng, columns=encoded.var_names)
    works = [
        partial(_left_out, learned, adata, values, same, fold_n, fold) for fold in range(n_folds)
    ]
    if helpers is not None and is_closed_form(model) and on_epoch is None:
        folds = helpers.share(works, on_done=on_fold)
    else:
        folds = []
        for work in works:
            folds.append(work())
            if on_fold is not None:
                on_fold(len(folds), n_folds)
    chosen_ng = np.ones(observed_ng.shape, dtype=bool)
    for fold, found in enumerate(folds):
        chosen_ng[fold_n == fold] = found.chosen_g
    measures, residuals = [found.measures for found in folds], [found.residuals for found in folds]
    known = adata[reference_n]
    measured = pd.concat(measures).sort_index()
    missed = pd.concat(residuals)
    detector = anomaly.Detector.calibrated(
        whole.views,
        anomaly.HeldOut(
            measured,
            missed.sort_index().to_numpy(),
            observed_ng[reference_n],
            chosen_ng[reference_n],
        ),
        combined=how.views or usual_views(adata),
        conditional_on=how.conditional_on,
        stratum_c=groups(known, how.conditional_on) or (),
        unit_c=groups(known, how.group) or (),
        rule=how.p_values,
    )
    domain = None
    if known.n_obs >= LEAST_OF_DOMAIN and not is_images(adata):
        domain = anomaly.Domain.fit(unscaled(encoded)[reference_n], seed=seed)
    scorer = Scorer(name, whole.normaliser, whole.model, detector, domain)
    scores = [detector.score_held_out(measured, names=list(known.obs_names), model=name)]
    if not reference_n.all():
        query = np.flatnonzero(~reference_n)
        scores.append(scorer.score_encoded(encoded[query]))
        missed = pd.concat([missed, whole.residuals(encoded[query], values, query).set_axis(query)])
    verdict = None
    if domain is not None and not reference_n.all():
        verdict = domain.check(unscaled(encoded)[~reference_n])
    expected = _expected(
        encoded,
        observed_ng,
        missed.sort_index(),
        chosen_ng,
        reference_n,
        model=whole.model,
        name=name,
    )
    return Detected(scorer, pd.concat(scores, ignore_index=True), expected, whole.left_out, verdict)


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
    usual = FOLDS if len(rows) < MANY else FOLDS_OF_MANY
    k = how.folds or (len(rows) if len(rows) <= LEAVE_ONE_OUT else usual)
    fold_n = np.full(adata.n_obs, -1, dtype=np.int64)
    group_n = kept_together(adata[rows], how.group)
    fold_n[rows] = pp.folds(np.full(len(rows), ""), k, group_n=group_n, seed=seed)
    return fold_n


def reference(adata: AnnData) -> Mask:
    """The samples of the reference cohort: all but the query, or all without a split."""
    if keys.SPLIT not in adata.obs:
        return np.ones(adata.n_obs, dtype=bool)
    return ~in_split(adata, keys.QUERY)


def is_closed_form(model: ModelSettings) -> bool:
    """Whether the model is solved without a training loop."""
    return model.kind.solve is not Model.solve


@dataclass(frozen=True)
class _Fitted:
    """What was learned from some samples, not calibrated yet."""

    normaliser: pp.Normaliser
    model: Model
    views: anomaly.FittedViews
    left_out: tuple[str, ...]
    rows: NDArray[np.intp]
    codes_nk: Array

    def encoded(self, adata: AnnData) -> AnnData:
        """Samples on the learned genes and scale, with latents and reconstructions."""
        return encode(adata, self.normaliser, self.model)

    def measure(self, encoded: AnnData) -> pd.DataFrame:
        """The views of samples, a row each."""
        return self.views.measure(model_outputs(encoded, model=self.model))

    def residuals(
        self, encoded: AnnData, values: pd.DataFrame, rows: NDArray[np.intp]
    ) -> pd.DataFrame:
        """Observed minus expected (`explained`), samples x genes of `values`.

        Genes that are not among the learned ones are expected by ridge regression on the codes.
        Were they left out, those would be missing that are chosen only where these very samples,
        in which they are far off, have a say, and new samples would seem to be further off.

        Parameters
        ----------
        encoded
            The samples, as `encoded` gives them.
        values
            All samples and the genes that are asked for.
        rows
            Of the samples in `values`.
        """
        samples = explained(encoded, self.normaliser, self.model, self.views.error_g)
        missed = pd.DataFrame(samples.residual_ng, columns=encoded.var_names)
        others = values.columns.difference(encoded.var_names, sort=False)
        if len(others):
            from sklearn.linear_model import RidgeCV

            centre_k, sd_k = self.codes_nk.mean(0), self.codes_nk.std(0)
            sd_k = np.where(sd_k > 0, sd_k, 1.0)
            ridge = RidgeCV(RIDGES * len(self.rows), alpha_per_target=True)
            ridge.fit((self.codes_nk - centre_k) / sd_k, values[others].iloc[self.rows])
            codes_nk = np.asarray(encoded.obsm[keys.latent(self.model.name)])
            expected_no = ridge.predict((codes_nk - centre_k) / sd_k)
            of_others_no = values[others].to_numpy()[rows] - expected_no.reshape(len(rows), -1)
            missed = pd.concat([missed, pd.DataFrame(of_others_no, columns=others)], axis=1)
        return missed[values.columns]


class _LeftOut(NamedTuple):
    """What is said of the samples of a fold by what was learned without them.

    Attributes
    ----------
    measures, residuals
        Of the views, and of the genes that are looked at; a row for each sample, by its number.
    chosen_g
        Which of these genes were chosen.
    """

    measures: pd.DataFrame
    residuals: pd.DataFrame
    chosen_g: Mask


def _left_out(
    learned: Callable[[Mask, pp.Normalisation, int], _Fitted],
    adata: AnnData,
    values: pd.DataFrame,
    settings: pp.Normalisation,
    fold_n: NDArray[np.int64],
    fold: int,
) -> _LeftOut:
    held = np.flatnonzero(fold_n == fold)
    without = learned((fold_n >= 0) & (fold_n != fold), settings, fold)
    unseen = without.encoded(adata[held])
    return _LeftOut(
        without.measure(unseen).set_axis(held),
        without.residuals(unseen, values, held).set_axis(held),
        np.asarray(values.columns.isin(unseen.var_names)),
    )


def _learned(
    adata: AnnData,
    how: Detection,
    train_n: Mask,
    settings: pp.Normalisation,
    number: int,
    *,
    model: ModelSettings,
    seed: int,
    device: str,
    checkpoint: Path | None,
    on_epoch: EpochHook | None,
) -> _Fitted:
    """From some samples; `number` tells trainings apart."""
    normaliser = pp.Normaliser.fit(adata, settings, train=train_n)
    encoded = normaliser.transform(adata[train_n])
    out = anomaly.trimmed(np.asarray(encoded.X), share=how.contamination)
    left_out = tuple(encoded.obs_names[out])
    encoded = encoded[np.delete(np.arange(encoded.n_obs), out)].copy()
    encoded.obs[keys.SPLIT] = _to_train(
        kept_together(encoded, how.group), encoded.n_obs, model, seed=seed
    )
    saved = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}_{number}")
    with few_threads(encoded.n_obs * encoded.n_vars):
        fitted = fit(
            encoded,
            model=model,
            seed=seed,
            device=device,
            checkpoint=saved,
            on_epoch=on_epoch,
            progress=False,
        )
    train = model_outputs(encoded, model=fitted)[in_split(encoded, keys.TRAIN)]
    views = anomaly.FittedViews.fit(train, n_neighbors=how.n_neighbors)
    codes_nk = np.asarray(encoded.obsm[keys.latent(fitted.name)])
    rows = np.delete(np.flatnonzero(train_n), out)
    return _Fitted(normaliser, fitted, views, left_out, rows, codes_nk)


def _expected(
    encoded: AnnData,
    observed_ng: NDArray[np.floating],
    missed: pd.DataFrame,
    chosen_ng: Mask,
    reference_n: Mask,
    *,
    model: Model,
    name: str,
) -> AnnData:
    """`Detected.expected`."""
    from anndata import AnnData

    split_n = np.where(reference_n, keys.CALIBRATION, keys.QUERY)
    return AnnData(
        observed_ng,
        obs=encoded.obs.assign(**{keys.SPLIT: split_n}),
        var=encoded.var[[]],
        obsm={keys.latent(name): encoded.obsm[keys.latent(model.name)]},
        layers={
            keys.reconstruction(name): observed_ng - missed.to_numpy(),
            keys.CHOSEN: chosen_ng,
        },
    )


def _to_train(
    group_n: NDArray[np.intp] | None, n: int, model: ModelSettings, *, seed: int
) -> NDArray[np.object_]:
    """Which samples train; some, in whole groups, decide when to stop if the model is trained in
    epochs."""
    split_n = np.full(n, keys.TRAIN, dtype=object)
    if not is_closed_form(model):
        part_n = pp.folds(np.full(n, ""), round(1 / VALIDATION), group_n=group_n, seed=seed)
        split_n[part_n == 0] = keys.VALIDATION
    return split_n
