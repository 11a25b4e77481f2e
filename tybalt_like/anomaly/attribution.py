"""The genes that make a sample strange."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tybalt_like.anomaly.detector import Detector, Evidence


def gene_scores(
    detector: Detector,
    samples: Evidence,
    *,
    names: Sequence[str],
    genes: Sequence[str],
    n_top: int = 20,
) -> pd.DataFrame:
    """The `n_top` genes of each sample that the model misses by most.

    z is the residual (observed - expected), standardised by the mean and the standard deviation
    of that gene's residual over the calibration samples, so that genes the model never gets
    right do not dominate. Genes with a constant calibration residual get the smallest standard
    deviation seen among the others.

    Returns
    -------
    pandas.DataFrame
        Columns ``sample, rank, gene, observed, expected, z, direction``, ranked by ``|z|``;
        observed and expected are on the normalised scale that the model sees.
    """
    sd_g = detector.residual_sd_g
    least = sd_g[sd_g > 0].min(initial=np.inf)
    sd_g = np.where(sd_g > 0, sd_g, least if np.isfinite(least) else 1.0)
    residual_ng = samples.x_ng.astype(np.float64) - samples.reconstruction_ng
    z_ng = (residual_ng - detector.residual_mean_g) / sd_g
    n_top = min(n_top, z_ng.shape[1])
    top_nt = np.argsort(-np.abs(z_ng), axis=1, kind="stable")[:, :n_top]

    def top(values_ng: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values_ng, top_nt, axis=1).ravel()

    z = top(z_ng)
    return pd.DataFrame(
        {
            "sample": np.repeat(np.asarray(names, dtype=object), n_top),
            "rank": np.tile(np.arange(1, n_top + 1), len(names)),
            "gene": np.asarray(genes, dtype=object)[top_nt.ravel()],
            "observed": top(samples.x_ng),
            "expected": top(samples.reconstruction_ng),
            "z": z,
            "direction": np.where(z > 0, "up", "down"),
        }
    )
