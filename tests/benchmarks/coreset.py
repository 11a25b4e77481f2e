"""What is lost where views know but some of the training profiles, and which ones are best kept.

Views are learned from all training samples of a task; those that compare profiles (``nearest``,
``whitened``, ``relative``) then keep some of them, chosen by one of `KINDS`. With ``everything``
all views are learned from random ones alone, as from a matrix on disk that is too large.

A kind is chosen on the half ``select`` of the suite; ``test`` says what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from unittest import mock

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from suite import of_suite

from tybalt_like import pp, tl
from tybalt_like.anomaly import FittedViews, ModelOutputs
from tybalt_like.anomaly.calibration import Calibration
from tybalt_like.anomaly.combination import VIEWS, Combination
from tybalt_like.anomaly.parts import profiles
from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.benchmark.cases import Case
from tybalt_like.core import keys
from tybalt_like.run.progress import Progress

Array = NDArray[np.float64]
Row = dict[str, object]
SIZES, LARGE = (50, 100, 200), 100
"""Training samples that are kept, and those that a task needs."""
GENES, COMPONENTS, AXES = 2000, 20, 50
"""Axes are those of the space that profiles are chosen in."""
CROSS_FITTED, FOLDS = 100, 5
LEVELS = {"p_05": 0.05, "p_01": 0.01}
EVERYTHING = "everything"


def _random(y_ma: Array, size: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).permutation(len(y_ma))[:size]


def _spread(y_ma: Array, size: int, seed: int) -> NDArray[np.intp]:
    """Each drawn in proportion to its squared distance to the nearest that was drawn (Arthur &
    Vassilvitskii, SODA 2007)."""
    return kmeans_plusplus(y_ma, size, random_state=seed)[1]


def _furthest(y_ma: Array, size: int, seed: int) -> NDArray[np.intp]:
    """Each the furthest from all that were taken, as in PatchCore (Roth et al., CVPR 2022)."""
    rows, apart_m = [int(np.random.default_rng(seed).integers(len(y_ma)))], np.inf
    while len(rows) < size:
        apart_m = np.minimum(apart_m, np.square(y_ma - y_ma[rows[-1]]).sum(1))
        rows.append(int(apart_m.argmax()))
    return np.array(rows)


KINDS: dict[str, Callable[[Array, int, int], NDArray[np.intp]]] = {
    "random": _random,
    "k-means++": _spread,
    "k-center": _furthest,
}


def coreset(seeds: int) -> Iterator[Row]:
    """AUROC, and shares of tested normal samples with small p-values, split calibration."""
    for case, adata in _tasks():
        for seed in range(seeds):
            divided = _divided(case, adata, seed)
            if (divided.obs[keys.SPLIT] == keys.TRAIN).sum() < LARGE:
                break
            for row in _of_division(divided, seed):
                yield _about(case) | {"seed": seed} | row


def cross_fitted(seeds: int) -> Iterator[Row]:
    """The same of the default detector, calibrated by folds that keep as many profiles as it does;
    the first task of each group."""
    seen = set[str]()
    for case, adata in _tasks():
        if case.group in seen:
            continue
        seen.add(case.group)
        for seed in range(seeds):
            divided = _divided(case, adata, seed)
            split_n = divided.obs[keys.SPLIT].astype(str)
            if (split_n == keys.TRAIN).sum() < LARGE:
                break
            tested_n = split_n.isin([keys.TEST, keys.QUERY]).to_numpy()
            found_n = (split_n[tested_n] == keys.QUERY).to_numpy()
            divided.obs[keys.SPLIT] = np.where(tested_n, keys.QUERY, keys.TRAIN)
            for size in (0, CROSS_FITTED):
                most = size * GENES or profiles.MAX_VALUES
                with mock.patch.object(profiles, "MAX_VALUES", most):
                    tl.detect(divided, folds=FOLDS, seed=seed)
                score_n, p_n = (
                    divided.obs.loc[tested_n, keys.score(keys.DEFAULT, what)].to_numpy(np.float64)
                    for what in ("combined", "p_value")
                )
                row = _said(score_n, p_n, found_n)
                yield _about(case) | {"seed": seed, "kind": "random", "size": size} | row


def _tasks() -> Iterator[tuple[Case, AnnData]]:
    for case, whole in of_suite(None, Progress(quiet=True)):
        normal_n = whole.obs[case.label].isin(case.normal)
        if normal_n.sum() > LARGE and case.half != "control":
            yield case, whole[normal_n | whole.obs[case.label].isin(case.anomalies)].copy()


def _about(case: Case) -> Row:
    return {"half": case.half, "group": case.group, "task": case.name}


def _divided(case: Case, adata: AnnData, seed: int) -> AnnData:
    divided = adata.copy()
    pp.split(divided, label=case.label, normal=case.normal, seed=seed)
    return divided


def _of_division(adata: AnnData, seed: int) -> Iterator[Row]:
    """All training profiles (size 0), and every kind and size."""
    settings = pp.Normalisation(
        n_genes=GENES, units="log2", log="no", library="none", scale="zscore"
    )
    split_n = adata.obs[keys.SPLIT].astype(str).to_numpy()
    x_ng = np.asarray(pp.Normaliser.fit(adata, settings).transform(adata).X)
    pca = PCA(COMPONENTS, svd_solver="full").fit(x_ng[split_n == keys.TRAIN])
    z_nk = pca.transform(x_ng)
    outputs = ModelOutputs(x_ng, pca.inverse_transform(z_nk), z_nk)
    train, others = outputs[split_n == keys.TRAIN], outputs[split_n != keys.TRAIN]
    of_others_n = split_n[split_n != keys.TRAIN]
    views = FittedViews.fit(train)
    measures = views.measure(others)
    yield {"kind": "all", "size": 0} | _judged(measures, of_others_n)
    whole = views.parts[Profiles.name]
    assert isinstance(whole, Profiles)
    y_ma = PCA(AXES, svd_solver="full").fit_transform(whole.train_mg)
    for size in [size for size in SIZES if size < len(y_ma)]:
        for kind, choose in KINDS.items():
            kept = whole.train_mg[choose(y_ma, size, seed)]
            spacing_m = profiles._spacing(kept.astype(np.float64))
            some = replace(whole, train_mg=kept, spacing_m=spacing_m).measure(others)
            yield {"kind": kind, "size": size} | _judged(measures.assign(**some), of_others_n)
        alone = FittedViews.fit(train[np.sort(_random(y_ma, size, seed))])
        row = _judged(alone.measure(others), of_others_n)
        yield {"kind": EVERYTHING, "size": size} | row


def _judged(measures: pd.DataFrame, split_n: NDArray[np.object_]) -> Row:
    held_n = split_n == keys.CALIBRATION
    combination = Combination.fit(measures[held_n].reset_index(drop=True), VIEWS)
    score_n = combination.score(measures)
    tested_n = np.isin(split_n, [keys.TEST, keys.QUERY])
    calibration = Calibration(int(held_n.sum()), (), (), "auto")
    p_n = calibration.p_values(score_n[tested_n], score_n[held_n], None).p_n
    return _said(score_n[tested_n], p_n, split_n[tested_n] == keys.QUERY)


def _said(score_n: Array, p_n: Array, found_n: NDArray[np.bool_]) -> Row:
    shares = {name: float((p_n[~found_n] <= level).mean()) for name, level in LEVELS.items()}
    return {"auroc": roc_auc_score(found_n, score_n), "normal": int((~found_n).sum())} | shares


def print_coreset(rows: pd.DataFrame) -> None:
    """By half: what each kind loses beside all profiles, and observed over nominal p-values."""
    rows = rows.astype({"size": int, "seed": int})
    one = ["half", "group", "task", "seed"]
    whole = rows[rows["size"] == 0].set_index(one)["auroc"]
    lost = rows.set_index(one)["auroc"].sub(whole.reindex(rows.set_index(one).index)).to_numpy()
    rows = rows.assign(lost=lost)
    for (half, kind, size), of in rows.groupby(["half", "kind", "size"], sort=False):
        by_group = of.groupby("group")[["auroc", "lost"]].mean()
        error = by_group["lost"].std() / len(by_group) ** 0.5
        observed = {
            name: (of[name] * of["normal"]).sum() / of["normal"].sum() / level
            for name, level in LEVELS.items()
        }
        print(
            f"{half:7}{kind:11}{size or 'all':>4}  AUROC {by_group['auroc'].mean():.3f}, "
            f"{by_group['lost'].mean():+.4f} +- {error:.4f} over {len(by_group)} groups; "
            f"p <= .05: {observed['p_05']:.2f}, p <= .01: {observed['p_01']:.2f} of nominal"
        )
