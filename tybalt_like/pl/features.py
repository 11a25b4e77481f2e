"""What latent features go with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tybalt_like.core.errors import DataError
from tybalt_like.evaluation.labels import UNKNOWN
from tybalt_like.pl.palette import DOWN, MISSING, styles
from tybalt_like.pl.theme import legible, theme

MOST_COLUMNS = 24
"""Sample columns of a grid; those that go best with some feature are shown."""
MOST_GROUPS = 12
"""Groups of a panel; the largest are shown."""


def strength(associations: pd.DataFrame) -> pd.Series:
    """Of associations of every kind, from 0 (nothing) to 1 (one says the other): 2 AUROC - 1, eta
    squared, or the size of Spearman's correlation."""
    value = associations["value"].abs()
    return value.where(associations["measure"] != "AUROC", 2 * value - 1).clip(0, 1)


@theme
def feature_columns(
    associations: pd.DataFrame,
    *,
    features: Sequence[str],
    names: Mapping[str, str] | None = None,
    fdr: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Which features go with which sample columns, the 24 strongest: a grid, darker where they say
    more of each other; a dot where the association is significant.

    Parameters
    ----------
    associations
        `Features.associations`.
    features
        The rows, from above.
    names
        What to write beside each feature.
    fdr
        q-value up to which there is a dot.

    Raises
    ------
    DataError
        If there is no association to draw.
    """
    rows = associations[associations["feature"].isin(features)]
    if rows.empty:
        raise DataError("no sample column could be compared with these features")
    rows = rows.assign(strength=strength(rows))
    grid = rows.pivot_table(index="feature", columns="column", values="strength", sort=False)
    order = grid.max().sort_values(ascending=False, kind="stable").index[:MOST_COLUMNS]
    grid = grid.reindex(index=list(features), columns=order)
    q = rows.pivot_table(index="feature", columns="column", values="q_value", sort=False)
    q = q.reindex(index=grid.index, columns=order)
    if ax is None:
        size = (5.6 + 0.42 * len(order), 1.9 + 0.26 * len(features))
        _, ax = plt.subplots(figsize=(min(size[0], 12), size[1]))
    image = ax.imshow(grid.to_numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.argwhere(q.to_numpy() <= fdr):
        dark = grid.iloc[row, column] > 0.6
        ax.plot(column, row, "o", ms=2.5, color="white" if dark else "black")
    written = names or {}
    ax.set_yticks(
        range(len(grid)), [legible(written.get(f, f), width=46, lines=1) for f in grid.index]
    )
    ax.set_xticks(
        range(len(order)), [legible(str(c), width=28) for c in order], rotation=40, ha="right"
    )
    ax.set_ylabel("latent feature")
    ax.grid(visible=False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02)
    bar.set_label("2 AUROC - 1, eta squared, |rho|")
    return ax


@theme
def feature_values(
    values: pd.DataFrame,
    labels: Mapping[str, pd.Series],
    *,
    titles: Mapping[str, str] | None = None,
    columns: int = 3,
) -> Figure:
    """Distribution of features, each by the groups, or against the numbers, that it goes with.

    Parameters
    ----------
    values
        Samples x features.
    labels
        For each feature that is drawn, a value of every sample; numbers are drawn as a scatter.
    titles
        Above each panel; the name of the feature if None.

    Raises
    ------
    DataError
        If no feature is to be drawn.
    """
    if not labels:
        raise DataError("there is no feature to draw")
    n_rows = -(-len(labels) // columns)
    heights = [0.0] * n_rows
    for i, label in enumerate(labels.values()):
        numbers = pd.api.types.is_numeric_dtype(label)
        groups = 6 if numbers else min(MOST_GROUPS, label.dropna().nunique())
        heights[i // columns] = max(heights[i // columns], 1.3 + 0.3 * groups)
    width = min(len(labels), columns)
    figure, axes = plt.subplots(
        n_rows,
        width,
        figsize=(3.7 * width, sum(heights)),
        height_ratios=heights,
        squeeze=False,
    )
    for ax, (feature, label) in zip(axes.flat, labels.items(), strict=False):
        _panel(ax, values[feature], label)
        ax.set_title(legible((titles or {}).get(feature, feature), width=34))
    for ax in axes.flat[len(labels) :]:
        ax.set_axis_off()
    return figure


def _panel(ax: Axes, value: pd.Series, label: pd.Series) -> None:
    unit = "value (SD)"
    if pd.api.types.is_numeric_dtype(label) and not pd.api.types.is_bool_dtype(label):
        ax.plot(label, value, "o", ms=2.5, alpha=0.5, color=DOWN, mec="none")
        ax.set(xlabel=legible(str(label.name)), ylabel=unit)
        return
    known = label.dropna().astype(str)
    known = known[~known.str.strip().str.lower().isin(UNKNOWN)]
    groups = list(known.value_counts().index[:MOST_GROUPS])
    middle = value[known.index].groupby(known).median()
    groups.sort(key=lambda group: middle[group])
    palette = styles(groups, first=sorted(groups))
    jitter = np.random.default_rng(0)
    for place, group in enumerate(groups):
        of_group = value[known.index][known == group]
        up = place + jitter.uniform(-0.3, 0.3, len(of_group))
        style = palette.get(group, MISSING)
        ax.plot(of_group, up, style.marker, ms=2.6, alpha=0.5, color=style.color, mec="none")
        ax.vlines(of_group.median(), place - 0.38, place + 0.38, color="#222222", lw=1.6)
    ax.set_yticks(range(len(groups)), [legible(group, width=20) for group in groups])
    ax.set(xlabel=unit, ylim=(-0.6, len(groups) - 0.4))
    ax.grid(axis="y", visible=False)
