"""Views of new samples must not depend on how many samples they were fitted to: scores of a fold,
which is fitted to nine tenths, calibrate those of a detector that is fitted to all."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from tybalt_like.anomaly import FittedViews, ModelOutputs
from tybalt_like.anomaly.view import Reference, Samples, View
from tybalt_like.anomaly.views import kth_neighbour

N_GENES, N_PROGRAMMES, M = 300, 8, 60
LATENT_DIM = M * 9 // 10 // 3
COHORTS, FOLDS, FRESH = 6, 3, 200
UNSCALED = "whitened, unscaled"


def expression(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Skewed programmes of falling strength, and skewed noise."""
    loading_kg = np.random.default_rng(5).normal(size=(N_PROGRAMMES, N_GENES))
    loading_kg *= np.linspace(2, 0.5, N_PROGRAMMES)[:, None]
    activity_nk = rng.lognormal(sigma=0.6, size=(n, N_PROGRAMMES))
    return activity_nk @ loading_kg + rng.gamma(2, size=(n, N_GENES))


def measured(train_ng: NDArray[np.float64], fresh_ng: NDArray[np.float64]) -> pd.DataFrame:
    """All learned from the training samples: scale of the genes, model, and views."""
    mean_g, sd_g = train_ng.mean(0), train_ng.std(0)
    pca = PCA(LATENT_DIM, svd_solver="full").fit((train_ng - mean_g) / sd_g)

    def outputs(x_ng: NDArray[np.float64]) -> ModelOutputs:
        x_ng = (x_ng - mean_g) / sd_g
        z_nk = pca.transform(x_ng)
        return ModelOutputs(x_ng, pca.inverse_transform(z_nk), z_nk)

    train = outputs(train_ng)
    table = FittedViews.fit(train).measure(outputs(fresh_ng))
    precision_gg = LedoitWolf(assume_centered=True).fit(train.x_ng).precision_
    mean_precision = np.trace(precision_gg) / N_GENES
    return table.assign(**{UNSCALED: table["whitened"] * np.sqrt(mean_precision)})


@pytest.fixture(scope="module")
def higher_v() -> pd.Series:
    """How much higher views that were fitted to nine tenths score new samples, in standard
    deviations of these."""
    differences = []
    for seed in range(COHORTS):
        rng = np.random.default_rng(seed)
        train_ng, fresh_ng = expression(M, rng), expression(FRESH, rng)
        whole = measured(train_ng, fresh_ng)
        for fold in np.array_split(rng.permutation(M), 10)[:FOLDS]:
            part = measured(np.delete(train_ng, fold, axis=0), fresh_ng)
            differences.append((part - whole).mean() / whole.std())
    return pd.DataFrame(differences).mean()


@pytest.mark.parametrize("view", sorted(View.registry))
def test_scores_do_not_depend_on_how_many_samples_were_learned_from(view, higher_v) -> None:
    # Higher scores of the folds cost power, lower ones error rates.
    assert -0.05 < higher_v[view] < 0.2


def test_distances_in_units_of_the_precision_itself_do(higher_v) -> None:
    assert higher_v[UNSCALED] < -0.1


def test_a_tenth_of_some_samples_is_as_far_as_a_tenth_of_all(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    outputs = ModelOutputs(*[rng.normal(size=(4000, n)) for n in (6, 6, 5)])

    def farness() -> NDArray[np.float64]:
        return kth_neighbour.KthNeighbour.fit(Reference(outputs)).score(Samples(outputs[:50], {}))

    all_n = farness()
    monkeypatch.setattr(kth_neighbour, "MOST", 2000)
    np.testing.assert_allclose(farness(), all_n, rtol=0.1)
