"""Figures hold the data, colours and words they promise."""

import os
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.colors import to_hex
from sklearn.metrics import average_precision_score, roc_auc_score

from tybalt_like import pl
from tybalt_like.core.errors import DataError
from tybalt_like.pl.aberrant import expected_observed
from tybalt_like.pl.palette import styles
from tybalt_like.pl.scores import metric_dots


@pytest.fixture(autouse=True)
def settings():
    plt.figure()  # chooses the backend, which is the only setting that may change
    before = mpl.rcParams.copy()
    yield
    assert mpl.rcParams == before, "a figure changed the user's settings"


def legend_texts(ax) -> list[str]:
    return [text.get_text().strip() for text in ax.get_legend().get_texts()]


def cohort(labels: list[str | None]) -> AnnData:
    rng = np.random.default_rng(0)
    n = len(labels)
    obs = pd.DataFrame({"kind": labels, "score": np.arange(float(n))}).set_index(
        pd.Index([f"s{i}" for i in range(n)])
    )
    return AnnData(obs=obs, obsm={"X_umap": rng.normal(size=(n, 2))})


def test_labels_keep_their_style_whatever_else_occurs() -> None:
    few = styles(["b", None, ""], first=["b", "z"])
    many = styles([f"kind {i}" for i in range(20)], first=["b", "z"])
    assert (few["b"], few["z"]) == (many["b"], many["z"])
    assert len(set(many.values())) == 22
    assert set(few) == {"b", "z"}


def test_embedding_draws_each_label_in_its_colour_and_counts_it() -> None:
    labels = ["a", "$b$", None, "_c", "a"]
    adata = cohort(labels)
    palette = styles(labels)
    ax = pl.umap(adata, color="kind", palette=palette)
    assert legend_texts(ax) == ["$b$ (1)", "_c (1)", "a (2)", "no label (1)"]
    drawn = {}
    for points in ax.collections:
        colors = points.get_facecolors()
        for i, xy in enumerate(points.get_offsets()):
            drawn[tuple(np.round(xy, 6))] = to_hex(colors[i % len(colors)]).upper()
    expected = [palette[label].color if label else "#C4C4C4" for label in labels]
    at = [tuple(np.round(xy, 6)) for xy in adata.obsm["X_umap"]]
    assert [drawn[xy] for xy in at] == expected


def test_embedding_of_numbers_has_a_scale() -> None:
    ax = pl.umap(cohort(["a"] * 200), color="score")
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "score"
    assert ax.collections[-1].get_clim() == pytest.approx((1.99, 197.01))


def test_embedding_says_what_is_missing() -> None:
    with pytest.raises(DataError, match="'age'; it has kind, score"):
        pl.umap(cohort(["a"]), color="age")
    with pytest.raises(DataError, match="X_tsne"):
        pl.tsne(cohort(["a"]), color="kind")


def test_training_marks_the_floor_and_the_epoch_kept() -> None:
    epochs = np.arange(5.0)
    history = pd.DataFrame(
        {"epoch": epochs, "train_loss": 9 - epochs, "val_loss": 10 - epochs}
        | {"train_beta": epochs / 4, "val_beta": 1.0}
    )
    figure = pl.training(history, entropy_floor=2.5, best_epoch=3)
    loss, beta = figure.axes
    lines = {line.get_label(): line for line in loss.lines}
    assert list(lines["validation samples"].get_ydata()) == [10, 9, 8, 7, 6]
    assert lines["weights kept: epoch 3"].get_xdata()[0] == 3
    assert lines["lowest loss possible:\nentropy of the targets"].get_ydata()[0] == 2.5
    assert list(beta.lines[0].get_ydata()) == list(epochs / 4)
    with pytest.raises(DataError, match="not trained in epochs"):
        pl.training(pd.DataFrame())


@pytest.mark.parametrize("n_samples", [90, 2400])
def test_heatmap_brings_similar_samples_together(n_samples: int) -> None:
    rng = np.random.default_rng(1)
    group_n = rng.integers(0, 3, n_samples)
    z_nk = rng.normal(size=(n_samples, 12)) * 0.1
    z_nk[:, :6] += group_n[:, None]
    z_nk[:, 6:11] -= (group_n == 1)[:, None]
    z_nk[:, 11] = 4.0
    obs = pd.DataFrame(
        {"group": [f"g{i}" for i in group_n]}, index=[str(i) for i in range(n_samples)]
    )
    figure = pl.latent_heatmap(
        AnnData(obs=obs, obsm={"X_tybalt": z_nk}), model="tybalt", labels=["group"]
    )
    axes = {ax.get_label(): ax for ax in figure.axes}
    colors_n = np.array([to_hex(c) for c in axes["bar group"].images[0].get_array()[0]])
    assert (colors_n[1:] != colors_n[:-1]).sum() == 2
    assert pd.Series(colors_n).value_counts().tolist() == sorted(np.bincount(group_n))[::-1]
    z_kn = np.asarray(axes["map"].images[0].get_array())
    assert z_kn.shape == (11, min(n_samples, 2000))
    assert z_kn.std(1) == pytest.approx(np.ones(11), abs=0.02)
    assert np.abs(z_kn.mean(1)).max() < 0.02
    assert axes["features"].get_ylabel() == "11 latent features (1 more do not vary)"
    assert figure.legends[0].get_texts()[0].get_text() == "group"


def test_heatmap_refuses_features_that_never_vary() -> None:
    adata = cohort(["a"] * 5)
    adata.obsm["X_tybalt"] = np.ones((5, 3))
    with pytest.raises(DataError, match="varies"):
        pl.latent_heatmap(adata, model="tybalt")


def test_score_distribution_has_a_row_per_label() -> None:
    scores = pd.DataFrame({"s": [1.0, 2, 3, 9, np.nan], "kind": ["a", "a", "", "b", "b"]})
    palette = styles(scores["kind"], first=["b"])
    ax = pl.score_distribution(scores, "s", label="kind", threshold=5, palette=palette)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b (1)", "a (2)", "no label (1)"]
    assert sorted(ax.collections[1].get_offsets()[:, 0]) == [1, 2]
    assert legend_texts(ax) == ["flagged from here on"]
    assert len(pl.score_distribution(scores, "s").get_yticks()) == 1


def test_curves_name_the_areas_and_thicken_the_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.3
    scores = pd.DataFrame({"ours": truth + rng.normal(size=60), "other": rng.normal(size=60)})
    roc, pr = pl.roc(scores, truth), pl.precision_recall(scores, truth)
    for ax, measure, area in (
        (roc, "AUROC", roc_auc_score),
        (pr, "AUPRC", average_precision_score),
    ):
        expected = [f"{name}: {measure} {area(truth, scores[name]):.3f}" for name in scores]
        assert legend_texts(ax)[:2] == expected
        assert ax.lines[0].get_linewidth() > 2 * ax.lines[1].get_linewidth()
    assert legend_texts(pr)[2] == f"chance: prevalence {truth.mean():.2f}"
    with pytest.raises(DataError, match="one kind"):
        pl.roc(scores, np.zeros(60))


def test_gene_residuals_show_size_and_direction() -> None:
    table = pd.DataFrame(
        {"sample": ["x", "x", "y"], "rank": [2, 1, 1], "gene": ["A", "B", "C"], "z": [3, -4, 9]}
    )
    ax = pl.gene_residuals(table, "x")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["B", "A"]
    assert [bar.get_width() for bar in ax.patches] == [-4, 3]
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()
    assert legend_texts(ax) == ["higher than expected", "lower than expected"]
    with pytest.raises(DataError, match="only flagged"):
        pl.gene_residuals(table, "z")


def test_metrics_put_the_best_detector_on_top() -> None:
    table = pd.DataFrame(
        {
            "detector": ["m knn", "m knn", "norm", "norm"],
            "anomaly": ["a", "b", "a", "b"],
            "auroc": [0.6, 0.7, 0.9, 0.8],
        }
    )
    ax = metric_dots(table, bold=["m knn"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["norm", "m knn"]
    assert [t.get_fontweight() for t in ax.get_yticklabels()] == ["normal", "bold"]
    assert list(ax.lines[0].get_xdata()) == [0.9, 0.6]
    assert legend_texts(ax) == ["a", "b"]


def test_saved_figures_keep_text_and_rasterise_points(tmp_path) -> None:
    ax = pl.umap(cohort(["rare <kind>"] * 50), color="kind")
    pl.save(ax.figure, tmp_path / "figures", "map")
    svg = (tmp_path / "figures" / "map.svg").read_text()
    assert "rare &lt;kind&gt; (50)" in svg
    assert svg.count("<image") == 1
    assert (tmp_path / "figures" / "map.png").stat().st_size > 1000


def test_what_the_backend_sets_when_it_is_loaded_stays(tmp_path) -> None:
    """Notebooks' backend asks to be shown after each cell; the first figure loads it."""
    (tmp_path / "a_backend.py").write_text(
        "import matplotlib\n"
        "from matplotlib.backends.backend_agg import *\n"
        "matplotlib.interactive(True)\n"
    )
    code = (
        "import matplotlib, pandas as pd; from tybalt_like import pl\n"
        "pl.score_distribution(pd.DataFrame({'score': [1.0, 2.0]}), 'score')\n"
        "assert matplotlib.is_interactive()\n"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    env = os.environ | {"MPLBACKEND": "module://a_backend", "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_names_of_points_do_not_touch() -> None:
    called = 6
    pairs = pd.DataFrame({"gene": [f"ENSG{i:09d}" for i in range(40)], "sample": "S"})
    pairs["pvalue"] = np.r_[np.geomspace(1e-9, 2e-9, called), np.linspace(0.1, 1, 40 - called)]
    pairs["padjust"] = np.r_[np.full(called, 0.01), np.ones(40 - called)]
    pairs["l2fc"] = np.r_[-2, 2, -2.1, 2.1, 2.2, -1.9, np.linspace(-1, 1, 40 - called)]
    ax = pl.volcano(pairs, "S")
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert {text.get_text() for text in ax.texts} == set(pairs["gene"][:called])
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 for box in boxes)


def test_names_at_the_end_of_the_axes_stay_within_them() -> None:
    pairs = pd.DataFrame({"gene": "g", "sample": [f"patient {i}" for i in range(30)]})
    pairs["expected"], pairs["padjust"], pairs["l2fc"] = np.geomspace(50, 900, 30), 1.0, 0.1
    pairs["observed"] = pairs["expected"].round()
    pairs.loc[10:12, ["observed", "padjust", "l2fc"]] = [3.0, 0.01, -5.0]
    ax = expected_observed(pairs, "g")
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(ax.bbox.y0 <= box.y0 and box.y1 <= ax.bbox.y1 for box in boxes)
