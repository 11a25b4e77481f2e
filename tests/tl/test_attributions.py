"""Why a sample has so much of a feature: attributions add up, and are those of captum."""

import numpy as np
import pytest
import torch
from anndata import AnnData

from tybalt_like import pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets
from tybalt_like.models import Model, Training

SEARCH = {"anogan", "dcgan", "wgan_gp", "nmf"}
"""Models that have no formula for the code of a sample."""


pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(scope="module")
def breast() -> AnnData:
    adata = datasets.load("tcga_brca")[::4, :150].to_memory()
    adata = AnnData(adata.X, obs=adata.obs[["pam50"]].astype(str), var=adata.var[[]])
    pp.split(adata)
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    how = pp.Normalisation(n_genes=100, scale="zero_one")
    return pp.Normaliser.fit(adata, how, train=train).transform(adata)


def fitted(adata: AnnData, name: str, gene_sets: str = "") -> Model:
    needed = {"conditional_tybalt": {"covariates": ("pam50",)}, "plier": {"gene_sets": gene_sets}}
    config, training = needed.get(name, {}), Training(epochs=4, min_epochs=0)
    return tl.fit(adata, model=name, latent_dim=3, training=training, device="cpu", **config)


@pytest.mark.parametrize("name", sorted(Model.registry))
def test_they_add_up_or_the_model_says_why_not(name, breast, tmp_path) -> None:
    adata = breast.copy()
    if Model.named(name).domain == "counts":
        adata.X = np.round(100 * adata.X)
    (tmp_path / "my.gmt").write_text("a\t\t" + "\t".join(adata.var_names[:20]))
    model = fitted(adata, name, str(tmp_path / "my.gmt"))
    sample = adata.obs_names[7]
    if name in SEARCH:
        with pytest.raises(DataError, match=f"{name} searches for the code of a sample"):
            tl.attributions(adata, model, sample=sample, feature=1)
        return
    for feature in (1, 2, 3):
        found = tl.attributions(adata, model, sample=sample, feature=feature)
        z = adata.obsm[f"X_{name}"][7, feature - 1]
        assert found.attrs["value"] == pytest.approx(z, rel=1e-4, abs=1e-5)
        apart = found.attrs["value"] - found.attrs["usual"]
        assert found["attribution"].sum() == pytest.approx(apart, rel=0.006, abs=1e-5)
        assert found["attribution"].abs().is_monotonic_decreasing


def test_linear_encoders_give_weight_times_difference(breast) -> None:
    adata = breast.copy()
    model = fitted(adata, "pca")
    sample = adata.obs_names[3]
    found = tl.attributions(adata, model, sample=sample, feature="pca_2").set_index("gene")
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    apart = adata.X[3] - adata.X[train].mean(0)
    expected = model.components_kg[1].numpy() * apart
    np.testing.assert_allclose(found.loc[adata.var_names, "attribution"], expected, atol=1e-6)
    assert found["feature"].unique().tolist() == ["pca_2"]
    few = tl.attributions(adata, model, sample=sample, feature=2, n_top=5)
    assert few["gene"].tolist() == list(found.index[:5])
    assert few["rank"].tolist() == [1, 2, 3, 4, 5]


def test_they_are_those_of_captum(breast) -> None:
    from captum.attr import IntegratedGradients

    adata = breast.copy()
    model = fitted(adata, "deep_autoencoder").eval()
    found = tl.attributions(adata, model, sample=adata.obs_names[11], feature=1)
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    x = torch.from_numpy(np.asarray(adata.X, dtype=np.float32))
    theirs = IntegratedGradients(model.embed).attribute(
        x[11:12], x[train].mean(0, keepdim=True), target=0, n_steps=500
    )
    ours = found.set_index("gene").loc[adata.var_names, "attribution"]
    np.testing.assert_allclose(ours, theirs[0].numpy(), atol=0.01 * np.abs(ours).max())


def test_what_does_not_exist_is_one_sentence(breast) -> None:
    adata = breast.copy()
    model = fitted(adata, "pca")
    with pytest.raises(DataError, match="no sample is called 'me'"):
        tl.attributions(adata, model, sample="me", feature=1)
    for feature in (0, 4, "pca_4", "tybalt_1"):
        with pytest.raises(DataError, match="pca has 1 to 3, or pca_1 to pca_3"):
            tl.attributions(adata, model, sample=adata.obs_names[0], feature=feature)
