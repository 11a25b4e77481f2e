"""Figures of treated samples: what they show, and that every axis says what it is."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid

from tybalt_like.core.errors import DataError
from tybalt_like.pl.perturbation import (
    change_scores,
    gene_changes,
    intervals,
    response_curves,
    shifts,
    uncertain_responses,
)


def predictions(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = np.tile([0.0, 1.0], n // 2)
    table = pd.DataFrame({"fold": np.repeat([0, 1], n // 2), "seed": 0, "y": y})
    table["sample"] = [f"s{i}" for i in range(n)]
    table["ours"] = y + 0.1 * rng.normal(size=n)
    return table.assign(theirs=rng.normal(size=n), low=0.2, high=0.8)


def labelled(figure) -> bool:
    return all(ax.get_xlabel() for ax in figure.axes)


def test_curves_name_their_areas() -> None:
    areas = {"ours": {"auroc": 1.0, "auprc": 1.0}, "theirs": {"auroc": 0.5, "auprc": 0.4}}
    figure = response_curves(predictions(), areas)
    assert labelled(figure)
    x, y = figure.axes[0].lines[0].get_data()
    assert trapezoid(y, x) == pytest.approx(1)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts[:2] == ["ours: 1.000", "theirs: 0.500"]
    with pytest.raises(DataError, match="both classes"):
        response_curves(predictions().assign(y=1.0), areas)


def test_arrows_go_from_before_to_after() -> None:
    states = {"before": 0.0, "predicted": 1.0, "after": 2.0}
    latent = pd.DataFrame(
        [
            {"sample": name, "state": state, "pc1": place, "pc2": -place}
            for state, place in states.items()
            for name in "abc"
        ]
    )
    figure = shifts(latent)
    assert labelled(figure)
    for ax, state in zip(figure.axes, ("after", "predicted"), strict=True):
        arrow = ax.texts[0]
        np.testing.assert_allclose(arrow.xy, [states[state], -states[state]])
        assert len(ax.texts) == 3


def test_the_largest_predicted_changes_are_named() -> None:
    rng = np.random.default_rng(0)
    genes = pd.DataFrame({"gene": [f"g{i}" for i in range(50)], "measured": rng.normal(size=50)})
    genes["predicted"] = np.arange(50) - 10.0
    figure = gene_changes(genes)
    assert labelled(figure)
    names = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert len(names) == 20
    assert names[-1] == "g49"


def test_scores_and_intervals_have_a_row_per_method() -> None:
    rows = [
        {"method": method, "measure": measure, "value": 0.5, "low": 0.4, "high": 0.6}
        for method in ("ours", "theirs")
        for measure in ("auroc", "explained")
    ]
    table = pd.DataFrame(rows)
    for figure in (
        intervals(table, measure="auroc", label="AUROC", first=["ours"]),
        change_scores(table, labels={"explained": "explained"}, first="ours"),
    ):
        assert labelled(figure)
        names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert sorted(names) == ["ours", "theirs"]


def test_unknown_responses_are_drawn_with_their_interval() -> None:
    ax = uncertain_responses(predictions(), "ours", is_binary=True)
    assert ax.get_ylabel() == "predicted probability of class 1"
    assert len(ax.collections[0].get_segments()) == 40
    with pytest.raises(DataError, match="is known"):
        uncertain_responses(predictions().iloc[:0], "ours", is_binary=True)
