import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import false_discovery_control, kstest

from tybalt_like import pp, tl
from tybalt_like.anomaly import ModelOutputs, ResidualNull, SetNull, UsualGenes, gene_scores
from tybalt_like.core import keys
from tybalt_like.io import datasets
from tybalt_like.models import ModelSettings
from tybalt_like.tl.cross_fit import Detection
from tybalt_like.tl.detect import detected


@pytest.fixture(scope="module")
def luminal() -> AnnData:
    """Luminal tumours, normalised and divided."""
    adata = datasets.load("tcga_brca")
    adata = adata[adata.obs["pam50"].isin(["Luminal A", "Luminal B"])].copy()
    pp.split(adata, seed=0)
    train = np.asarray(adata.obs[keys.SPLIT] == keys.TRAIN)
    return pp.Normaliser.fit(adata, pp.Normalisation(scale="zscore"), train=train).transform(adata)


def test_genes_planted_at_4_sd_are_in_the_top_20(luminal) -> None:
    adata = luminal.copy()
    rng = np.random.default_rng(0)
    samples = np.flatnonzero(adata.obs[keys.SPLIT] == keys.TEST)
    planted = {row: rng.choice(adata.n_vars, 3, replace=False) for row in samples}
    sign = {row: rng.choice([-1, 1], 3) for row in samples}
    for row, genes in planted.items():
        adata.X[row, genes] += 4 * sign[row]  # the scale is in SD of the training samples
    model = tl.fit(adata, model="pca", device="cpu", latent_dim=20)
    detector = tl.score(adata, model=model)
    names = [str(adata.obs_names[row]) for row in samples]
    table = tl.explain(adata, detector, model="pca", samples=names, n_top=20)
    found = {(row.sample, row.gene): row.direction for row in table.itertuples()}
    wanted = [
        ((str(adata.obs_names[row]), str(adata.var_names[gene])), "up" if s > 0 else "down")
        for row in samples
        for gene, s in zip(planted[row], sign[row], strict=True)
    ]
    assert np.mean([found.get(key) == direction for key, direction in wanted]) > 0.95
    assert table["share"].between(0, 1).all()
    assert (table["p_adjusted"] >= table["p_value"]).all()


@pytest.mark.parametrize(("n", "df"), [(20, 8), (100, 8), (300, 4)])
def test_p_values_of_new_residuals_hold_far_out(n: int, df: float) -> None:
    rng = np.random.default_rng(0)
    scale_g = np.sqrt(1 / rng.gamma(4, 1, size=2000))
    null = ResidualNull.fit(scale_g * rng.standard_t(df, size=(n, 2000)))
    p_ng = null.p_values(null.z(scale_g * rng.standard_t(df, size=(400, 2000))))
    assert kstest(p_ng.ravel(), "uniform").statistic < 0.02
    for level in (1e-2, 1e-3, 1e-4):  # 80 values at the last
        assert 0.5 < (p_ng <= level).mean() / level < 2
    with_any = (null.adjusted(p_ng) <= 0.05).any(1).mean()
    assert with_any <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_samples_that_are_far_off_in_all_genes_get_no_more_genes_than_promised() -> None:
    rng = np.random.default_rng(0)
    noisy_n1 = np.exp(rng.normal(size=(400, 1)))  # all genes of some samples are far off

    def residuals(n: int) -> np.ndarray:
        return noisy_n1[:n] * rng.normal(size=(n, 500))

    null = ResidualNull.fit(residuals(200))
    p_ng = null.p_values(null.z(residuals(400)))
    adjusted_ng = null.adjusted(p_ng)
    assert (adjusted_ng <= false_discovery_control(p_ng, axis=1, method="by") + 1e-12).all()
    assert (adjusted_ng >= false_discovery_control(p_ng, axis=1, method="bh") - 1e-12).all()
    assert (adjusted_ng <= 0.05).any(1).mean() <= 0.06


def test_one_gene_does_not_make_a_set_strange_but_all_of_them_do() -> None:
    rng = np.random.default_rng(0)
    member_sg = np.repeat(np.eye(100, dtype=bool), 5, axis=1)  # 100 sets of 5 genes

    def residuals(n: int) -> np.ndarray:
        shared_ns = rng.normal(size=(n, 100)) / 2  # genes of a set move together
        return np.repeat(shared_ns, 5, axis=1) + rng.standard_t(2.5, size=(n, 500))

    null = SetNull.fit(residuals(100), member_sg)

    def p_values(residual_ng: np.ndarray) -> np.ndarray:
        return null.sets.p_values(null.sets.z(null.mean(residual_ng)))

    ordinary_ng = residuals(2000)
    p_ns = p_values(ordinary_ng)
    assert kstest(p_ns.ravel(), "uniform").statistic < 0.02
    for level in (1e-2, 1e-3, 1e-4):  # 20 values at the last
        assert (p_ns <= level).mean() / level < 1.5
    assert (p_values(ordinary_ng + 4) <= 1e-3).mean() > 0.5


def test_genes_that_only_some_folds_choose_are_no_stranger_in_new_samples() -> None:
    rng = np.random.default_rng(0)
    x_ng = rng.standard_t(4, size=(460, 2000)) + 8  # which genes vary most is chance
    adata = AnnData(x_ng.astype(np.float32))
    adata.obs_names = [f"s{i}" for i in range(460)]
    adata.obs[keys.SPLIT] = np.where(np.arange(460) < 60, keys.TRAIN, keys.QUERY)
    how = pp.Normalisation(units="log2", n_genes=200)
    found = detected(adata, Detection(), normalisation=how)
    residual_ng = found.expected.X - found.expected.layers[keys.reconstruction("default")]
    null = found.scorer.detector.usual.residuals
    p_ng = null.p_values(null.z(residual_ng[60:]))
    for level in (1e-2, 1e-3, 1e-4):  # 8 values at the last
        assert 0.5 < (p_ng <= level).mean() / level < 2
    assert (residual_ng[:60] != 0).all()


def test_a_null_survives_saving_and_genes_that_were_not_measured() -> None:
    rng = np.random.default_rng(0)
    residual_cg = rng.normal(size=(50, 40))
    residual_cg[:, 3] = np.nan
    residual_cg[:49, 4] = np.nan
    null = ResidualNull.fit(residual_cg)
    again = ResidualNull.from_arrays(null.arrays())
    z_ng = null.z(rng.normal(size=(5, 40)))
    assert np.isfinite(z_ng).all()
    np.testing.assert_array_equal(again.p_values(z_ng), null.p_values(z_ng))
    np.testing.assert_array_equal(again.z(z_ng), null.z(z_ng))


def test_genes_of_interest_are_found_more_easily_and_others_hardly_less() -> None:
    rng = np.random.default_rng(0)
    usual = UsualGenes.fit(rng.normal(size=(300, 1000)), rng.normal(size=(300, 1000)))
    x_ng = rng.normal(size=(200, 1000))
    x_ng[:, :10] += 4.0
    samples = ModelOutputs(x_ng, np.zeros_like(x_ng), np.empty((200, 0)))
    names, genes = [f"s{i}" for i in range(200)], [f"g{i}" for i in range(1000)]

    def called(of_interest: list[str]) -> pd.DataFrame:
        table = gene_scores(
            usual, samples, names=names, genes=genes, n_top=None, of_interest=of_interest
        )
        assert len(table) == x_ng.size
        return table[table["p_adjusted"] <= 0.05]

    plain, weighted = called([]), called(genes[:5])
    panel = weighted["gene"].isin(genes[:5])
    assert panel.equals(weighted["of_interest"])
    assert panel.sum() > 1.5 * plain["gene"].isin(genes[:5]).sum()
    false = ~weighted["gene"].isin(genes[:10])
    assert false.sum() / len(weighted) < 0.07


def test_what_is_strange_in_a_sample_does_not_bend_its_closest_normal(luminal) -> None:
    adata = luminal.copy()
    model = tl.fit(adata, model="pca", device="cpu", latent_dim=20)
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(adata.obs[keys.SPLIT] == keys.TEST)
    moved = adata.copy()
    strange_ng = rng.random((len(rows), adata.n_vars)) < 0.05
    moved.X[rows] += 8 * strange_ng * rng.choice([-1, 1], strange_ng.shape)
    away = {}
    for samples in (adata, moved):
        tl.latent(samples, model)
        tl.closest_normal(samples, model)
    for layer in ("pca_closest_normal", "pca_reconstruction"):
        change_ng = moved.layers[layer][rows] - adata.layers[layer][rows]
        away[layer] = np.sqrt(np.square(change_ng).mean())
    assert away["pca_closest_normal"] < 0.5 * away["pca_reconstruction"]


@pytest.mark.slow
def test_the_search_finds_a_better_code_than_the_encoder(luminal) -> None:
    adata = luminal[:, :300].copy()
    chosen = ModelSettings.of("deep_autoencoder", training={"epochs": 40, "min_epochs": 5})
    model = tl.fit(adata, model=chosen, device="cpu", seed=0)
    tl.closest_normal(adata, model)
    rows = np.asarray(adata.obs[keys.SPLIT] == keys.TEST)
    errors = {
        layer: np.median(np.abs(adata.X - adata.layers[f"deep_autoencoder_{layer}"])[rows])
        for layer in ("closest_normal", "reconstruction")
    }
    assert errors["closest_normal"] < errors["reconstruction"]


def test_a_planted_gene_set_is_the_strangest(luminal) -> None:
    adata = luminal.copy()
    rng = np.random.default_rng(1)
    genes = np.array(adata.var_names)
    sets = {f"set {i}": rng.choice(genes, 25, replace=False).tolist() for i in range(40)}
    row = int(np.flatnonzero(adata.obs[keys.SPLIT] == keys.TEST)[0])
    adata.X[row, np.isin(genes, sets["set 7"])] -= 1.5
    tl.score(adata, model=tl.fit(adata, model="pca", device="cpu", latent_dim=20))
    name = str(adata.obs_names[row])
    table = tl.explain_gene_sets(adata, sets, model="pca", samples=[name], n_top=3)
    first = table.iloc[0]
    assert (first["set"], first["direction"]) == ("set 7", "down")
    assert first["p_adjusted"] < 0.05
    assert isinstance(table, pd.DataFrame)
    assert table["rank"].tolist() == [1, 2, 3]
