"""What every registered model promises, whatever it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tybalt_like.core.errors import DataError
from tybalt_like.models import Batch, Model
from tybalt_like.training.inference import infer
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

N_VARS, LATENT_DIM, BATCH_SIZE = 24, 3, 8
NEEDED = {
    "conditional_tybalt": {"covariates": ["batch"], "categories": [["a", "b"]]},
    "plier": {"gene_sets": "sets.gmt", "sets": ["a", "b"]},
}

# scikit-learn rightly says that noise has no independent components.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
every_model = pytest.mark.parametrize("name", sorted(Model.registry))


def new(name: str) -> Model:
    model = Model.create(name, N_VARS, latent_dim=LATENT_DIM, **NEEDED.get(name, {}))
    if name == "plier":
        model.member_sg[0, :8] = model.member_sg[1, 6:18] = True
    return model


def rows(model: Model, n: int, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random rows that suit the model's domain, and its covariates."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {"x_ng": torch.rand(n, N_VARS, generator=generator)}
    if model.domain == "counts":
        tensors["x_ng"] = torch.poisson(40 * tensors["x_ng"], generator=generator)
    if model.covariates:
        n_categories = sum(map(len, model.covariates.values()))
        drawn = torch.randint(n_categories, (n,), generator=generator)
        tensors["c_nc"] = torch.nn.functional.one_hot(drawn, n_categories).float()
    if "x2_ng" in model.takes:  # half of the rows are pairs
        tensors["x2_ng"] = torch.rand(n, N_VARS, generator=generator)
        tensors["x2_ng"][::2] = torch.nan
    if "y_n" in model.takes:  # and two in three have a response
        tensors["y_n"] = torch.randint(2, (n,), generator=generator).float()
        tensors["y_n"][::3] = torch.nan
    if "weight_n" in model.takes:
        tensors["weight_n"] = 1 + torch.rand(n, generator=generator)
    return tensors


def trained(name: str, tensors: dict[str, torch.Tensor] | None = None, *, seed: int = 0) -> Model:
    with seeded(seed):
        model = new(name)
        training = replace(model.training_defaults, epochs=3, batch_size=BATCH_SIZE, min_epochs=0)
        model.history = train(
            model,
            tensors or rows(model, 20),
            validation=rows(model, 6, seed=1),
            training=training,
        )
    return model


def inferred(model: Model, tensors: dict[str, torch.Tensor]):
    arrays = {key: value.numpy() for key, value in tensors.items()}
    return infer(model, arrays.pop("x_ng"), given=arrays)


@every_model
def test_shapes_fit_together(name: str) -> None:
    model = trained(name)
    tensors = rows(model, 7, seed=2)
    z_nk = model.embed(tensors["x_ng"])
    assert z_nk.shape == (7, LATENT_DIM)
    assert model.decode(z_nk).shape == (7, N_VARS)
    assert model.weights().shape == (LATENT_DIM, N_VARS)
    result = inferred(model, tensors)
    assert (result.z_nk.shape, result.reconstruction_ng.shape) == ((7, LATENT_DIM), (7, N_VARS))
    scores = model.score(Batch(tensors))
    assert "reconstruction" in scores
    for value in scores.values():
        assert value.shape == (7,)
        assert value.isfinite().all()


@every_model
def test_gradients_are_finite_and_reach_every_parameter(name: str) -> None:
    model = trained(name).train()
    for step in model.steps():
        trainable = [parameter for parameter in step.params if parameter.requires_grad]
        for epoch in (0, 50, None):
            model.zero_grad()
            step.loss(Batch(rows(model, 11), epoch))["loss"].backward()
            for parameter in trainable:
                assert parameter.grad.isfinite().all()
        # In the last round every weight of the schedules had its final value.
        assert all(parameter.grad.abs().sum() > 0 for parameter in trainable)


@every_model
def test_a_saved_model_is_the_same_model(name: str, tmp_path) -> None:
    model = trained(name)
    model.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    assert again.config == model.config
    tensors = rows(model, 5, seed=2)
    for one, other in zip(inferred(model, tensors), inferred(again, tensors), strict=True):
        np.testing.assert_array_equal(one, other)


@every_model
def test_one_seed_gives_one_model(name: str) -> None:
    one, other = trained(name, seed=3).state_dict(), trained(name, seed=3).state_dict()
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], rtol=0, atol=0, msg=key)


@every_model
@pytest.mark.parametrize("n", [BATCH_SIZE + 1, BATCH_SIZE - 3])
def test_any_number_of_samples_trains(name: str, n: int) -> None:
    model = trained(name, rows(new(name), n))
    assert all(np.isfinite(part).all() for part in inferred(model, rows(model, 4)))


@every_model
def test_constant_genes_do_no_harm(name: str) -> None:
    tensors = rows(new(name), 20)
    tensors["x_ng"][:, :2] = 0
    tensors["x_ng"][:, 2:4] = 1
    model = trained(name, tensors)
    assert all(np.isfinite(part).all() for part in inferred(model, rows(model, 6)))
    assert all(value.isfinite().all() for value in model.score(Batch(tensors)).values())


@every_model
def test_a_sample_alone_is_the_sample_in_a_batch(name: str) -> None:
    model = trained(name)
    tensors = rows(model, 9, seed=2)
    alone = {key: value[4:5] for key, value in tensors.items()}
    for one, all_of_them in zip(inferred(model, alone), inferred(model, tensors), strict=True):
        np.testing.assert_allclose(one, all_of_them[4:5], rtol=1e-6, atol=1e-6)
    model.double()
    tensors = {key: value.double() for key, value in tensors.items()}
    scores = model.score(Batch(tensors))
    for key, value in model.score(Batch({k: v[4:5] for k, v in tensors.items()})).items():
        torch.testing.assert_close(value, scores[key][4:5], rtol=1e-9, atol=1e-9)


@every_model
def test_values_that_do_not_suit_are_refused(name: str) -> None:
    model = new(name)
    model.check(rows(model, 5)["x_ng"])
    if model.domain == "real":
        return
    bad = torch.full((2, N_VARS), {"unit": 1.5, "counts": 0.5}.get(model.domain, -1.0))
    with pytest.raises(DataError, match=rf"'{name}' needs .* \(found"):
        model.check(bad)
