"""PertVAE, SSVAE and Dr.VAE: every term beside an independent computation."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from tybalt_like.models import Batch, Model
from tybalt_like.models.networks.losses import kl_normals, mmd
from tybalt_like.models.networks.paired import Normal as Ours
from tybalt_like.models.networks.paired import Paired, Rows, mean_where, ranking
from tybalt_like.training.seed import seeded

G, K, N = 12, 3, 9


def new(name: str, **config) -> Paired:
    with seeded(0):
        sizes = {"latent_dim": K, "encoder_dims": [7], "decoder_dims": [6], "noise": 0.0}
        if name != "pert_vae":
            sizes |= {"top_dim": 2, "top_hidden_dims": [5]}
        model = Model.create(name, G, **(sizes | config)).double().eval()
    assert isinstance(model, Paired)
    return model


def rows(
    n: int = N, *, pairs: bool = True, labels: bool = True, seed: int = 0
) -> dict[str, Tensor]:
    """Labelled and unlabelled, single and paired rows."""
    generator = torch.Generator().manual_seed(seed)
    x_ng, x2_ng = (torch.randn(n, G, generator=generator, dtype=torch.float64) for _ in "ab")
    y_n = (torch.arange(n) % 2).double()
    x2_ng[:: 2 if pairs else 1] = torch.nan
    y_n[:: 3 if labels else 1] = torch.nan
    return {"x_ng": x_ng, "x2_ng": x2_ng, "y_n": y_n}


def law(q: Ours) -> Independent:
    return Independent(Normal(q.mean, (q.logvar / 2).exp()), 1)


def standard(like: Tensor) -> Independent:
    return Independent(Normal(torch.zeros_like(like), torch.ones_like(like)), 1)


def log_likelihood(model: Paired, z: Tensor, x_ng: Tensor) -> Tensor:
    h = model.decoder.hidden(z)
    sd = torch.nn.functional.softplus(model.decoder.raw_sd(h)) + 1e-3
    return Normal(model.decoder.mean(h), sd).log_prob(x_ng).sum(-1)


def noise(draws: int) -> Tensor:
    return torch.stack([torch.randn(N, K, dtype=torch.float64) for _ in range(draws)])


def test_kl_of_two_normals_is_torchs() -> None:
    mean, logvar, mean_p, logvar_p = torch.randn(4, 5, K, dtype=torch.float64)
    expected = kl_divergence(law(Ours(mean, logvar)), law(Ours(mean_p, logvar_p)))
    torch.testing.assert_close(kl_normals(mean, logvar, mean_p, logvar_p), expected)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("free_bits", [0.0, 2.0])
def test_pert_vae_is_its_formula(as_published: bool, free_bits: float) -> None:
    model = new("pert_vae", draws=3, free_bits=free_bits, as_published=as_published)
    batch = rows()
    x_ng, pair_n = batch["x_ng"], ~batch["x2_ng"].isnan().any(1)
    x2_ng = batch["x2_ng"].nan_to_num()
    q1, q2 = model.encoder(x_ng), model.encoder(torch.where(pair_n[:, None], x2_ng, x_ng))
    with seeded(5):
        found = model.loss(Batch(batch))
    with seeded(5):  # the same draws, in the same order: z1, z2, z2 ahead
        z1, z2, ahead = (noise(3) for _ in "abc")
    z1 = q1.mean + z1 * (q1.logvar / 2).exp()
    of_z2 = q1 if as_published else q2
    z2 = of_z2.mean + z2 * (of_z2.logvar / 2).exp()
    shift = model.perturbation
    p2 = Ours(z1 + shift.shift(z1), shift.logvar(z1) - 2)
    ahead = p2.mean + ahead * (p2.logvar / 2).exp()
    log_p = log_likelihood(model, z1, x_ng).mean(0)
    log_p2 = log_likelihood(model, z2, x2_ng).mean(0) * pair_n
    kl = kl_divergence(law(q1), standard(q1.mean)).clamp(min=free_bits)
    kl_2 = kl_divergence(law(q2.times(3)), law(p2)).clamp(min=free_bits).mean(0)
    if as_published:
        kl_2 = kl_2 + kl_divergence(law(q2), standard(q2.mean)).clamp(min=free_bits)
    expected = {
        "reconstruction": -(log_p + log_p2).mean(),
        "kl": (kl + kl_2 * pair_n).mean(),
        "perturbation": -log_likelihood(model, ahead, x2_ng).mean(0)[pair_n].mean(),
    }
    expected["loss"] = expected["reconstruction"] + expected["kl"] + 0.05 * expected["perturbation"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_missing_classes_are_summed_out() -> None:
    model = new("dr_vae", draws=1, free_bits=0.0)
    response, of = model.response, Rows.of(Batch(rows()))
    q1 = model.encoder(of.x_ng).times(1)
    with seeded(1):
        z1 = q1.draw()
        features = torch.cat([z1, 0.3 * z1], -1)
    with seeded(2):
        terms = response.terms(features, q1, z1, of)
    with seeded(2):
        drawn = torch.randn(N, 2, 2, dtype=torch.float64)
    q_y = response.classifier(features[0]).softmax(-1)
    per_class = []
    for y in (0, 1):  # by enumeration
        one_hot = torch.eye(2, dtype=torch.float64)[y].expand(N, 2)
        q3 = response.top_encoder(torch.cat([z1[0], one_hot], -1))
        z3 = q3.mean + drawn[:, y] * (q3.logvar / 2).exp()
        p1 = response.top_decoder(torch.cat([z3, one_hot], -1))
        kl = kl_divergence(law(q3), standard(q3.mean))
        per_class.append(kl + kl_divergence(law(Ours(q1.mean[0], q1.logvar[0])), law(p1)))
    kl_ny = torch.stack(per_class, 1)
    entropy_gap = (q_y * (q_y / 0.5).log()).sum(1)  # KL(q(y) || uniform)
    missing = (q_y * kl_ny).sum(1) + entropy_gap
    known = kl_ny.gather(1, of.y_n.long()[:, None]).squeeze(1)
    torch.testing.assert_close(terms.kl_n, torch.where(of.known_n, known, missing))
    log_q = q_y.log().gather(1, of.y_n.long()[:, None]).squeeze(1)
    torch.testing.assert_close(terms.nll_n, -log_q * of.known_n)


def test_numbers_are_standardised_and_drawn_where_missing() -> None:
    model = new("ss_vae", response="continuous", draws=2)
    batch = rows()
    batch["y_n"] = 100 + 7 * torch.randn(N, dtype=torch.float64)
    batch["y_n"][:4] = torch.nan
    model.solve(Batch(batch))
    known = batch["y_n"][4:]
    torch.testing.assert_close(model.response.y_mean, known.mean())
    torch.testing.assert_close(model.response.y_sd, known.std())
    parts = model.loss(Batch(batch))
    q1 = model.encoder(batch["x_ng"])
    assert parts["loss"].isfinite()
    with torch.no_grad():
        model.response.classifier.weight.zero_()
        model.response.classifier.bias.zero_()
    sure = model.loss(Batch(batch))["response"]
    z = (known - known.mean()) / known.std()
    torch.testing.assert_close(sure, -Normal(0.0, 1.0).log_prob(z).mean())
    torch.testing.assert_close(model.response(q1.mean), known.mean().expand(N))


@pytest.mark.parametrize("name", ["pert_vae", "ss_vae", "dr_vae"])
def test_loss_is_the_weighted_sum_of_its_parts(name: str) -> None:
    model = new(name)
    parts = model.loss(Batch(rows()))
    weights = {"reconstruction": 1, "kl": 1, "perturbation": 0.05, "response": 5}
    total = sum(weight * parts[part] for part, weight in weights.items() if part in parts)
    torch.testing.assert_close(parts["loss"], total)


def test_a_treatment_is_hardly_anything_to_begin_with() -> None:
    model = new("pert_vae")
    found = model.predict(Batch(rows()))
    torch.testing.assert_close(found["z2_nk"], found["z1_nk"], atol=1e-3, rtol=0)
    with torch.no_grad():
        model.perturbation.shift.bias += 1
    moved = model.predict(Batch(rows()))
    torch.testing.assert_close(moved["z2_nk"] - moved["z1_nk"], torch.ones(N, K).double(),
                               atol=1e-3, rtol=0)  # fmt: skip
    same = model.predict(Batch(rows()), identity=True)
    torch.testing.assert_close(same["after_ng"], same["before_ng"])


def gradient(model: Paired, batch: dict[str, Tensor], part: str = "loss") -> dict[str, float]:
    """Sum of absolute gradients by top-level module."""
    model.zero_grad()
    with seeded(3):
        model.loss(Batch(batch))[part].backward()
    sums: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        size = 0.0 if parameter.grad is None else float(parameter.grad.abs().sum())
        key = name.removeprefix("response.").split(".")[0]
        sums[key] = sums.get(key, 0.0) + size
    return sums


def test_no_gradient_where_nothing_was_measured() -> None:
    single = gradient(new("pert_vae"), rows(pairs=False))
    assert single["perturbation"] == 0
    assert single["encoder"] > 0
    paired = gradient(new("pert_vae"), rows())
    assert paired["perturbation"] > 0
    # Known classes enter the KL terms as they are: only the prediction trains the classifier.
    known = rows()
    known["y_n"] = (torch.arange(N) % 2).double()
    assert gradient(new("ss_vae"), known, "kl")["classifier"] == 0
    assert gradient(new("ss_vae"), known, "response")["classifier"] > 0
    missing = rows(labels=False)
    assert gradient(new("ss_vae"), missing, "response")["classifier"] == 0
    assert gradient(new("ss_vae"), missing, "kl")["classifier"] > 0
    # Reconstruction knows nothing of responses.
    parts = gradient(new("dr_vae"), known, "reconstruction")
    assert parts["top_decoder"] == parts["classifier"] == parts["perturbation"] == 0
    # Below the free bits a KL term has no gradient.
    free = gradient(new("pert_vae", free_bits=1e6), rows(), "kl")
    assert sum(free.values()) == 0


def test_z2_is_drawn_from_its_own_posterior() -> None:
    """In the published code, the treated profile does not reach its own reconstruction."""
    for as_published, expected in ((False, True), (True, False)):
        model = new("dr_vae", as_published=as_published)
        batch = rows()
        x2_ng = batch["x2_ng"].clone().requires_grad_()
        q1 = model.encoder(batch["x_ng"]).times(2)
        after = model.after(Batch(batch), Rows.of(Batch(batch | {"x2_ng": x2_ng})), q1, q1.draw())
        encoder = list(model.encoder.parameters())
        target = after.reconstruction_n.sum()
        grads = torch.autograd.grad(after.q2.mean.sum(), encoder, retain_graph=True)
        assert any(g.abs().sum() > 0 for g in grads)
        through = torch.autograd.grad(target, after.q2.mean, allow_unused=True)[0]
        assert (through is not None and bool(through.abs().sum() > 0)) is expected


def test_four_kinds_of_rows_are_four_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one kind alone give what they give beside the others."""
    monkeypatch.setattr("tybalt_like.core.draws.noise_like", torch.zeros_like)
    model, batch = new("dr_vae", free_bits=0.0), rows(12)
    of = Rows.of(Batch(batch))
    whole = model.loss(Batch(batch))
    summed = dict.fromkeys(("reconstruction", "kl", "perturbation", "response"), 0.0)
    for pair in (True, False):
        for known in (True, False):
            kind = (of.pair_n == pair) & (of.known_n == known)
            assert kind.any()
            with torch.no_grad():
                parts = model.loss(Batch({name: values[kind] for name, values in batch.items()}))
            n = int(kind.sum())
            summed["reconstruction"] += float(parts["reconstruction"]) * n / 12
            summed["kl"] += float(parts["kl"]) * n / 12
            summed["perturbation"] += float(parts["perturbation"]) * n * pair / int(of.pair_n.sum())
            summed["response"] += float(parts["response"]) * n * known / int(of.known_n.sum())
    for name, value in summed.items():
        assert float(whole[name].detach()) == pytest.approx(value), name


def test_discrepancy_is_the_sum_over_groups() -> None:
    model = new("ss_vae", covariates=["batch"], categories=[["a", "b", "c"]])
    z_nk = torch.randn(N, K, dtype=torch.float64)
    c_nc = torch.eye(3, dtype=torch.float64)[torch.arange(N) % 3]
    found = model.discrepancy(Batch({"c_nc": c_nc}), z_nk[None])
    expected = sum(mmd(z_nk[c_nc[:, i] == 1], z_nk[c_nc[:, i] == 0]) for i in range(3))
    torch.testing.assert_close(found, expected)
    alone = torch.zeros(N, 3, dtype=torch.float64)
    alone[:, 0] = 1
    assert model.discrepancy(Batch({"c_nc": alone}), z_nk[None]) == 0


@pytest.mark.slow
def test_the_penalty_makes_codes_independent_of_the_batch() -> None:
    from tybalt_like.models import Training
    from tybalt_like.training.loop import train

    generator = torch.Generator().manual_seed(0)
    batch_n = torch.arange(200) % 2
    x_ng = torch.randn(200, G, generator=generator) + 3 * batch_n[:, None]
    tensors = {
        "x_ng": x_ng,
        "y_n": torch.full((200,), torch.nan),
        "c_nc": torch.nn.functional.one_hot(batch_n, 2).float(),
    }
    apart = {}
    for weight in (0.0, 100.0):
        with seeded(0):
            model = Model.create(
                "ss_vae", G, latent_dim=K, encoder_dims=[], decoder_dims=[], top_dim=2,
                top_hidden_dims=[5], covariates=["b"], categories=[["0", "1"]], mmd_weight=weight,
            )  # fmt: skip
            train(model, tensors, training=Training(epochs=30, learning_rate=1e-2, patience=None))
        z_nk = model.predict(Batch(tensors))["z1_nk"].detach()
        apart[weight] = float(mmd(z_nk[batch_n == 0], z_nk[batch_n == 1]))
    assert apart[100.0] < 0.5 * apart[0.0]


def test_areas_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        score, true = rng.integers(0, 6, 40).astype(float), rng.integers(0, 2, 40)
        found = ranking(torch.from_numpy(score), torch.from_numpy(true))
        assert float(found["auroc"]) == pytest.approx(roc_auc_score(true, score))
        assert float(found["auprc"]) == pytest.approx(average_precision_score(true, score))
    assert ranking(torch.randn(4), torch.ones(4)) == {}


def test_criterion_leaves_out_what_is_undefined() -> None:
    model = new("dr_vae")
    assert set(model.criterion(Batch(rows()))) == {
        "criterion", "x1_correlation", "x2_correlation", "auroc", "auprc",
    }  # fmt: skip
    parts = model.criterion(Batch(rows(pairs=False, labels=False)))
    assert set(parts) == {"criterion", "x1_correlation"}
    torch.testing.assert_close(parts["criterion"], -parts["x1_correlation"])


def test_means_over_no_rows_are_zero() -> None:
    value_n = torch.tensor([1.0, 3.0, 5.0])
    assert mean_where(value_n, torch.tensor([True, False, True])) == 3
    assert mean_where(value_n, torch.zeros(3, dtype=torch.bool)) == 0


def test_intervals_hold_what_draws_give() -> None:
    model = new("dr_vae")
    batch = Batch({"x_ng": rows()["x_ng"]})
    found = model.predict(batch)
    assert (found["low_n"] <= found["high_n"]).all()
    q1 = model.encoder(batch.x_ng)
    with seeded(0):
        z1 = law(q1).sample((4000,))
        z2 = law(model.moved(batch, z1)).sample()
    drawn = model.response(torch.cat([z1, z2 - z1], -1))
    inside = ((drawn >= found["low_n"]) & (drawn <= found["high_n"])).double().mean(0)
    assert ((inside > 0.8) & (inside < 0.97)).all()
    torch.testing.assert_close(model.predict(batch)["low_n"], found["low_n"], rtol=0, atol=0)
