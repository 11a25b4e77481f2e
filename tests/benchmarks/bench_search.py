"""Milliseconds per sample and step of AnoGAN's latent search beside a loop over samples.

    python tests/benchmarks/bench_search.py [--samples 192] [--looped 3] [--epochs 15]

The contenders take turns, form by form: 28 x 28 images through a DCGAN, and 5,000 genes through
the layers of a WGAN-GP; both are trained for a moment on made-up samples, together with an encoder.

- loop: one sample after the other, `torch.optim.Adam` on its code, 500 steps (timed on few
  samples, as each costs the same), with the networks of this package;
- plain: the same loop with PyTorch's own layers in their default memory format;
- search: all samples, the same starts, steps and rates;
- encoder: all samples, few steps from the encoder's code.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from statistics import mean

import torch
from torch import Tensor, nn

from tybalt_like.models import Model, Training
from tybalt_like.models.anogan import AnoGAN
from tybalt_like.models.networks.image_networks import ChannelsLast
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

STEPS, WEIGHT = 500, 0.1
FORMS = {
    "28 x 28": {"gan": "dcgan", "image_shape": (1, 28, 28)},
    "5,000 genes": {"gan": "wgan_gp", "critic_steps": 2},
}
FEW = {"28 x 28": 30, "5,000 genes": 100}
"""Steps from the encoder's code that come as near as 500 from the prior."""
LEARNING_RATES = {"28 x 28": 2e-4, "5,000 genes": 5e-4}


def samples(form: str, n: int) -> Tensor:
    """Made-up samples with few degrees of freedom, in [0, 1]."""
    if form == "5,000 genes":
        x_ng = torch.randn(n, 10) @ torch.randn(10, 5000) / 2 + torch.randn(n, 5000) / 4
        return torch.sigmoid(x_ng)
    axis = torch.linspace(-1, 1, 28)
    centre_n2, width_n = torch.rand(n, 2) - 0.5, 0.05 + 0.2 * torch.rand(n, 1, 1)
    rows = (axis[:, None] - centre_n2[:, 0, None, None]).square()
    columns = (axis - centre_n2[:, 1, None, None]).square()
    return torch.exp(-(rows + columns) / width_n).flatten(1)


def trained(form: str, x_ng: Tensor, epochs: int) -> AnoGAN:
    model = Model.create("anogan", x_ng.shape[1], start="encoder", **FORMS[form])
    rate = LEARNING_RATES[form]
    training = Training(epochs=epochs, batch_size=64, learning_rate=rate, patience=None)
    train(model, {"x_ng": x_ng}, training=training)
    assert isinstance(model, AnoGAN)
    return model


def searching(model: AnoGAN, **config: object) -> AnoGAN:
    """The same networks with another search."""
    other = Model.create("anogan", model.n_vars, **(vars(model.config) | config))
    other.load_state_dict(model.state_dict(), strict=False)
    assert isinstance(other, AnoGAN)
    return other.eval()


def loop(model: AnoGAN, x_ng: Tensor) -> Tensor:
    """AnoGAN as published, sample by sample."""
    gan = model.gan
    networks = gan.steady_generator.network, gan.steady_critic.network.features
    return loop_through(*networks, model, x_ng)


def plain_loop(model: AnoGAN, x_ng: Tensor) -> Tensor:
    """The same, as one would write it down with PyTorch's layers."""
    gan = model.gan
    networks = gan.steady_generator.network, gan.steady_critic.network.features
    return loop_through(*(plain(network) for network in networks), model, x_ng)


def plain(network: nn.Module) -> nn.Module:
    """Stock layers with the same weights, in the default memory format."""
    stock = copy.deepcopy(network)
    for name, layer in list(stock.named_children()):
        if isinstance(layer, ChannelsLast):
            setattr(stock, name, nn.Identity())
        elif isinstance(layer, nn.ConvTranspose2d):
            up = nn.ConvTranspose2d(
                layer.in_channels,
                layer.out_channels,
                4,
                stride=2,
                padding=1,
                bias=layer.bias is not None,
            )
            up.load_state_dict(layer.state_dict())
            setattr(stock, name, up)
    return stock.to(memory_format=torch.contiguous_format).eval()


def loop_through(make: nn.Module, features: nn.Module, model: AnoGAN, x_ng: Tensor) -> Tensor:
    """500 steps of Adam on the code of each sample."""
    gan, found = model.gan, []
    for x_1g in gan.frame(x_ng).split(1):
        z_1k = model.starts(x_ng[:1])[0].clone().requires_grad_()
        adam = torch.optim.Adam([z_1k])
        with torch.no_grad():
            features_1f = features(x_1g)
        for step in range(STEPS):
            rates = [rate for begin, rate in model.config.search_rates if begin <= step]
            adam.param_groups[0]["lr"] = rates[-1]
            made_1g = make(z_1k)
            residual = (x_1g - made_1g).abs().sum()
            matched = (features_1f - features(made_1g)).abs().sum()
            adam.zero_grad()
            ((1 - WEIGHT) * residual + WEIGHT * matched).backward()
            adam.step()
        found.append(z_1k.detach())
    return torch.cat(found)


def loss(model: AnoGAN, x_ng: Tensor, z_nk: Tensor) -> float:
    """Mean loss of codes."""
    with torch.no_grad():
        residual_ng, features_nf = model.gan.residual_parts(x_ng, z_nk)
    residual_n, features_n = residual_ng.abs().sum(1), features_nf.abs().sum(1)
    return float(((1 - WEIGHT) * residual_n + WEIGHT * features_n).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=192)
    parser.add_argument("--looped", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    n, looped = options.samples, options.looped
    print(f"{n} samples, {STEPS} steps, {torch.get_num_threads()} threads")
    for form in FORMS:
        with seeded(0):
            x_ng = samples(form, 512 + n)
            model = trained(form, x_ng[:512], options.epochs)
        x_ng = x_ng[512:]
        published = searching(model, start="prior")
        quick = searching(model, search_steps=FEW[form])
        turns: dict[str, list[float]] = {
            name: [] for name in ("loop", "plain", "search", "encoder")
        }
        found = []
        for sample, part in zip(x_ng[:looped].split(1), x_ng.chunk(looped), strict=True):
            found.append(timed(turns["search"], published.embed, part))
            timed(turns["loop"], partial(loop, published), sample)
            timed(turns["plain"], partial(plain_loop, published), sample)
            timed(turns["encoder"], quick.embed, x_ng)
        z_nk = torch.cat(found)
        report(form, turns)
        shown = x_ng[:looped]
        print(
            f"  loss of the first {looped}: loop {loss(model, shown, loop(published, shown)):.2f}, "
            f"search {loss(model, shown, z_nk[:looped]):.2f}; of all: search "
            f"{loss(model, x_ng, z_nk):.2f}, encoder {loss(model, x_ng, quick.embed(x_ng)):.2f}"
        )


def timed(turns: list[float], run: Callable[[Tensor], Tensor], x_ng: Tensor) -> Tensor:
    """Note the seconds per sample of one turn."""
    start = time.perf_counter()
    z_nk = run(x_ng)
    turns.append((time.perf_counter() - start) / len(x_ng))
    return z_nk


def report(form: str, seconds: dict[str, list[float]]) -> None:
    each = {name: mean(times) for name, times in seconds.items()}
    print(form)
    for name, steps in (
        ("loop", STEPS),
        ("plain", STEPS),
        ("search", STEPS),
        ("encoder", FEW[form]),
    ):
        print(
            f"  {name:8}{each[name] * 1e3:9.1f} ms per sample, "
            f"{each[name] / steps * 1e3:6.3f} ms per sample and step"
        )
    for name in ("loop", "plain"):
        print(
            f"  {name} / search: {each[name] / each['search']:.1f} (wanted: at least 8), "
            f"{name} / encoder: {each[name] / each['encoder']:.0f} (wanted: at least 50)"
        )


if __name__ == "__main__":
    main()
