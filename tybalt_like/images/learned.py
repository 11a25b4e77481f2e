"""What models of images have learned, shown and measured on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.provenance import is_images
from tybalt_like.images import latent_space
from tybalt_like.images.concept_walks import Pair, along_attributes, along_concepts
from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.latent_space import LatentSpace
from tybalt_like.images.subset import COLUMNS, ImageSubset
from tybalt_like.models import Model, ModelSettings
from tybalt_like.models.networks.adversarial import Adversarial
from tybalt_like.models.networks.gan_detector import GANDetector
from tybalt_like.models.networks.variational import Variational
from tybalt_like.tl.fit import fit, in_split
from tybalt_like.training.loop import EpochHook

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.floating]

SHEET = (6, 12)
"""Rows and columns of a sheet of images of random codes."""
GRID = 18
"""Rows and columns of a manifold."""
RANDOM = 1000
"""Random codes whose distances and coverage are measured."""
BOUND_DRAWS, TRADE_OFF_IMAGES = 64, 1000
"""Draws behind the bounds of the main model; images behind those of the others."""


def encodes_images(adata: AnnData, model: Model) -> bool:
    """Whether `images` can be asked: of images, and of models that encode without a search."""
    return is_images(adata) and not isinstance(model, (Adversarial, GANDetector))


def train_also(
    adata: AnnData,
    settings: Mapping[str, ModelSettings],
    *,
    seed: int = 0,
    device: str = "auto",
    on_epoch: EpochHook | None = None,
) -> dict[str, Model]:
    """Train models on a copy of the training and validation splits; `adata` stays as it is.

    Parameters
    ----------
    settings
        By the name that they shall have.
    """
    learned_n = in_split(adata, keys.TRAIN) | in_split(adata, keys.VALIDATION)
    part = type(adata)(adata.X[learned_n], obs=adata.obs[[keys.SPLIT]][learned_n])
    part.uns.update(adata.uns)
    return {
        title: fit(part, model=chosen, seed=seed, device=device, on_epoch=on_epoch)
        for title, chosen in settings.items()
    }


def learned_images(
    adata: AnnData,
    models: Mapping[str, Model],
    *,
    main: str,
    label: str | None = None,
    concepts: Sequence[Pair] = (),
    seed: int = 0,
) -> FigureData:
    """Show and measure what models of images have learned.

    Reconstructions of test images, side by side. Of models with two features: the plane of codes,
    and what its points decode to. Of nonlinear models: what random codes decode to, how far that
    is from real images, and how much of the prior is near codes of images. Of the main model:
    samples, ways between images, bounds of the likelihood, and concepts: vectors from one label
    to another, and along thickness and slant of strokes.

    Parameters
    ----------
    adata
        Images, 0 to 1, with the split that the models were trained by.
    models
        By the names that they shall have.
    main
        Name of the one that is looked at most closely.
    label
        obs column for the colours and the concepts.
    concepts
        Pairs of labels; one of a pair may be ``"others"``.
    seed
        Of the choice of images, of random codes, and of the classifier that judges concepts.

    Raises
    ------
    DataError
        If the samples are no whole images, too few are in the test split, or a label of a concept
        has none.
    """
    subset = ImageSubset.of(adata, label, seed=seed)
    known = {name: LatentSpace.of(model, subset.train_ng) for name, model in models.items()}
    figures = FigureData()
    _reconstruct(figures, subset, known)
    _compare_linear(figures, models)
    for name, model in known.items():
        if len(model.prior_mean_k) == 2:
            _plane(figures, subset, name, model)
        if not models[name].linear:
            _random(figures, subset, name, model)
    _bounds(figures, subset, known, main)
    _ways(figures, subset, known[main])
    if concepts:
        along_concepts(figures, subset, known[main], concepts)
        along_attributes(figures, subset, known[main])
    return figures


def _reconstruct(
    figures: FigureData, subset: ImageSubset, known: Mapping[str, LatentSpace]
) -> None:
    """Test images and what the models make of them, also of images that lost half their pixels
    if a model was trained to repair some."""
    x_ng = subset.test_ng
    inputs = {"reconstructions": x_ng}
    if any(getattr(model.model.config, "noise", 0) for model in known.values()):
        kept_ng = np.random.default_rng(subset.seed).random(x_ng.shape) < 0.5
        inputs["repairs"] = (x_ng * kept_ng).astype(np.float32)
    shown = subset.examples()
    for figure, seen_ng in inputs.items():
        _row(figures, subset, f"{figure}/image", seen_ng[shown])
        for name, model in known.items():
            made_ng = model.decode(model.encode(seen_ng))
            _row(figures, subset, f"{figure}/{name}", made_ng[shown])
            error = np.square(made_ng - x_ng).sum(1).mean()
            figures.measured(f"error of {figure}", error, model=name)


def _row(figures: FigureData, subset: ImageSubset, name: str, x_ng: Array) -> None:
    figures.keep(name, x_ng, shape=(len(x_ng), *subset.shape))


def _compare_linear(figures: FigureData, models: Mapping[str, Model]) -> None:
    """Angles between the spaces of a linear autoencoder and of PCA."""
    linear = {name: model for name, model in models.items() if model.linear}
    exact = next((model for model in linear.values() if model.deterministic), None)
    trained = {name: model for name, model in linear.items() if model.steps()}
    if exact is None or not trained:
        return
    name, model = next(iter(trained.items()))
    one, other = (m.weights().detach().cpu().numpy() for m in (model, exact))
    angles = latent_space.principal_angles(one, other)
    figures.measured("angle", angles, model=name, x=np.arange(1, len(angles) + 1))


def _plane(figures: FigureData, subset: ImageSubset, name: str, model: LatentSpace) -> None:
    """Two features: codes of test images, and images of codes on a grid of Gaussian quantiles."""
    figures.arrays[f"codes/{name}"] = model.encode(subset.test_ng).astype(np.float32)
    figures.arrays["labels/codes"] = subset.test_label_n.astype(str)
    grid_ng = model.decode(model.from_prior(latent_space.quantile_grid(GRID)))
    figures.keep(f"manifold/{name}", grid_ng, shape=(GRID, GRID, *subset.shape))


def _random(figures: FigureData, subset: ImageSubset, name: str, model: LatentSpace) -> None:
    """What codes drawn from the prior decode to, and whether images have such codes."""
    rng = np.random.default_rng(subset.seed)
    random_nk = model.from_prior(rng.standard_normal((RANDOM, len(model.prior_mean_k))))
    random_ng = model.decode(random_nk)
    rows, columns = SHEET
    figures.keep(f"random/{name}", random_ng[: rows * columns], shape=(*SHEET, *subset.shape))
    test_ng = subset.test_ng[:RANDOM]
    compared = {"random codes": random_ng, "test images": model.decode(model.encode(test_ng))}
    for item, x_ng in compared.items():
        distance_n = latent_space.nearest_distance(x_ng, subset.train_ng)
        figures.measured("distance", np.median(distance_n), model=name, item=item)
    train_nk, test_nk = (model.drawn(x, seed=subset.seed) for x in (subset.train_ng, test_ng))
    covered = latent_space.coverage(random_nk, train_nk, test_nk)
    figures.measured("coverage", covered, model=name)


def _bounds(
    figures: FigureData, subset: ImageSubset, known: Mapping[str, LatentSpace], main: str
) -> None:
    """Bounds of the likelihood; of the main model on all test images, with more draws."""
    for name, model in known.items():
        if isinstance(model.model, Variational):
            x_ng, draws = subset.test_ng[:TRADE_OFF_IMAGES], 16
            if name == main:
                x_ng, draws = subset.test_ng, BOUND_DRAWS
            beta = model.model.beta(None)
            for item, value in latent_space.bounds(model.model, x_ng, draws=draws).items():
                figures.measured("bound", value, model=name, item=item, x=beta)


def _ways(figures: FigureData, subset: ImageSubset, model: LatentSpace) -> None:
    """From test images to others of other labels, along a line and around 0."""
    pair_n2 = subset.examples().reshape(-1, 2)
    z_nk = model.encode(subset.test_ng[pair_n2.ravel()]).reshape(*pair_n2.shape, -1)
    share_t = np.linspace(0, 1, COLUMNS + 1)
    for item, path in (
        ("linear", latent_space.linear_path),
        ("spherical", latent_space.spherical_path),
    ):
        z_mk = np.concatenate([path(start, end, share_t) for start, end in z_nk])
        shape = (len(pair_n2), len(share_t), *subset.shape)
        figures.keep(f"ways/{item}", model.decode(z_mk), shape=shape)
