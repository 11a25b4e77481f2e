"""Map, plot and table of the samples, as a reader uses them."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import FLAGGED, HOSTILE, HOSTILE_LABEL, write_large_run, write_run

from tybalt_like import report
from tybalt_like.pl.palette import MISSING

pytestmark = pytest.mark.slow
ROWS = "#samples-table tbody tr[data-index]"


@pytest.fixture
def reader(opened):
    """Opens a page and waits until the samples are there."""

    def call(path: Path, **options):
        found = opened(path, **options)
        found.page.wait_for_selector("#samples[data-ready]")
        return found

    return call


def lasso(page) -> None:
    """Draw around the left half of the map."""
    page.locator("#map-plot").scroll_into_view_if_needed()
    box = page.locator("#map-plot").bounding_box()
    left, right = box["x"] + 6, box["x"] + box["width"] / 2
    top, bottom = box["y"] + 40, box["y"] + box["height"] - 6
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in [(right, top), (right, bottom), (left, bottom), (left, top)]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def selected(page) -> list[int]:
    return page.evaluate("tybalt.samples.selected")


def drawn(page, column: str) -> list:
    """A column of the points, in the order of the table."""
    script = """(name) => Array.from(
      Bokeh.documents.at(-1).get_model_by_name("samples").data[name]).reverse()"""
    return page.evaluate(script, column)


def names_in_table(page) -> list[str]:
    return page.locator(f"{ROWS} th").all_inner_texts()


def test_lasso_in_the_map_changes_the_table_and_back(run_dir, reader) -> None:
    found = reader(run_dir / "report.html")
    page = found.page
    x = np.array(drawn(page, "x"))
    lasso(page)
    page.wait_for_function("tybalt.samples.selected.length > 0")
    chosen = selected(page)
    assert 20 < len(chosen) < 80
    # What lies furthest left is in, what lies furthest right is not.
    assert int(x.argmin()) in chosen
    assert int(x.argmax()) not in chosen
    assert f"{len(chosen)} of 100 in the table" in page.inner_text("#samples-shown")
    every = page.evaluate("tybalt.samples.names")
    assert names_in_table(page)[:10] == [every[i] for i in chosen][:10]
    page.click("#select-none")
    assert selected(page) == []
    page.locator(f"{ROWS} input").nth(2).check()
    assert selected(page) == [2]
    source = "Bokeh.documents.at(-1).get_model_by_name('samples').selected.indices"
    assert page.evaluate(source) == [97]  # the strangest are drawn last
    assert "100 of 100 in the table" in page.inner_text("#samples-shown")
    found.check()


def test_filters_search_and_sorting(run_dir, reader) -> None:
    page = reader(run_dir / "report.html").page
    page.get_by_label("flagged: only").select_option("yes")
    assert page.inner_text("#samples-shown") == "15 of 100 in the table"
    page.get_by_label("kind: only").select_option(HOSTILE_LABEL)
    page.get_by_label("combined score: from").fill("10")
    score = pd.read_csv(run_dir / "scores.tsv", sep="\t", index_col=0)["default_combined"]
    wanted = score[FLAGGED & (score >= 10)].sort_values(ascending=False)
    assert names_in_table(page) == [name.strip() for name in wanted.index]
    page.get_by_role("button", name="combined score").click()
    page.get_by_role("button", name="combined score").click()
    assert names_in_table(page) == list(wanted.index[::-1])
    page.fill("#samples-search", wanted.index[0])
    assert names_in_table(page) == [wanted.index[0]]


def test_colour_by_gene_and_by_column(run_dir, reader) -> None:
    found = reader(run_dir / "report.html")
    page = found.page
    colors = set(drawn(page, "color"))
    assert len(colors) == 3  # two labels, and none
    page.select_option("#color-by", label="MIA")
    values = pd.read_csv(run_dir / "gene_values.tsv.gz", sep="\t", index_col="sample")["MIA"]
    names = page.evaluate("tybalt.samples.names")
    shown = [float(text.removeprefix("MIA: ")) for text in drawn(page, "value")]
    np.testing.assert_allclose(shown, values[names], atol=0.0051)
    low, high = np.percentile(values, [1, 99])
    assert page.inner_text("#samples-legend").split("\n") == [
        f"≤ {low:.2f}",
        f"≥ {high:.2f}",
        "MIA (log2)",
    ]
    brightest = drawn(page, "color")[names.index(values.idxmax())]
    assert brightest == "#fde725"
    found.check()


def test_press_of_a_label_or_gene_elsewhere(run_dir, reader) -> None:
    page = reader(run_dir / "report.html").page
    legend = page.locator("#samples-legend button")
    legend.filter(has_text="onerror").click()
    assert len(selected(page)) == 25
    assert legend.filter(has_text="onerror").get_attribute("aria-pressed") == "true"
    legend.filter(has_text="001").click()
    assert len(selected(page)) == 95
    legend.filter(has_text="onerror").click()
    assert len(selected(page)) == 70
    page.locator("#genes [data-gene] button").first.click()
    assert page.input_value("#color-by") == "gene <b>ESR1</b>"


def test_selection_is_saved_as_text_that_no_spreadsheet_runs(tmp_path, reader) -> None:
    labels = ["=1+1"] * 30 + ["001"] * 70
    folder = write_run(tmp_path / "formulas", labels=labels, anomalies=["=1+1"])
    page = reader(report.build(folder)).page
    page.locator("#samples-legend button").filter(has_text="=1+1").click()
    with page.expect_download() as download:
        page.click("#save-samples")
    with open(download.value.path(), encoding="utf-8", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 30
    assert {row["kind"] for row in rows} == {"'=1+1"}
    saved = pd.Series({row["sample"]: float(row["default_combined"]) for row in rows})
    score = pd.read_csv(folder / "scores.tsv", sep="\t", index_col=0)["default_combined"]
    np.testing.assert_allclose(saved, score[saved.index], rtol=1e-5)


def test_33_labels_look_different(tmp_path, reader) -> None:
    labels = [f"class {i % 33:02d}" for i in range(100)]
    folder = write_run(tmp_path / "many", labels=labels, anomalies=["class 00"])
    found = reader(report.build(folder))
    page = found.page
    styles = set(zip(drawn(page, "color"), drawn(page, "marker"), strict=True))
    assert len(styles) == 33
    assert MISSING.color not in {color for color, _ in styles}
    assert page.locator("#samples-legend button").count() == 33
    found.check()


def test_other_scripts_add_columns_and_points(run_dir, reader) -> None:
    found = reader(run_dir / "report.html")
    page = found.page
    page.evaluate(
        """async () => {
          const samples = await tybalt.ready;
          globalThis.heard = [];
          samples.on("select", (indices) => heard.push(indices));
          samples.addColumn("TP53", samples.names.map((_, i) => (i === 3 ? NaN : i)));
          samples.addPoints([{ name: "<i>new</i>", place: { latent_umap: [9, 9] } }]);
          samples.select([5, 2, 5]);
        }"""
    )
    assert page.evaluate("heard") == [[2, 5]]
    page.select_option("#color-by", label="TP53")
    assert drawn(page, "value")[:5] == ["TP53: 0", "TP53: 1", "TP53: 2", "TP53: –", "TP53: 4"]
    assert drawn(page, "color")[3] == MISSING.color
    assert "new samples (1)" in page.inner_text("#samples-legend")
    with pytest.raises(Exception, match="TP53: 2 values for 100 samples"):
        page.evaluate("tybalt.samples.addColumn('TP53', [1, 2])")
    found.check()


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_names_stay_text(tmp_path, reader, width) -> None:
    labels = ["$$x$$", "\u202eRTL", "long " * 60, "a\\(b\\)", HOSTILE] * 6 + ["001"] * 70
    folder = write_run(tmp_path / "hostile", labels=labels, anomalies=["$$x$$"])
    found = reader(report.build(folder), viewport={"width": width, "height": 800})
    page = found.page
    page.fill("#samples-search", HOSTILE)
    assert HOSTILE in names_in_table(page)
    page.select_option("#pair-across", "sample kind")
    assert (
        page.locator("#samples-table script, #samples-legend script, #samples-table img").count()
        == 0
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found.check()


def test_without_scripts_there_are_rows_and_figures(run_dir, opened) -> None:
    page = opened(run_dir / "report.html", java_script_enabled=False).page
    assert page.locator("#samples-table tbody tr").count() == 50
    assert page.locator("#figure-umap_by_label img").is_visible()
    assert not page.locator("#samples-search").is_visible()
    assert "need JavaScript" in page.inner_text("#samples")


def test_10_000_samples_open(tmp_path, reader) -> None:
    folder = write_large_run(tmp_path / "large", 10_000, latents=4, genes=3, labels=33, clinical=2)
    found = reader(report.build(folder))
    page = found.page
    assert page.inner_text("#samples-shown") == "10,000 of 10,000 in the table"
    assert page.locator(ROWS).count() < 60
    box = page.locator(".scroll", has=page.locator("#samples-table"))
    box.evaluate("(box) => (box.scrollTop = box.scrollHeight)")
    last = page.evaluate("tybalt.samples.names.at(-1)")
    page.wait_for_function(
        "(last) => document.querySelector('#samples-table tbody').innerText.includes(last)",
        arg=last,
    )
    assert page.locator(ROWS).last.get_attribute("aria-rowindex") == "10002"
    lasso(page)
    page.wait_for_function("tybalt.samples.selected.length > 1000")
    found.check()
