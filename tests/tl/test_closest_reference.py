"""Nearest reference samples, beside scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from tybalt_like import tl
from tybalt_like.core.errors import DataError


def cohort() -> AnnData:
    """Thirty reference samples, ten others, one gene that is constant in the reference."""
    x_ng = np.random.default_rng(0).normal(size=(40, 25)) * np.arange(1, 26)
    x_ng[:30, 4] = 3
    obs = pd.DataFrame(
        {"tybalt_split": ["calibration"] * 30 + ["query"] * 10},
        index=[f"s{i}" for i in range(40)],
    )
    return AnnData(x_ng.astype(np.float32), obs=obs)


def test_neighbours_and_distances_are_those_of_scikit_learn() -> None:
    adata = cohort()
    z_ng = StandardScaler().fit(adata.X[:30]).transform(adata.X)[:, np.arange(25) != 4]
    distance, row = NearestNeighbors(n_neighbors=3).fit(z_ng[:30]).kneighbors(z_ng[30:])
    found = tl.closest_reference(adata, list(adata.obs_names[30:]))
    assert found["reference"].tolist() == [f"s{i}" for i in row.ravel()]
    np.testing.assert_allclose(found["distance"], distance.ravel() / np.sqrt(24), rtol=1e-5)


def test_a_reference_sample_is_not_its_own_neighbour() -> None:
    found = tl.closest_reference(cohort(), ["s7"], n=100)
    assert len(found) == 29
    assert "s7" not in set(found["reference"])


def test_unknown_samples_are_named() -> None:
    with pytest.raises(DataError, match="no sample 's99'"):
        tl.closest_reference(cohort(), ["s3", "s99"])
