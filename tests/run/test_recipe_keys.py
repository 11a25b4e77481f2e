"""The keys of recipes, as they are declared."""

import tomllib
from collections.abc import Iterator, Mapping

import pytest

from tybalt_like.io.datasets import PIPELINES
from tybalt_like.models import Model
from tybalt_like.run.recipe import Recipe
from tybalt_like.run.recipe_keys import ABSENT, REQUIRED, RecipeKey, recipe_keys

KEYS = recipe_keys()


def test_every_key_says_what_it_means() -> None:
    silent = [f"{key.key} of {key.model or 'recipes'}" for key in KEYS if not key.meaning]
    assert not silent
    assert not [key for key in KEYS if "As in" in key.meaning or not key.type]


def test_no_key_comes_twice() -> None:
    named = [(key.key, key.model) for key in KEYS]
    assert len(set(named)) == len(named)
    assert {key.model for key in KEYS if key.model} == set(Model.registry)


@pytest.mark.parametrize("recipe", sorted(PIPELINES.glob("*.toml")), ids=lambda path: path.stem)
def test_keys_of_shipped_recipes_are_among_them(recipe) -> None:
    known = {key.key for key in KEYS}
    tables = tomllib.loads(recipe.read_text(encoding="utf-8"))
    for profile in tables.pop("profile", {}).values():
        assert set(leaves(profile, known)) <= known
    assert set(leaves(tables, known)) <= known


def leaves(tables: Mapping, known: set[str], prefix: str = "") -> Iterator[str]:
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in known:
            yield from leaves(value, known, f"{name}.")
        else:
            yield name


def test_a_recipe_of_all_defaults_is_the_default_recipe() -> None:
    given = [key for key in KEYS if key.default not in (ABSENT, REQUIRED)]
    kinds = {"compression", "sweep", "perturbation", "simulation"}
    tables = nested([k for k in given if not k.model and k.key.split(".")[0] not in kinds])
    tables["training"] |= nested([k for k in given if k.model == "ppca_vae"])["training"]
    tables["data"]["path"] = "x.tsv"
    usual = Recipe.from_tables({"data": {"path": "x.tsv"}})
    found = Recipe.from_tables(tables)
    assert (found.model, found.scores, found.split) == (usual.model, usual.scores, usual.split)
    assert (found.normalize, found.explain, found.images) == (
        *(usual.normalize, usual.explain, usual.images),
    )


def nested(keys: list[RecipeKey]) -> dict:
    tables: dict = {}
    for key in keys:
        *parents, last = key.key.split(".")
        table = tables
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = tomllib.loads(f"x = {key.default}")["x"]
    return tables
