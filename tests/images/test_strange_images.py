"""Strange images: which are shown, and the maps of where they differ."""

import numpy as np
import pandas as pd
import pytest

from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.images import strange_images
from tybalt_like.images.residual_maps import image_guess, residual_maps
from tybalt_like.io.pixels import as_anndata
from tybalt_like.pl.curves import detection_by_label

N = 40


@pytest.fixture
def scored():
    """Images 8 x 8 whose reconstruction lacks the top row; the last ten are of other labels."""
    pixels = np.random.default_rng(0).integers(0, 256, (N, 8, 8), dtype=np.uint8)
    labels = ["a"] * 30 + ["b"] * 5 + ["c"] * 5
    adata = as_anndata(pixels, name="x", samples=[f"s{i}" for i in range(N)], labels=labels)
    adata.obs[keys.SPLIT] = ["train"] * 10 + ["test"] * 20 + ["query"] * 10
    made_ng = adata.X.copy()
    made_ng[:, :8] = 0
    adata.layers[keys.reconstruction("pca")] = made_ng
    return adata


def score(_) -> pd.Series:
    """Rising with the number of the image."""
    return pd.Series(np.arange(N, dtype=float), index=[f"s{i}" for i in range(N)])


def test_typical_images_of_each_other_label_are_shown(scored) -> None:
    figures = strange_images(scored, score(scored), model="pca", label="label")
    assert list(figures.arrays["labels/strange"]) == ["b"] * 5 + ["c"] * 5
    assert figures.arrays["strange/image"].shape == (10, 1, 8, 8)
    usual = figures.rows("score of images").query("item == 'usual'")["value"]
    assert (usual.min(), usual.max()) == (10, 29)  # of the test split, from end to end


def test_the_map_is_the_difference(scored) -> None:
    figures = strange_images(scored, score(scored), model="pca", label="label")
    maps = figures.arrays["strange/difference"][:, 0]
    image = figures.arrays["strange/image"][:, 0]
    np.testing.assert_array_equal(maps[:, 0], image[:, 0])
    assert not maps[:, 1:].any()


def test_without_other_labels_the_strangest_come_first(scored) -> None:
    figures = strange_images(scored[:30].copy(), score(scored), model="pca")
    strange = figures.rows("score of images").query("item == 'strange'")["value"]
    assert list(strange) == list(range(29, 17, -1))


def test_figures_hold_what_was_given(scored) -> None:
    figures = strange_images(scored, score(scored), model="pca", label="label")
    figure = residual_maps(figures.of("strange"), columns=[str(i) for i in range(10)])
    assert len(figure.axes) == 30
    real = np.arange(6).reshape(2, 3) % 2 == 0
    guess = image_guess(figures.arrays["strange/image"][:6].reshape(2, 3, 1, 8, 8), real)
    assert [len(ax.patches) for ax in guess.axes] == [0, 3]
    table = pd.DataFrame({"score": score(scored), "label": scored.obs["label"]})
    curves = detection_by_label(table, normal=table["label"] == "a")
    assert "b: AUROC 1.000" in [line.get_label() for line in curves.axes[0].lines]
    with pytest.raises(DataError, match="of one kind"):
        detection_by_label(table, normal=np.ones(N, bool))
