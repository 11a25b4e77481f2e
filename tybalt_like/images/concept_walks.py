"""Test images moved along directions of the latent space, and what changes on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from tybalt_like.core.errors import DataError
from tybalt_like.images import concepts
from tybalt_like.images.classifier import Classifier
from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.latent_space import LatentSpace
from tybalt_like.images.subset import ImageSubset
from tybalt_like.interpretation import linear_probe, mean_difference

Array = NDArray[np.floating]
Pair = tuple[str, str]

STEPS = np.linspace(-0.5, 1.5, 21)
"""Multiples of a concept vector; 0 is the image itself, 1 the other label's mean."""
SHOWN_STEPS, SHOWN = slice(1, None, 2), 3
"""Which of the steps are shown, 0 among them, of so many images."""
ATTRIBUTES = {"thickness": concepts.thickness, "slant": concepts.slant}
ATTRIBUTE_STEPS = np.linspace(-2.5, 2.5, 11)
"""In standard deviations of the attribute."""
CONCEPT_IMAGES, ATTRIBUTE_IMAGES = 1000, 200
"""Test images that are moved, at most."""


def along_concepts(
    figures: FigureData, subset: ImageSubset, model: LatentSpace, pairs: Sequence[Pair]
) -> None:
    """Vectors between labels: test images along them, and what a classifier says on the way."""
    train_nk, test_nk = model.encode(subset.train_ng), model.encode(subset.test_ng)
    judge = Classifier.train_on(
        subset.train_ng, list(subset.train_label_n), shape=subset.shape, seed=subset.seed
    )
    right_n = judge.predict(subset.test_ng) == subset.test_label_n
    figures.measured("classifier accuracy", right_n.mean())
    figures.arrays["steps/concept"] = STEPS[SHOWN_STEPS]
    for pair in pairs:
        train_groups = concepts.groups(subset.train_label_n, pair)
        first_n, second_n = concepts.groups(subset.test_label_n, pair)
        if not all(mask_n.any() for mask_n in (*train_groups, first_n, second_n)):
            raise DataError(f"images.concepts: {' and '.join(pair)} must both have images")
        for how, find in (("mean", mean_difference), ("probe", linear_probe)):
            item = f"{pair[0]} to {pair[1]}, {how}"
            vector_k = find(train_nk, *train_groups)
            made_ntg = _moved(model, test_nk[first_n][:CONCEPT_IMAGES], vector_k, STEPS)
            _strips(figures, subset, f"concept/{item}", made_ntg[:, SHOWN_STEPS])
            verdict_nt = _verdicts(judge, made_ntg, pair)
            _quartiles(figures, "verdict", verdict_nt, item=item, x=STEPS)
            rises_n = concepts.monotone(verdict_nt[:, STEPS >= 0])
            figures.measured("monotone", rises_n.mean(), item=item, x=len(rises_n))


def along_attributes(figures: FigureData, subset: ImageSubset, model: LatentSpace) -> None:
    """Vectors along thickness and slant, and what is measured in the images on the way."""
    train_nk = model.encode(subset.train_ng)
    test_nk = model.encode(subset.test_ng[:ATTRIBUTE_IMAGES])
    grey_nhw = subset.train_ng.reshape(-1, *subset.shape).mean(1)
    figures.arrays["steps/attribute"] = ATTRIBUTE_STEPS
    for item, measure in ATTRIBUTES.items():
        vector_k = concepts.attribute_vector(train_nk, measure(grey_nhw))
        made_ntg = _moved(model, test_nk, vector_k, ATTRIBUTE_STEPS)
        _strips(figures, subset, f"attribute/{item}", made_ntg)
        found_m = measure(made_ntg.reshape(-1, *subset.shape).mean(1))
        found_nt = found_m.reshape(made_ntg.shape[:2])
        _quartiles(figures, "attribute", found_nt, item=item, x=ATTRIBUTE_STEPS)


def _moved(model: LatentSpace, z_nk: Array, vector_k: Array, step_t: Array) -> Array:
    """Images of codes with every multiple of a vector added, (n, t, g)."""
    z_ntk = z_nk[:, None] + step_t[:, None] * vector_k
    made_mg = model.decode(z_ntk.reshape(-1, z_ntk.shape[2]))
    return made_mg.reshape(*z_ntk.shape[:2], -1)


def _verdicts(judge: Classifier, made_ntg: Array, pair: Pair) -> Array:
    """Probability of the second group of labels, of the two, (n, t)."""
    logits_mc = judge.logits(made_ntg.reshape(-1, made_ntg.shape[2]))
    classes = np.array(judge.classes, dtype=object)
    first_m, second_m = (
        logsumexp(logits_mc[:, mask_c], axis=1) for mask_c in concepts.groups(classes, pair)
    )
    return np.asarray(expit(second_m - first_m)).reshape(made_ntg.shape[:2])


def _strips(figures: FigureData, subset: ImageSubset, name: str, made_ntg: Array) -> None:
    shown = made_ntg[:SHOWN]
    figures.keep(name, shown, shape=(*shown.shape[:2], *subset.shape))


def _quartiles(figures: FigureData, measure: str, value_nt: Array, *, item: str, x: Array) -> None:
    quartiles = np.quantile(value_nt, [0.25, 0.5, 0.75], axis=0)
    for name, value_t in zip(("low", "median", "high"), quartiles, strict=True):
        figures.measured(f"{measure} {name}", value_t, item=item, x=x)
