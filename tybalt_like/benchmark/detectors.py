"""Everything that stands in the tables: ours, models, and simple rivals on the same footing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tybalt_like import anomaly, pp, tl
from tybalt_like.anomaly import scores as tables
from tybalt_like.anomaly.parts.profiles import Profiles
from tybalt_like.benchmark.baselines import Baseline, available
from tybalt_like.benchmark.division import N_GENES, Divided
from tybalt_like.core import keys
from tybalt_like.core.errors import RecipeError
from tybalt_like.models import Model
from tybalt_like.tl.cross_fit import Detection
from tybalt_like.tl.detect import detected
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.score import fit_detector

Array = NDArray[np.float64]

FOLDS = 5
"""Of the reference samples, for rivals that are cross-fitted."""
PER_FEATURE = 3
"""Training samples for each latent feature, at least."""
DEFAULT = "default detector"
"""Row of the detector that is used when nobody chooses (`tl.detect`)."""
TRIMMED = f"{DEFAULT}, trimmed"
"""The same, told how much of the reference may be anomalous."""
WITHOUT_PROFILES = f"{DEFAULT}, without profiles"
"""The same of the views that need no profiles of reference samples."""
ENSEMBLE = "ensemble"
TOGETHER = ("PCA-20", "tybalt", "beta-VAE")
"""Rows whose scores the ensemble pools."""
SPLIT = ", split"
"""Ending of the names of rivals that learn from the training split alone."""


@dataclass(frozen=True)
class Scores:
    """What a detector says.

    Attributes
    ----------
    score_n
        Of all samples, higher is stranger; only those of the tested ones are looked at.
    p_n
        Their p-values, likewise; None if the score has none.
    seconds
        That fitting and scoring took.
    cross_fitted
        Whether all reference samples were learned from, not only the training split.
    ours
        Whether it is one of this package's.
    part
        Whether it is a part of a combined score.
    """

    score_n: Array
    p_n: Array | None
    seconds: float
    cross_fitted: bool = False
    ours: bool = False
    part: bool = False


Detector = Callable[[Divided], Mapping[str, Scores]]
"""From divided samples to scores; the keys are what follows the detector's name: "" for its own
row, ``": nearest"`` and the like for further ones."""


def of_model(name: str, *, published: str | None = None, **config: Any) -> Detector:
    """A model trained on the training split, and the combined score on its outputs.

    Its parts are rows too. A `published` score of the model takes the detector's own row, and the
    combined one stands below it.
    """

    def detector(part: Divided) -> dict[str, Scores]:
        start = time.perf_counter()
        scores = _model_scores(part, name, config)
        seconds = time.perf_counter() - start
        rows = {}
        for score, score_n in scores.items():
            main = score in (published, tables.COMBINED)
            ending = "" if score == (published or tables.COMBINED) else f": {score}"
            ending = ", combined" if main and ending else ending
            p_n = _split_p_values(part, score_n)
            rows[ending] = Scores(score_n, p_n, seconds, ours=True, part=not main)
        return rows

    return detector


def of_baseline(baseline: Baseline) -> Detector:
    """Fitted on the training split, with p-values from the calibration split."""

    def detector(part: Divided) -> dict[str, Scores]:
        start = time.perf_counter()
        x_ng = np.asarray(part.scaled().X, dtype=np.float64)
        score_n = baseline(x_ng[part.in_split(keys.TRAIN)], x_ng, part.seed)
        seconds = time.perf_counter() - start
        return {"": Scores(score_n, _split_p_values(part, score_n), seconds)}

    return detector


def cross_fitted(baseline: Baseline, *, folds: int = FOLDS) -> Detector:
    """Fitted on all reference samples.

    p-values are cross-conformal (Vovk, Ann Math Artif Intell 74:9, 2015): each reference sample
    is compared with the tested ones under the fit that it took no part in, so that it does not
    matter how the scale of a score depends on the samples learned from. Without folds there are
    none, and nothing is fitted but the score.
    """

    def detector(part: Divided) -> dict[str, Scores]:
        start = time.perf_counter()
        reference_n = part.reference_n
        m = int(reference_n.sum())
        fold_n = np.full(len(reference_n), -1)
        fold_n[reference_n] = np.random.default_rng(part.seed).permutation(m) % max(folds, 1)
        at_least_n = np.zeros(len(reference_n))
        for fold in range(folds):
            learn_n = reference_n & (fold_n != fold)
            x_ng = part.standardised(learn_n)
            score_n = baseline(x_ng[learn_n], x_ng, part.seed)
            at_least_n += (score_n[fold_n == fold][:, None] >= score_n).sum(0)
        x_ng = part.standardised(reference_n)
        score_n = baseline(x_ng[reference_n], x_ng, part.seed)
        p_n = (1 + at_least_n) / (m + 1) if folds else None
        return {"": Scores(score_n, p_n, time.perf_counter() - start, cross_fitted=True)}

    return detector


def rivals(*, split: bool = False, folds: int = FOLDS) -> dict[str, Detector]:
    """The simple detectors that are `available`, fitted on all reference samples or, with `split`,
    on the training split."""
    if split:
        return {f"{name}{SPLIT}": of_baseline(baseline) for name, baseline in available()}
    return {name: cross_fitted(baseline, folds=folds) for name, baseline in available()}


def default(contamination: float = 0.0, *, views: tuple[str, ...] | None = None) -> Detector:
    """The default detector, fitted to all reference samples, or one of some of its views; its parts
    are rows too."""

    def detector(part: Divided) -> dict[str, Scores]:
        start = time.perf_counter()
        adata = part.adata.copy()
        adata.obs[keys.SPLIT] = np.where(part.reference_n, keys.TRAIN, keys.QUERY)
        normalisation = pp.Normalisation(n_genes=N_GENES)
        if part.as_is:
            normalisation = pp.Normalisation(units="z_scored", log="no", select="all")
        how = Detection(views=views, contamination=contamination)
        found = detected(adata, how, normalisation=normalisation, seed=part.seed)
        seconds = time.perf_counter() - start
        rows = {}
        for score, table in found.scores.set_index("sample").groupby("score", sort=False):
            of = table.reindex(adata.obs_names)
            whole = score == tables.COMBINED
            rows["" if whole else f": {score}"] = Scores(
                of["value"].to_numpy(),
                of["p_value"].to_numpy() if whole else None,
                seconds,
                cross_fitted=True,
                ours=True,
                part=not whole,
            )
        return rows

    return detector


OURS: dict[str, Detector] = {DEFAULT: default()}
"""Detectors of this package that need no training loop."""


def models() -> dict[str, Detector]:
    """Those of this package that are trained."""
    return {
        "PCA-20": of_model("pca", latent_dim=20),
        "PPCA-VAE": of_model("ppca_vae", published="importance_weighted", latent_dim=100),
        "tybalt": of_model("tybalt", latent_dim=20),
        "beta-VAE": of_model("beta_vae", latent_dim=20),
        "f-AnoGAN": of_model("f_anogan", published="f_anogan"),
        "AnoGAN": of_model("anogan", published="anogan"),
    }


def known() -> dict[str, Detector]:
    """All detectors, ours first."""
    return OURS | models() | rivals()


def without_profiles() -> Detector:
    """`WITHOUT_PROFILES`."""
    kept = (view for view in anomaly.VIEWS if anomaly.View.registry[view].part is not Profiles)
    return default(views=tuple(kept))


def named(names: Sequence[str]) -> dict[str, Detector]:
    """Some of ours, and all rivals.

    Raises
    ------
    RecipeError
        If a name is unknown.
    """
    ours = OURS | models()
    if unknown := set(names) - set(ours):
        raise RecipeError(f"unknown detector {min(unknown)!r}; known: {', '.join(ours)}")
    return {name: ours[name] for name in names} | rivals()


def scored(part: Divided, detectors: Mapping[str, Detector]) -> dict[str, Scores]:
    """All rows of several detectors by name, and the ensemble of those that it pools."""
    found: dict[str, Scores] = {}
    for name, detector in detectors.items():
        with few_threads():
            found |= {f"{name}{ending}": one for ending, one in detector(part).items()}
    pooled = [found[name] for name in TOGETHER if name in found]
    if len(pooled) > 1:
        calibration_n = part.in_split(keys.CALIBRATION)
        score_n = anomaly.pooled([(one.score_n, one.score_n[calibration_n]) for one in pooled])
        seconds = sum(one.seconds for one in pooled)
        found[ENSEMBLE] = Scores(score_n, _split_p_values(part, score_n), seconds, ours=True)
    return found


def _split_p_values(part: Divided, score_n: Array) -> Array:
    return anomaly.conformal_p_values(score_n, score_n[part.in_split(keys.CALIBRATION)])


def _model_scores(part: Divided, name: str, config: Mapping[str, Any]) -> dict[str, Array]:
    """All scores of a model, by name."""
    kind = Model.named(name)
    adata = part.scaled(kind.domain).copy()
    train, config = np.flatnonzero(part.in_split(keys.TRAIN)), dict(config)
    if "latent_dim" in config:
        most = min(len(train) // PER_FEATURE, -(-adata.n_vars // 2))
        config["latent_dim"] = max(1, min(config["latent_dim"], most))
    if kind.solve is Model.solve:  # a tenth of the training samples decides when to stop
        rows = np.random.default_rng(part.seed).permutation(train)[: len(train) // 10]
        adata.obs.iloc[rows, adata.obs.columns.get_loc(keys.SPLIT)] = keys.VALIDATION
    model = tl.fit(adata, model=name, seed=part.seed, device="cpu", progress=False, **config)
    _, scores = fit_detector(adata, model=model)
    found = scores.set_index("sample").groupby("score", sort=False)["value"]
    return {str(score): of.reindex(adata.obs_names).to_numpy() for score, of in found}
