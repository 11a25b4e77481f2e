"""What a generator makes: kept while it learns, shown, and measured beside real images."""

import numpy as np
import pytest
import torch
from anndata import AnnData

from tybalt_like import tl
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.images import generated_images
from tybalt_like.io.pixels import as_anndata
from tybalt_like.models import Training
from tybalt_like.training.checkpoint import restore, save
from tybalt_like.training.loop import train

SIDE = 16
GAN = {"channels": 4, "latent_dim": 3, "start": "nearest", "search_steps": 0}
TRAINING = Training(epochs=4, batch_size=16, min_batches=10, patience=None)


@pytest.fixture(scope="module")
def trained() -> tuple[AnnData, torch.nn.Module]:
    rng = np.random.default_rng(0)
    labels = [str(i % 2) for i in range(120)]
    pixels = np.zeros((120, SIDE, SIDE), np.uint8)
    for image, label, at in zip(pixels, labels, rng.integers(3, 12, 120), strict=True):
        (image if label == "1" else image.T)[at, 2:14] = 255
    adata = as_anndata(pixels, name="strokes", samples=[f"i{i}" for i in range(120)], labels=labels)
    adata.obs[keys.SPLIT] = [keys.TEST if i % 3 == 0 else keys.TRAIN for i in range(120)]
    return adata, tl.fit(adata, model="dcgan", training=TRAINING, device="cpu", **GAN)


def test_a_gallery_holds_what_the_generator_makes(trained) -> None:
    adata, model = trained
    figures = generated_images(adata, model, label="label")
    assert figures.arrays["made/samples"].shape == (8, 16, 1, SIDE, SIDE)
    assert list(figures.of("growth")) == ["1", "30", "40"]
    real, images = figures.arrays["guess/real"], figures.arrays["guess/images"]
    assert real.sum() == real.size // 2
    known = {image.tobytes() for image in np.rint(255 * adata.X).astype(np.uint8)}
    assert [image.tobytes() in known for image in images[real]] == [True] * 20
    distance = figures.rows("frechet distance").set_index("item")["value"]
    assert distance["test images"] < distance["samples"]  # 40 updates teach little
    share = figures.rows("share").groupby("item")["value"].sum()
    assert share.to_dict() == pytest.approx({"samples": 1, "training images": 1})
    again = generated_images(adata, model, label="label")
    assert again.table.equals(figures.table)


def test_training_images_were_those_of_that_moment(trained, tmp_path) -> None:
    adata, model = trained
    grown = model.grown()
    x_ng = torch.from_numpy(np.asarray(adata.X)[adata.obs[keys.SPLIT] == keys.TRAIN])

    def fresh() -> torch.nn.Module:
        part = adata[adata.obs[keys.SPLIT] == keys.TRAIN].copy()
        one = Training(epochs=1, batch_size=16, min_batches=1, patience=None)
        return tl.fit(part, model="dcgan", training=one, device="cpu", **GAN)

    # They come back with a checkpoint, and stay when training goes on.
    save(tmp_path / "checkpoint", model, [], model.history, None)
    other = fresh()
    assert list(other.grown()) == [1, 5]
    restore(tmp_path / "checkpoint", other, [])
    assert list(other.grown()) == [1, 30, 40]
    for n, images in grown.items():
        assert torch.equal(other.grown()[n], images)
    train(other, {"x_ng": x_ng}, training=Training(epochs=1, min_batches=1, patience=None))
    assert torch.equal(other.grown()[30], grown[30])
    assert grown[1].float().std() < grown[30].float().std()


def test_models_that_make_no_images_are_refused(trained) -> None:
    adata, _ = trained
    pca = tl.fit(adata, model="pca", latent_dim=2, device="cpu")
    with pytest.raises(DataError, match="'pca' makes no images"):
        generated_images(adata, pca)
