"""What a generator makes of the same few codes while it learns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tybalt_like.models.networks.latent_search import prior_starts

UPDATES = (1, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
"""Updates of the generator after which images are kept."""
N_CODES = 12


class Growth(nn.Module):
    """Images of the same codes after each number of `UPDATES`.

    They are part of the model: saved with it, and with the checkpoint that training goes on from.
    """

    images_tng: Tensor

    def __init__(self, n_vars: int) -> None:
        super().__init__()
        empty = torch.zeros(len(UPDATES), N_CODES, n_vars, dtype=torch.uint8)
        self.register_buffer("images_tng", empty)

    @torch.no_grad()
    def now(self, decode: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """Images of this moment, (n, g), 0 to 255; codes are of the type of `like`, (..., k)."""
        made_ng = decode(prior_starts(1, N_CODES, like)[0])
        return (255 * made_ng).round().clamp(0, 255).to(torch.uint8)

    def note(self, n_updates: int, decode: Callable[[Tensor], Tensor], like: Tensor) -> None:
        """Keep the images of this moment, if it is time."""
        if n_updates in UPDATES:
            self.images_tng[UPDATES.index(n_updates)] = self.now(decode, like)

    def until(self, n_updates: int) -> dict[int, Tensor]:
        """What was kept, by the number of updates, as far as training has come."""
        kept = zip(UPDATES, self.images_tng, strict=True)
        return {number: images_ng for number, images_ng in kept if number <= n_updates}
