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
from tybalt_like.perturbation.matching import Index, Units, chosen_controls, joined
from tybalt_like.perturbation.plan import PairedJob, Plan
from tybalt_like.perturbation.replicates import Variance, moderated, within
from tybalt_like.perturbation.samples import Samples, binary
from tybalt_like.perturbation.simulation import TRUTH

if TYPE_CHECKING:
    from anndata import AnnData

Floats = NDArray[np.float64]
OWN = (keys.SPLIT, keys.RESPONSE, keys.WEIGHT, keys.UNIT)
"""Columns that pairs get; those of the sample table by these names are left out."""


@dataclass(frozen=True)
class Prepared:
    """Pairs as a model sees them, and what only the measures see.

    Attributes
    ----------
    pairs
        X before, ``layers["after"]``, responses, split.
    y_n
        All known responses, those hidden from training too.
    kind_n
        The values of the model's covariates, as one text.
    spare
        Of held-out pairs: rows of the controls that no predictor sees, and
    other_ng
        their mean profile; NaN where there are none.
    variance
        Of genes among replicates.
    truth_ng
        Profiles after treatment without noise, of simulated pairs.
    """

    pairs: AnnData
    normaliser: pp.Normaliser
    y_n: Floats
    kind_n: NDArray[np.str_]
    spare: tuple[Index, ...]
    other_ng: Floats
    variance: Variance
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
    by_fold = None if job.fold is None else fold_n
    controls, spare = chosen_controls(found, design, by_fold, rng, held_out=job.fold)
    rows = found.table["row"].to_numpy()
    of_train = [np.append(controls[i], rows[i]) for i in np.flatnonzero(split_n == keys.TRAIN)]
    used = np.unique(np.concatenate([*found.candidates, rows]))
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
    pairs.obs[keys.UNIT] = found.table["held_out"].to_numpy()
    if design.balanced:
        sizes = found.table["group"][split_n == keys.TRAIN].value_counts()
        pairs.obs[keys.WEIGHT] = (1 / found.table["group"].map(sizes).fillna(1)).to_numpy()
    covariates = getattr(plan.model.config, "covariates", ())
    kind_n = joined(samples.adata.obs, covariates)[rows].astype(str)
    x_ng, at = np.asarray(scaled.X, dtype=np.float64), np.searchsorted(used, rows)
    return Prepared(
        pairs,
        normaliser,
        y_n,
        kind_n,
        spare,
        np.stack([_mean(x_ng, np.searchsorted(used, of_unit)) for of_unit in spare]),
        moderated(_of_replicates(x_ng, found, kind_n, used)),
        _truth(here, scaled, train_n, at),
    )


def _mean(x_ng: Floats, rows: Index) -> Floats:
    return x_ng[rows].mean(0) if len(rows) else np.full(x_ng.shape[1], np.nan)


def _of_replicates(x_ng: Floats, found: Units, kind_n: NDArray[np.str_], used: Index) -> Variance:
    """Variance within treated samples of a condition, and within controls of the same samples."""
    table = found.table[found.table["is_pair"]]
    rows = [np.array([row]) for row in table["row"]]
    names = list(zip(table["held_out"], kind_n, strict=False))
    alike = {tuple(found.candidates[i]): None for i in range(len(table))}
    rows += [np.array(controls) for controls in alike]
    cell_of = {name: i for i, name in enumerate(dict.fromkeys([*names, *alike]))}
    cells = [cell_of[name] for name in [*names, *alike]]
    at = np.searchsorted(used, np.concatenate(rows))
    return within(x_ng[at], np.repeat(cells, [len(of) for of in rows]))


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
    """Treated profiles without noise, on the scale of the normalised genes."""
    if TRUTH not in here.layers:
        return None
    raw = here[:, scaled.var_names]
    x_ng = np.asarray(raw.X, dtype=np.float64)[train_n]
    z_ng = np.asarray(scaled.X, dtype=np.float64)[train_n]
    slope_g = z_ng.std(0) / x_ng.std(0)
    shift_g = z_ng.mean(0) - slope_g * x_ng.mean(0)
    return np.asarray(raw.layers[TRUTH][at] * slope_g + shift_g, dtype=np.float64)


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
