"""The search: samples do not touch one another, networks stay as they are, planted codes return."""

import pytest
import torch

from tybalt_like.models import Batch, Model
from tybalt_like.models.networks.latent_search import BLOCK, in_blocks, search
from tybalt_like.training.seed import seeded

RATES = ((0, 0.05), (100, 0.01))


def new(*, image: bool = False, **config) -> tuple[Model, torch.Tensor]:
    """An AnoGAN whose generator makes profiles that differ, and 70 samples."""
    form = {"image_shape": (1, 8, 8), "channels": 4} if image else {"hidden_dims": (16,)}
    form |= {"gan": "dcgan"} if image else {}
    with seeded(0):
        x_ng = torch.rand(BLOCK + 6, 64 if image else 30)
        config = {"search_steps": 40, "latent_dim": 3} | form | config
        model = Model.create("anogan", x_ng.shape[1], **config)
        model.solve(Batch({"x_ng": x_ng}))
        for parameter in model.parameters():
            parameter.data.mul_(2)
    return model.eval(), x_ng


def residuals(model: Model, x_ng: torch.Tensor) -> torch.Tensor:
    return model.score(Batch({"x_ng": x_ng}))["anogan"]


@pytest.mark.parametrize(
    ("image", "config"),
    [
        (False, {}),
        (False, {"start": "nearest", "restarts": 3, "tolerance": 0.01}),
        (False, {"start": "encoder", "restarts": 2}),
        (True, {}),
        (True, {"tolerance": 0.01}),
    ],
)
def test_a_sample_is_found_alone_batched_and_shuffled(image: bool, config: dict) -> None:
    model, x_ng = new(image=image, **config)
    z_nk = model.embed(x_ng)
    for row in (0, len(x_ng) - 1):
        assert torch.equal(model.embed(x_ng[row : row + 1]), z_nk[row : row + 1])
    order = torch.randperm(len(x_ng), generator=torch.Generator().manual_seed(1))
    assert torch.equal(model.embed(x_ng[order]), z_nk[order])
    # In double precision the search is the same one.
    assert torch.allclose(model.double().embed(x_ng.double()).float(), z_nk, atol=1e-6)


def test_networks_are_bit_identical_afterwards() -> None:
    model, x_ng = new(image=True, start="encoder")
    model.train()  # even then
    before = {key: value.clone() for key, value in model.gan.state_dict().items()}
    with torch.no_grad():  # as callers do
        model.eval().embed(x_ng)
    for key, value in model.gan.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("image", [False, True])
def test_planted_codes_are_found(image: bool) -> None:
    model, x_ng = new(
        image=image, search_steps=150, restarts=4, search_rates=((0, 0.1), (80, 0.01), (120, 1e-3))
    )
    with seeded(2):
        made_ng = model.decode(torch.randn(10, 3))
    found_n, other_n = residuals(model, made_ng), residuals(model, x_ng[:10])
    assert found_n.median() < 0.02 * other_n.median()


def test_more_restarts_are_never_worse() -> None:
    before = None
    for restarts in (1, 2, 4):
        model, x_ng = new(restarts=restarts)
        found_n = residuals(model, x_ng)
        assert before is None or (found_n <= before * (1 + 1e-5)).all()
        before = found_n


def test_an_early_stop_ends_near_the_whole_search() -> None:
    steps = {"search_steps": 250, "search_rates": ((0, 0.03), (150, 3e-3))}
    whole, x_ng = new(**steps)
    early = new(**steps, tolerance=1e-3)[0]
    whole_n, early_n = residuals(whole, x_ng), residuals(early, x_ng)
    assert (early_n - whole_n).abs().mean() < 0.02 * whole_n.mean()


def test_an_early_stop_takes_fewer_steps() -> None:
    calls = []

    def bowl(z_bk: torch.Tensor, row_b: torch.Tensor) -> torch.Tensor:
        calls.append(len(row_b))
        return 1 + (z_bk - row_b[:, None]).square().sum(1)

    start_nsk = torch.zeros(BLOCK + 1, 1, 2)
    for tolerance in (None, 1e-3):
        calls.append(0)
        search(bowl, start_nsk[:3], steps=1000, rates=((0, 0.1),), tolerance=tolerance)
    whole, early = calls[: calls.index(0, 1)], calls[calls.index(0, 1) :]
    assert len(whole) - 1 == 1001
    assert len(early) < 300
    assert set(calls) == {0, BLOCK}  # one shape, always


def test_the_code_found_is_never_worse_than_the_start() -> None:
    def cliff(z_bk: torch.Tensor, row_b: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
        return z_bk.abs().sum(1)

    start_nsk = torch.full((5, 1, 2), 1e-3)
    z_nk = search(cliff, start_nsk, steps=3, rates=((0, 1.0),))
    assert torch.equal(z_nk, start_nsk[:, 0])
    assert torch.equal(search(cliff, start_nsk, steps=0, rates=RATES), start_nsk[:, 0])


def test_the_search_is_adam() -> None:
    centre_nk = torch.tensor([[20.0, -30.0], [50.0, 10.0]])  # too far to arrive
    z_nk = torch.zeros(2, 2, requires_grad=True)
    adam = torch.optim.Adam([z_nk])
    for step in range(150):
        adam.param_groups[0]["lr"] = RATES[step >= 100][1]
        adam.zero_grad()
        (z_nk - centre_nk).square().sum().backward()
        adam.step()

    def bowl(z_bk: torch.Tensor, row_b: torch.Tensor) -> torch.Tensor:
        return (z_bk - centre_nk[row_b]).square().sum(1)

    found_nk = search(bowl, torch.zeros(2, 1, 2), steps=150, rates=RATES)
    torch.testing.assert_close(found_nk, z_nk.detach(), rtol=1e-5, atol=1e-4)


def test_blocks_hold_any_number_of_rows() -> None:
    for n in (1, BLOCK, BLOCK + 1):
        x_ng = torch.rand(n, 4)
        torch.testing.assert_close(in_blocks(lambda x: 2 * x, x_ng), 2 * x_ng)


@pytest.fixture(scope="module")
def encoded() -> tuple[Model, torch.Tensor]:
    """An AnoGAN with an encoder, trained on profiles with a low-dimensional shape."""
    from tybalt_like.models import Training
    from tybalt_like.training.loop import train

    with seeded(0):
        x_ng = torch.tanh(torch.randn(60, 3) @ torch.randn(3, 30)) + 0.05 * torch.randn(60, 30)
        model = Model.create("anogan", 30, latent_dim=4, hidden_dims=(16,), start="encoder")
        training = Training(epochs=25, batch_size=32, learning_rate=2e-3, patience=None)
        train(model, {"x_ng": x_ng}, training=training)
    return model, x_ng


def searched(model: Model, x_ng: torch.Tensor, **config) -> torch.Tensor:
    from dataclasses import replace

    other = Model.create("anogan", model.n_vars, **vars(replace(model.config, **config)))
    other.load_state_dict(model.state_dict(), strict=config.get("start", "encoder") == "encoder")
    return residuals(other.eval(), x_ng)


def test_a_few_steps_from_the_encoder_end_where_many_from_the_prior_do(encoded) -> None:
    model, x_ng = encoded
    many_n = searched(model, x_ng, start="prior", search_steps=500)
    few_n = searched(model, x_ng, search_steps=50)
    assert few_n.mean() <= many_n.mean()
