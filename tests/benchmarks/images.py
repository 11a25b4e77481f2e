"""Detectors on images: one class is normal, or all but one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tybalt_like import pp
from tybalt_like.benchmark.anomaly import measures
from tybalt_like.benchmark.baselines import BASELINES
from tybalt_like.benchmark.detectors import DEFAULT, OURS, Detector, of_baseline, of_model, scored
from tybalt_like.benchmark.division import Divided
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError, RecipeError
from tybalt_like.io import datasets
from tybalt_like.models import Training
from tybalt_like.run.progress import Progress

if TYPE_CHECKING:
    from anndata import AnnData

ONE_CLASS, HELD_OUT = "one class is normal", "one class is held out"
RELATIVE = "relative"
"""The score of ours that stands beside the combined one: see the view of that name."""
GAN: dict[str, Any] = {
    "gan": "dcgan",
    "channels": 16,
    "training": Training(epochs=5, batch_size=64, learning_rate=5e-4, patience=None),
}
"""Of pipelines/mnist_anogan.toml's quick profile, with fewer passes over more images."""
DETECTORS = {
    DEFAULT: OURS[DEFAULT],
    "f-AnoGAN": of_model("f_anogan", published="f_anogan", **GAN),
    "AnoGAN": of_model("anogan", published="anogan", start="encoder", search_steps=20, **GAN),
}
"""Rows of ours. AnoGAN searches from the encoder's code: 500 steps for 17,000 images would take a
day."""
SIMPLE = (
    "norm of the standardised row",
    "PCA-20 reconstruction",
    "kNN, 5 neighbours",
    "isolation forest",
)
"""Baselines that bear 50,000 training images."""
MAX_TRAIN = 12_000
"""Of more training images, so many are drawn: the time of all detectors by distance grows with
them, and each class is measured on its own."""
KEY = ("protocol", "label", "seed")


def images(
    dataset: str = "mnist",
    *,
    detectors: Sequence[str] = (DEFAULT,),
    seeds: int = 1,
    file: Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every detector on every class of a set of labelled images, in both protocols.

    One class is normal: its official training images train (9 in 10) and calibrate, all official
    test images are tested, the other classes are the anomalies. One class is held out: of the
    images of all other classes 72 % train, 8 % calibrate and 20 % are tested beside all images of
    the class. At most `MAX_TRAIN` images train, drawn at random. Pixels are taken as they are; no
    choice is made on test images.

    Parameters
    ----------
    dataset
        Name in the registry.
    detectors
        Some of `DETECTORS`.
    file
        Table that the rows are written to class by class; what it holds already is not
        measured again.

    Returns
    -------
    pandas.DataFrame
        As `benchmark.detect`, with the columns ``protocol``, ``label`` (the class) and ``seed``.

    Raises
    ------
    DataError
        If the set is not on this machine, or has no labels.
    """
    progress = progress or Progress(quiet=True)
    if unknown := set(detectors) - set(DETECTORS):
        raise RecipeError(f"unknown detector {min(unknown)!r}; known: {', '.join(DETECTORS)}")
    simple = {name: of_baseline(BASELINES[name]) for name in SIMPLE}
    chosen = {name: DETECTORS[name] for name in detectors} | simple
    adata = datasets.load(dataset)
    if keys.LABEL not in adata.obs:
        raise DataError(f"{dataset} has no labels")
    kept = Kept(file, KEY)
    for seed in range(seeds):
        for label in sorted(adata.obs[keys.LABEL].unique()):
            for protocol, divided in _divisions(adata, label, seed):
                if kept.has(protocol, label, seed):
                    continue
                with progress.stage(f"{dataset}, {protocol}: {label}, seed {seed}"):
                    table = _measure(Divided(divided, seed=seed, as_is=True), chosen)
                kept.add(table.assign(protocol=protocol, label=label))
    return kept.rows()


def _divisions(adata: AnnData, label: str, seed: int) -> Iterator[tuple[str, AnnData]]:
    """The protocols, with the samples divided."""
    is_label_n = (adata.obs[keys.LABEL] == label).to_numpy()
    others = sorted(set(adata.obs[keys.LABEL]) - {label})
    common: dict[str, Any] = {"label": keys.LABEL, "validation": 0.0, "seed": seed}
    how = dict(common)
    if keys.PART in adata.obs:
        part = adata[is_label_n | (adata.obs[keys.PART] == "test").to_numpy()].copy()
        if (part.obs[keys.PART] == "train").any():
            how |= {"by": keys.PART, "train": 0.9, "calibration": 0.1}
        pp.split(part, normal=[label], **how)
        yield ONE_CLASS, part
    part = adata.copy()
    how = common | {"train": 0.72, "calibration": 0.08}
    pp.split(part, normal=others, **how)
    train = np.flatnonzero(part.obs[keys.SPLIT] == keys.TRAIN)
    kept_n = np.ones(part.n_obs, dtype=bool)
    kept_n[np.random.default_rng(seed).permutation(train)[MAX_TRAIN:]] = False
    yield HELD_OUT, part[kept_n].copy()


def _measure(part: Divided, detectors: Mapping[str, Detector]) -> pd.DataFrame:
    label_n = np.where(part.in_split(keys.QUERY), "anomalous", "").tolist()
    return measures(part, scored(part, detectors), label_n=label_n, anomalies=["anomalous"])


def print_images(rows: pd.DataFrame) -> None:
    """Two tables per protocol: means over classes, and the AUROC of each class.

    A detector that was measured on some classes only has no mean.
    """
    ours = [f"{name}: {RELATIVE}" for name in DETECTORS]
    shown = rows[~rows["part"] | rows["detector"].isin(ours)]
    labels = sorted(rows["label"].unique())
    for protocol, part in shown.groupby("protocol", sort=False):
        means, by_class = {}, {}
        for detector, of in part.groupby("detector", sort=False):
            if of["label"].nunique() == len(labels):
                by_seed = of.groupby("seed")[["auroc", "auprc", "p_10"]].mean()
                means[str(detector)] = [
                    mean_sd(by_seed["auroc"]),
                    mean_sd(by_seed["auprc"]),
                    f"{by_seed['p_10'].mean():.1%}",
                    f"{of['seconds'].mean():.0f}",
                ]
            auroc = of.groupby("label")["auroc"].mean()
            by_class[str(detector)] = [
                f"{auroc[label]:.2f}" if label in auroc else "" for label in labels
            ]
        title = (
            f"{protocol}: means over {len(labels)} classes, {part['seed'].nunique()} seed(s); "
            f"prevalence {part['prevalence'].mean():.2f}"
        )
        columns = ["AUROC", "AUPRC", "normals with p <= 0.1", "seconds"]
        print_table(title, means, columns)
        print_table(f"{protocol}: AUROC by class", by_class, labels)
