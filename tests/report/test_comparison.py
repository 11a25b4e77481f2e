"""Runs compared: the tables against other people's implementations, and the page in a browser."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import HOSTILE, HOSTILE_LABEL, SPLIT, write_run
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import roc_auc_score

from tybalt_like.core.errors import RunError
from tybalt_like.core.marker import MARKER
from tybalt_like.run.compare import compare

NAMES = ["mine", '<i>"theirs"</i>']


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The second run finds other samples strange, and flags fewer."""
    folder = tmp_path_factory.mktemp("compared")
    labels = [HOSTILE_LABEL] * 25 + [""] * 5 + ["001"] * 70
    first = write_run(folder / "a", labels=labels, anomalies=[HOSTILE_LABEL])
    second = write_run(folder / "b", labels=labels, model="pca", anomalies=[HOSTILE_LABEL])
    table = pd.read_csv(second / "scores.tsv", sep="\t", index_col=0)
    noise = np.random.default_rng(1).normal(size=100)
    for score in ("default_combined", "pca_combined"):
        table[score] += 4 * noise
    table["default_flagged"] = table["default_flagged"] & (np.arange(100) % 3 > 0)
    table.to_csv(second / "scores.tsv", sep="\t")
    for path, name, epochs in ((first, NAMES[0], 5), (second, NAMES[1], 9)):
        about = json.loads((path / "run.json").read_text())
        about["recipe"] |= {"training": {"epochs": epochs}}
        (path / "run.json").write_text(json.dumps(about | {"name": name}))
    return [first, second]


@pytest.fixture(scope="module")
def compared(runs: list[Path]) -> Path:
    return compare(runs, runs[0].parent / "out").parent


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, sep="\t", keep_default_na=False)


def test_what_a_comparison_says_of_itself_is_as_its_schema_has_it(compared, checked) -> None:
    checked("run", compared / "run.json")
    checked("marker", compared / MARKER)


def test_agreement_is_that_of_scipy_and_scikit_learn(runs, compared) -> None:
    a, b = (pd.read_csv(run / "scores.tsv", sep="\t", index_col=0) for run in runs)
    asked = SPLIT == "query"
    row = read(compared, "scores.tsv").iloc[0]
    assert list(row[["run", "scorer", "other_run", "other_scorer"]]) == [
        *(NAMES[0], "default"),
        *(NAMES[1], "default"),
    ]
    x_n, y_n = a["default_combined"][asked], b["default_combined"][asked]
    assert row["spearman"] == pytest.approx(spearmanr(x_n, y_n).statistic)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    called, other = a["default_flagged"][asked], b["default_flagged"][asked]
    assert row["called_by_both"] == (called & other).sum() == 10
    assert row["overlap"] == pytest.approx(10 / 15)
    assert row["p_more"] == pytest.approx(binomtest(5, 5).pvalue)
    found = read(compared, "detection.tsv").set_index("run")
    truth = (a["kind"] == HOSTILE_LABEL) & asked
    used = truth | ~asked
    for name, table in zip(NAMES, (a, b), strict=True):
        area = roc_auc_score(truth[used], table["default_combined"][used])
        assert found.loc[name, "auroc"] == pytest.approx(area)
    assert found.loc[NAMES[0], "n_normal"] == 70


def test_samples_whose_calls_differ_come_first(runs, compared) -> None:
    table = read(compared, "samples.tsv.gz")
    of_sample = table.drop_duplicates("sample")
    assert len(of_sample) == 30
    differs = of_sample["calls"] == 1
    assert differs.sum() == 5
    assert differs.head(5).all()
    for part in (of_sample[differs], of_sample[~differs]):
        assert part["ratio"].is_monotonic_decreasing
    a, b = (pd.read_csv(run / "scores.tsv", sep="\t", index_col=0) for run in runs)
    wide = table.pivot_table(index="sample", columns="run", values="rank")
    for name, scores in zip(NAMES, (a, b), strict=True):
        ranks = scores["default_combined"][SPLIT == "query"].rank(ascending=False)
        assert (wide[name] == ranks.rename(index=str).reindex(wide.index)).all()


def test_what_was_done_differently_is_listed_and_nothing_else(compared) -> None:
    table = read(compared, "settings.tsv").set_index("key")
    assert table.loc["training.epochs", NAMES].astype(int).tolist() == [5, 9]
    assert "seed" not in table.index


def test_the_same_detector_twice_leaves_the_models_to_compare(runs, tmp_path) -> None:
    same = tmp_path / "same"
    shutil.copytree(runs[0], same)
    about = json.loads((same / "run.json").read_text())
    (same / "run.json").write_text(json.dumps(about | {"name": "again"}))
    folder = compare([runs[0], same], tmp_path / "out").parent
    about = json.loads((folder / "run.json").read_text())
    assert about["chosen"] == [["mine", "tybalt"], ["again", "tybalt"]]
    assert any("scores of their models" in warning for warning in about["warnings"])


def test_what_cannot_be_compared_is_refused_in_one_sentence(runs, tmp_path, command) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[0], other)
    for name in ("scores.tsv", "latent.tsv.gz"):
        table = pd.read_csv(other / name, sep="\t", index_col=0)
        table.rename(index=lambda sample: f"x{sample}").to_csv(other / name, sep="\t")
    with pytest.raises(RunError, match="no sample in common"):
        compare([runs[0], other], tmp_path / "out")
    with pytest.raises(RunError, match="two or more"):
        compare([runs[0], runs[0]], tmp_path / "out")
    for words in ([runs[0]], [runs[0], tmp_path / "none"]):
        done = command("compare", *words, "-o", tmp_path / "out")
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"viewport": {"width": 390, "height": 800}}])
def test_the_page_in_a_browser(compared, opened, how) -> None:
    found = opened(compared / "report.html", color_scheme="dark" if how else "light", **how)
    found.check()
    page = found.page
    assert page.locator("h1").inner_text() == f"{NAMES[0]} and {NAMES[1]}"
    rows = page.locator("#sample-table tbody tr")
    assert rows.count() == 30
    page.get_by_label("calls that differ only").check()
    assert page.locator("#sample-table tbody tr:visible").count() == 5
    page.get_by_label("calls that differ only").uncheck()
    page.locator("#search").fill("<script>alert")
    assert page.locator("#sample-table tbody tr:visible th").all_inner_texts() == [HOSTILE]
    page.get_by_role("button", name="ratio").click()
    assert page.locator("[aria-sort=ascending]").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert found.errors == []
