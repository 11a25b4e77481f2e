"""Figures of latent arithmetic and synthetic cohorts: what they show, and labelled axes."""

import numpy as np
import pandas as pd
import pytest

from tybalt_like import pl
from tybalt_like.core.errors import DataError


def labelled(figure) -> bool:
    return all(ax.get_xlabel() for ax in figure.axes)


def test_genes_that_differ_are_drawn_apart_and_the_largest_are_named() -> None:
    change_g = np.linspace(3, -3, 30)
    genes = pd.DataFrame({"gene": [f"g{i}" for i in range(30)], "model_change": change_g})
    genes["mean_change"] = genes["measured_change"] = change_g / 2
    genes["measured_low"], genes["measured_high"] = change_g / 2 - 0.1, change_g / 2 + 0.1
    genes["model_verdict"] = np.where(np.arange(30) < 4, "invented", "agrees")
    figure = pl.contrast_genes(genes, unit="log2")
    assert labelled(figure)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["equal", "agrees (26)", "differs (4)"]
    named = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert named == [f"g{i}" for i in range(19, -1, -1)]


def test_every_rule_has_a_point_at_the_levels_where_it_was_judged() -> None:
    rows = [("all", "m"), ("all", "mean difference"), ("B", "m"), ("B", "mean difference")]
    rows += [("B", "mean difference of the level")]
    table = pd.DataFrame(rows, columns=["level", "rule"])
    table["correlation"], table["correlation_se"] = [0.9, 0.8, 0.7, 0.6, 0.5], 0.02
    table["ceiling"] = 0.95
    ax = pl.contrast_agreement(table)
    assert labelled(ax.figure)
    points = [line for line in ax.lines if line.get_marker() in "osD^v"]
    assert sorted(x for line in points for x in line.get_xdata()) == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["all", "B"]


def test_steps_outside_the_data_are_marked() -> None:
    share = np.linspace(0, 1, 5)
    steps = pd.DataFrame({"share": share, "distance": [1, 2, 4, 2, 1.0], "usual": 3.0})
    steps["beyond"] = steps["distance"] > 3
    profile = pd.DataFrame({"a": share, "b": -3 * share}, index=pd.Index(share, name="share"))
    genes = pd.DataFrame({"gene": ["b", "a"], "change": [-3.0, 1.0]})
    figure = pl.interpolation(steps, genes, profile)
    assert labelled(figure)
    outside = next(c for c in figure.axes[0].collections if c.get_label() == "outside the data")
    assert outside.get_offsets().tolist() == [[0.5, 4.0]]
    assert [line.get_label() for line in figure.axes[1].lines] == ["b", "a"]
    with pytest.raises(DataError, match="nothing changes"):
        pl.interpolation(steps, genes.assign(change=0.0), profile)


def test_every_measure_has_its_panel_and_its_ideal() -> None:
    table = pd.DataFrame(
        [
            ["m", "auroc trees", 0.8, 0.7, 0.9, 0.5],
            ["rival", "auroc trees", 0.9, 0.8, 0.95, 0.5],
            ["m", "sd ratio", 0.7, np.nan, np.nan, 1.0],
        ],
        columns=["source", "measure", "value", "low", "high", "ideal"],
    )
    figure = pl.synthetic_measures(table)
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "auroc trees (dotted: ideal, 0.5)",
        "sd ratio (dotted: ideal, 1)",
    ]
    with pytest.raises(DataError, match="no measure"):
        pl.synthetic_measures(table[:0])
