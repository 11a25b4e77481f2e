"""A page that scores dropped files, in a browser, beside the command line."""

import gzip
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tybalt_like import Recipe, Run, read
from tybalt_like.anomaly import Calibration
from tybalt_like.anomaly.combination import Combination
from tybalt_like.genes import clean, convert
from tybalt_like.io import datasets
from tybalt_like.run.portable import FILE, make_portable
from tybalt_like.run.stages import run
from tybalt_like.tl.score import model_outputs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "module_without_figures")]
QUICK = {
    "model": {"name": "pca", "latent_dim": 10},
    "evaluation": {"seeds": 1, "baselines": ["pca"]},
    "pictures": {"maps": ["umap"]},
    "explain": {"gene_sets": None},
}
WITHIN = 1e-5
SCORES = ("top_residuals", "relative", "whitened", "kth_neighbour", "top_genes", "nearest")


class Made(NamedTuple):
    """A run whose page is portable, and samples that it has not seen."""

    folder: Path
    new: pd.DataFrame

    @property
    def page(self) -> Path:
        return self.folder / "report.html"


@pytest.fixture(scope="module")
def made(tmp_path_factory, shared_data) -> dict[str, Made]:
    """One of log2 values with a label, one of counts without."""
    folder = tmp_path_factory.mktemp("portable")
    found = {}
    tumours = datasets.load("tcga_brca").to_memory()
    kind_n = tumours.obs["pam50"].astype(str).to_numpy()
    luminal_n = np.isin(kind_n, ["Luminal A", "Luminal B"])
    known_n = luminal_n & (np.arange(tumours.n_obs) % 2 == 0)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(datasets.ENVIRONMENT, str(shared_data))
        counts = datasets.load("geuvadis_counts").to_memory()[:, ::4].copy()
    for name, adata, rows_n, data in (
        ("log2", tumours, known_n, {"label": "pam50", "normal": ["Luminal A", "Luminal B"]}),
        ("counts", counts, np.arange(counts.n_obs) >= 50, {}),
    ):
        path = folder / f"{name}.h5ad"
        adata[rows_n].copy().write_h5ad(path)
        tables = QUICK | {"data": {"path": str(path)} | data}
        run(Recipe.from_tables(tables), folder / name, device="cpu")
        make_portable(folder / name)
        new = adata[~rows_n].to_df()
        if name == "log2":
            new = pd.concat(
                [new[kind_n[~rows_n] == "Basal-like"][:20], new[luminal_n[~rows_n]][:30]]
            )
        found[name] = Made(folder / name, new[:50])
    return found


def dropped(opened, page: Path, file: Path):
    """The page after a file was given to it; what it says, and its errors."""
    found = opened(page, accept_downloads=True)
    found.page.set_input_files("#portable-file", file)
    done = "#portable-results :is(table, form), #portable-said.wrong"
    found.page.wait_for_selector(done, timeout=120_000)
    return found


def saved(page, button: str, path: Path) -> pd.DataFrame:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return pd.read_csv(path, sep="\t", index_col=0)


def packed(table: pd.DataFrame, path: Path) -> Path:
    path.write_bytes(gzip.compress(table.to_csv(sep="," if ".csv" in path.name else "\t").encode()))
    return path


@pytest.mark.parametrize(
    ("name", "file"), [("log2", "genes_in_rows.tsv.gz"), ("counts", "genes_in_columns.csv.gz")]
)
def test_the_page_says_what_the_command_says(
    made, opened, command, tmp_path, name: str, file: str
) -> None:
    """50 samples, 3 of a hundred genes missing, genes in another order."""
    folder, new = made[name]
    kept = np.random.default_rng(0).permutation(new.shape[1])[: int(0.97 * new.shape[1])]
    new = new.iloc[:, kept].rename_axis("sample")
    path = packed(new.T if "rows" in file else new, tmp_path / file)
    out, genes, placed = (tmp_path / part for part in ("s.tsv", "g.tsv", "page"))
    done = command("score", "--run", folder, path, "-o", out, "--genes", genes, "--report", placed)
    assert done.returncode == 0, done.stderr
    page = dropped(opened, folder / "report.html", path)
    page.check()
    said = page.page.inner_text("#portable-results")
    verdict = done.stderr.split("do the p-values hold? ")[1].split(":")[0]
    assert f"Do the p-values hold? {verdict.capitalize()}" in said
    missing = "genes are missing" if "genes are missing" in said else "are missing"
    assert missing in done.stderr.replace(" of the default scores", "")
    ours, theirs = pd.read_csv(out, sep="\t", index_col=0), None
    theirs = saved(page.page, "Save scores", tmp_path / "theirs.tsv")
    assert set(theirs.index) == set(ours.index)
    assert len(theirs) == 50
    ends = (*SCORES, "combined", "p_value", "q_value")
    columns = [f"default_{end}" for end in ends]
    np.testing.assert_allclose(
        theirs.loc[ours.index, columns].astype(float), ours[columns], atol=WITHIN, rtol=0
    )
    for column in ("default_flagged", "default_extrapolated"):
        assert (theirs.loc[ours.index, column] == ours[column]).all()
    our_genes = pd.read_csv(genes, sep="\t").set_index(["sample", "gene"])
    their_genes = saved(page.page, "Save genes", tmp_path / "genes.tsv").reset_index()
    their_genes = their_genes.set_index(["sample", "gene"]).reindex(our_genes.index)
    for column in ("z", "observed", "expected", "p_value", "p_adjusted", "rank"):
        np.testing.assert_allclose(
            their_genes[column], our_genes[column], atol=WITHIN, rtol=0, err_msg=column
        )
    place = pd.read_csv(placed / "placed.tsv.gz", sep="\t", index_col=0)
    stars = page.page.evaluate("tybalt.samples.points")
    assert len(stars) == 50
    for star in stars:
        xy = place.loc[star["name"], ["latent_umap_1", "latent_umap_2"]].astype(float)
        np.testing.assert_allclose(star["place"]["latent_umap"], xy, atol=1e-4)


def test_genes_are_found_under_other_names(made, opened, command, tmp_path) -> None:
    """Ensembl ids with versions in place of symbols, dates in place of some, a column beside."""
    folder, new = made["log2"]
    few = new[:5].rename_axis("sample")
    ensembl = pd.Series(convert(list(few.columns), to="ensembl").names)
    ensembl[ensembl.duplicated()] = None  # two symbols of one gene
    names = [f"{one}.7" if one else name for one, name in zip(ensembl, few.columns, strict=True)]
    table = few.set_axis(names, axis=1).T.rename_axis("gene_id")
    table.insert(0, "description", [f"protein {i}" for i in range(len(table))])
    path = packed(table, tmp_path / "ensembl.tsv.gz")
    done = command("score", "--run", folder, path, "-o", tmp_path / "s.tsv")
    assert done.returncode == 0, done.stderr
    assert "are missing" in done.stderr  # some symbols of 2011 are unknown today
    ours = pd.read_csv(tmp_path / "s.tsv", sep="\t", index_col=0)["default_combined"]
    page = dropped(opened, folder / "report.html", path)
    theirs = saved(page.page, "Save scores", tmp_path / "theirs.tsv")["default_combined"]
    np.testing.assert_allclose(theirs[ours.index], ours, atol=WITHIN, rtol=0)
    repaired = page.page.evaluate(
        "(names) => tybalt.expression.cleaned(names)",
        dates := ["1-Mar", "Sep-02", "2001-12-01", "15-Sep", "MARCH2", "2-Mar", "TP53|7157"],
    )
    assert repaired == list(clean(dates).names)


def test_without_profiles_there_is_no_profile_and_the_rest_is_the_same(
    made, opened, command, tmp_path
) -> None:
    """p-values are those of the views that are left, calibrated by the same held-out samples."""
    folder = tmp_path / "run"
    shutil.copytree(made["log2"].folder, folder)
    whole = (folder / FILE).stat().st_size
    assert command("report", folder, "--without-profiles").returncode == 2
    done = command("report", folder, "--portable", "--without-profiles")
    assert "relative and whitened" in done.stderr
    assert (folder / FILE).stat().st_size < whole / 2
    new = made["log2"].new.rename_axis("sample")
    page = dropped(opened, folder / "report.html", packed(new, tmp_path / "new.csv.gz"))
    page.check()
    theirs = saved(page.page, "Save scores", tmp_path / "theirs.tsv")
    scorer = Run.load(folder).scorers["default"]
    adata = read(tmp_path / "new.csv.gz")
    outputs = model_outputs(scorer.encode(adata), model=scorer.model)
    measures = scorer.detector.views.measure(outputs)
    views = ["top_residuals", "kth_neighbour", "top_genes"]
    held_out = scorer.detector.held_out
    beside = Combination.fit(held_out, views).beside(measures, held_out)
    expected = Calibration(len(held_out)).p_values(*beside).p_n
    p_n = theirs.loc[adata.obs_names, "default_p_value"]
    np.testing.assert_allclose(p_n, expected, atol=WITHIN, rtol=0)
    said = page.page.inner_text("#portable-results")
    assert "Fine" in said
    assert "no place on the map: a page without reference profiles holds no encoder" in said
    held = json.loads(gzip.decompress((folder / FILE).read_bytes()))
    assert held["profiles"] is held["domain"]["held_out_mg"] is None
    assert set(held["map"]) == {"unplaced"}


def test_a_detector_that_a_page_cannot_hold_is_refused(made, command, tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made["log2"].folder, folder)
    (folder / ".tybalt_like.json").unlink()
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(about | {"images": True}))
    done = command("report", folder, "--portable")
    assert done.returncode == 2
    assert "a page cannot score new samples with images" in done.stderr


def test_what_cannot_be_scored_gets_one_sentence(made, opened, tmp_path) -> None:
    folder, new = made["log2"]
    few = new[:6].rename_axis("sample")
    whole = packed(few.T, tmp_path / "whole.tsv.gz").read_bytes()
    (tmp_path / "damaged.tsv.gz").write_bytes(whole[: len(whole) // 2])
    packed((2**few).T, tmp_path / "linear.tsv.gz")
    packed(few.iloc[:, :1000].T, tmp_path / "half.tsv.gz")
    thousands = few.T.round(3).astype(str).replace({str(few.iloc[0, 0].round(3)): "1,234.5"})
    thousands.to_csv(tmp_path / "thousands.tsv", sep="\t")
    (tmp_path / "ragged.tsv").write_text("gene\ta\tb\nESR1\t1.5\t2.5\nAR\t1.5\n")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    for file, words in {
        "damaged.tsv.gz": "are damaged, end early",
        "linear.tsv.gz": "these samples look linear",
        "half.tsv.gz": "are these the same kind of gene identifier?",
        "thousands.tsv": "write decimals with a point",
        "ragged.tsv": 'row "AR" has 2 fields where the header has 3',
        "book.xlsx": "an Excel workbook; save the table as tsv",
    }.items():
        page = dropped(opened, folder / "report.html", tmp_path / file)
        said = page.page.inner_text("#portable-said")
        assert words in said, (file, said)
        assert "\n" not in said
        assert page.errors == []


def test_names_are_text_and_one_sample_is_enough(made, opened, tmp_path) -> None:
    folder, new = made["log2"]
    hostile = '<img src=x onerror="document.title=1">'
    few = new[:1].set_axis([hostile]).rename_axis("sample")
    few.T.to_csv(tmp_path / "of_excel.csv", sep=";", decimal=",")
    page = dropped(opened, folder / "report.html", tmp_path / "of_excel.csv")
    page.check()
    assert hostile in page.page.inner_text("#portable-results")
    table = saved(page.page, "Save scores", tmp_path / "theirs.tsv")
    assert list(table.index) == [hostile]


def test_a_file_may_be_dropped_anywhere(made, opened) -> None:
    folder, new = made["log2"]
    page = opened(folder / "report.html").page
    held = page.evaluate_handle(
        """(text) => {
            const held = new DataTransfer();
            held.items.add(new File([text], "dropped.csv"));
            return held;
        }""",
        new[:3].rename_axis("sample").to_csv(),
    )
    page.dispatch_event("h1", "drop", {"dataTransfer": held})
    page.wait_for_selector("#portable-results table", timeout=120_000)
    assert "dropped.csv: 3 samples" in page.inner_text("#portable-said")


def test_known_samples_colour_the_map(made, opened, tmp_path, shared_data, monkeypatch) -> None:
    folder, _ = made["counts"]
    monkeypatch.setenv(datasets.ENVIRONMENT, str(shared_data))
    known = datasets.load("geuvadis_counts").to_memory()[50:].to_df().rename_axis("sample")
    page = dropped(opened, folder / "report.html", packed(known.T, tmp_path / "known.tsv.gz"))
    gene = known.columns[7]
    page.page.get_by_label("Colour the map by").fill(gene)
    page.page.get_by_role("button", name="Colour", exact=True).click()
    names = page.page.evaluate("tybalt.samples.names")
    values = page.page.evaluate(
        "(gene) => [...tybalt.samples.columns.find(({ title }) => title === gene).numbers]", gene
    )
    np.testing.assert_allclose(values, known.loc[names, gene])


def test_a_page_is_plain_again_when_it_is_drawn_again(made, command) -> None:
    folder, _ = made["log2"]
    size = (folder / "report.html").stat().st_size
    assert command("report", folder).returncode == 0
    assert (folder / "report.html").stat().st_size < 0.6 * size
    assert "portable" not in {path.name.split(".")[0] for path in folder.iterdir()}
    done = command("report", folder, "--portable")
    assert "reference samples" in done.stderr
    assert (folder / "report.html").stat().st_size == pytest.approx(size, rel=1e-3)
