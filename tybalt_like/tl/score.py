"""Anomaly scores of an encoded AnnData, and the genes behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.core.provenance import record
from tybalt_like.io.pixels import is_images, shape_of
from tybalt_like.models import Model
from tybalt_like.tl.fit import in_split, inputs
from tybalt_like.training.inference import own_scores

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CALIBRATION = 4
"""Fewer calibration samples have no usable mean and spread."""


def score(
    adata: AnnData,
    *,
    model: str | Model = "tybalt",
    fdr: float = 0.05,
    n_neighbors: int = 5,
    views: Sequence[str] = anomaly.VIEWS,
    conditional_on: str | None = None,
    n_train: int | None = None,
) -> anomaly.Detector:
    """Score every sample against the training and calibration splits.

    Adds an obs column ``<model>_<score>`` for every score of `anomaly.Detector`, among them
    ``_combined``, and ``_p_value``, ``_q_value`` and ``_flagged``. A calibration sample is
    compared with the other ones; p-values of training samples are conservative, because the model
    has seen them. Only test and query samples are tested: elsewhere q is missing and nothing is
    flagged.

    Parameters
    ----------
    adata
        With the latents and reconstructions of `model` (`tl.fit` or `tl.latent`).
    model
        The model, or its name; only the model itself adds the scores that it alone has
        (`Model.score`).
    fdr
        Samples with q <= fdr are flagged.
    n_neighbors
        Training samples in the latent kNN distance.
    views
        Scores that the combined one, to which the p-values belong, is made of: names of columns
        without the model's, such as ``["reconstruction"]`` or ``["anogan"]``.
    conditional_on
        obs column with a label or a batch: samples are compared with the calibration samples of
        their own group, so that error rates hold within each. Samples of groups that were not
        calibrated get no p-value.
    n_train
        Of more training samples than that, so many random ones are what others are compared with;
        the rest gets no scores.

    Returns
    -------
    Detector
        To score further samples with the same thresholds.

    Raises
    ------
    DataError
        If the model has not been applied, the column does not exist, or there are fewer than 4
        calibration samples.
    """
    whole, adata = adata, _thinned(adata, n_train)
    seen = evidence(adata, model=model)
    calibration_n = in_split(adata, keys.CALIBRATION)
    if calibration_n.sum() < MIN_CALIBRATION:
        raise DataError(
            f"{calibration_n.sum()} calibration samples; at least {MIN_CALIBRATION} are needed"
        )
    group_n = groups(adata, conditional_on)
    detector = anomaly.Detector.fit(
        seen[in_split(adata, keys.TRAIN)],
        seen[calibration_n],
        n_neighbors=n_neighbors,
        views=views,
        conditional_on=conditional_on,
        groups=list(np.asarray(group_n)[calibration_n]) if group_n else [],
    )
    table = detector.score(seen, groups=group_n).set_index(adata.obs_names)
    table["p_value"] = _among_others(table["p_value"], calibration_n, group_n)
    tested_n = in_split(adata, keys.TEST) | in_split(adata, keys.QUERY)
    table["q_value"] = anomaly.q_values(table["p_value"].where(tested_n))
    table = table.drop(columns="flagged", errors="ignore").reindex(whole.obs_names)
    table["flagged"] = table["q_value"] <= fdr
    name = name_of(model)
    columns = table.add_prefix(keys.score(name, ""))
    whole.obs = whole.obs.drop(columns=columns.columns, errors="ignore").join(columns)
    record(
        whole, **{keys.score(name, "scores"): {"combined": str(detector.combination), "fdr": fdr}}
    )
    return detector


def _thinned(adata: AnnData, n_train: int | None) -> AnnData:
    """Without most training samples, if there are more than so many."""
    train = np.flatnonzero(in_split(adata, keys.TRAIN))
    if n_train is None or len(train) <= n_train:
        return adata
    left_out = np.random.default_rng(0).permutation(train)[n_train:]
    return adata[np.setdiff1d(np.arange(adata.n_obs), left_out)].copy()


def _among_others(
    p_n: pd.Series, calibration_n: NDArray[np.bool_], group_n: list[str] | None
) -> pd.Series:
    """p-values in which a calibration sample counts once, as itself, not again among the others."""
    own_n = np.zeros(len(p_n), int) if group_n is None else pd.factorize(np.asarray(group_n))[0]
    m_n = np.bincount(own_n[calibration_n], minlength=own_n.max() + 1)[own_n]
    return p_n.where(~calibration_n, (p_n * (m_n + 1) - 1) / np.maximum(m_n, 1))


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


def explain(
    adata: AnnData,
    detector: anomaly.Detector | anomaly.Detector1,
    *,
    model: str = "tybalt",
    samples: Sequence[str] | None = None,
    n_top: int = 20,
) -> pd.DataFrame:
    """The genes that make samples strange, with direction; see `anomaly.gene_scores`.

    Parameters
    ----------
    samples
        Names; `to_explain` if None.
    """
    if samples is None:
        samples = to_explain(adata.obs, model=model)
    rows = adata.obs_names.get_indexer(pd.Index(samples))
    if (rows < 0).any():
        raise DataError(f"no sample is called {samples[int(np.argmin(rows))]!r}")
    return anomaly.gene_scores(
        detector,
        evidence(adata, model=model)[rows],
        names=samples,
        genes=list(adata.var_names),
        n_top=n_top,
    )


def to_explain(obs: pd.DataFrame, *, model: str) -> list[str]:
    """The flagged samples, or the ten strangest tested ones if none is; strangest first."""
    tested = obs[obs[keys.score(model, "q_value")].notna()]
    strangest = tested.sort_values(keys.score(model, "combined"), ascending=False)
    flagged = strangest[strangest[keys.score(model, "flagged")].astype(bool)]
    return [str(name) for name in (flagged if len(flagged) else strangest.head(10)).index]


def evidence(adata: AnnData, *, model: str | Model) -> anomaly.Evidence:
    """What the model wrote into `adata`, as arrays, and the scores of its own.

    Raises
    ------
    DataError
        If the model has not been applied.
    """
    name = name_of(model)
    if keys.latent(name) not in adata.obsm or keys.reconstruction(name) not in adata.layers:
        raise DataError(f"model {name!r} has not been applied; run tl.fit or tl.latent first")
    own = {}
    if not isinstance(model, str):
        arrays = inputs(adata, model) | {"z_nk": np.asarray(adata.obsm[keys.latent(name)])}
        own = own_scores(model, arrays.pop("x_ng"), given=arrays)
        own.pop("reconstruction", None)  # the detector measures it alike for all models
    return anomaly.Evidence(
        np.asarray(adata.X),
        np.asarray(adata.layers[keys.reconstruction(name)]),
        np.asarray(adata.obsm[keys.latent(name)]),
        own,
        image_shape=shape_of(adata) if is_images(adata) else None,
    )


def name_of(model: str | Model) -> str:
    """The name under which a model writes."""
    return model if isinstance(model, str) else model.name
