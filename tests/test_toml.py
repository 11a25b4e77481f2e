"""Our TOML text means what was written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tybalt_like.core import toml

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


def test_what_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        toml.document({"data": {"label": None}})
