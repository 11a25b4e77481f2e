"""Time of an update of the loop beside the floor of its arithmetic and beside a plain loop.

    python tests/benchmarks/bench_training.py [--rounds 12] [--batches 60] [--device cuda] [--tried]

Shapes of Way & Greene: 5,000 genes, latent 100, batches of 50, single precision, one hidden layer.
The contenders take short turns in one process, with as many threads each. On a machine with other
work, the least time of many turns is that of its quiet moments, and the least time of processors
says the same of less quiet ones. Environment variables change how threads wait for each other:
the command line's way if none is set, ``GOMP_SPINCOUNT=0`` lets them sleep at once.

- floor: the bare matrix products, activations and fused Adam of the same shapes;
- ours: `training.loop.train` on Tybalt, validation left out;
- plain: DataLoader over TensorDataset, `binary_cross_entropy` on sigmoid outputs, default Adam.

With ``--tried``, what could make it faster still: the loss compiled by torch (which takes the
warm-up's time); the whole update as one CUDA graph; bfloat16; batches of 256.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tybalt_like.core.threads import brief_waits

os.environ.update(brief_waits())

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tybalt_like.models import Model, Training
from tybalt_like.models.base import Batch
from tybalt_like.training.loop import train

N_VARS, LATENT, BATCH = 5_000, 100, 50


Turn = Callable[[], None]
"""One pass over the samples by what a contender made beforehand."""


def floor(x_ng: Tensor) -> Turn:
    """Nothing but the arithmetic."""
    enc = torch.randn(2 * LATENT, N_VARS).mul_(0.01).to(x_ng.device)
    dec = torch.randn(N_VARS, LATENT).mul_(0.01).to(x_ng.device)
    params = [nn.Parameter(enc), nn.Parameter(dec)]
    adam = torch.optim.Adam(params, fused=True)

    @torch.no_grad()
    def turn() -> None:
        for start in range(0, len(x_ng) - BATCH + 1, BATCH):
            x = x_ng[start : start + BATCH]
            heads = torch.relu(x @ params[0].T)
            z = heads[:, :LATENT]
            delta = torch.sigmoid(z @ params[1].T).sub_(x)
            params[1].grad = delta.T @ z
            back = (delta @ params[1]).repeat(1, 2).mul_(heads > 0)
            params[0].grad = back.T @ x
            adam.step()

    return turn


def ours(x_ng: Tensor, *, compiled: bool = False, **how: Any) -> Turn:
    """The loop."""
    model = Model.create("tybalt", N_VARS, latent_dim=LATENT).to(x_ng.device)
    if compiled:
        model.loss = torch.compile(model.loss)
    how = {"epochs": 1, "batch_size": BATCH, "min_batches": 1, "patience": None} | how

    def turn() -> None:
        train(model, {"x_ng": x_ng}, training=Training(**how))

    return turn


def graphed(x_ng: Tensor) -> Turn:
    """Every update the replay of one CUDA graph."""
    model = Model.create("tybalt", N_VARS, latent_dim=LATENT).to(x_ng.device).train()
    adam = torch.optim.Adam(model.parameters(), lr=5e-4, fused=True, capturable=True)
    batch = Batch({"x_ng": x_ng[:BATCH].clone()}, 1)

    def update() -> None:
        adam.zero_grad(set_to_none=True)
        model.loss(batch)["loss"].backward()
        adam.step()

    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        for _ in range(3):  # outside the graph, as torch's notes ask
            update()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update()

    def turn() -> None:
        for rows in torch.randperm(len(x_ng), device=x_ng.device).split(BATCH):
            batch.x_ng.copy_(x_ng.index_select(0, rows))
            graph.replay()

    return turn


class Plain(nn.Module):
    """Tybalt as one would first write it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.logvar = nn.Linear(N_VARS, LATENT), nn.Linear(N_VARS, LATENT)
        self.norm_mean = nn.BatchNorm1d(LATENT, eps=1e-3, momentum=0.01)
        self.norm_logvar = nn.BatchNorm1d(LATENT, eps=1e-3, momentum=0.01)
        self.decoder = nn.Linear(LATENT, N_VARS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = torch.relu(self.norm_mean(self.mean(x)))
        logvar = torch.relu(self.norm_logvar(self.logvar(x)))
        z = mean + torch.randn_like(mean) * torch.exp(logvar / 2)
        return torch.sigmoid(self.decoder(z)), mean, logvar


def plain(x_ng: Tensor) -> Turn:
    """The textbook loop."""
    model = Plain().to(x_ng.device)
    adam = torch.optim.Adam(model.parameters(), lr=5e-4)
    loader = DataLoader(TensorDataset(x_ng), batch_size=BATCH, shuffle=True)

    def turn() -> None:
        for (x,) in loader:
            reconstruction, mean, logvar = model(x)
            bce = N_VARS * F.binary_cross_entropy(reconstruction, x)
            kl = -0.5 * torch.mean(torch.sum(1 + logvar - mean**2 - torch.exp(logvar), dim=1))
            adam.zero_grad()
            (bce + kl).backward()
            adam.step()

    return turn


def timed(contenders: dict[str, Turn], rounds: int) -> dict[str, tuple[float, float]]:
    """Least time of each contender, and least time of processors."""
    least = dict.fromkeys(contenders, (float("inf"), float("inf")))
    for turn in range(rounds + 1):
        for name, pass_over in contenders.items():
            wall, processors = time.perf_counter(), time.process_time()
            pass_over()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            took = time.perf_counter() - wall, time.process_time() - processors
            if turn:  # the first turn warms up
                least[name] = min(least[name][0], took[0]), min(least[name][1], took[1])
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tried", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    x_ng = torch.rand(options.batches * BATCH, N_VARS, generator=torch.Generator().manual_seed(0))
    x_ng = x_ng.to(device)
    contenders: dict[str, Callable[[Tensor], Turn]] = {"floor": floor, "ours": ours, "plain": plain}
    if options.tried:
        contenders |= {
            "compiled": partial(ours, compiled=True),
            "bfloat16": partial(ours, precision="bfloat16"),
            "batch 256": partial(ours, batch_size=256),
        }
        if device.type == "cuda":
            contenders["CUDA graph"] = graphed
    made = {name: contender(x_ng) for name, contender in contenders.items()}
    times = timed(made, options.rounds)
    where = f"{torch.get_num_threads()} threads"
    if device.type == "cuda":
        where = torch.cuda.get_device_name()
    print(
        f"{len(x_ng):,} x {N_VARS:,}, batches of {BATCH}, {where}; least of {options.rounds} turns"
    )
    print("           ms for 50 samples  of ours  of processors  of ours")
    for name, least in times.items():
        wall, processors = (1e3 * seconds / options.batches for seconds in least)
        of_wall, of_processors = (a / b for a, b in zip(least, times["ours"], strict=True))
        print(f"{name:10} {wall:18.2f} {of_wall:8.2f} {processors:14.2f} {of_processors:8.2f}")
    for name, other, wanted in (
        ("ours", "floor", "at most 1.25"),
        ("plain", "ours", "at least 1.6"),
    ):
        wall, processors = (a / b for a, b in zip(times[name], times[other], strict=True))
        print(f"{name} / {other}: {wall:.2f}, of processors {processors:.2f} ({wanted})")


if __name__ == "__main__":
    main()
