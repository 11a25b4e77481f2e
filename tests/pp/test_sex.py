"""Sex by genes, and samples that were swapped."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import pp, read
from tybalt_like.genes.sex_genes import Y_GENES
from tybalt_like.pp.sex import sexes


def test_recorded_sexes_of_real_counts_are_found(shared_data) -> None:
    folder = shared_data / "geuvadis_counts"
    adata = read(folder / "counts.tsv.gz", obs=folder / "samples.csv")
    found = sexes(adata, scale="counts")
    assert found is not None
    assert found.column == "sex"
    assert (found.looks_n == adata.obs["sex"].str.lower()).all()
    assert not found.doubts(list(adata.obs_names))
    male, female = (adata.obs_names[adata.obs["sex"] == sex][3] for sex in ("Male", "Female"))
    adata.obs.loc[[male, female], "sex"] = ["Female", "Male"]
    found = sexes(adata, scale="counts")
    assert found is not None
    (said,) = found.doubts(list(adata.obs_names))
    assert f"{male} looks male" in said
    assert f"{female} looks female" in said
    assert "2 of 85" in said


@pytest.fixture
def women() -> AnnData:
    """Logged values of forty women."""
    rng = np.random.default_rng(0)
    genes = ["XIST", *Y_GENES[:4], *(f"G{i}" for i in range(50))]
    x_ng = rng.normal(8, 1, (40, len(genes)))
    x_ng[:, 1:5] = rng.normal(1, 0.4, (40, 4))
    obs = pd.DataFrame({"Gender": ["F"] * 40}, index=[f"S{i}" for i in range(40)])
    return AnnData(x_ng.astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))


def test_one_man_among_women_is_named(women) -> None:
    assert sexes(women, scale="log2") is None  # nothing to compare with
    women.X[7, 0], women.X[7, 1:5] = 0.5, 7
    found = sexes(women, scale="log2")
    assert found is not None
    assert "S7 looks male" in found.doubts(list(women.obs_names))[0]
    women.X[9, 1:5] = 7  # XIST and the Y: neither
    found = sexes(women, scale="log2")
    assert found is not None
    assert found.looks_n[9] == ""
    assert "38 female, 1 male, 1 unclear" in found.finding


def test_a_run_says_so(women, tmp_path, command) -> None:
    women.X[7, 0], women.X[7, 1:5] = 0.5, 7
    women.write_h5ad(tmp_path / "women.h5ad")
    said = pp.inspect(women).scale
    assert said == "log2"
    done = command("run", "--data", tmp_path / "women.h5ad", "--out", tmp_path / "run",
                   "--set", "pictures.maps=[]", "--set", "model.name=pca")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "S7 looks male" in done.stdout + done.stderr
    assert "S7 looks male" in (tmp_path / "run" / "report.html").read_text()
