"""Names and texts that break files, pages or spreadsheets."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import io
from tybalt_like.core.errors import DataError


@pytest.fixture
def hostile() -> AnnData:
    obs = pd.DataFrame({"label": ["a\u202eb", "=1+1"], "age\n": [1, 2]}, index=["s\n1", "s2"])
    return AnnData(np.ones((2, 2), np.float32), obs=obs, var=pd.DataFrame(index=["g\t1", "g2"]))


def test_line_breaks_and_unseen_characters_are_taken_out_and_said(hostile, tmp_path) -> None:
    hostile.write_h5ad(tmp_path / "x.h5ad")
    adata = io.read(tmp_path / "x.h5ad")
    assert list(adata.obs_names) == ["s 1", "s2"]
    assert list(adata.var_names) == ["g 1", "g2"]
    assert adata.obs["label"].astype(str).tolist() == ["ab", "=1+1"]
    assert list(adata.obs.columns) == ["label", "age"]
    for said in ("sample names with line breaks", "gene names with", "texts about samples with"):
        assert said in adata.uns["tybalt_like"]


def test_names_that_become_one_are_refused(hostile, tmp_path) -> None:
    hostile.obs_names = ["s1", "s1\u200b"]
    hostile.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match="sample 's1' occurs twice"):
        io.read(tmp_path / "x.h5ad")


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "-2+cmd|' /C calc'!A0", "+A1(2)"])
def test_what_a_spreadsheet_would_run_is_text_in_tables(name, tmp_path) -> None:
    table = pd.DataFrame({"label": [name, "-ve"], "x": [-1.5, 2]}, index=[name, "+"])
    io.write_table(table.rename_axis("sample"), tmp_path / "t.tsv")
    back = pd.read_csv(tmp_path / "t.tsv", sep="\t", index_col=0)
    assert list(back.index) == [f"'{name}", "+"]
    assert back["label"].tolist() == [f"'{name}", "-ve"]
    assert back["x"].tolist() == [-1.5, 2]
