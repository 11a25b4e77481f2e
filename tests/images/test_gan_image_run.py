"""GANs of images, from a folder of images to the report: what is made, and what is strange."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tybalt_like.core.errors import RecipeError
from tybalt_like.core.toml import tables_of
from tybalt_like.images import FigureData
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.run.cohort import check, read
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run

LABELS = ("up", "level", "dot", "cross", "frame", "blank")


@pytest.mark.parametrize(
    ("name", "profiles"),
    [("mnist_dcgan", ["quick", "wgan_gp"]), ("mnist_anogan", ["quick", "search", "held_out"])],
)
def test_shipped_recipes_and_their_profiles(name: str, profiles: list[str]) -> None:
    path = PIPELINES / f"{name}.toml"
    recipes = {p: Recipe.from_tables(tables_of(path, profile=p)) for p in [None, *profiles]}
    assert len({recipe.name for recipe in recipes.values()}) == len(recipes)
    assert recipes["quick"].data.dataset == "mnist_test"
    for profile, recipe in recipes.items():
        if profile != "quick":
            assert (recipe.data.dataset, recipe.split.by) == ("mnist", "part")


def drawn(label: str, rng: np.random.Generator) -> np.ndarray:
    """An 8 x 8 image."""
    pixels = rng.integers(0, 40, (8, 8), dtype=np.uint8)
    at = rng.integers(1, 6)
    if label in ("up", "cross"):
        pixels[1:-1, at : at + 2] = 230
    if label in ("level", "cross"):
        pixels[at : at + 2, 1:-1] = 230
    if label == "dot":
        pixels[at : at + 2, at : at + 2] = 230
    if label == "frame":
        pixels[[0, -1]], pixels[:, [0, -1]] = 230, 230
    return pixels


@pytest.fixture(scope="module")
def strokes(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("strokes"), np.random.default_rng(0)
    for label in LABELS:
        (folder / label).mkdir()
        for i in range(120 if label == "up" else 12):
            Image.fromarray(drawn(label, rng)).save(folder / label / f"{i}.png")
    return folder


def tables(folder: Path, **changes) -> dict:
    base = {
        "data": {"path": str(folder), "label": "label"},
        "split": {"train": 0.5, "calibration": 0.2},
        "normalize": {"select": "all", "scale": "none", "units": "zero_one"},
        "training": {"epochs": 2, "batch_size": 32},
        "evaluation": {"seeds": 1, "baselines": ["pca"]},
        "pictures": {"maps": []},
    }
    return {key: base.get(key, {}) | changes.get(key, {}) for key in base | changes}


@pytest.mark.slow
def test_a_detector_shows_where_images_are_strange(strokes: Path, tmp_path: Path) -> None:
    others = list(LABELS[1:])
    detector = {"name": "f_anogan", "channels": 2, "latent_dim": 4, "gan": "dcgan"}
    recipe = tables(
        strokes,
        data={"normal": ["up"], "anomalies": others},
        model=detector,
        scores={"n_train": 30},
    )
    run(Recipe.from_tables(recipe), tmp_path / "run", device="cpu")
    figures = FigureData.load(tmp_path / "run")
    assert set(figures.arrays["labels/strange"]) == set(others)
    assert figures.of("made")
    assert figures.rows("share").empty  # one label to learn from: nothing to tell apart
    scores = pd.read_csv(tmp_path / "run" / "scores.tsv", sep="\t")
    of_training = scores[scores["tybalt_split"] == "train"]["f_anogan_combined"]
    assert of_training.notna().sum() == 30
    assert scores[scores["tybalt_split"] != "train"]["f_anogan_combined"].notna().all()
    page = (tmp_path / "run" / "report.html").read_text()
    for figure in ("images_strange", "images_usual", "images_made", "detection_by_label"):
        assert f'id="figure-{figure}"' in page
    assert "The genes behind it" not in page
    assert f"{60 + 120} samples and 64 pixels" in page


def test_images_that_would_lose_pixels_are_refused_before_training(strokes: Path) -> None:
    recipe = Recipe.from_tables(tables(strokes, normalize={"select": "variance"}))
    with pytest.raises(RecipeError, match='select = "all"'):
        check(recipe, read(recipe.data))


def test_other_samples_are_asked_about_if_the_official_division_tests_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = np.stack([drawn("up" if i % 2 else "dot", rng) for i in range(80)])
    labels = np.arange(80) % 2
    parts = {"train_images": images[:60], "train_labels": labels[:60]}
    np.savez(tmp_path / "x.npz", **parts, test_images=images[60:], test_labels=labels[60:])
    official = {"by": "part"}
    recipe = tables(tmp_path / "x.npz", data={"normal": ["1"]}, split=official)
    chosen = Recipe.from_tables(recipe)
    adata = read(chosen.data, by=chosen.split.by)
    assert adata.obs.value_counts(["part", "label"]).to_dict() == {
        ("train", "1"): 30,
        ("test", "0"): 10,
        ("test", "1"): 10,
    }


@pytest.mark.slow
def test_a_gan_is_measured_by_a_classifier(strokes: Path, tmp_path: Path) -> None:
    made = {"name": "dcgan", "channels": 2, "latent_dim": 4, "search_steps": 0}
    recipe = tables(strokes, model=made)
    run(Recipe.from_tables(recipe), tmp_path / "run", device="cpu")
    figures = FigureData.load(tmp_path / "run")
    shares = figures.rows("share")
    assert shares.groupby("item")["value"].sum().round(6).eq(1).all()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Frechet distance" in page
    assert 'id="figure-images_shares"' in page
