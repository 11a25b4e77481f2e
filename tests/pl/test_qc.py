"""The page about a normalisation shows what it says."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tybalt_like import pl, pp


def cohort() -> AnnData:
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(2, 50, 80) * rng.gamma(9, 1 / 9, (30, 1))).astype(np.float32)
    obs = pd.DataFrame({"batch": ["a", "b", "c"] * 10}, index=[f"S{i}" for i in range(30)])
    return AnnData(x, obs=obs)


def titles(figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


def test_counts_show_library_sizes_and_batches_their_purity():
    before = cohort()
    after = pp.Normaliser.fit(before, train=np.arange(30)).transform(before)
    figure = pl.qc(before, after, batch="batch")
    assert {"Library sizes", "Detected genes", "Missing values", "Samples after"} <= set(
        titles(figure)
    )
    shown = figure.axes[titles(figure).index("Library sizes")]
    assert sum(bar.get_height() for bar in shown.patches) == 30
    bars = figure.axes[-1].patches
    expected = pp.batch_purity(after, batch="batch").observed
    assert bars[1].get_height() == pytest.approx(expected)
    assert "30 samples, 80 genes read (counts), 80 kept" in figure.get_suptitle()


def test_logged_values_with_gaps_show_medians_and_missing_shares():
    before = cohort()
    before.X = np.log2(before.X + 1)
    before.X[3, :40] = np.nan
    settings = pp.Normalisation(missing="median")
    after = pp.Normaliser.fit(before, settings, train=np.arange(30)).transform(before)
    figure = pl.qc(before, after)
    assert "Sample medians" in titles(figure)
    missing = figure.axes[titles(figure).index("Missing values")]
    assert missing.patches[-1].get_x() + missing.patches[-1].get_width() == pytest.approx(0.5)


def test_numbers_about_samples():
    adata = AnnData(np.array([[0, 2, 4, np.nan], [1, 1, 1, 7]], np.float32))
    table = pp.quality(adata)
    assert table["total"].tolist() == [6, 10]
    assert table["median"].tolist() == [2, 1]
    assert table["detected"].tolist() == [2, 4]
    assert table["missing"].tolist() == [0.25, 0]
