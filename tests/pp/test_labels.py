"""Labels as users write them."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.pp.labels import candidates, labels_of, named, with_counts

N = 80


@pytest.fixture
def adata() -> AnnData:
    obs = {
        "code": [0.0, 1.0, np.nan, 1.0] * 20,  # whole numbers with a gap
        "relapse": [True, False] * 40,
        "histology": ["Infiltrating duct carcinoma, NOS", "Lobular carcinoma, NOS"] * 40,
        "subtype": ["LumA", "LumB", "Basal", "LumA"] * 20,
        "name": [f"P{i}" for i in range(N)],
        "split": ["train", "test"] * 40,
    }
    x_ng = np.random.default_rng(0).random((N, 6), dtype=np.float32)
    return AnnData(x_ng, obs=pd.DataFrame(obs, index=[f"S{i}" for i in range(N)]))


def test_whole_numbers_with_gaps_have_no_decimals(adata) -> None:
    assert set(labels_of(adata, "code")) == {"0", "1", ""}


@pytest.mark.parametrize(
    ("column", "written", "meant"),
    [
        ("code", ["1"], ("1",)),
        ("relapse", ["true"], ("True",)),
        ("histology", ["Infiltrating duct carcinoma, NOS"], ("Infiltrating duct carcinoma, NOS",)),
        ("subtype", ["LumA, LumB"], ("LumA", "LumB")),
        ("subtype", ["luma", "LumB"], ("LumA", "LumB")),
    ],
)
def test_labels_are_found_as_they_are_written(adata, column, written, meant) -> None:
    assert named(adata, column, written) == meant
    adata.obs[column] = adata.obs[column].astype(object).where(adata.obs_names != "S1")
    pp.split(adata, label=column, normal=written)
    known = np.isin(labels_of(adata, column), meant)
    assert (known == (adata.obs[keys.SPLIT] != keys.QUERY)).all()


def test_unknown_labels_are_answered_with_the_known_ones(adata) -> None:
    with pytest.raises(DataError, match="subtype = 'HER2'; labels in column 'subtype': LumA: 40"):
        named(adata, "subtype", ["LumA,HER2"])
    adata.obs["subtype"] = ["luma", "LumA"] * 40
    with pytest.raises(DataError, match="no sample has subtype = 'LUMA'"):
        named(adata, "subtype", ["LUMA"])


def test_columns_that_could_serve_are_proposed(adata) -> None:
    said = with_counts(candidates(adata))
    assert "subtype (LumA: 40, LumB: 20, Basal: 20)" in said
    assert "name" not in said


def test_a_column_called_split_stays_the_users(adata) -> None:
    pp.split(adata, label="split", normal=["train"])
    assert adata.obs["split"].tolist() == ["train", "test"] * 40
    assert (adata.obs[keys.SPLIT] == keys.QUERY).sum() == 40
