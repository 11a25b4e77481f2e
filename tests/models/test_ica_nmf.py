"""ICA and NMF against scikit-learn and scipy."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.decomposition import NMF, FastICA

from tybalt_like.models import Model
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded


def sources(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.exponential(size=(n, 3)) @ rng.exponential(size=(3, 15))


def fitted(name: str, x_ng: np.ndarray, k: int) -> Model:
    model = Model.create(name, x_ng.shape[1], latent_dim=k)
    with seeded(0):
        train(model, {"x_ng": torch.from_numpy(x_ng)})
    return model.double()


def test_ica_finds_scikit_learns_components() -> None:
    x_ng = sources(200)
    model = fitted("ica", x_ng, 3)
    theirs = FastICA(3, whiten="unit-variance", random_state=1).fit_transform(x_ng)
    ours = model.embed(torch.from_numpy(x_ng)).numpy()
    # Order and sign of independent components are arbitrary.
    matched = np.abs(np.corrcoef(ours.T, theirs.T)[:3, 3:]).max(1)
    np.testing.assert_allclose(matched, 1, atol=1e-3)
    np.testing.assert_allclose(ours.std(0), 1, rtol=1e-4)
    np.testing.assert_allclose(model.decode(torch.from_numpy(ours)), x_ng, rtol=1e-3)


def test_ica_stops_at_the_rank_of_the_data() -> None:
    model = fitted("ica", sources(50), 7)
    z_nk = model.embed(torch.from_numpy(sources(50)))
    assert z_nk.shape == (50, 7)
    assert (z_nk.std(0) > 1e-6).sum() == 3


def test_nmf_is_at_least_as_close_as_scikit_learns() -> None:
    x_ng = sources(80) + np.random.default_rng(1).uniform(size=(80, 15))
    model = fitted("nmf", x_ng, 3)
    theirs = NMF(3, max_iter=1000, random_state=0).fit(x_ng)
    z_nk = model.embed(torch.from_numpy(x_ng))
    error = np.linalg.norm(x_ng - model.decode(z_nk).numpy())
    assert error <= 1.001 * theirs.reconstruction_err_
    assert z_nk.min() >= 0
    assert model.weights().min() >= 0


def test_nmf_encodes_new_samples_with_fixed_parts() -> None:
    model = fitted("nmf", sources(80), 3)
    new_ng = np.random.default_rng(2).uniform(size=(4, 15))
    parts_kg = model.components_kg.numpy()
    expected = [nnls(parts_kg.T, row)[0] for row in new_ng]
    np.testing.assert_allclose(model.embed(torch.from_numpy(new_ng)), expected, atol=1e-8)


def test_ica_of_large_data_is_that_of_their_first_components(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FastICA itself finds all principal components first."""
    rng = np.random.default_rng(0)
    x_ng = rng.laplace(size=(260, 4)) @ rng.normal(size=(4, 240)) + rng.normal(size=(260, 240)) / 9
    whole = fitted("ica", x_ng, 4)
    monkeypatch.setattr("tybalt_like.models.ica.MANY", 100)
    first, x = fitted("ica", x_ng, 4), torch.from_numpy(x_ng)
    np.testing.assert_allclose(
        first.decode(first.embed(x)), whole.decode(whole.embed(x)), atol=1e-4
    )
    matched = np.abs(np.corrcoef(first.embed(x).T, whole.embed(x).T)[:4, 4:]).max(1)
    np.testing.assert_allclose(matched, 1, atol=1e-3)


def test_nmf_of_many_rows_learns_from_some_of_them() -> None:
    x_ng = sources(400) + np.random.default_rng(1).uniform(size=(400, 15)) / 9
    x, errors = torch.from_numpy(x_ng), []
    for rows in (400, 100):
        model = Model.create("nmf", 15, latent_dim=3, max_rows=rows)
        with seeded(0):
            train(model, {"x_ng": x})
        model.double()
        errors.append(float((x - model.decode(model.embed(x))).norm()))
    assert errors[0] < errors[1] < 1.5 * errors[0]
