"""Agreement of profiles and reconstructions, against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import r2_score

from tybalt_like.evaluation import Estimate, overall, per_gene, per_sample, quartiles


@pytest.fixture
def profiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x_ng = rng.normal(size=(15, 8)) + rng.normal(size=8)
    x_ng[:, 3] = np.round(x_ng[:, 3])  # ties
    return x_ng, x_ng + rng.normal(size=x_ng.shape), rng.normal(size=8)


def test_correlations_are_scipys(profiles) -> None:
    x_ng, y_ng, mean_g = profiles
    genes = per_gene(x_ng, y_ng, mean_g=mean_g)
    samples = per_sample(x_ng, y_ng, mean_g=mean_g)
    for table, pairs in ((genes, zip(x_ng.T, y_ng.T)), (samples, zip(x_ng, y_ng))):  # noqa: B905
        expected = [[pearsonr(x, y).statistic, spearmanr(x, y).statistic] for x, y in pairs]
        np.testing.assert_allclose(table[["pearson", "spearman"]], expected, rtol=1e-12)


def test_r2_is_scikit_learns_when_the_means_are_the_same(profiles) -> None:
    x_ng, y_ng, _ = profiles
    mean_g = x_ng.mean(0)
    genes = per_gene(x_ng, y_ng, mean_g=mean_g)
    each = r2_score(x_ng, y_ng, multioutput="raw_values")
    together = r2_score(x_ng, y_ng, multioutput="variance_weighted")
    np.testing.assert_allclose(genes["r2"], each, rtol=1e-12)
    np.testing.assert_allclose(genes["mse"], np.square(x_ng - y_ng).mean(0), rtol=1e-12)
    assert overall(x_ng, y_ng, mean_g=mean_g)["r2"].value == pytest.approx(together, rel=1e-12)


def test_the_training_mean_has_an_r2_of_zero_and_a_good_correlation(profiles) -> None:
    x_ng, _, mean_g = profiles
    mean_ng = np.broadcast_to(mean_g, x_ng.shape)
    genes, samples = (f(x_ng, mean_ng, mean_g=mean_g) for f in (per_gene, per_sample))
    np.testing.assert_allclose(genes["r2"], 0, atol=1e-12)
    np.testing.assert_allclose(samples["r2"], 0, atol=1e-12)
    assert genes["pearson"].isna().all()
    assert overall(x_ng, mean_ng, mean_g=mean_g)["r2"].value == pytest.approx(0)
    assert "gene_pearson" not in quartiles(genes, of="gene")
    assert quartiles(samples, of="sample")["sample_pearson_q25"].value == pytest.approx(
        samples["pearson"].quantile(0.25)
    )


def test_constant_genes_have_no_share_and_no_correlation() -> None:
    x_ng = np.column_stack([np.full(6, 0.1), np.arange(6.0)]).astype(np.float32)
    genes = per_gene(x_ng, x_ng + np.float32(0.5), mean_g=x_ng[0])
    assert genes.loc[0, ["r2", "pearson", "spearman"]].isna().all()
    assert genes.loc[1, "pearson"] == pytest.approx(1)


def test_standard_errors_are_those_of_the_jackknife(profiles) -> None:
    x_ng, y_ng, mean_g = profiles
    measured, n = overall(x_ng, y_ng, mean_g=mean_g), len(x_ng)
    for name, estimate in measured.items():
        rows = [np.arange(n) != i for i in range(n)]
        left_out = [overall(x_ng[r], y_ng[r], mean_g=mean_g)[name].value for r in rows]
        jackknife = np.sqrt((n - 1) * np.var(left_out))
        assert estimate.standard_error == pytest.approx(jackknife, rel=0.1), name


def test_differences_on_the_same_samples_are_paired() -> None:
    rng = np.random.default_rng(1)
    shared_n, extra_n = rng.normal(size=50), 0.1 * rng.normal(size=50)
    one, other = Estimate.mean(shared_n), Estimate.mean(shared_n + extra_n)
    difference = other - one
    assert difference.value == pytest.approx(extra_n.mean())
    assert difference.standard_error == pytest.approx(extra_n.std(ddof=1) / np.sqrt(50))
    assert difference.standard_error < 0.2 * one.standard_error
    assert np.isnan((one - Estimate(1.0)).standard_error)
