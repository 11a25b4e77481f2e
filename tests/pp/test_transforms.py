"""The mathematics of single transforms."""

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm, rankdata

from tybalt_like import pp
from tybalt_like.pp.transforms.base import Transform
from tybalt_like.pp.transforms.inverse_normal import InverseNormal
from tybalt_like.pp.transforms.quantile import Quantile

# Steps of 1/8 are exact in single precision, so that equal values stay equal.
values = st.integers(-400, 400).map(lambda i: i / 8)
matrices = arrays(np.float64, (8, 12), elements=values)
distinct_rows = st.lists(
    st.lists(values, min_size=12, max_size=12, unique=True), min_size=8, max_size=8
).map(np.array)


def normalised(x_ng: np.ndarray, train: object = None, **settings: object) -> np.ndarray:
    """All genes in their own order."""
    adata = AnnData(x_ng.astype(np.float32))
    defaults = {"units": "log2", "scale": "none", "n_genes": None}
    train = range(len(x_ng)) if train is None else train
    normaliser = pp.Normaliser.fit(adata, pp.Normalisation(**defaults | settings), train=train)
    result = normaliser.transform(adata)
    return result[:, sorted(result.var_names, key=int)].X.astype(np.float64)


@given(x_ng=distinct_rows)
def test_quantile_normalised_training_samples_have_one_distribution(x_ng):
    assume((np.ptp(x_ng, axis=0) > 0).all())
    result = normalised(x_ng, quantile=True)
    assume(result.shape == x_ng.shape)  # ranks may agree in all samples: such a gene is left out
    target = np.sort(x_ng, axis=1).mean(axis=0)
    for before, after in zip(x_ng, result, strict=True):
        np.testing.assert_allclose(np.sort(after), target, atol=1e-5)
        np.testing.assert_array_equal(np.argsort(after), np.argsort(before))


@given(x_ng=matrices)
def test_quantile_normalisation_keeps_order_and_ties(x_ng):
    kind = Quantile.fit([x_ng[:3], x_ng[3:]])
    for before, after in zip(x_ng, kind.transform(x_ng), strict=True):
        ahead = before[:, None] < before[None, :]
        assert (after[:, None] <= after[None, :])[ahead].all()
        equal = before[:, None] == before[None, :]
        assert (after[:, None] == after[None, :])[equal].all()
    assert kind.transform(x_ng).min() >= kind.target_q.min()


def test_quantile_normalisation_of_bolstads_example():
    """Table 1 of the method's usual worked example; the tie takes the value of its mean rank."""
    x_ng = np.array([[5.0, 2, 3, 4], [4, 1, 4, 2], [3, 4, 6, 8]])
    expected = [[5.6667, 2, 3, 4.6667], [5.1667, 2, 5.1667, 3], [2, 3, 4.6667, 5.6667]]
    np.testing.assert_allclose(Quantile.fit([x_ng]).transform(x_ng), expected, atol=1e-4)


def test_samples_with_missing_genes_get_the_same_distribution():
    rng = np.random.default_rng(0)
    kind = Quantile.fit([rng.normal(size=(20, 500))])
    x_ng = rng.normal(3, 5, (1, 500))
    x_ng[0, :50] = np.nan
    result = kind.transform(x_ng)[0]
    assert np.isnan(result[:50]).all()
    quantiles = np.linspace(0, 1, 9)
    np.testing.assert_allclose(
        np.quantile(result[50:], quantiles), np.quantile(kind.target_q, quantiles), atol=0.02
    )


@given(x_ng=matrices)
def test_zscore_and_robust_z_match_their_definitions(x_ng):
    assume((np.ptp(x_ng, axis=0) > 0).all())
    z = normalised(x_ng, scale="zscore")
    np.testing.assert_allclose(z, (x_ng - x_ng.mean(0)) / x_ng.std(0), atol=1e-3)
    robust = normalised(x_ng, scale="robust_z")
    centred = x_ng - np.median(x_ng, 0)
    mad = np.median(np.abs(centred), 0)
    usual = mad > 0
    np.testing.assert_allclose(
        robust[:, usual], (centred[:, usual] / mad[usual] / 1.4826), rtol=1e-4, atol=1e-4
    )
    assert np.isfinite(robust).all()


@given(x_ng=matrices)
def test_inverse_normal_is_blom_s_score_of_the_rank(x_ng):
    assume((np.ptp(x_ng, axis=0) > 0).all())
    expected = norm.ppf((rankdata(x_ng, axis=0) - 3 / 8) / (len(x_ng) + 1 / 4))
    result = normalised(x_ng, scale="inverse_normal")
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_inverse_normal_of_many_samples_is_interpolated():
    x_ng = np.random.default_rng(0).gamma(1, 1, (1000, 3)).astype(np.float32)
    expected = norm.ppf((rankdata(x_ng, axis=0) - 3 / 8) / (1000 + 1 / 4))
    assert np.abs(normalised(x_ng, scale="inverse_normal") - expected).max() < 0.02
    new = InverseNormal.fit(x_ng).transform(np.array([[-9.0, 99, 0.5]]))
    np.testing.assert_allclose(new[0, :2], [expected.min(), expected.max()])


@pytest.mark.parametrize("scale", ["zero_one", "zscore", "robust_z"])
def test_constant_genes_never_blow_up(scale):
    x_ng = np.random.default_rng(0).normal(size=(10, 3))
    x_ng[:, 1] = 1e-9 * np.arange(10) + 5
    kind = Transform.registry[scale].fit(x_ng)
    new = kind.transform(x_ng + np.array([0, 7, 0]))
    np.testing.assert_array_equal(new[:, 1], 0)


@given(x_ng=matrices)
@pytest.mark.parametrize("scale", Transform.choices("scale"))
def test_scales_lead_back(scale, x_ng):
    kind = Transform.registry[scale].fit(x_ng.astype(np.float64))
    back_ng = kind.inverse(kind.transform(x_ng.astype(np.float64)))
    size = max(1.0, np.abs(x_ng).max())
    np.testing.assert_allclose(back_ng / size, x_ng / size, atol=2e-6)
