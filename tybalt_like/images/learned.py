"""What models of images have learned, shown and measured on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.settings import checked
from tybalt_like.images import latent_space as codes
from tybalt_like.images.concept_walks import Pair, along_attributes, along_concepts
from tybalt_like.images.figure_data import Gallery
from tybalt_like.images.latent_space import Codes
from tybalt_like.images.subset import COLUMNS, Scene
from tybalt_like.io.pixels import is_images
from tybalt_like.models import Model, Training
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
LINEAR = ("pca", "linear_autoencoder")
BOUND_DRAWS, TRADE_OFF_IMAGES = 64, 1000
"""Draws behind the bounds of the main model; images behind those of the others."""


def shows_images(adata: AnnData, model: Model) -> bool:
    """Whether `images` can be asked: of images, and of models that encode without a search."""
    return is_images(adata) and not isinstance(model, (Adversarial, GANDetector))


def beside(
    adata: AnnData,
    tables: Mapping[str, Mapping[str, Any]],
    *,
    seed: int = 0,
    device: str = "auto",
    on_epoch: EpochHook | None = None,
) -> dict[str, Model]:
    """Train models on a copy of the training and validation splits; `adata` stays as it is.

    Parameters
    ----------
    tables
        By the name they shall have: ``name`` of the registered model, its settings, and changes
        of its training defaults as ``training``.
    """
    learned_n = in_split(adata, keys.TRAIN) | in_split(adata, keys.VALIDATION)
    part = type(adata)(adata.X[learned_n], obs=adata.obs[[keys.SPLIT]][learned_n])
    part.uns.update(adata.uns)
    trained = {}
    for title, table in tables.items():
        config = {key: value for key, value in table.items() if key not in ("name", "training")}
        defaults = asdict(Model.named(table["name"]).training_defaults)
        training = checked(Training, defaults | dict(table.get("training", {})), where=title)
        trained[title] = fit(
            part,
            model=table["name"],
            training=training,
            seed=seed,
            device=device,
            on_epoch=on_epoch,
            **config,
        )
    return trained


def images(
    adata: AnnData,
    models: Mapping[str, Model],
    *,
    main: str,
    label: str | None = None,
    concepts: Sequence[Pair] = (),
    seed: int = 0,
) -> Gallery:
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
    scene = Scene.of(adata, label, seed=seed)
    known = {name: Codes.of(model, scene.train_ng) for name, model in models.items()}
    gallery = Gallery()
    _reconstruct(gallery, scene, known)
    _compare_linear(gallery, models)
    for name, model in known.items():
        if len(model.prior_mean_k) == 2:
            _plane(gallery, scene, name, model)
        if models[name].name not in LINEAR:
            _random(gallery, scene, name, model)
    _bounds(gallery, scene, known, main)
    _ways(gallery, scene, known[main])
    if concepts:
        along_concepts(gallery, scene, known[main], concepts)
        along_attributes(gallery, scene, known[main])
    return gallery


def _reconstruct(gallery: Gallery, scene: Scene, known: Mapping[str, Codes]) -> None:
    """Test images and what the models make of them, also of images that lost half their pixels
    if a model was trained to repair some."""
    x_ng = scene.test_ng
    inputs = {"reconstructions": x_ng}
    if any(getattr(model.model.config, "noise", 0) for model in known.values()):
        kept_ng = np.random.default_rng(scene.seed).random(x_ng.shape) < 0.5
        inputs["repairs"] = (x_ng * kept_ng).astype(np.float32)
    shown = scene.examples()
    for figure, seen_ng in inputs.items():
        _row(gallery, scene, f"{figure}/image", seen_ng[shown])
        for name, model in known.items():
            made_ng = model.decode(model.encode(seen_ng))
            _row(gallery, scene, f"{figure}/{name}", made_ng[shown])
            error = np.square(made_ng - x_ng).sum(1).mean()
            gallery.measured(f"error of {figure}", error, model=name)


def _row(gallery: Gallery, scene: Scene, name: str, x_ng: Array) -> None:
    gallery.show(name, x_ng, shape=(len(x_ng), *scene.shape))


def _compare_linear(gallery: Gallery, models: Mapping[str, Model]) -> None:
    """Angles between the spaces of a linear autoencoder and of PCA."""
    by_kind = {model.name: (name, model) for name, model in models.items()}
    if not set(LINEAR) <= set(by_kind):
        return
    (_, pca), (name, linear) = (by_kind[kind] for kind in LINEAR)
    one, other = (model.weights().detach().cpu().numpy() for model in (linear, pca))
    angles = codes.principal_angles(one, other)
    gallery.measured("angle", angles, model=name, x=np.arange(1, len(angles) + 1))


def _plane(gallery: Gallery, scene: Scene, name: str, model: Codes) -> None:
    """Two features: codes of test images, and images of codes on a grid of Gaussian quantiles."""
    gallery.arrays[f"codes/{name}"] = model.encode(scene.test_ng).astype(np.float32)
    gallery.arrays["labels/codes"] = scene.test_label_n.astype(str)
    grid_ng = model.decode(model.from_prior(codes.quantile_grid(GRID)))
    gallery.show(f"manifold/{name}", grid_ng, shape=(GRID, GRID, *scene.shape))


def _random(gallery: Gallery, scene: Scene, name: str, model: Codes) -> None:
    """What codes drawn from the prior decode to, and whether images have such codes."""
    rng = np.random.default_rng(scene.seed)
    random_nk = model.from_prior(rng.standard_normal((RANDOM, len(model.prior_mean_k))))
    random_ng = model.decode(random_nk)
    rows, columns = SHEET
    gallery.show(f"random/{name}", random_ng[: rows * columns], shape=(*SHEET, *scene.shape))
    test_ng = scene.test_ng[:RANDOM]
    compared = {"random codes": random_ng, "test images": model.decode(model.encode(test_ng))}
    for item, x_ng in compared.items():
        distance_n = codes.nearest_distance(x_ng, scene.train_ng)
        gallery.measured("distance", np.median(distance_n), model=name, item=item)
    train_nk, test_nk = (model.drawn(x, seed=scene.seed) for x in (scene.train_ng, test_ng))
    covered = codes.coverage(random_nk, train_nk, test_nk)
    gallery.measured("coverage", covered, model=name)


def _bounds(gallery: Gallery, scene: Scene, known: Mapping[str, Codes], main: str) -> None:
    """Bounds of the likelihood; of the main model on all test images, with more draws."""
    for name, model in known.items():
        if isinstance(model.model, Variational):
            x_ng, draws = scene.test_ng[:TRADE_OFF_IMAGES], 16
            if name == main:
                x_ng, draws = scene.test_ng, BOUND_DRAWS
            beta = model.model.beta(None)
            for item, value in codes.bounds(model.model, x_ng, draws=draws).items():
                gallery.measured("bound", value, model=name, item=item, x=beta)


def _ways(gallery: Gallery, scene: Scene, model: Codes) -> None:
    """From test images to others of other labels, along a line and around 0."""
    pair_n2 = scene.examples().reshape(-1, 2)
    z_nk = model.encode(scene.test_ng[pair_n2.ravel()]).reshape(*pair_n2.shape, -1)
    share_t = np.linspace(0, 1, COLUMNS + 1)
    for item, path in (("linear", codes.linear_path), ("spherical", codes.spherical_path)):
        z_mk = np.concatenate([path(start, end, share_t) for start, end in z_nk])
        shape = (len(pair_n2), len(share_t), *scene.shape)
        gallery.show(f"ways/{item}", model.decode(z_mk), shape=shape)
