"""Images that a model finds strange, and where in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.core.provenance import image_shape
from tybalt_like.images.figure_data import FigureData
from tybalt_like.tl.fit import in_split

if TYPE_CHECKING:
    from anndata import AnnData

SHOWN = 12
"""Images in a row."""


def strange_images(
    adata: AnnData, score: pd.Series, *, model: str, label: str | None = None
) -> FigureData:
    """Images beside what the model makes of them, and maps of the difference.

    Two rows of images: ``strange``, the typical image (median score) of each label outside the
    reference, or, where there is none, the strangest of the test split; and ``usual``, test images
    at even steps of their scores, from the least strange to the strangest.

    Parameters
    ----------
    adata
        Images with the reconstructions of `model`.
    score
        Combined scores by sample; missing where there is none.
    label
        obs column that names the groups.

    Raises
    ------
    DataError
        If the samples are no whole images.
    """
    shape = image_shape(adata)
    score_n = score.reindex(adata.obs_names).to_numpy(np.float64)
    test = np.flatnonzero(in_split(adata, keys.TEST) & np.isfinite(score_n))
    query = np.flatnonzero(in_split(adata, keys.QUERY) & np.isfinite(score_n))
    label_n = np.full(adata.n_obs, "") if label is None else adata.obs[label].astype(str).to_numpy()
    test = test[np.argsort(score_n[test])]
    rows = {"usual": test[np.linspace(0, len(test) - 1, min(SHOWN, len(test))).astype(int)]}
    rows["strange"] = test[::-1][:SHOWN] if not len(query) else _typical(query, score_n, label_n)
    figures = FigureData()
    for name, shown in rows.items():
        _show(figures, adata, shown, name=name, model=model, shape=shape)
        figures.arrays[f"labels/{name}"] = label_n[shown].astype(str)
        figures.measured("score of images", score_n[shown], item=name, x=np.arange(len(shown)))
    return figures


def _typical(
    query: NDArray[np.intp], score_n: NDArray[np.float64], label_n: NDArray[np.str_]
) -> NDArray[np.intp]:
    """The image of median score of each label; of few labels, several about the median."""
    labels = np.unique(label_n[query])[:SHOWN]
    each = SHOWN // len(labels)
    chosen = []
    for label in labels:
        of_label = query[label_n[query] == label]
        ordered = of_label[np.argsort(score_n[of_label])]
        start = max(0, len(ordered) // 2 - each // 2)
        chosen.append(ordered[start : start + each])
    return np.concatenate(chosen)


def _show(
    figures: FigureData,
    adata: AnnData,
    shown: NDArray[np.intp],
    *,
    name: str,
    model: str,
    shape: tuple[int, int, int],
) -> None:
    x_ng = np.asarray(adata.X)[shown]
    made_ng = np.asarray(adata.layers[keys.reconstruction(model)])[shown]
    n, (channels, height, width) = len(shown), shape
    apart_nhw = np.abs(x_ng - made_ng).reshape(n, channels, -1).mean(1)
    figures.keep(f"{name}/image", x_ng, shape=(n, *shape))
    figures.keep(f"{name}/expected", made_ng, shape=(n, *shape))
    figures.keep(f"{name}/difference", apart_nhw, shape=(n, 1, height, width))
