"""Figures of sweeps and of latent spaces hold every trial and measurement."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tybalt_like.core.errors import DataError
from tybalt_like.pl.compression import compression_curves
from tybalt_like.pl.sweep import marginals, parallel_coordinates, sweep_panels

SETTINGS = ["training.learning_rate", "training.batch_size", "model.kappa"]


@pytest.fixture
def trials() -> pd.DataFrame:
    table = pd.DataFrame(list(product([1e-3, 2e-3, 4e-3], [50, 100], [0.1, 1.0])), columns=SETTINGS)
    return table.assign(val_loss=[5.0, 4, 3, 2, 1, 6, 7, 8, 9, 10, 1e9, np.nan])


def test_parallel_coordinates_lead_each_trial_to_its_objective(trials) -> None:
    ax = parallel_coordinates(trials, SETTINGS, objective="val_loss").axes[0]
    paths = [path.vertices for path in ax.collections[0].get_paths()]
    assert len(paths) == 11
    best = next(line for line in ax.lines if line.get_label() == "best trial")
    rate, batch, kappa, loss = best.get_ydata()
    assert (rate, batch, kappa, loss) == pytest.approx((0.5, 0, 0, 0), abs=0.03)
    ends = sorted(path[-1, 1] for path in paths)
    assert ends[-1] == 1
    assert np.diff(ends[:10]) == pytest.approx(ends[1], rel=1e-6), "one far trial flattens others"
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    assert names[:3] == ["learning rate", "batch size", "kappa"]
    assert names[3].startswith("validation loss\n(1 above")


def test_marginals_show_medians_of_every_value(trials) -> None:
    figure = marginals(trials, SETTINGS, objective="val_loss")
    first = figure.axes[0]
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["0.001", "0.002", "0.004"]
    medians = next(line for line in first.lines if len(line.get_xdata()) == 3)
    assert medians.get_ydata()[:2] == pytest.approx([3.5, 6.5])
    assert len(figure.axes[2].collections[0].get_offsets()) == 11


def test_panels_hold_a_curve_per_colour(trials) -> None:
    figure = sweep_panels(trials, SETTINGS, objective="val_loss")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["kappa 0.1", "kappa 1"]
    small_batches = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(small_batches, [5, 1, 9])


@pytest.mark.parametrize("draw", [parallel_coordinates, marginals, sweep_panels])
def test_a_sweep_without_results_cannot_be_drawn(trials, draw) -> None:
    with pytest.raises(DataError, match="no trial has a value of 'val_loss'"):
        draw(trials.assign(val_loss=np.nan), SETTINGS, objective="val_loss")


def test_compression_draws_means_over_seeds_against_k() -> None:
    rows = [
        (model, k, seed, metric, k + seed)
        for model in ("pca", "tybalt")
        for k in (2, 20)
        for seed in (0, 1)
        for metric in ("r2", "probe sex", "coverage", "seconds")
    ]
    metrics = pd.DataFrame(rows, columns=["model", "k", "seed", "metric", "value"])
    stability = pd.DataFrame({"model": "tybalt", "k": [2, 20], "cka": [0.4, 0.6], "svcca": np.nan})
    union = pd.DataFrame({"model": "pca", "k": [2, 20], "up_to_k": [0.1, 0.3]})
    figure = compression_curves(metrics, stability, union)
    drawn = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in drawn] == [
        *("Reconstruction", "Probe: sex", "Stability: CKA", "Gene sets", "Gene sets of ensembles")
    ]
    of_tybalt = drawn[0].lines[1]
    assert (list(of_tybalt.get_xdata()), list(of_tybalt.get_ydata())) == ([2, 20], [2.5, 20.5])
    with pytest.raises(DataError, match="nothing to draw"):
        compression_curves(metrics.head(0), stability.head(0), union.head(0))
