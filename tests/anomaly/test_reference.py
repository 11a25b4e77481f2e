"""What a recipe says about the reference cohort: contamination, and groups of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tybalt_like import Recipe, Run
from tybalt_like.anomaly import scores
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.io import datasets
from tybalt_like.run.results import Results
from tybalt_like.run.stages import analyse
from tybalt_like.run.told import tell


def analysed(tmp_path, obs: pd.DataFrame, **tables) -> Results:
    adata = datasets.load("tcga_brca")[:, :200]
    adata.to_df().loc[obs.index].T.to_csv(tmp_path / "expression.tsv", sep="\t")
    obs.to_csv(tmp_path / "clinical.tsv", sep="\t")
    files = {"path": str(tmp_path / "expression.tsv"), "obs": str(tmp_path / "clinical.tsv")}
    tables["data"] = files | tables.get("data", {})
    recipe = {"model": {"name": "pca", "latent_dim": 10}, **tables}
    return analyse(Recipe.from_tables(recipe), device="cpu")


@pytest.fixture(scope="module")
def clinical() -> pd.DataFrame:
    return datasets.load("tcga_brca").obs[["pam50", "race"]].astype(str)


def test_hidden_anomalies_are_left_out_and_tested(clinical, tmp_path) -> None:
    luminal = clinical[clinical["pam50"] == "Luminal A"]
    hidden = clinical[clinical["pam50"] == "Basal-like"].iloc[:40]
    obs = pd.concat([luminal, hidden]).assign(cohort="reference")
    obs.loc[hidden.index[20:], "cohort"] = "new"
    data = {"label": "cohort", "normal": ["reference"], "anomalies": ["new"]}

    def found(contamination: float) -> Results:
        return analysed(tmp_path, obs, data=data | {"contamination": contamination})

    plain, robust = found(0), found(0.05)
    left_out = set(robust.detected.left_out)
    assert len(left_out & set(hidden.index[:20])) > len(left_out) / 2
    assert robust.call("q_value").reindex(list(left_out)).isna().all()  # named, not tested
    assert robust.call("p_value")[list(left_out)].median() < 0.05
    known = obs.index[obs["cohort"] == "reference"]
    truth = known.isin(hidden.index)
    auroc = [roc_auc_score(truth, results.call()[known]) for results in (plain, robust)]
    assert min(auroc) > 0.99  # of those that nobody marked, told of them or not
    assert robust.detector.calibration.m == plain.detector.calibration.m == 439
    with pytest.raises(RecipeError, match="contamination"):
        found(0.6)


def test_p_values_hold_within_each_group(clinical, tmp_path) -> None:
    luminal = clinical[clinical["pam50"].isin(["Luminal A", "Luminal B"])]
    other = clinical[clinical["pam50"] == "Normal-like"].iloc[:3]
    obs = pd.concat([luminal, other])
    tables = {
        "data": {"label": "pam50", "normal": ["Luminal A", "Luminal B"]},
        "scores": {"conditional_on": "pam50"},
    }
    results = analysed(tmp_path, obs, **tables)
    table = results.adata.obs.join(scores.wide(results.scores))
    for group, m in (("Luminal A", 419), ("Luminal B", 140)):
        p = table.loc[table["pam50"] == group, "default_p_value"]
        np.testing.assert_allclose(np.sort(p), np.arange(1, m + 1) / m)
    assert table.loc[other.index, "default_p_value"].isna().all()
    results.save(tmp_path)
    tell(results, tmp_path, inputs={}, seconds={})
    run = Run.load(tmp_path)
    assert any("3 samples have no p-value" in line for line in run.about["warnings"])
    adata = datasets.load("tcga_brca")[:, :200].to_memory()
    basal = adata[adata.obs["pam50"] == "Basal-like"][:20].copy()
    basal.obs["pam50"] = ["Luminal A", "Luminal B"] * 10  # as if they were
    again = run.score(basal)
    assert again["default_p_value"].median() < 0.05
    # A sample's score does not depend on which others are scored with it, or before it.
    alone = run.score(basal[:1].copy()).filter(regex="^(?!.*(q_value|flagged))")
    pd.testing.assert_frame_equal(alone, again.iloc[:1][alone.columns], rtol=1e-9)
    adata = basal
    del adata.obs["pam50"]
    with pytest.raises(DataError, match="no such column"):
        run.score(adata)


def test_gene_sets_of_the_recipe_are_reported(clinical, tmp_path) -> None:
    genes = list(datasets.load("tcga_brca").var_names[:200])
    sets = {f"set{i}": genes[i::10] for i in range(10)}
    gmt = tmp_path / "sets.gmt"
    gmt.write_text("".join(f"{s}\tmade up\t" + "\t".join(of) + "\n" for s, of in sets.items()))
    obs, asked = clinical.iloc[:120], {"gene_sets": str(gmt)}
    named = analysed(
        tmp_path, obs, data={"label": "pam50", "normal": ["Luminal A"]}, scores=asked
    ).gene_sets
    assert set(named["set"]) <= set(sets)
    assert (named.groupby("sample").size() == 10).all()
    everybody = analysed(tmp_path, obs, scores=asked)  # tested fold by fold
    assert set(everybody.gene_sets["sample"]) == set(everybody.genes["sample"])
    gmt.write_text("set1\n")
    with pytest.raises(DataError, match=r"sets\.gmt, line 1"):
        analysed(tmp_path, obs, scores=asked)
