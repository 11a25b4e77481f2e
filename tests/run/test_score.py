"""New samples, on the command line: do their p-values hold, and which genes are behind them?"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tybalt_like import Recipe, read
from tybalt_like.io import datasets
from tybalt_like.report import Contents
from tybalt_like.run.stages import run

pytestmark = pytest.mark.usefixtures("one_thread", "module_without_figures")
LUMINAL = ["Luminal A", "Luminal B"]


@pytest.fixture(scope="module")
def tumours(tmp_path_factory) -> tuple[Path, pd.DataFrame, pd.Series]:
    """A run on two thirds of the luminal tumours, and the tumours that it has not seen."""
    folder = tmp_path_factory.mktemp("score")
    adata = datasets.load("tcga_brca").to_memory()
    kind = adata.obs["pam50"].astype(str)
    known = kind.isin(LUMINAL) & (np.arange(adata.n_obs) % 3 > 0)
    adata[known].copy().write_h5ad(folder / "known.h5ad")
    tables = {
        "data": {"path": str(folder / "known.h5ad"), "label": "pam50", "normal": LUMINAL},
        "model": {"name": "pca", "latent_dim": 10},
        "evaluation": {"seeds": 1, "baselines": ["pca"]},
        "pictures": {"maps": ["umap"]},
    }
    run(Recipe.from_tables(tables), folder / "run", device="cpu")
    new = adata[~known]
    return folder / "run", new.to_df(), kind[~known]


def scored(command, folder: Path, new: pd.DataFrame, tmp_path: Path, *options: object):
    new.rename_axis("sample").T.to_csv(tmp_path / "new.tsv", sep="\t")
    (tmp_path / "s.tsv").unlink(missing_ok=True)
    done = command(
        "score", "--run", folder, tmp_path / "new.tsv", "-o", tmp_path / "s.tsv", *options
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(tmp_path / "s.tsv", sep="\t", index_col=0), done.stderr


@pytest.mark.slow
def test_another_kind_is_found_with_its_genes(tumours, command, tmp_path) -> None:
    folder, new, kind = tumours
    basal = new[kind == "Basal-like"].iloc[:40]
    table, said = scored(command, folder, basal.drop(columns=basal.columns[5]), tmp_path)
    assert "do the p-values hold? fine" in said
    assert "1 of the 2,000 genes of the default scores are missing" in said
    assert f"hold the reference median: {basal.columns[5]}" in said
    assert table["default_flagged"].mean() > 0.7
    first = table["genes"].str.split(", ").explode()
    assert (first.str.split().str[1].isin(["up", "down"])).all()


def test_another_laboratory_is_noticed_and_controls_mend_it(tumours, command, tmp_path) -> None:
    folder, new, kind = tumours
    luminal = new[kind.isin(LUMINAL)]
    shift = 0.7 * luminal.std() * np.random.default_rng(0).choice([-1, 1], size=luminal.shape[1])
    moved = luminal + shift
    table, said = scored(command, folder, moved.iloc[20:], tmp_path)
    assert "undecidable" in said or "refused" in said
    assert "controls" in said or "another" in said
    naive = (table["default_p_value"] <= 0.05).mean()
    moved.iloc[:20].rename_axis("sample").T.to_csv(tmp_path / "controls.tsv", sep="\t")
    table, said = scored(
        command, folder, moved.iloc[20:], tmp_path, "--controls", tmp_path / "controls.tsv"
    )
    assert "shifted: 20 controls" in said
    mended = (table["default_p_value"] <= 0.05).mean()
    assert mended < 0.15
    assert np.isnan(naive) or naive > mended + 0.2 or naive == 0


def test_the_door_names_what_is_no_new_sample(tumours, command, tmp_path) -> None:
    folder, new, _ = tumours
    known = read(folder / "adata.h5ad").obs_names[:3]
    whole = datasets.load("tcga_brca").to_memory().to_df()
    some = pd.concat([new.iloc[:8], whole.loc[known].round(2), new.iloc[[0]].set_axis(["copy"])])
    table, said = scored(command, folder, some, tmp_path)
    assert f"3 of the samples are reference samples ({', '.join(known)})" in said
    assert f"samples with the same profile: 1 ({new.index[0]} = copy)" in said
    before = pd.read_csv(folder / "scores.tsv", sep="\t", index_col=0)
    assert set(before.columns) - {"tybalt_split", "pam50"} == set(table.columns) - {"genes"}
    np.testing.assert_allclose(table.loc[known, "norm"], before.loc[known, "norm"], rtol=1e-2)
    for values, said in ((0.0, "have no value but 0"), (2 ** some.iloc[:4], "on another scale")):
        spoilt = some.copy()
        spoilt.iloc[:4] = values
        spoilt.rename_axis("sample").T.to_csv(tmp_path / "spoilt.tsv", sep="\t")
        done = command("score", "--run", folder, tmp_path / "spoilt.tsv")
        assert done.returncode == 2
        assert said in done.stderr


def test_the_page_shows_new_samples_on_the_map_of_the_run(
    tumours, command, tmp_path, checked
) -> None:
    folder, new, kind = tumours
    some = pd.concat([new[kind == "Basal-like"].iloc[:15], new[kind.isin(LUMINAL)].iloc[:15]])
    page = tmp_path / "page"
    table, _ = scored(command, folder, some, tmp_path, "--report", page)
    checked("run", page / "run.json")
    text = (page / "report.html").read_text()
    assert "Do these p-values hold?" in text
    assert f"{table['default_flagged'].sum()} of 30 tested samples" in text
    placed = pd.read_csv(page / "placed.tsv.gz", sep="\t", index_col=0)
    assert (placed["tybalt_split"] == "new").sum() == 30
    maps = pd.read_csv(folder / "embeddings.tsv.gz", sep="\t", index_col=0)
    xy = placed[["latent_umap_1", "latent_umap_2"]]
    np.testing.assert_allclose(xy.loc[maps.index], maps[list(xy)])
    assert (xy[placed["tybalt_split"] == "new"] <= maps[list(xy)].max()).all(axis=None)
    values = pd.read_csv(page / "gene_values.tsv.gz", sep="\t", index_col=0)
    known = read(folder.parent / "known.h5ad").to_df()
    assert len(values) == len(maps) + 30
    for samples in (known, some):  # which are logarithms as read
        np.testing.assert_allclose(
            values.loc[samples.index], samples[list(values)], atol=1e-4, rtol=0
        )
    explained = pd.read_csv(page / "gene_scores.tsv.gz", sep="\t")["sample"]
    assert set(explained) == set(table.index[table["default_flagged"]])
    assert command("report", page).returncode == 0  # it is drawn again from the folder alone


def test_the_page_has_the_labels_that_come_with_new_samples(tumours, command, tmp_path) -> None:
    folder, new, kind = tumours
    some = new[kind == "Basal-like"].iloc[:8]
    kind[some.index].iloc[:6].rename("pam50").to_csv(tmp_path / "obs.tsv", sep="\t")
    page = tmp_path / "page"
    scored(command, folder, some, tmp_path, "--report", page, "--obs", tmp_path / "obs.tsv")
    text = (page / "report.html").read_text()
    table = text.split('id="samples-table"')[1].split("</table>")[0]
    assert len(re.findall(r"<td>\s*new: Basal-like</td>", table)) == 6
    samples = Contents.read(page)
    assert samples.labels.value_counts().to_dict() == {"Basal-like": 6, "": 2}
    on_map = samples.everyone.labels
    assert on_map[some.index].value_counts().to_dict() == {"new: Basal-like": 6, "new": 2}
    assert set(on_map.drop(some.index)) == set(LUMINAL)
