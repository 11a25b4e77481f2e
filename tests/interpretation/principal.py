"""Principal components as features to explain."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Features(NamedTuple):
    """Principal components of a cohort: codes, what a standard deviation of them does to genes in
    units of their own, and the cohort."""

    z_nk: np.ndarray
    effects_kg: np.ndarray
    genes: list[str]
    obs: pd.DataFrame
    names: list[str]


def components(x_ng: np.ndarray, genes: list[str], obs: pd.DataFrame, *, k: int) -> Features:
    from sklearn.decomposition import PCA

    spread_g = np.abs(x_ng - x_ng.mean(0)).mean(0)
    top = np.sort(np.argsort(-spread_g)[:5000])
    x_ng = (x_ng[:, top] - x_ng[:, top].mean(0)) / x_ng[:, top].std(0)
    pca = PCA(k, random_state=0).fit(x_ng)
    effects_kg = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
    names = [f"pca_{i + 1}" for i in range(k)]
    return Features(pca.transform(x_ng), effects_kg, [genes[g] for g in top], obs, names)
