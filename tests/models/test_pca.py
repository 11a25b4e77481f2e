import numpy as np
import torch
from sklearn.decomposition import PCA

from tybalt_like.models import Model
from tybalt_like.training.loop import train


def test_equals_scikit_learn_and_survives_too_many_components() -> None:
    x_ng = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 30)).astype(np.float32))
    model = Model.create("pca", 30, latent_dim=20)
    history = train(model, {"x_ng": x_ng})
    theirs = PCA(12, svd_solver="full").fit(x_ng.double().numpy())
    expected = theirs.inverse_transform(theirs.transform(x_ng.numpy()))
    np.testing.assert_allclose(model.decode(model.embed(x_ng)), expected, atol=1e-5)
    assert model.embed(x_ng).shape == (12, 20)
    assert history.stopped == "solved in closed form"
