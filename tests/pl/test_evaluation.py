"""Figures of the report card show what it says."""

import numpy as np
import pandas as pd
import pytest

from tybalt_like.core.errors import DataError
from tybalt_like.pl.evaluation import encoder_styles, gene_agreement, latent_kl, probe_scores

COLUMNS = ["encoder", "metric", "column", "value", "standard_error"]


def card() -> pd.DataFrame:
    accuracy = {"type": {"mine": 0.9, "pca": 0.7, "chance": 0.2}}
    accuracy["side"] = {"mine": 0.5, "pca": 0.55, "chance": 0.5}
    rows = [
        (encoder, f"{probe}_balanced_accuracy", column, value, 0.03)
        for column, values in accuracy.items()
        for encoder, value in values.items()
        for probe in ("linear", "knn")
    ]
    return pd.DataFrame([("mine", "r2", "", 0.4, 0.01), *rows], columns=COLUMNS)


def test_probes_have_a_row_per_column_and_a_bar_per_encoder() -> None:
    figure = probe_scores(card(), model="pca")
    linear, knn = figure.axes
    assert [tick.get_text() for tick in linear.get_yticklabels()] == ["type", "side"]
    for ax in (linear, knn):
        drawn = {bars.get_label(): bars.lines[0] for bars in ax.containers}
        assert list(drawn) == ["pca", "mine"]  # the model first
        assert list(drawn["mine"].get_xdata()) == [0.9, 0.5]
        assert drawn["pca"].get_markersize() > drawn["mine"].get_markersize()
        (bars,) = [c for c in ax.containers if c.get_label() == "mine"]
        segments = bars.lines[2][0].get_segments()
        np.testing.assert_allclose(segments[0][:, 0], [0.87, 0.93])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["pca", "mine", "guessing"]
    with pytest.raises(DataError, match="macro_f1"):
        probe_scores(card(), model="pca", measure="macro_f1")


def test_gene_curve_falls_from_all_genes_to_none() -> None:
    genes = pd.DataFrame(
        {"encoder": ["mine"] * 4 + ["pca"] * 4, "r2": [0.1, 0.4, 0.2, 0.3, 0.9, 0.8, np.nan, 0.7]}
    )
    ax = gene_agreement(genes, model="mine")
    lines = {line.get_label(): line for line in ax.lines}
    mine = lines["mine: median 0.25"]
    assert list(mine.get_xdata()) == [0.1, 0.2, 0.3, 0.4]
    assert list(mine.get_ydata()) == [1, 0.75, 0.5, 0.25]
    assert list(lines["pca: median 0.80"].get_xdata()) == [0.7, 0.8, 0.9]
    assert mine.get_linewidth() > lines["pca: median 0.80"].get_linewidth()
    with pytest.raises(DataError, match="no genes"):
        gene_agreement(pd.DataFrame(), model="mine")


def test_kl_bars_are_ordered_and_inactive_ones_are_apart() -> None:
    features = pd.DataFrame({"kl": [0.1, 2.0, 0.0], "active": [True, True, False]})
    ax = latent_kl(features)
    assert [bar.get_height() for bar in ax.patches] == [2.0, 0.1, 0.0]
    assert ax.patches[0].get_facecolor() != ax.patches[2].get_facecolor()
    with pytest.raises(DataError, match="no posterior"):
        latent_kl(features[["active"]])


def test_encoders_keep_their_style_in_every_figure() -> None:
    few = encoder_styles(["pca", "mine", "chance"], model="mine")
    assert list(few) == ["mine", "pca"]
    assert len({style.marker for style in few.values()}) == 2
    many = encoder_styles(["mine", "pca", "ica", "mean profile"], model="mine")
    assert {name: many[name] for name in few} == few
