"""The classifier that samples are judged by: what it learns, that it repeats, what it refuses."""

import numpy as np
import pytest

from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.images.classifier import Classifier
from tybalt_like.io import datasets

SHAPE = (1, 12, 12)


def strokes(n: int) -> tuple[np.ndarray, list[str]]:
    """Noisy images of a line that lies or stands."""
    rng = np.random.default_rng(0)
    x_nhw = 0.1 * rng.random((n, 12, 12)).astype(np.float32)
    labels = ["lies" if i % 2 else "stands" for i in range(n)]
    for image, label, at in zip(x_nhw, labels, rng.integers(3, 9, n), strict=True):
        (image if label == "lies" else image.T)[at, 2:10] = 1.0
    return x_nhw.reshape(n, -1), labels


def test_it_learns_and_repeats() -> None:
    x_ng, labels = strokes(300)
    one, other = (Classifier.train_on(x_ng[:200], labels[:200], shape=SHAPE) for _ in range(2))
    assert one.classes == ("lies", "stands")
    assert (one.predict(x_ng[200:]) == labels[200:]).mean() == 1
    np.testing.assert_array_equal(one.logits(x_ng), other.logits(x_ng))
    assert one.features(x_ng).shape == (300, 64)


@pytest.mark.slow
def test_digits_are_told_apart() -> None:
    adata = datasets.load("mnist_test")  # shipped
    labels = adata.obs["label"].to_numpy(str)
    classifier = Classifier.train_on(adata.X[:6000], list(labels[:6000]), shape=(1, 28, 28))
    assert (classifier.predict(adata.X[6000:8000]) == labels[6000:8000]).mean() > 0.97


def test_one_class_and_other_shapes_are_refused() -> None:
    x_ng, labels = strokes(20)
    with pytest.raises(DataError, match="there is only lies"):
        Classifier.train_on(x_ng, ["lies"] * 20, shape=SHAPE)
    with pytest.raises(RecipeError, match="not the 144 values"):
        Classifier.train_on(x_ng, labels, shape=(1, 28, 28))
