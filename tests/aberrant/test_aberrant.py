"""Aberrant counts: statistics, what is found, what new samples change, and the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from tybalt_like import cli, io
from tybalt_like.aberrant import Reference
from tybalt_like.aberrant import Tested as Found
from tybalt_like.aberrant.counts import warnings
from tybalt_like.aberrant.injection import inject
from tybalt_like.aberrant.latent_size import components, optimal_threshold
from tybalt_like.aberrant.pair_tables import pairs
from tybalt_like.aberrant.statistics import adjusted, inflation, p_values
from tybalt_like.core.errors import DataError, RunError

pytestmark = pytest.mark.usefixtures("one_thread")


def cohort(n: int = 60, g: int = 150, *, seed: int = 0, theta: float = 30) -> AnnData:
    """Counts with two hidden factors and unequal library sizes."""
    rng = np.random.default_rng(seed)
    log_ng = rng.normal(5.5, 1, g) + rng.normal(size=(n, 2)) @ rng.normal(0, 0.5, (2, g))
    mean_ng = rng.lognormal(0, 0.4, (n, 1)) * np.exp(log_ng)
    x_ng = rng.negative_binomial(theta, theta / (theta + mean_ng)).astype(np.float32)
    genes = pd.DataFrame(index=[f"gene{i}" for i in range(g)])
    return AnnData(x_ng, obs=pd.DataFrame(index=[f"s{i}" for i in range(n)]), var=genes)


def geuvadis(shared_data: Path, n_genes: int = 600) -> AnnData:
    folder = shared_data / "geuvadis_counts"
    adata = io.read(folder / "counts.tsv.gz", obs=folder / "samples.csv")
    chosen = np.random.default_rng(0).permutation(adata.n_vars)[:n_genes]
    return adata[:, np.sort(chosen)].copy()


def mid_p(tested: Found) -> np.ndarray:
    return p_values(tested.observed_ng, tested.expected_ng, tested.dispersion_g, mid=True)


@given(st.integers(0, 5000), st.floats(0.1, 5000), st.floats(0.01, 1000), st.booleans())
def test_p_values_are_those_of_scipy(x: int, mean: float, theta: float, mid: bool) -> None:
    law = stats.nbinom(theta, theta / (theta + mean))
    exactly = law.pmf(x) if mid else 0
    tails = law.cdf(x) - exactly / 2, law.sf(x - 1) - exactly / 2
    found = p_values(np.array([[float(x)]]), np.array([[mean]]), np.array([theta]), mid=mid)
    assert found[0, 0] == pytest.approx(2 * min(0.5, *tails), rel=1e-6, abs=1e-9)


def test_p_values_reach_far_into_the_tail() -> None:
    found = p_values(np.array([[0.0, 9000.0]]), np.array([[3000.0]]), np.array([200.0, 200.0]))
    law = stats.nbinom(200, 200 / 3200)
    expected = np.log(2) + np.array([law.logcdf(0), law.logsf(8999)])
    np.testing.assert_allclose(np.log(found[0]), expected, rtol=1e-6)


def test_p_values_of_clean_counts_are_uniform() -> None:
    rng = np.random.default_rng(0)
    mean_ng, theta_g = rng.lognormal(3, 1.5, (200, 100)), rng.lognormal(2, 1, 100)
    x_ng = rng.negative_binomial(theta_g, theta_g / (theta_g + mean_ng)).astype(float)
    assert inflation(p_values(x_ng, mean_ng, theta_g, mid=True)) == pytest.approx(1, abs=0.05)
    assert (p_values(x_ng, mean_ng, theta_g) <= 0.01).mean() <= 0.01
    too_sure = p_values(x_ng, mean_ng, 4 * theta_g, mid=True)
    assert inflation(too_sure) > 1.5


def test_adjustment_is_within_samples_and_leaves_gaps() -> None:
    p_ng = np.array([[0.001, 0.04, np.nan, 0.5], [0.2, 0.2, 0.2, 0.2]])
    harmonic = 1 + 1 / 2 + 1 / 3
    found_ng = adjusted(p_ng)
    np.testing.assert_allclose(found_ng[0, :2], [0.001 * 3 * harmonic, 0.04 * 3 / 2 * harmonic])
    assert np.isnan(found_ng[0, 2])
    assert found_ng[1, 0] == pytest.approx(0.2 * (harmonic + 1 / 4))


@pytest.mark.parametrize("beta", [0.05, 0.2, 0.5, 0.8, 1.0])
def test_optimal_threshold_is_the_published_one(beta: float) -> None:
    published = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    assert optimal_threshold(beta) == pytest.approx(published, abs=0.02)


def test_optimal_threshold_of_a_square_matrix() -> None:
    assert optimal_threshold(1.0) == pytest.approx(2.858, abs=1e-3)


@pytest.mark.parametrize("rank", [0, 3, 9])
def test_planted_components_are_counted(rank: int) -> None:
    rng = np.random.default_rng(rank)
    planted_ng = rng.normal(size=(80, rank)) @ rng.normal(size=(rank, 500))
    assert components(planted_ng + 0.8 * rng.normal(size=(80, 500))) == rank


def test_injected_outliers_lie_where_they_are_said_to() -> None:
    x_ng = cohort().X.astype(float)
    found = inject(x_ng, np.ones(60), frequency=0.02, z=4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found.x_ng != x_ng, found.is_outlier_ng)
    assert found.is_outlier_ng.mean() == pytest.approx(0.02, abs=0.005)
    up = (found.x_ng > x_ng)[found.is_outlier_ng]
    assert 0.35 < up.mean() < 0.65
    log_ng, new_ng = np.log2(x_ng + 1), np.log2(found.x_ng + 1)
    z_ng = np.abs(new_ng - log_ng) / log_ng.std(axis=0, ddof=1)
    large = found.is_outlier_ng & (found.x_ng > 50)
    np.testing.assert_allclose(z_ng[large], 4, rtol=0.05)


@pytest.mark.slow
def test_injected_outliers_are_found_better_than_by_pca(shared_data) -> None:
    adata = geuvadis(shared_data)
    x_ng, size_n = adata.X.astype(float), adata.obs["sizeFactor"].to_numpy(float)
    changed = inject(x_ng, size_n, frequency=1e-2, z=4, rng=np.random.default_rng(0))
    adata.X = changed.x_ng.astype(np.float32)
    reference, tested = Reference.fit(adata)
    truth = changed.is_outlier_ng.ravel()
    ours = average_precision_score(truth, -tested.p_ng.ravel())
    log_ng = np.log2(changed.x_ng / tested.size_n[:, None] + 1)
    log_ng -= log_ng.mean(axis=0)
    u_nk, s_k, v_kg = np.linalg.svd(log_ng, full_matrices=False)
    k = reference.latent_dim
    residual_ng = log_ng - (u_nk[:, :k] * s_k[:k]) @ v_kg[:k]
    z_ng = np.abs(residual_ng / residual_ng.std(axis=0))
    assert ours > 0.9
    assert ours > average_precision_score(truth, z_ng.ravel())
    assert 0.9 < inflation(mid_p(tested)[:, ~changed.is_outlier_ng.any(axis=0)]) < 1.1


def test_the_published_outliers_of_kremer_are_found(shared_data) -> None:
    adata = io.read(shared_data / "kremer_counts" / "KremerNBaderSmall.tsv.gz")
    tested = Reference.fit(adata)[1]
    table = pairs(tested, alpha=0.05).set_index(["gene", "sample"])
    # The first of OUTRIDER's vignette: gene, sample and log2 fold change.
    published = {
        ("ATAD3C", "MUC1360"): 2.23,
        ("MSTO1", "MUC1367"): -0.86,
        ("NBPF15", "MUC1351"): 0.77,
        ("DCAF6", "MUC1374"): -0.67,
    }
    assert table.index[0] == ("ATAD3C", "MUC1360")
    found = table.loc[list(published)]
    assert (found["padjust"] < 1e-4).all()
    assert (found["zscore"].abs() > 5).all()
    # Ours are larger: an outlier has no say in what is expected of it.
    ratio = found["l2fc"].to_numpy() / np.array(list(published.values()))
    assert ((ratio > 1) & (ratio < 1.3)).all()


def test_clean_counts_give_uniform_p_values_also_in_new_samples() -> None:
    adata = cohort(120, 300)
    reference, tested = Reference.fit(adata[:80].copy())
    assert 0.9 < inflation(mid_p(tested)) < 1.1
    assert (tested.padj_ng <= 0.05).sum() <= 2
    new = reference.test(adata[80:].copy())
    assert 0.9 < inflation(mid_p(new)) < 1.1
    assert (new.padj_ng <= 0.05).sum() <= 2


def test_new_samples_are_tested_each_by_itself(tmp_path) -> None:
    adata = cohort(90)
    adata.X[80, 5] = np.round(40 * adata.X[:, 5].mean())
    reference = Reference.fit(adata[:80].copy())[0]
    reference.save(tmp_path)
    again = Reference.load(tmp_path)
    together = again.test(adata[80:].copy())
    backwards = again.test(adata[80:][::-1, ::-1].copy())
    alone = again.test(adata[80:81].copy())
    assert together.padj_ng[0, 5] < 1e-4
    assert together.genes == backwards.genes
    for name in ("p_ng", "padj_ng", "z_ng", "expected_ng"):
        values_ng = getattr(together, name)
        np.testing.assert_allclose(getattr(backwards, name)[::-1], values_ng, rtol=1e-9)
        np.testing.assert_allclose(getattr(alone, name), values_ng[:1], rtol=1e-9)
        np.testing.assert_array_equal(getattr(reference.test(adata[80:].copy()), name), values_ng)


def test_genes_that_new_samples_lack_are_not_tested() -> None:
    adata, said = cohort(90), []
    reference = Reference.fit(adata[:80].copy())[0]
    tested = reference.test(adata[80:, 10:].copy(), say=said.append)
    assert np.isnan(tested.p_ng[:, :10]).all()
    assert np.isfinite(tested.p_ng[:, 10:]).all()
    assert said == ["10 genes of the reference are missing and not tested"]
    with pytest.raises(DataError, match="of the 150 genes of the reference are missing"):
        reference.test(adata[80:, 60:].copy())


def test_one_seed_gives_one_result() -> None:
    one, other = (Reference.fit(cohort(), seed=3)[1] for _ in range(2))
    np.testing.assert_array_equal(one.p_ng, other.p_ng)
    np.testing.assert_array_equal(one.expected_ng, other.expected_ng)


def test_a_covariate_takes_a_planted_confounder_away() -> None:
    adata = cohort(theta=100)
    adata.obs["batch"] = np.where(np.arange(60) < 3, "b", "a")
    adata.X[:3, :3] = np.round(10 * adata.X[:3, :3])  # too few genes for a latent feature
    without = Reference.fit(adata, latent_size=2)[1]
    known = Reference.fit(adata, latent_size=2, covariates=["batch"])[1]
    assert (without.padj_ng[:3, :3] <= 0.05).mean() > 0.6
    assert (known.padj_ng <= 0.05).sum() == 0


def test_covariates_may_be_numbers_and_unknown_in_new_samples() -> None:
    adata, said = cohort(90), []
    age_n = np.random.default_rng(0).uniform(20, 80, 90)
    adata.obs["age"] = age_n
    adata.X[:, 0] = np.round(adata.X[:, 0] * np.exp((age_n - 50) / 10))
    reference, tested = Reference.fit(adata[:80].copy(), covariates=["age"])
    assert np.abs(np.corrcoef(tested.l2fc_ng[:, 0], age_n[:80])[0, 1]) < 0.2
    adata.obs.loc["s80", "age"] = np.nan
    new = reference.test(adata[80:].copy(), say=said.append)
    assert np.isfinite(new.p_ng).all()
    assert said == ["age is missing or new in 1 samples (s80): they are taken as average"]


def test_the_size_that_finds_injected_outliers_is_near_the_planted_one() -> None:
    said: list[str] = []
    reference = Reference.fit(cohort(40, 100), latent_size="injection", say=said.append)[0]
    assert 2 <= reference.latent_dim <= 4
    assert sum("AUPRC of injected outliers" in line for line in said) > 4


def spoiled(change: str) -> AnnData:
    adata = cohort(30, 40)
    if change == "one":
        return adata[:1].copy()
    if change == "two":
        return adata[:2].copy()
    if change == "low":
        adata.X[:] = adata.X % 3
    if change == "empty sample":
        adata.X[4] = 0
    if change in ("estimated", "negative", "missing"):
        adata.X[2, 7] = {"estimated": 3.5, "negative": -1, "missing": np.nan}[change]
    if change == "twice":
        adata.var_names = ["gene0", *adata.var_names[:-1]]
    return adata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("one", r"1 sample\(s\) are too few"),
        ("two", r"2 sample\(s\) are too few"),
        ("low", "only 0 of 40 genes have at least 10 counts"),
        ("empty sample", "sample s4 has no counts at all; remove it"),
        ("estimated", r"sample s2, gene gene7: 3.5 is not a count .* round estimated ones"),
        ("negative", "sample s2, gene gene7: -1 is not a count"),
        ("missing", "sample s2, gene gene7: the count is missing"),
        ("twice", "gene 'gene0' occurs more than once"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_sentence(change: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Reference.fit(spoiled(change))


def test_covariates_that_say_nothing_are_refused() -> None:
    adata = cohort(30, 40)
    adata.obs["site"], adata.obs["id"] = "here", [f"x{i}" for i in range(30)]
    for column, message in (
        ("site", "has the value 'here' only"),
        ("id", "30 different values in 30 samples"),
        ("sex", "no sample column 'sex'; columns: site, id"),
    ):
        with pytest.raises(DataError, match=message):
            Reference.fit(adata, covariates=[column])


def test_constant_genes_and_copies_of_samples_do_no_harm() -> None:
    adata = cohort(30, 60)
    adata.X[:, 3], adata.X[1] = 100, adata.X[0]
    tested = Reference.fit(adata)[1]
    assert pairs(tested, alpha=0.05).notna().all(axis=None)
    few, copies = warnings(tested.observed_ng, tested.samples)
    assert "30 samples are few" in few
    assert "samples s0 and s1 are the same" in copies


def command(monkeypatch, capsys, *arguments: object) -> tuple[int, str]:
    """Exit code and what was printed."""
    monkeypatch.setattr(sys, "argv", ["tybalt-like", "aberrant", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out + printed.err


@pytest.mark.slow
def test_command_writes_a_folder_and_tests_new_samples_with_it(
    tmp_path, monkeypatch, capsys
) -> None:
    adata = cohort(66)
    adata.X[7, 11] = 0
    adata.X[63, 20] = np.round(30 * adata.X[:, 20].mean())
    counts = adata.to_df().astype(int).T.rename(columns={"s9": "<b>s9</b>"})
    counts.iloc[:, :60].to_csv(tmp_path / "counts.tsv", sep="\t")
    counts.iloc[:, 60:].to_csv(tmp_path / "new.tsv", sep="\t")
    out, new = tmp_path / "out", tmp_path / "new"
    code, said = command(monkeypatch, capsys, tmp_path / "counts.tsv", "-o", out, "--quiet")
    assert (code, "1 aberrant count (" in said) == (0, True), said
    table = pd.read_csv(out / "aberrant.tsv.gz", sep="\t")
    assert list(table.iloc[0, :2]) == ["gene11", "s7"]
    assert len(table) == 60 * 150
    assert table["pvalue"].is_monotonic_increasing
    called = pd.read_csv(out / "aberrant_significant.tsv", sep="\t")
    pd.testing.assert_frame_equal(called, table[table["padjust"] <= 0.05])
    samples = pd.read_csv(out / "samples.tsv", sep="\t", index_col="sample")
    assert samples.loc["s7", ["aberrant", "down", "genes"]].tolist() == [1, 1, "gene11"]
    assert len(samples) == 60
    for name in ("volcano", "qq", "expected_observed", "aberrant_per_sample"):
        assert (out / "figures" / f"{name}.png").stat().st_size > 5000
    page = (out / "report.html").read_text()
    assert "gene11" in page
    assert "<b>s9</b>" not in page
    assert "http" not in page.replace("http-equiv", "")

    before = (out / "aberrant.tsv.gz").read_bytes()
    code, said = command(
        monkeypatch, capsys, tmp_path / "new.tsv", "--using", out, "-o", new, "--quiet", "--json"
    )
    assert code == 0, said
    assert json.loads(said)["facts"]["aberrant counts"] == 1
    found = pd.read_csv(new / "aberrant_significant.tsv", sep="\t")
    assert found[["gene", "sample"]].to_numpy().tolist() == [["gene20", "s63"]]
    assert (out / "aberrant.tsv.gz").read_bytes() == before
    code, said = command(monkeypatch, capsys, tmp_path / "new.tsv", "--using", new, "-o", "x")
    assert (code, "holds no fitted cohort" in said) == (2, True), said
    code, said = command(monkeypatch, capsys, tmp_path / "counts.tsv", "-o", out, "--quiet")
    assert (code, "exists; choose another folder" in said) == (2, True), said
    code, said = command(monkeypatch, capsys, tmp_path / "new.tsv", "-o", tmp_path / "few")
    assert (code, "6 sample(s) are too few" in said) == (2, True), said
    assert not list(tmp_path.glob("few*"))


def test_a_folder_of_a_newer_version_is_refused(tmp_path) -> None:
    Reference.fit(cohort(20, 30))[0].save(tmp_path)
    path = tmp_path / "reference.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(RunError, match="newer version"):
        Reference.load(tmp_path)
