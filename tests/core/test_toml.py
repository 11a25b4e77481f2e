"""Recipes are written, read and changed as what they say."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tybalt_like.core import toml
from tybalt_like.core.errors import RecipeError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_tables_come_back_as_they_were(tables) -> None:
    assert tomllib.loads(toml.document(tables)) == tables


def test_what_is_not_set_is_left_out() -> None:
    assert toml.document({"data": {"label": None, "path": "m.tsv"}}) == '[data]\npath = "m.tsv"\n'


def test_values_are_set_where_their_keys_say() -> None:
    tables = {"model": {"name": "pca"}, "seed": 1}
    changed = toml.changed(tables, ["model.latent_dim=5", "data.label=pam50", "a.b=[1, 'x']"])
    assert changed == {
        "model": {"name": "pca", "latent_dim": 5},
        "seed": 1,
        "data": {"label": "pam50"},
        "a": {"b": [1, "x"]},
    }
    assert tables == {"model": {"name": "pca"}, "seed": 1}
    with pytest.raises(RecipeError, match="seed is not a table"):
        toml.changed(tables, ["seed.x=1"])


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 5000, "x = " + "9" * 5000, "x" + ".y" * 5000 + " = 1"]
)
def test_recipes_without_end_are_one_sentence(tmp_path: Path, text: str, command) -> None:
    (tmp_path / "r.toml").write_text(text + "\n")
    for words in (["run", tmp_path / "r.toml"], ["run", "tybalt_brca", "--set", text]):
        done = command(*words)
        assert done.returncode == 2
        assert len(done.stderr) < 1000
        assert "Traceback" not in done.stderr
