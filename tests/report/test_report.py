"""The report says what the run folder says, in one page that is safe and loads nothing."""

import base64
import gzip
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from made_runs import FLAGGED, HOSTILE, HOSTILE_LABEL, scores, write_run

from tybalt_like import report
from tybalt_like.core.errors import RunError
from tybalt_like.models import Model


class Page(HTMLParser):
    """Tags with their attributes, what scripts hold, and the text of everything else."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}  # what runs, and data by id
        self.words: list[str] = []
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.script = dict(attrs).get("id") or f"runs {len(self.scripts)}"
            self.scripts[self.script] = ""

    def handle_endtag(self, tag) -> None:  # noqa: ARG002
        self.inside = ""

    def handle_data(self, data) -> None:
        if self.inside == "script":
            self.scripts[self.script] += data
        elif self.inside != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(run_dir) -> Page:
    return Page(run_dir / "report.html")


def test_numbers_are_those_of_the_run(page) -> None:
    assert "15 of 30 tested samples (50 %) are flagged as anomalous" in page.text
    assert "100 samples and 1,234 genes. Tybalt learned to encode them from 30 samples" in page.text
    assert f"{HOSTILE_LABEL} named as anomalous 25 15" in page.text
    assert "001 normal" not in page.text  # the reference is not tested
    assert "no label neither 5 0" in page.text
    assert "0.038 ± 0.010 above Tybalt and 0.038 ± 0.010 below the plain norm." in page.text
    assert "1 / 71 = 0.014" in page.text
    assert "ESR1</b> ↓ 15" in page.text
    assert "tybalt_like 9.8.7" in page.text


def test_methods_hold_the_numbers_of_the_run(page) -> None:
    assert f"100 samples with 1,234 genes ({HOSTILE.split('/')[-1]}) were analysed" in page.text
    assert "Tybalt with 4 latent features was trained on 30 samples labelled 001." in page.text
    assert "Of 30 samples compared with the reference, 15 had q ≤ 0.05" in page.text
    assert "UMAP (15 neighbours, minimal distance 0.1) and t-SNE (perplexity 20)" in page.text


@pytest.mark.usefixtures("page")
def test_flagged_samples_come_first_and_names_stay_text(run_dir) -> None:
    table = (
        (run_dir / "report.html").read_text().split('id="samples-table"')[1].split("</table>")[0]
    )
    names = re.findall(r'<th scope="row">(.*?)</th>', table)
    names = [name.replace("&lt;", "<").replace("&gt;", ">") for name in names]
    assert len(names) == 50  # without scripts; the data of the others are there
    by_score = scores("tybalt", flagged=FLAGGED)["tybalt_combined"].sort_values(ascending=False)
    assert names[:15] == list(by_score.index[:15])
    assert "007" in names


def test_what_users_named_stays_text(page) -> None:
    assert all(
        attributes.get("type", "").startswith("application/") if attributes else True
        for attributes in page.all("script")
    )
    assert not any("alert(1)" in text for text in page.scripts.values())
    assert not any(
        "onerror" in attributes or attributes.get("src") == "x" for _, attributes in page.tags
    )
    assert page.text.count(HOSTILE) >= 4
    assert not page.all("yours")
    sheets = gzip.decompress(base64.b64decode(page.scripts["sheets-packed"])).decode()
    assert len(json.loads(sheets)) == 10
    told = gzip.decompress(base64.b64decode(page.scripts["samples-data"]))
    assert HOSTILE in json.loads(told)["names"]


def test_multiqc_finds_the_tested_samples_as_text(run_dir) -> None:
    """MultiQC takes names for HTML."""
    content = json.loads((run_dir / "tybalt_like_mqc.json").read_text())
    assert content["plot_type"] == "table"
    assert re.fullmatch(r"\w+", content["id"])
    assert content["section_name"] == "tybalt_like: mine &amp; &lt;yours&gt;"
    data = content["data"]
    assert len(data) == 30
    assert sum(row.get("flagged") == "yes" for row in data.values()) == 15
    row = data[html.escape(HOSTILE)]
    assert row["label"] == html.escape(HOSTILE_LABEL)
    assert row["genes"] == "&lt;b&gt;ESR1&lt;/b&gt; down, MIA up"
    found = scores("tybalt", flagged=FLAGGED).loc[HOSTILE]
    assert [row["score"], row["p"], row["q"]] == pytest.approx(
        list(found[["default_combined", "default_p_value", "default_q_value"]])
    )
    assert all(set(row) <= set(content["headers"]) for row in data.values())


def test_nothing_is_loaded_from_anywhere(page, run_dir) -> None:
    for tag, attributes in page.tags:
        source = attributes.get("src") or attributes.get("srcset") or attributes.get("data") or ""
        assert source.startswith("data:image/") or not source, f"{tag} loads {source[:80]}"
        link = attributes.get("href", "")
        if tag == "image":  # of a drawing
            assert link.startswith("data:image/"), link[:80]
            continue
        assert tag in ("a", "use") or not link, f"{tag} loads {link[:80]}"
        assert re.fullmatch(r"#[\w-]+|", link), link  # files are named: mailed alone, links die
    styles = re.findall(r"<style>(.*?)</style>", (run_dir / "report.html").read_text(), re.S)
    assert not re.search(r"@import|url\(", "".join(styles))


def test_policy_allows_the_scripts_of_the_page_alone(page) -> None:
    policy = next(
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    digests = [
        hashlib.sha256(script.encode()).digest()
        for name, script in page.scripts.items()
        if name.startswith("runs")
    ]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert directives["script-src"].split() == hashes


def test_figures_are_described_and_on_disk(page, run_dir) -> None:
    pictures = page.all("img")
    assert all(picture["alt"] for picture in pictures)
    names = {path.stem for path in (run_dir / "figures").glob("*.png")}
    assert all(f"figures/{name}.svg" in page.text for name in names)
    assert len(names) == len(pictures)
    assert names >= {"umap_by_label", "latent_heatmap", "training", "score_distribution", "metrics"}
    assert {path.stem for path in (run_dir / "figures").glob("*.svg")} == names
    assert not list(run_dir.glob("*.partial"))


def test_bare_run_has_a_report_too(tmp_path) -> None:
    folder = write_run(tmp_path / "bare", labels=None, model="pca", anomalies=[])
    page = Page(report.build(folder))
    assert "None of 30 tested samples is flagged" in page.text
    assert "No label is named as anomalous" in page.text
    assert "PCA learned to encode them" in page.text
    assert "compared each of 70 reference samples with the others" in page.text
    assert not (folder / "figures" / "training.png").exists()


@pytest.mark.slow
def test_odd_labels_and_other_models_are_fine(tmp_path) -> None:
    odd = ["NA", "nan", "$x$", "_hidden", "long " * 60, "all"] * 5
    folder = write_run(
        tmp_path / "odd", labels=odd + ["001"] * 70, model="my_vae", anomalies=["NA", "all"]
    )
    page = Page(report.build(folder))
    assert "My vae learned to encode them" in page.text
    assert "NA named as anomalous 5 3" in page.text
    assert "nan neither 5 3" in page.text


def with_card(folder: Path, *, better: bool) -> Path:
    """A run folder with a report card in which the model beats PCA, or does not."""
    write_run(folder, labels=["x"] * 30 + ["001"] * 70, anomalies=["x"])
    minus = 0.2 if better else -0.2
    rows = [
        ("tybalt", "loss", "", 1234.5, None, None, None),
        ("tybalt", "loss_kl", "", 12.5, None, None, None),
        ("tybalt", "active_units", "", 3, None, None, None),
        ("tybalt", "r2", "", 0.5 + minus, 0.01, minus, 0.02),
        ("pca", "r2", "", 0.5, 0.01, None, None),
        ("pca", "linear_balanced_accuracy", HOSTILE, 0.9, 0.01, None, None),
        ("tybalt", "linear_balanced_accuracy", HOSTILE, 0.89, 0.01, -0.01, 0.02),
        ("chance", "linear_balanced_accuracy", HOSTILE, 0.5, None, None, None),
    ]
    columns = ["encoder", "metric", "column", "value", "standard_error"]
    card = pd.DataFrame(rows, columns=[*columns, "minus_pca", "minus_pca_error"]).assign(n=20)
    card.to_csv(folder / "evaluation.tsv", sep="\t", index=False)
    genes = pd.DataFrame({"gene": ["A", "B"], "encoder": "tybalt", "r2": [0.1, 0.2]})
    genes.to_csv(folder / "evaluation_genes.tsv.gz", sep="\t", index=False)
    features = pd.DataFrame({"kl": [1.0, 2, 3, 0], "active": [True, True, True, False]})
    features.to_csv(folder / "latent_features.tsv", sep="\t", index_label="feature")
    about = json.loads((folder / "run.json").read_text())
    about["evaluation"] = {"test": 20, "held_out": 50, "notes": [f"no {HOSTILE}"]}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


@pytest.mark.slow
def test_encoding_is_judged_in_words_tables_and_figures(tmp_path) -> None:
    folder = with_card(tmp_path / "judged", better=False)
    page = Page(report.build(folder))
    assert "Tybalt is better in 0, worse in 1 and level in 1 of 2 comparisons" in page.text
    assert "None of them speaks for Tybalt over PCA" in page.text
    assert "worse than PCA: R2 0.300, difference -0.200 ± 0.020" in page.text
    assert f"level with PCA: {HOSTILE}" in page.text
    assert "Loss of Tybalt on the test samples: 1,234.5 (kl 12.5). 3 of 4" in page.text
    assert f"no {HOSTILE}" in page.text
    assert not any("alert(1)" in text for text in page.scripts.values())
    names = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert names >= {"probe_scores", "gene_reconstruction", "latent_kl"}
    assert "Kornblith" in page.text
    better = Page(report.build(with_card(tmp_path / "better", better=True)))
    assert "Tybalt is better in 1, worse in 0" in better.text
    assert "speaks for" not in better.text


def test_runs_of_versions_without_a_card_have_no_such_section(page) -> None:
    assert "How good is the encoding?" not in page.text
    assert "Kornblith" not in page.text


def test_every_model_is_cited() -> None:
    assert not {name for name, kind in Model.registry.items() if not kind.citation}


def test_incomplete_folder_is_refused_by_name(run_dir, tmp_path) -> None:
    (tmp_path / "run.json").write_text((run_dir / "run.json").read_text())
    with pytest.raises(RunError, match=r"scores\.tsv missing"):
        report.build(tmp_path)
    assert not (tmp_path / "report.html").exists()
