"""Pairs as a model sees them: split, normalised by the training samples, responses hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tybalt_like import pp
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.perturbation.design import Design
from tybalt_like.perturbation.folds import keep_labels, splits
from tybalt_like.perturbation.matching import Index, Units, chosen_controls
from tybalt_like.perturbation.plan import PairedJob, Plan
from tybalt_like.perturbation.samples import Samples, binary
from tybalt_like.perturbation.simulation import TRUTH

if TYPE_CHECKING:
    from anndata import AnnData

Floats = NDArray[np.float64]
OWN = (keys.SPLIT, keys.RESPONSE, keys.WEIGHT)
"""Columns that pairs get; those of the sample table by these names are left out."""


@dataclass(frozen=True)
class Prepared:
    """Pairs as a model sees them: X before, ``layers["after"]``, responses, split; and the truth.

    Attributes
    ----------
    y_n
        All known responses, those hidden from training too.
    truth_ng
        Changes without noise, of simulated pairs.
    """

    pairs: AnnData
    normaliser: pp.Normaliser
    y_n: Floats
    truth_ng: Floats | None

    def split(self, *names: str) -> NDArray[np.bool_]:
        """Which units are in one of these splits."""
        return np.isin(self.pairs.obs[keys.SPLIT].to_numpy(str), names)


def prepare(plan: Plan, job: PairedJob, samples: Samples) -> Prepared:
    """Split, normalise by the training samples, average the controls, hide responses."""
    design, found = plan.design, samples.units[job.drug]
    fold_n = samples.folds(job.drug, seed=job.seed)
    split_n = splits(found, fold_n, design, fold=job.fold, seed=job.seed)
    rng = np.random.default_rng(job.seed)
    controls = chosen_controls(found, design, None if job.fold is None else fold_n, rng)
    rows = found.table["row"].to_numpy()
    of_train = [np.append(controls[i], rows[i]) for i in np.flatnonzero(split_n == keys.TRAIN)]
    used = np.unique(np.concatenate([*controls, rows]))
    here = samples.adata[used]
    train_n = np.isin(used, np.concatenate(of_train))
    normaliser = pp.Normaliser.fit(here, plan.normalize, train=train_n)
    scaled = normaliser.transform(here)
    pairs = _pairs(scaled, found, controls, used)
    pairs.obs[keys.SPLIT] = split_n.astype(str)
    response_n = keep_labels(found.table, split_n, share=design.labelled, seed=job.seed)
    y_n = found.table["response"].to_numpy(float)
    if plan.has_response and design.threshold is not None and plan.is_binary:
        threshold = _threshold(design, response_n[split_n == keys.TRAIN])
        response_n, y_n = binary(response_n, threshold), binary(y_n, threshold)
    learned_n = np.where(split_n == keys.TEST, np.nan, response_n)
    if plan.has_response:
        if plan.is_binary:
            _check_classes(learned_n[split_n == keys.TRAIN], job)
        pairs.obs[keys.RESPONSE] = learned_n
    if design.balanced:
        sizes = found.table["group"][split_n == keys.TRAIN].value_counts()
        pairs.obs[keys.WEIGHT] = (1 / found.table["group"].map(sizes).fillna(1)).to_numpy()
    truth_ng = _truth(here, scaled, train_n, np.searchsorted(used, rows))
    return Prepared(pairs, normaliser, y_n, truth_ng)


def _pairs(scaled: AnnData, found: Units, controls: tuple[Index, ...], used: Index) -> AnnData:
    """Units as an AnnData: X before, ``layers["after"]`` after treatment."""
    from anndata import AnnData

    x_ng = np.asarray(scaled.X)
    before_ng = np.stack([x_ng[np.searchsorted(used, rows)].mean(0) for rows in controls])
    at = np.searchsorted(used, found.table["row"].to_numpy())
    after_ng = np.where(found.table["is_pair"].to_numpy()[:, None], x_ng[at], np.nan)
    obs = scaled.obs.iloc[at].drop(columns=list(OWN), errors="ignore")
    pairs = AnnData(before_ng.astype(np.float32), obs=obs.copy(), var=scaled.var[[]].copy())
    pairs.layers[keys.AFTER] = after_ng.astype(np.float32)
    return pairs


def _truth(here: AnnData, scaled: AnnData, train_n: NDArray[np.bool_], at: Index) -> Floats | None:
    """Changes without noise, on the scale of the normalised genes."""
    if TRUTH not in here.layers:
        return None
    raw = here[:, scaled.var_names]
    sd_g = np.asarray(raw.X)[train_n].std(0) / np.asarray(scaled.X)[train_n].std(0)
    return np.asarray(raw.layers[TRUTH][at] / sd_g, dtype=np.float64)


def _threshold(design: Design, response_n: Floats) -> float:
    if design.threshold == "median":
        return float(np.nanmedian(response_n))
    return float(cast(float, design.threshold))


def _check_classes(response_n: Floats, job: PairedJob) -> None:
    known = response_n[~np.isnan(response_n)]
    if len(np.unique(known)) < 2:
        found = f"all {len(known)} of class {known[0]:g}" if len(known) else "none"
        raise DataError(
            f"{job.drug}, fold {job.fold}: known training responses: {found}; two classes are "
            "needed: raise perturbation.labelled, or lower perturbation.folds"
        )
