"""A small convolutional classifier: what pictures show, and features to compare pictures by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tybalt_like.core.errors import DataError
from tybalt_like.models.networks.image_networks import (
    AnyBatchNorm,
    ChannelsLast,
    Shape,
    check_shape,
)
from tybalt_like.training.seed import seeded

BATCH, ROWS = 128, 2048
"""Images in a mini-batch of training, and images classified at once."""
N_FEATURES = 64
SHIFT = 2
"""Pixels by which training images are moved at random, up, down and sideways."""
Array = NDArray[np.float64]


class Classifier(nn.Module):
    """Two convolutions and two dense layers, trained on labelled images.

    Attributes
    ----------
    classes
        Labels in the order of the logits.
    """

    def __init__(self, shape: Shape, classes: Sequence[str]) -> None:
        super().__init__()
        channels, height, width = shape
        self.shape, self.classes = shape, tuple(classes)
        n = 32 * (height // 4) * (width // 4)
        self.body = nn.Sequential(
            *(nn.Unflatten(1, shape), nn.Conv2d(channels, 16, 5, padding=2, bias=False)),
            *(ChannelsLast(), nn.MaxPool2d(2), AnyBatchNorm(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 5, padding=2, bias=False), nn.MaxPool2d(2), AnyBatchNorm(32)),
            *(nn.ReLU(), nn.Flatten(), nn.Linear(n, N_FEATURES), nn.ReLU()),
        )
        self.head = nn.Linear(N_FEATURES, len(self.classes))

    @classmethod
    def train_on(
        cls,
        x_ng: ArrayLike,
        labels: Sequence[str],
        *,
        shape: Shape,
        epochs: int = 4,
        seed: int = 0,
    ) -> Self:
        """Train on rows of pixels with their labels; Adam, one cycle, randomly shifted images.

        Raises
        ------
        DataError
            If there are fewer than two classes.
        RecipeError
            If the rows are no images of that shape.
        """
        rows_ng = torch.as_tensor(np.asarray(x_ng, dtype=np.float32))
        check_shape(shape, rows_ng.shape[1])
        classes, class_n = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"a classifier needs two labels; there is only {', '.join(classes)}")
        with seeded(seed):
            classifier = cls(shape, [str(c) for c in classes])
            classifier._fit(rows_ng, torch.from_numpy(class_n), epochs)
        return classifier.eval()

    def _fit(self, x_ng: Tensor, class_n: Tensor, epochs: int) -> None:
        steps = epochs * math.ceil(len(x_ng) / BATCH)
        adam = torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)
        cycle = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(x_ng)).split(BATCH):
                loss = F.cross_entropy(self(self._shifted(x_ng[rows])), class_n[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
                cycle.step()

    def _shifted(self, x_ng: Tensor) -> Tensor:
        """A batch moved by some pixels, which wrap around: margins are empty."""
        by = cast(list[int], torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist())
        return x_ng.view(-1, *self.shape).roll(by, (2, 3)).flatten(1)

    def forward(self, x_ng: Tensor) -> Tensor:
        logits_nc: Tensor = self.head(self.body(x_ng))
        return logits_nc

    def features(self, x_ng: ArrayLike) -> Array:
        """What the last layer sees of images, (n, 64)."""
        return self._applied(self.body, x_ng)

    def logits(self, x_ng: ArrayLike) -> Array:
        """Evidence for each class, (n, classes)."""
        return self._applied(self, x_ng)

    def predict(self, x_ng: ArrayLike) -> NDArray[np.str_]:
        """The likeliest label of each image, (n,)."""
        return np.asarray(np.array(self.classes)[self.logits(x_ng).argmax(1)])

    @torch.no_grad()
    def _applied(self, function: Callable[[Tensor], Tensor], x_ng: ArrayLike) -> Array:
        rows_ng = torch.as_tensor(np.asarray(x_ng, dtype=np.float32))
        return torch.cat([function(block) for block in rows_ng.split(ROWS)]).double().numpy()
