"""What the features of models mean, on cohorts whose biology is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import roc_auc_score

from tybalt_like import pp, tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.genes import convert
from tybalt_like.interpretation import stability
from tybalt_like.io import datasets, read
from tybalt_like.models import Model, Training

pytestmark = pytest.mark.usefixtures("one_thread")
SEX = {"XIST", "RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY", "UTY", "USP9Y", "ZFY", "NLGN4Y"}


def encoded(adata, model: str, *, seed: int, n_genes: int, k: int, genes: tuple[str, ...] = ()):
    """A model of four fifths of the samples, drawn anew with each seed, and log2 units for one
    standard deviation of each gene."""
    adata = type(adata)(adata.X, obs=adata.obs, var=adata.var)
    pp.split(adata, train=0.9, calibration=0, seed=seed)
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    how = pp.Normalisation(n_genes=n_genes, genes=genes, scale="zscore")
    normaliser = pp.Normaliser.fit(adata, how, train=train_n)
    log2_g = normaliser.unscaled(adata)[train_n].std(0)
    adata = normaliser.transform(adata)
    return adata, tl.fit(adata, model=model, seed=seed, latent_dim=k, device="cpu"), log2_g


def best(scores_nj: np.ndarray, high_n: np.ndarray) -> tuple[int, float]:
    """The feature that tells a group apart best, and its AUROC in either direction."""
    auroc_j = np.array([roc_auc_score(high_n, score_n) for score_n in scores_nj.T])
    j = int(np.abs(auroc_j - 0.5).argmax())
    return j, float(max(auroc_j[j], 1 - auroc_j[j]))


def top(effect_g: pd.Series, n: int) -> list[str]:
    """Symbols of the genes with the largest effects."""
    return [str(name).rsplit("_", 1)[0] for name in effect_g.abs().nlargest(n).index]


@pytest.mark.parametrize("name", ["pca", pytest.param("ppca_vae", marks=pytest.mark.slow)])
def test_an_axis_is_sex_without_being_told(shared_data, monkeypatch, name: str) -> None:
    """In 5,000 genes, of which some twenty know it: PCA's own axes do not show it, the same space
    does when it is turned, in every seed, and it is the same axis."""
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    adata, genes, of_seed, axis_of_seed = datasets.load("geuvadis_counts"), (), [], []
    for seed in range(3):
        one, model, log2_g = encoded(adata, name, seed=seed, n_genes=5000, genes=genes, k=22)
        genes = tuple(one.var_names)
        female_n = (one.obs["sex"] == "Female").to_numpy()
        axes = tl.rotate(one, model)
        j, auroc = best(one.obsm[f"X_{name}_varimax"], female_n)
        assert auroc > 0.95
        if name == "pca":
            assert best(np.asarray(one.obsm["X_pca"]), female_n)[1] < 0.9
        effects = tl.gene_effects(one, model, axes=axes) * log2_g
        effects.columns = [symbol or "" for symbol in convert(list(genes), to="symbol").names]
        assert len(SEX & set(top(effects.iloc[j], 10))) >= 6
        of_seed.append(effects)
        axis_of_seed.append(axes.names[j])
    table = stability(of_seed[0], of_seed[1:], names=list(of_seed[0].index))
    assert table.loc[axis_of_seed[0], "found"] == 1


def test_genes_that_know_nothing_of_each_other_have_no_axes(shared_data, monkeypatch) -> None:
    """Each gene permuted: trainings share two thirds of their samples, but find no axis again."""
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    adata = datasets.load("geuvadis_counts")
    x_ng = np.asarray(adata.X, dtype=np.float64)
    x_ng = np.log2(1 + x_ng / x_ng.sum(1, keepdims=True) * 1e6)
    rng, stable = np.random.default_rng(0), []
    for of_cohort_ng in (x_ng, rng.permuted(x_ng, axis=0)):
        one, genes, of_seed = AnnData(of_cohort_ng.astype(np.float32), var=adata.var), (), []
        for seed in range(3):
            again, model, log2_g = encoded(one, "pca", seed=seed, n_genes=1000, genes=genes, k=20)
            genes = tuple(again.var_names)
            axes = tl.rotate(again, model)
            of_seed.append(tl.gene_effects(again, model, axes=axes).to_numpy() * log2_g)
        stable.append(int((stability(of_seed[0], of_seed[1:])["found"] > 0.5).sum()))
    assert stable[0] >= 6
    assert stable[1] <= 1


@pytest.mark.parametrize("seed", [0, 1])
def test_axes_of_breast_tumours_are_what_pathologists_know(shared_data, seed: int) -> None:
    """Genes by log2 units: a factor for each."""
    adata = read(shared_data / "tcga_brca" / "tcga_brca.h5ad")
    adata, model, log2_g = encoded(adata, "pca", seed=seed, n_genes=5000, k=50)
    effects = tl.gene_effects(adata, model, axes=tl.rotate(adata, model)) * log2_g
    genes = [top(effect_g, 100) for _, effect_g in effects.iterrows()]
    j, auroc = best(adata.obsm["X_pca_varimax"], (adata.obs["pam50"] == "Basal-like").to_numpy())
    assert auroc > 0.95
    assert {"ESR1", "FOXA1", "TFF1", "AGR2"} <= set(genes[j][:50])
    assert any({"ERBB2", "GRB7", "STARD3"} <= set(names[:20]) for names in genes)
    assert any({"MKI67", "UBE2C", "BIRC5", "TOP2A"} <= set(names) for names in genes)


def test_a_direction_is_a_feature_like_any_other(shared_data, monkeypatch) -> None:
    monkeypatch.setenv("TYBALT_LIKE_DATA", str(shared_data))
    adata, model, _ = encoded(
        datasets.load("geuvadis_counts"), "ppca_vae", seed=0, n_genes=2000, k=20
    )
    before = adata.copy()
    for how in ("probe", "mean"):
        sex = tl.direction(adata, model, "sex", high="Female", how=how)
        assert sex.axes.names == ("sex: Female",)
        assert sex.auroc.value > 0.95
        effects = tl.gene_effects(adata, model, axes=sex.axes)
        symbols = convert(list(effects.columns), to="symbol").names
        effects.columns = [symbol or "" for symbol in symbols]
        assert len(SEX & set(top(effects.iloc[0], 10))) >= 5
        score_n = sex.axes.scores(adata.obsm["X_ppca_vae"])[:, 0]
        assert roc_auc_score(adata.obs["sex"] == "Female", score_n) >= sex.auroc.value
    # Who is which sex at random is not read.
    adata.obs["drawn"] = np.random.default_rng(0).permutation(adata.obs["sex"])
    drawn = tl.direction(adata, model, "drawn", high="Female")
    assert abs(drawn.auroc.value - 0.5) < 3 * drawn.auroc.standard_error
    assert list(before.obs) == list(adata.obs)[:-1]
    with pytest.raises(DataError, match="no sample has sex = 'X'; labels in column 'sex': "):
        tl.direction(adata, model, "sex", high="X")
    with pytest.raises(DataError, match="no column 'nope'"):
        tl.direction(adata, model, "nope", high="X")


def test_groups_kept_apart_when_training_stay_so_in_the_folds(shared_data) -> None:
    adata = read(shared_data / "tcga_brca" / "tcga_brca.h5ad")[:200, :200].copy()
    adata.obs["hospital"] = [name.split("-")[1] for name in adata.obs_names]
    pp.split(adata, group="hospital")
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    adata = pp.Normaliser.fit(adata, pp.Normalisation(), train=train_n).transform(adata)
    model = tl.fit(adata, model="pca", latent_dim=5, device="cpu")
    recorded = tl.direction(adata, model, "pam50", high="Luminal A")
    named = tl.direction(adata, model, "pam50", high="Luminal A", group="hospital")
    assert recorded.auroc.value == named.auroc.value
    assert len(recorded.auroc.influence_n) == adata.obs["hospital"].nunique()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", sorted(Model.registry))
def test_features_of_every_model_have_effects_and_axes_that_turn(name: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    x_ng = rng.random((60, 24)).astype(np.float32)
    if Model.named(name).domain == "counts":
        x_ng = rng.poisson(40 * x_ng).astype(np.float32)
    adata = AnnData(x_ng)
    adata.obs["batch"] = np.where(np.arange(60) % 2, "a", "b")
    pp.split(adata)
    sets = tmp_path / "sets.gmt"
    sets.write_text(
        "".join(f"s{i}\t\t" + "\t".join(map(str, range(i, i + 8))) + "\n" for i in (0, 9))
    )
    needs = {"conditional_tybalt": {"covariates": ("batch",)}, "plier": {"gene_sets": str(sets)}}
    config = needs.get(name, {})
    quick = Training(epochs=3, batch_size=8, min_epochs=0)
    model = tl.fit(adata, model=name, training=quick, latent_dim=3, device="cpu", **config)
    effects = tl.gene_effects(adata, model)
    assert effects.shape == (3, 24)
    assert (effects != 0).any(axis=None)
    axes = tl.rotate(adata, model)
    turned = tl.gene_effects(adata, model, axes=axes)
    assert np.isfinite(turned).all(axis=None)
    assert 1 <= len(turned) <= 3
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    np.testing.assert_allclose(adata.obsm[f"X_{name}_varimax"][train_n].std(0), 1)
