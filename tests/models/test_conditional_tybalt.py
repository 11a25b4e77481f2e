"""Covariates, from the sample table through training to new samples."""

import numpy as np
import pytest
import torch
from anndata import AnnData

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.models import Model, Training

N_VARS = 20
LOADING_G = np.random.default_rng(9).uniform(-0.15, 0.15, N_VARS)


def cohort(n: int, *, seed: int = 0) -> AnnData:
    """One factor in all genes; batch "b" lies higher in the first ten."""
    rng = np.random.default_rng(seed)
    batch_n = rng.choice(["a", "b"], n)
    x_ng = 0.4 + rng.normal(size=(n, 1)) * LOADING_G + 0.03 * rng.normal(size=(n, N_VARS))
    x_ng[:, :10] += 0.25 * (batch_n == "b")[:, None]
    data = AnnData(np.clip(x_ng, 0, 1).astype(np.float32))
    data.obs["batch"], data.obs["sex"] = batch_n, rng.choice(["f", "m"], n)
    data.obs[keys.SPLIT] = rng.choice([keys.TRAIN, keys.VALIDATION], n, p=[0.9, 0.1])
    return data


def fitted(data: AnnData, *, model: str = "conditional_tybalt", epochs: int = 60, **config):
    training = Training(
        epochs=epochs, batch_size=32, min_batches=1, learning_rate=3e-3, patience=None
    )
    return tl.fit(data, model=model, training=training, latent_dim=4, **config)


def shift(data: AnnData, z_nk: np.ndarray) -> float:
    """Distance of the batches' mean codes, in standard deviations."""
    batch_n = (data.obs["batch"] == "b").to_numpy()
    gap_k = z_nk[batch_n].mean(0) - z_nk[~batch_n].mean(0)
    return float(np.abs(gap_k / (z_nk.std(0) + 1e-9)).max())


def test_codes_leave_the_batch_to_the_covariate() -> None:
    data = cohort(300)
    fitted(data, covariates=["batch"])
    fitted(data, model="tybalt")
    told = shift(data, data.obsm[keys.latent("conditional_tybalt")])
    untold = shift(data, data.obsm[keys.latent("tybalt")])
    assert told < 0.5 * untold


def test_a_sample_can_be_decoded_as_if_from_another_batch() -> None:
    data = cohort(300)
    model = fitted(data, covariates=["batch"])
    as_a, as_b = data.copy(), data.copy()
    as_a.obs["batch"], as_b.obs["batch"] = "a", "b"
    tl.latent(as_a, model)
    tl.latent(as_b, model)
    layer = keys.reconstruction("conditional_tybalt")
    change_g = (as_b.layers[layer] - as_a.layers[layer]).mean(0)
    assert change_g[:10].min() > change_g[10:].max() + 0.05


def test_unknown_values_stand_for_the_training_average(tmp_path) -> None:
    data = cohort(80)
    model = fitted(data, covariates=["batch", "sex"], epochs=2)
    assert model.covariates == {"batch": ("a", "b"), "sex": ("f", "m")}
    train_n = (data.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    share = (data.obs["batch"][train_n] == "b").mean()
    assert model.frequency_c[1].item() == pytest.approx(share, rel=1e-6)
    blank = data.copy()
    blank.obs["batch"], blank.obs["sex"] = None, ""
    model.save(tmp_path / "model.safetensors")
    tl.latent(blank, Model.load(tmp_path / "model.safetensors"))
    expected = model.double().embed(torch.from_numpy(blank.X).double()).detach()
    ours = blank.obsm[keys.latent("conditional_tybalt")]
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_hidden_layer_and_covariates_go_together() -> None:
    model = fitted(cohort(80), covariates=["batch"], epochs=2, hidden_dim=6)
    assert model.weights().shape == (4, N_VARS)


def test_what_is_wrong_with_covariates_is_said() -> None:
    with pytest.raises(RecipeError, match=r"model\.covariates is empty"):
        fitted(cohort(40))
    with pytest.raises(DataError, match="sample column 'plate', which is missing"):
        fitted(cohort(40), covariates=["plate"])


def test_a_value_never_trained_on_is_unknown_and_said_to_be() -> None:
    model = fitted(cohort(40), covariates=["batch"], epochs=1)
    new, blank = cohort(5), cohort(5)
    new.obs["batch"] = ["a", "a", "c", "b", "b"]
    blank.obs["batch"] = ["a", "a", "", "b", "b"]
    with pytest.warns(UserWarning, match="1 samples have a batch .* such as 'c' in 2"):
        tl.latent(new, model)
    tl.latent(blank, model)
    key = keys.latent("conditional_tybalt")
    np.testing.assert_array_equal(new.obsm[key], blank.obsm[key])
