"""What a GAN of images makes: shown while it learned, and measured against real images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.images.classifier import Classifier
from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.latent_space import in_rows, nearest_distance
from tybalt_like.images.quality import frechet_distance, precision_recall
from tybalt_like.images.subset import ImageSubset
from tybalt_like.models import Model
from tybalt_like.models.networks.adversarial import Adversarial
from tybalt_like.models.networks.gan_detector import GANDetector

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.floating]

MADE = 2000
"""Images that quality is measured on, at most; precision and recall depend on how many."""
SHEET, GUESSED = (8, 16), (4, 10)
"""Rows and columns of samples, and of the images among which the real ones are to be found."""
PAIRS = 10
"""Samples shown with the training image that is nearest."""
CLASSIFIED = 40_000
"""Images that the classifier sees in its training, counting each as often as it is passed."""


def generator_of(model: Model) -> Adversarial | None:
    """The generator and critic of images inside a model, if it has them."""
    game = model.gan if isinstance(model, GANDetector) else model
    return game if isinstance(game, Adversarial) and game.growth is not None else None


def generated_images(
    adata: AnnData, model: Model, *, label: str | None = None, seed: int = 0
) -> FigureData:
    """Show and measure what the generator of a model makes of random codes.

    A sheet of samples, none picked; the same codes after more and more updates; real and made
    images mixed; samples beside the nearest training image. Given a label of at least two values,
    a classifier is trained on the training split: shares of its classes among samples, and, in
    its features, Frechet distance, precision and recall of samples against training images,
    beside those of test images, which nobody does better than.

    Parameters
    ----------
    adata
        Images, 0 to 1, with the split that the model was trained by.
    label
        obs column for the classifier.
    seed
        Of codes, of the choice of images, and of the classifier.

    Raises
    ------
    DataError
        If the model makes no images, the samples are none, or too few are in the test split.
    """
    game = generator_of(model)
    if game is None:
        raise DataError(f"model {model.name!r} makes no images")
    subset, figures = ImageSubset.of(adata, label, seed=seed), FigureData()
    rng = np.random.default_rng(seed)
    device = game.frame.mean_g.device
    z_nk = rng.standard_normal((MADE, game.config.latent_dim))
    made_ng = in_rows(lambda z: game.decode(z.to(device)).cpu(), z_nk)
    figures.keep("made/samples", made_ng[: math.prod(SHEET)], shape=(*SHEET, *subset.shape))
    for n_updates, images_ng in game.grown().items():
        shown_ng = images_ng.cpu().numpy() / 255
        figures.keep(f"growth/{n_updates}", shown_ng, shape=(len(shown_ng), *subset.shape))
    _mix(figures, subset, made_ng, rng)
    _pair(figures, subset, made_ng[:PAIRS])
    if len(np.unique(subset.train_label_n)) > 1:
        _measure(figures, subset, made_ng)
    return figures


def _mix(
    figures: FigureData, subset: ImageSubset, made_ng: Array, rng: np.random.Generator
) -> None:
    """Test images among made ones, as many of one as of the other, and which are real."""
    n = math.prod(GUESSED)
    real_n = rng.permutation(np.arange(n) < n // 2)
    images_ng = made_ng[-n:].copy()
    images_ng[real_n] = subset.test_ng[rng.permutation(len(subset.test_ng))[: n // 2]]
    figures.keep("guess/images", images_ng, shape=(*GUESSED, *subset.shape))
    figures.arrays["guess/real"] = real_n.reshape(GUESSED)


def _pair(figures: FigureData, subset: ImageSubset, made_ng: Array) -> None:
    """Samples, and the training image nearest to each: is it copied?"""
    train = torch.from_numpy(subset.train_ng)
    nearest = torch.cdist(torch.from_numpy(np.asarray(made_ng)), train).argmin(1).numpy()
    shape = (len(made_ng), *subset.shape)
    figures.keep("nearest/sample", made_ng, shape=shape)
    figures.keep("nearest/training image", subset.train_ng[nearest], shape=shape)


def _measure(figures: FigureData, subset: ImageSubset, made_ng: Array) -> None:
    labels = [str(label) for label in subset.train_label_n]
    epochs = min(max(CLASSIFIED // len(labels), 2), 12)
    classifier = Classifier.train_on(
        subset.train_ng, labels, shape=subset.shape, epochs=epochs, seed=subset.seed
    )
    right_n = classifier.predict(subset.test_ng) == subset.test_label_n.astype(str)
    figures.measured("accuracy of the classifier", right_n.mean())
    n = min(MADE, len(subset.train_ng), len(subset.test_ng))
    compared = {"samples": made_ng[:n], "test images": subset.test_ng[:n]}
    real_nf = classifier.features(subset.train_ng[:n])
    for item, x_ng in compared.items():
        x_nf = classifier.features(x_ng)
        figures.measured("frechet distance", frechet_distance(real_nf, x_nf), item=item)
        for measure, value in precision_recall(real_nf, x_nf)._asdict().items():
            figures.measured(measure, value, item=item)
        distance = np.median(nearest_distance(x_ng, subset.train_ng))
        figures.measured("distance to training images", distance, item=item)
    seen = {"samples": classifier.predict(made_ng), "training images": np.asarray(labels)}
    for item, label_n in seen.items():
        for label in classifier.classes:
            figures.measured("share", (label_n == label).mean(), model=label, item=item)
