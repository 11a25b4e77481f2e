"""DCGAN on digits: seconds per epoch of our loop, and of the plain one of PyTorch's examples.

    python tests/benchmarks/bench_dcgan.py [--images 6000] [--rounds 5]

Both train networks of the same sizes on the same digits in batches of 64, in turns, so that a
busy machine slows both. The plain loop is that of pytorch/examples (dcgan/main.py): a DataLoader
(over tensors in memory, normalised beforehand, which is quicker than the example's image files),
the default memory format, Adam without fusion.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tybalt_like import datasets
from tybalt_like.models import Batch, Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

BATCH, CHANNELS, LATENT_DIM, WHOLE = 64, 64, 64, 60_000


def plain_networks() -> tuple[nn.Module, nn.Module]:
    """The layers of our DCGAN for 28 x 28 pixels, as the example writes them."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT_DIM, 2 * CHANNELS, 7, bias=False),
        nn.BatchNorm2d(2 * CHANNELS),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * CHANNELS, CHANNELS, 4, 2, 1, bias=False),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(True),
        nn.ConvTranspose2d(CHANNELS, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, CHANNELS, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(CHANNELS, 2 * CHANNELS, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * CHANNELS),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * CHANNELS, 1, 7, bias=False),
        nn.Sigmoid(),
    )
    return generator, discriminator


def plain(x_ng: Tensor) -> Callable[[], None]:
    """One epoch of the loop of pytorch/examples."""
    generator, discriminator = plain_networks()
    images = x_ng.view(-1, 1, 28, 28) * 2 - 1
    loader = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True, drop_last=True)
    criterion = nn.BCELoss()
    of_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def epoch() -> None:
        for (real,) in loader:
            discriminator.zero_grad()
            label = torch.full((len(real),), 1.0)
            loss_real = criterion(discriminator(real).view(-1), label)
            loss_real.backward()
            fake = generator(torch.randn(len(real), LATENT_DIM, 1, 1))
            label.fill_(0.0)
            loss_fake = criterion(discriminator(fake.detach()).view(-1), label)
            loss_fake.backward()
            of_d.step()
            generator.zero_grad()
            label.fill_(1.0)
            loss = criterion(discriminator(fake).view(-1), label)
            loss.backward()
            of_g.step()
            (loss_real + loss_fake).item(), loss.item()  # the example prints them

    return epoch


def ours(x_ng: Tensor) -> Callable[[], None]:
    """One epoch of `tybalt_like`."""
    model = Model.create(
        "dcgan", 784, image_shape=(1, 28, 28), channels=CHANNELS, latent_dim=LATENT_DIM
    )
    model.solve(Batch({"x_ng": x_ng}))
    training = Training(
        epochs=1, batch_size=BATCH, min_batches=1, learning_rate=2e-4, patience=None
    )
    return lambda: void(train(model, {"x_ng": x_ng}, training=training))


def void(_: object) -> None:
    """For its side effect."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    x_ng = torch.from_numpy(datasets.load("mnist_test").X[: options.images])
    seconds: dict[str, list[float]] = {"plain PyTorch loop": [], "tybalt_like": []}
    with seeded(0):
        epochs = dict(zip(seconds, (plain(x_ng), ours(x_ng)), strict=True))
        for _ in range(1 + options.rounds):
            for name, epoch in epochs.items():
                start = time.perf_counter()
                epoch()
                seconds[name].append(time.perf_counter() - start)
    typical = {name: median(times[1:]) for name, times in seconds.items()}  # the first warms up
    slow = typical["plain PyTorch loop"]
    print(f"| loop | s per {options.images:,} digits | s per epoch of {WHOLE:,} | faster by |")
    print("| --- | --- | --- | --- |")
    for name, s in typical.items():
        whole = s * WHOLE / options.images
        print(f"| {name} | {s:.2f} | {whole:.0f} | {slow / s:.2f} |")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)][1:]
    print(f"\nby round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
