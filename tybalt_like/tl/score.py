"""Anomaly scores of an encoded AnnData."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.anomaly import scores as tables
from tybalt_like.anomaly.calibration import Rule
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import image_shape, is_images, record, recorded
from tybalt_like.models import Model
from tybalt_like.tl.fit import in_split, inputs
from tybalt_like.tl.stored import StoredInputs, check_in_memory, is_stored
from tybalt_like.training.inference import applied

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CALIBRATION = 4
"""Fewer calibration samples have no usable mean and spread."""


def score(
    adata: AnnData,
    *,
    model: str | Model = keys.MODEL,
    fdr: float = 0.05,
    n_neighbors: int = 5,
    views: Sequence[str] | None = None,
    conditional_on: str | None = None,
    n_train: int | None = None,
    p_values: Rule = "auto",
) -> anomaly.Detector:
    """Score every sample against the training and calibration splits.

    Adds an obs column ``<model>_<score>`` for every view and every score that the model has of its
    own, ``_combined``, and ``_p_value``, ``_q_value`` and ``_flagged``. A calibration sample is
    compared with the other ones; p-values of training samples are conservative, because the model
    has seen them. Only test and query samples are tested: elsewhere q is missing and nothing is
    flagged.

    Parameters
    ----------
    adata
        With the latents and reconstructions of `model` (`tl.fit` or `tl.latent`). A matrix on disk
        stays there and is read some samples at a time, all of which are scored.
    model
        The model, or its name; only the model itself adds the scores that it alone has
        (`Model.score`).
    fdr
        Samples with q <= fdr are flagged.
    n_neighbors
        Training samples in the latent kNN distance.
    views
        Scores that the combined one, to which the p-values belong, is made of, such as
        ``["reconstruction"]`` or ``["anogan"]``; those of the default detector if None.
    conditional_on
        obs column with a label or a batch: samples are compared with the calibration samples of
        their own group, so that error rates hold within each. Samples of groups that were not
        calibrated get no p-value.
    n_train
        Of more training samples than that, so many random ones are what others are compared with;
        the rest gets no scores. Of a matrix on disk, 64 MB of them if None.
    p_values
        See `anomaly.Calibration`.

    Returns
    -------
    Detector
        To score further samples with the same thresholds.

    Raises
    ------
    DataError
        If the model has not been applied, the column does not exist, or there are fewer than 4
        calibration samples.

    Examples
    --------
    >>> import tybalt_like as ty
    >>> adata = ty.datasets.load("tcga_brca")[:, :100].copy()
    >>> ty.pp.split(adata, label="pam50", normal=["Luminal A", "Luminal B"])
    >>> adata = ty.pp.Normaliser.fit(adata).transform(adata)
    >>> model = ty.tl.fit(adata, model="pca", latent_dim=10)
    >>> detector = ty.tl.score(adata, model=model)
    >>> adata.obs.groupby("pam50", observed=True)["pca_combined"].mean().idxmax()
    'Basal-like'
    """
    detector, scores = fit_detector(
        adata,
        model=model,
        fdr=fdr,
        n_neighbors=n_neighbors,
        combined=views,
        conditional_on=conditional_on,
        n_train=n_train,
        p_values=p_values,
    )
    write_scores(adata, scores)
    about = {"combined": str(detector.combination), "fdr": fdr}
    record(adata, **{keys.score(name_of(model), "scores"): about})
    return detector


def fit_detector(
    adata: AnnData,
    *,
    model: str | Model,
    fdr: float = 0.05,
    n_neighbors: int = 5,
    combined: Sequence[str] | None = None,
    conditional_on: str | None = None,
    n_train: int | None = None,
    p_values: Rule = "auto",
) -> tuple[anomaly.Detector, pd.DataFrame]:
    """What `score` does, with the scores as a long table (`anomaly.scores`); `adata` stays as it
    is."""
    samples: StoredInputs | _InMemory
    if is_stored(adata):
        if isinstance(model, str):
            raise DataError("the matrix is on disk: give the model itself, which is to be applied")
        samples = StoredInputs(adata, model)
        n_train = n_train or samples.most
    else:
        adata = _thinned(adata, n_train)
        samples = _InMemory(model_outputs(adata, model=model))
    train_n, calibration_n = (
        np.flatnonzero(in_split(adata, name)) for name in (keys.TRAIN, keys.CALIBRATION)
    )
    if len(calibration_n) < MIN_CALIBRATION:
        raise DataError(
            f"{len(calibration_n)} calibration samples; at least {MIN_CALIBRATION} are needed"
        )
    group_n, names = groups(adata, conditional_on), list(adata.obs_names)
    # What models make of samples is let go as soon as something is learned from it: this is where a
    # matrix on disk takes the most memory.
    views = anomaly.FittedViews.fit(
        samples.outputs(_some(train_n, n_train), own=False), n_neighbors=n_neighbors
    )
    parts = samples.parts(calibration_n)
    measured = [views.measure(samples.outputs(rows)) for rows in parts]
    measures = pd.concat(measured, ignore_index=True)
    detector = anomaly.Detector.calibrated(
        views,
        _held_out(samples, _some(calibration_n, samples.most), measures),
        combined=combined or usual_views(adata),
        conditional_on=conditional_on,
        stratum_c=[group_n[row] for row in calibration_n] if group_n else (),
        rule=p_values,
    )
    own = detector.score_held_out(
        measures, names=[names[row] for row in calibration_n], model=name_of(model)
    )
    found = _of_all(detector, samples, own, names=names, model=name_of(model), group_n=group_n)
    tested_n = in_split(adata, keys.TEST) | in_split(adata, keys.QUERY)
    return detector, tables.with_q_values(found, fdr=fdr, tested=list(adata.obs_names[tested_n]))


def _held_out(
    samples: StoredInputs | _InMemory, rows: NDArray[np.intp], measures: pd.DataFrame
) -> anomaly.HeldOut:
    """Calibration samples as they were measured, and what some of them say of every gene."""
    usual = samples.outputs(rows, own=False)
    return anomaly.HeldOut(measures, usual.residual_ng, usual.x_ng)


def _of_all(
    detector: anomaly.Detector,
    samples: StoredInputs | _InMemory,
    own: pd.DataFrame,
    *,
    names: Sequence[str],
    model: str,
    group_n: Sequence[str] | None,
) -> pd.DataFrame:
    """The scores of all samples, some at a time; those in `own` as they are there.

    The table is as large as a matrix of a hundred genes: there are never more than two of it.
    """
    parts = []
    for rows in samples.parts(np.arange(len(names))):
        part = detector.score(
            samples.outputs(rows),
            names=[names[row] for row in rows],
            model=model,
            groups=[group_n[row] for row in rows] if group_n else None,
        )
        parts.append(part[~part["sample"].isin(own["sample"])])
    return pd.concat([*parts, own], ignore_index=True)


class _InMemory:
    """What a model makes of samples that are in memory, behind the face of `StoredInputs`."""

    most: int | None = None

    def __init__(self, whole: anomaly.ModelOutputs) -> None:
        self.whole = whole

    def outputs(self, rows_n: NDArray[np.intp], *, own: bool = True) -> anomaly.ModelOutputs:
        return self.whole[rows_n] if own else replace(self.whole, own={})[rows_n]

    def parts(self, rows_n: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        return [rows_n]


def _some(rows_n: NDArray[np.intp], most: int | None) -> NDArray[np.intp]:
    """These rows or, if there are more than that, so many random ones, in their order."""
    if most is None or len(rows_n) <= most:
        return rows_n
    return np.sort(np.random.default_rng(0).permutation(rows_n)[:most])


def usual_views(adata: AnnData) -> tuple[str, ...]:
    """The views that the combined score is made of if nobody chooses."""
    return anomaly.IMAGE_VIEWS if is_images(adata) else anomaly.VIEWS


def write_scores(adata: AnnData, scores: pd.DataFrame) -> None:
    """Put a long table of scores into ``adata.obs``, a column each."""
    columns = tables.wide(scores).reindex(adata.obs_names)
    for name, _, _, what in tables.columns(scores):
        if what in tables.YES_OR_NO:  # also where there is no score
            columns[name] = columns[name].eq(True)
    adata.obs = adata.obs.drop(columns=columns.columns, errors="ignore").join(columns)
    known = recorded(adata).get(keys.SCORE_COLUMNS, [])
    record(adata, **{keys.SCORE_COLUMNS: sorted({*known, *map(str, columns)})})


def _thinned(adata: AnnData, n_train: int | None) -> AnnData:
    """Without most training samples, if there are more than so many."""
    train = np.flatnonzero(in_split(adata, keys.TRAIN))
    if n_train is None or len(train) <= n_train:
        return adata
    left_out = np.random.default_rng(0).permutation(train)[n_train:]
    return adata[np.setdiff1d(np.arange(adata.n_obs), left_out)].copy()


def groups(adata: AnnData, column: str | None) -> list[str] | None:
    """The values of an obs column as text; None without a column.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if column is None:
        return None
    if column not in adata.obs:
        raise DataError(
            f"scores are calibrated by {column!r}, but the sample table has no such column"
        )
    return [str(value) for value in adata.obs[column]]


def model_outputs(adata: AnnData, *, model: str | Model) -> anomaly.ModelOutputs:
    """What the model wrote into `adata`, as arrays, and the scores of its own.

    Raises
    ------
    DataError
        If the model has not been applied.
    """
    check_in_memory(adata)
    name = name_of(model)
    if keys.latent(name) not in adata.obsm or keys.reconstruction(name) not in adata.layers:
        raise DataError(f"model {name!r} has not been applied; run tl.fit or tl.latent first")
    own = {}
    if not isinstance(model, str):
        arrays = inputs(adata, model) | {"z_nk": np.asarray(adata.obsm[keys.latent(name)])}
        own = applied(model, type(model).score, arrays.pop("x_ng"), given=arrays)
        own.pop("reconstruction", None)  # the view measures it alike for all models
    return anomaly.ModelOutputs(
        np.asarray(adata.X),
        np.asarray(adata.layers[keys.reconstruction(name)]),
        np.asarray(adata.obsm[keys.latent(name)]),
        own,
        image_shape=image_shape(adata) if is_images(adata) else None,
    )


def name_of(model: str | Model) -> str:
    """The name under which a model writes."""
    return model if isinstance(model, str) else model.name
