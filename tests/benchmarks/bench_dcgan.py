"""DCGAN on digits: seconds per epoch of our loop, and of the plain one of PyTorch's examples.

    python tests/benchmarks/bench_dcgan.py [--images 6000] [--rounds 5] [--channels 32]

All train networks of the same sizes on the same digits in batches of 64, in turns, so that a
busy machine slows all. The plain loop is that of pytorch/examples (dcgan/main.py): a DataLoader,
the default memory format, Adam without fusion. Its images are read as torchvision's MNIST and
transforms do it, one at a time through PIL; and, kinder than the example, from a tensor that was
normalised beforehand.

Seconds are those of the process (``--wall``: of the clock), which a busy machine changes less.
"""

from __future__ import annotations

import os

from tybalt_like.core.threads import brief_waits

os.environ.update(brief_waits())

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tybalt_like.io import datasets
from tybalt_like.models import Batch, Model, Training
from tybalt_like.training.loop import train
from tybalt_like.training.seed import seeded

BATCH, LATENT_DIM, WHOLE = 64, 64, 60_000


class Transformed(Dataset[tuple[Tensor]]):
    """torchvision's MNIST with ToTensor and Normalize(0.5, 0.5)."""

    def __init__(self, pixels_nhw: Tensor) -> None:
        self.pixels_nhw = pixels_nhw

    def __len__(self) -> int:
        return len(self.pixels_nhw)

    def __getitem__(self, i: int) -> tuple[Tensor]:
        picture = Image.fromarray(self.pixels_nhw[i].numpy())
        tensor = torch.from_numpy(np.array(picture, np.uint8, copy=True))
        tensor = tensor.view(28, 28, 1).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        mean, sd = torch.tensor([0.5]), torch.tensor([0.5])
        return (tensor.clone().sub_(mean.view(-1, 1, 1)).div_(sd.view(-1, 1, 1)),)


def plain_networks(channels: int) -> tuple[nn.Module, nn.Module]:
    """The layers of our DCGAN for 28 x 28 pixels, as the example writes them."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT_DIM, 2 * channels, 7, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(True),
        nn.ConvTranspose2d(channels, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, channels, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * channels, 1, 7, bias=False),
        nn.Sigmoid(),
    )
    return generator, discriminator


def plain(data: Dataset[tuple[Tensor, ...]], channels: int) -> Callable[[], None]:
    """One epoch of the loop of pytorch/examples."""
    generator, discriminator = plain_networks(channels)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True)
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


def ours(x_ng: Tensor, channels: int) -> Callable[[], None]:
    """One epoch of `tybalt_like`."""
    model = Model.create(
        "dcgan", 784, image_shape=(1, 28, 28), channels=channels, latent_dim=LATENT_DIM
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
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--wall", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.wall else time.process_time
    x_ng = torch.from_numpy(datasets.load("mnist_test").X[: options.images])
    pixels_nhw = (255 * x_ng).round().to(torch.uint8).view(-1, 28, 28)
    ready = TensorDataset(x_ng.view(-1, 1, 28, 28) * 2 - 1)
    with seeded(0):
        epochs = {
            "plain loop": plain(Transformed(pixels_nhw), options.channels),
            "plain loop, data normalised beforehand": plain(ready, options.channels),
            "tybalt_like": ours(x_ng, options.channels),
        }
        seconds: dict[str, list[float]] = {name: [] for name in epochs}
        for _ in range(1 + options.rounds):
            for name, epoch in epochs.items():
                start = clock()
                epoch()
                seconds[name].append(clock() - start)
    typical = {name: median(times[1:]) for name, times in seconds.items()}  # the first warms up
    print(f"{options.channels} channels, {options.threads} thread(s)\n")
    print(f"| loop | s per {options.images:,} digits | s per epoch of {WHOLE:,} | ours faster by |")
    print("| --- | --- | --- | --- |")
    for name, s in typical.items():
        whole = s * WHOLE / options.images
        print(f"| {name} | {s:.2f} | {whole:.0f} | {s / typical['tybalt_like']:.2f} |")
    first, *_, ours_ = seconds.values()
    ratios = [a / b for a, b in zip(first, ours_, strict=True)][1:]
    print(f"\nby round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
