"""Recipes of images: profiles, and a run of tiny images from folder to report."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tybalt_like import report
from tybalt_like.core.errors import RecipeError
from tybalt_like.core.toml import tables_of
from tybalt_like.images import FigureData
from tybalt_like.io.datasets import PIPELINES
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.stages import run

BRIEF = {"epochs": 3, "batch_size": 32, "min_epochs": 0, "patience": None}
VAE = {"name": "beta_vae", "likelihood": "bernoulli", "hidden_dims": [16], "channels": 4}


@pytest.mark.parametrize("name", ["mnist_autoencoder", "mnist_vae"])
def test_shipped_recipes_and_their_quick_profiles(name: str) -> None:
    path = PIPELINES / f"{name}.toml"
    whole = Recipe.from_tables(tables_of(path))
    quick = Recipe.from_tables(tables_of(path, profile="quick"))
    assert (whole.data.dataset, quick.data.dataset) == ("mnist", "mnist_test")
    assert quick.model.config == whole.model.config
    assert quick.model.training.learning_rate == whole.model.training.learning_rate
    assert quick.model.training.epochs < whole.model.training.epochs
    assert list(quick.images.beside) == list(whole.images.beside)
    assert quick.name == f"{name}_quick"


def test_a_profile_changes_keys_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'data.dataset = "a"\nseed = 1\n[model]\nname = "pca"\nlatent_dim = 3\n'
        "[profile.big]\nseed = 2\nmodel.latent_dim = 9\n"
    )
    expected = {"name": "mine", "data": {"dataset": "a"}, "seed": 1}
    assert tables_of(path) == expected | {"model": {"name": "pca", "latent_dim": 3}}
    changed = {"seed": 2, "model": {"name": "pca", "latent_dim": 9}}
    assert tables_of(path, profile="big") == expected | changed
    with pytest.raises(RecipeError, match="no profile 'small'; it has: big"):
        tables_of(path, profile="small")


def test_models_beside_need_a_name_and_known_settings() -> None:
    tables = {"data": {"dataset": "mnist_test"}, "model": {"name": "pca"}}
    with pytest.raises(RecipeError, match=r"images\.beside\.other\.name is missing"):
        Recipe.from_tables(tables | {"images": {"beside": {"other": {"latent_dim": 2}}}})
    beside = {"other": {"name": "pca", "latent_dims": 2}}
    with pytest.raises(RecipeError, match=r"unknown key images\.beside\.other\.model\.latent_dims"):
        Recipe.from_tables(tables | {"images": {"beside": beside}})


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run on 8 x 8 strokes, upright ("up") or level ("level"), in a folder per class."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(160):
        pixels = rng.integers(0, 40, (8, 8), dtype=np.uint8)
        at = rng.integers(1, 6)
        (pixels if i % 2 else pixels.T)[1:-1, at : at + 2] = 230
        file = folder / "strokes" / ("up" if i % 2 else "level") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    tables = {
        "data": {"path": str(folder / "strokes"), "label": "label"},
        "normalize": {"select": "all", "scale": "none", "units": "zero_one"},
        "model": VAE | {"latent_dim": 4},
        "training": BRIEF,
        "evaluation": {"seeds": 1, "baselines": ["pca"]},
        "pictures": {"maps": []},
        "images": {
            "concepts": [["up", "level"], ["others", "up"]],
            "beside": {
                "plane": VAE | {"latent_dim": 2, "training": BRIEF},
                "beta 4": VAE | {"latent_dim": 4, "beta": 4.0, "training": BRIEF},
                "straight": {"name": "linear_autoencoder", "latent_dim": 4, "training": BRIEF},
                "repairer": {
                    "name": "deep_autoencoder",
                    "latent_dim": 4,
                    "hidden_dims": [16],
                    "channels": 4,
                    "noise": 0.5,
                    "training": BRIEF,
                },
            },
        },
    }
    run(Recipe.from_tables(tables), folder / "run", device="cpu")
    return folder / "run"


@pytest.mark.slow
def test_a_run_of_images_shows_them(finished: Path) -> None:
    figures = FigureData.load(finished)
    assert set(figures.of("reconstructions")) == {
        *("image", "beta_vae", "pca", "plane", "beta 4", "straight", "repairer")
    }
    assert figures.of("manifold")["plane"].shape[2:] == (1, 8, 8)
    assert set(figures.of("random")) == {"beta_vae", "plane", "beta 4", "repairer"}
    assert len(figures.of("concept")) == len(figures.rows("monotone")) == 4
    assert figures.rows("coverage")["value"].between(0, 1).all()
    assert set(figures.rows("bound")["model"]) == {"beta_vae", "plane", "beta 4"}
    assert len(figures.rows("angle")) == 4
    page = (finished / "report.html").read_text()
    assert '<section id="images"' in page
    drawn = {file.stem for file in (finished / "figures").glob("images_*.png")}
    assert drawn >= {
        *("images_reconstructions", "images_repairs", "images_angles", "images_planes"),
        *("images_manifold", "images_random", "images_nearest", "images_ways", "images_concepts"),
        *("images_verdicts", "images_attributes", "images_measured", "images_trade_off"),
    }
    assert all(f'id="figure-{name}"' in page for name in drawn)


@pytest.mark.slow
def test_the_report_of_images_is_drawn_again_from_the_folder_alone(finished: Path) -> None:
    before = (finished / "figures" / "images_manifold.png").read_bytes()
    report.build(finished)
    assert (finished / "figures" / "images_manifold.png").read_bytes() == before
