"""Aberrant counts: statistics, what is found, what new samples change, and the command."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats
from sklearn.metrics import average_precision_score

from tybalt_like import cli, io
from tybalt_like.aberrant import Reference
from tybalt_like.aberrant.counts import size_reference, warnings
from tybalt_like.aberrant.injection import inject
from tybalt_like.aberrant.low_rank import LowRank
from tybalt_like.aberrant.pair_tables import pairs
from tybalt_like.aberrant.reach import reach
from tybalt_like.aberrant.statistics import adjusted, inflation, tail_inflation
from tybalt_like.aberrant.tails import Tails
from tybalt_like.aberrant.threshold import n_above_noise, optimal_threshold
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


@pytest.mark.parametrize("df", [6.0, 12.0, 40.0])
def test_tails_are_those_that_residuals_were_drawn_from(df: float) -> None:
    t_ng = 1.3 * stats.t(df).rvs((100, 2000), random_state=0)
    tails = Tails.fit(t_ng)
    far = np.array([-9.0, -6.0, 6.0, 9.0])
    expected = np.log(2 * stats.t(df).sf(np.abs(far) / 1.3))
    np.testing.assert_allclose(np.log(tails.p_values(far)), expected, rtol=0.15)
    assert inflation(tails.p_values(t_ng)) == pytest.approx(1, abs=0.02)
    assert tail_inflation(tails.p_values(t_ng), 1e-3) == pytest.approx(1, abs=0.2)
    p = tails.down.p_values(np.array([tails.down.quantile(1e-7)]))
    assert p == pytest.approx(1e-7)


def test_many_aberrant_residuals_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(0)
    t_ng = stats.t(15).rvs((100, 1000), random_state=rng)
    planted_ng = rng.random(t_ng.shape) < 0.01
    p_ng = Tails.fit(np.where(planted_ng, t_ng - 8, t_ng)).p_values(t_ng - 8)
    assert (p_ng[planted_ng] < 1e-5).mean() > 0.8
    alone = Tails.fit(t_ng).p_values(t_ng - 8)
    assert np.median(np.log(p_ng) / np.log(alone)) > 0.75


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
    x_ng = planted_ng + 0.8 * rng.normal(size=(80, 500))
    assert n_above_noise(np.linalg.svd(x_ng, compute_uv=False), x_ng.shape) == rank


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
    assert ours > 0.94
    assert ours > average_precision_score(truth, z_ng.ravel())
    assert (tested.padj_ng[changed.is_outlier_ng] <= 0.05).mean() > 0.6


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
    assert (found["padjust"] < 0.01).all()
    assert (found["zscore"].abs() > 5).all()
    # Ours are no smaller: an outlier has no say in what is expected of it.
    ratio = found["l2fc"].to_numpy() / np.array(list(published.values()))
    assert ((ratio > 0.95) & (ratio < 1.5)).all()


def test_clean_counts_give_uniform_p_values_also_in_new_samples() -> None:
    adata = cohort(120, 300)
    reference, tested = Reference.fit(adata[:80].copy())
    assert 0.9 < inflation(tested.p_ng) < 1.1
    assert (tested.padj_ng <= 0.05).any(axis=1).mean() <= 0.05
    new = reference.test(adata[80:].copy())
    assert 0.85 < inflation(new.p_ng) < 1.15
    assert (new.padj_ng <= 0.05).any(axis=1).mean() <= 0.05


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


def test_a_residual_is_that_of_a_fit_without_the_sample() -> None:
    """With covariates alone, expectation is the regression on the other samples."""
    rng = np.random.default_rng(0)
    design_nc = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    log_ng = design_nc @ rng.normal(size=(3, 200)) + 0.1 * rng.normal(size=(40, 200))
    hat_nn = design_nc @ np.linalg.pinv(design_nc)
    for i in (0, 17):
        others = np.arange(40) != i
        effect_cg = np.linalg.lstsq(design_nc[others], log_ng[others], rcond=None)[0]
        own = hat_nn[i, i]
        fit_g = (hat_nn @ log_ng)[i]
        expected_g = fit_g - own / (1 - own) * (log_ng[i] - fit_g)
        np.testing.assert_allclose(expected_g, design_nc[i] @ effect_cg, rtol=1e-6, atol=1e-9)
    found = LowRank.fit(log_ng, design_nc)[1]
    # One factor of noise is taken besides, which changes little.
    assert np.abs(found.expected_ng[17] - design_nc[17] @ effect_cg).mean() < 0.05


def test_an_outlier_neither_shapes_the_factors_nor_the_noise() -> None:
    adata = cohort(80, 200)
    clean = Reference.fit(adata)[1]
    adata.X[5, 7] = 0
    tested = Reference.fit(adata)[1]
    assert tested.padj_ng[5, 7] < 1e-4
    assert (tested.padj_ng <= 0.05).sum() == (clean.padj_ng <= 0.05).sum() + 1
    others = np.ones(clean.p_ng.shape, bool)
    others[5], others[:, 7] = False, False
    change_ng = np.log((tested.expected_ng[others] + 1) / (clean.expected_ng[others] + 1))
    assert np.quantile(np.abs(change_ng), 0.99) < 0.05


def test_what_a_cohort_can_find_is_what_it_finds() -> None:
    adata = cohort(80, 200)
    reference, tested = Reference.fit(adata)
    found = reach(tested, reference.model.own, alpha=0.05)
    assert found.quiet_up < found.up
    assert found.down < found.quiet_down < 1
    rows, genes = np.arange(80), np.random.default_rng(1).permutation(200)[:80]
    expected = tested.expected_ng[rows, genes]
    hits = {}
    for factor in (found.up**0.5, found.up**1.7):
        adata = cohort(80, 200)
        adata.X[rows, genes] = np.round(expected * factor)
        hits[factor] = (Reference.fit(adata)[1].padj_ng[rows, genes] <= 0.05).mean()
    little, much = hits.values()
    assert little < 0.2
    assert much > 0.8


def test_size_factors_where_every_gene_has_a_zero() -> None:
    adata, said = cohort(), []
    x_ng = adata.X.astype(float)
    whole_n = size_reference(x_ng, say=said.append).size_factors(x_ng)
    assert said == []
    x_ng[np.arange(150) % 60, np.arange(150)] = 0
    size_n = size_reference(x_ng, say=said.append).size_factors(x_ng)
    assert said == [
        "every gene has a sample without counts: size factors are those of the positive counts"
    ]
    np.testing.assert_allclose(size_n / np.exp(np.log(size_n).mean()), size_n, rtol=1e-9)
    np.testing.assert_allclose(size_n / whole_n / np.median(size_n / whole_n), 1, atol=0.06)
    adata.X = x_ng.astype(np.float32)
    tested = Reference.fit(adata)[1]
    assert np.isfinite(tested.p_ng).all()
    assert (tested.padj_ng[x_ng == 0] <= 0.05).mean() > 0.8


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
    adata.obs.loc["s3", "age"] = np.nan
    reference, tested = Reference.fit(adata[:80].copy(), covariates=["age"], say=said.append)
    assert said[1] == "age is missing or new in 1 samples (s3): they are taken as average"
    said.clear()
    known_n = np.arange(80) != 3
    assert np.abs(np.corrcoef(tested.l2fc_ng[known_n, 0], age_n[:80][known_n])[0, 1]) < 0.25
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
    tmp_path, monkeypatch, capsys, checked
) -> None:
    adata = cohort(66, seed=3)
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
    assert checked("summary", said)["facts"]["aberrant counts"] == 1
    checked("run", new / "run.json")
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


@pytest.mark.parametrize(
    ("schema", "message"), [(99, "newer version"), (1, "fit the cohort again")]
)
def test_a_folder_of_another_version_is_refused(tmp_path, schema: int, message: str) -> None:
    Reference.fit(cohort(20, 30))[0].save(tmp_path)
    path = tmp_path / "reference.json"
    path.write_text(path.read_text().replace('"schema": 2', f'"schema": {schema}'))
    with pytest.raises(RunError, match=message):
        Reference.load(tmp_path)
