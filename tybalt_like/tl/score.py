"""Anomaly scores of an encoded AnnData, and the genes behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tybalt_like import anomaly, keys
from tybalt_like.errors import DataError
from tybalt_like.provenance import record
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CALIBRATION = 4
"""Fewer calibration samples have no usable mean and spread."""


def score(
    adata: AnnData, *, model: str = "tybalt", fdr: float = 0.05, n_neighbors: int = 5
) -> anomaly.Detector:
    """Score every sample against the training and calibration splits.

    Adds the obs columns ``<model>_reconstruction``, ``_mahalanobis``, ``_knn``, ``_combined``,
    ``_p_value``, ``_q_value`` and ``_flagged``. A calibration sample is compared with the other
    ones; p-values of training samples are conservative, because the model has seen them. Only
    test and query samples are tested: elsewhere q is missing and nothing is flagged.

    Parameters
    ----------
    adata
        With the latents and reconstructions of `model` (`tl.fit` or `tl.latent`).
    fdr
        Samples with q <= fdr are flagged.
    n_neighbors
        Training samples in the kNN distance.

    Returns
    -------
    Detector
        To score further samples with the same thresholds.

    Raises
    ------
    DataError
        If the model has not been applied or there are fewer than 4 calibration samples.
    """
    seen = evidence(adata, model=model)
    calibration_n = in_split(adata, keys.CALIBRATION)
    if calibration_n.sum() < MIN_CALIBRATION:
        raise DataError(
            f"{calibration_n.sum()} calibration samples; at least {MIN_CALIBRATION} are needed"
        )
    train_n = in_split(adata, keys.TRAIN)
    detector = anomaly.Detector.fit(seen[train_n], seen[calibration_n], n_neighbors=n_neighbors)
    table = detector.score(seen).set_index(adata.obs_names)
    m = calibration_n.sum()
    # A calibration sample counts itself once, as "itself", not again among the others.
    table.loc[calibration_n, "p_value"] = (table.loc[calibration_n, "p_value"] * (m + 1) - 1) / m
    tested_n = in_split(adata, keys.TEST) | in_split(adata, keys.QUERY)
    table["q_value"] = anomaly.q_values(table["p_value"].where(tested_n))
    table["flagged"] = table["q_value"] <= fdr
    for name, column in table.items():
        adata.obs[keys.score(model, str(name))] = column
    record(adata, **{keys.score(model, "scores"): {"combined": anomaly.COMBINED, "fdr": fdr}})
    return detector


def explain(
    adata: AnnData,
    detector: anomaly.Detector,
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


def evidence(adata: AnnData, *, model: str) -> anomaly.Evidence:
    """What the model wrote into `adata`, as arrays."""
    if keys.latent(model) not in adata.obsm or keys.reconstruction(model) not in adata.layers:
        raise DataError(f"model {model!r} has not been applied; run tl.fit or tl.latent first")
    return anomaly.Evidence(
        np.asarray(adata.X),
        np.asarray(adata.layers[keys.reconstruction(model)]),
        np.asarray(adata.obsm[keys.latent(model)]),
    )
