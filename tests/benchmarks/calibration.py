"""Whether error rates are what they are said to be, and what is found at them.

Some normal samples of a cohort are drawn as the reference, the others are tested, and all is drawn
again. Everything is fitted anew to each reference; draws are the units of standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from suite import of_suite

from tybalt_like import tl
from tybalt_like.anomaly import FittedViews, q_values
from tybalt_like.anomaly import calibration as rules
from tybalt_like.anomaly.calibration import Calibration, Rule
from tybalt_like.anomaly.combination import VIEWS, WEIGHTS, Combination
from tybalt_like.benchmark.division import Divided
from tybalt_like.benchmark.rows import Kept, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.run.progress import Progress
from tybalt_like.tl.cross_fit import Detection
from tybalt_like.tl.detect import LATENT_DIM, PER_FEATURE, detected
from tybalt_like.tl.encoders import few_threads
from tybalt_like.tl.score import MIN_CALIBRATION, model_outputs

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Row = dict[str, Any]

RULES: dict[str, Rule] = {"auto": "auto", "ranks": "conformal", "conditional": "conditional"}
"""How the default detector, calibrated with all of the reference, reads p-values off."""
SPLIT = "split, ranks"
"""For comparison: fitted to three quarters of the reference and calibrated on the last quarter, by
which alone the views are standardised; p-values by ranks."""
ANY_SIZE = "tail at any size"
"""For comparison: the exponential tail of ``auto``, also where ranks are thought to be enough."""
LEVELS = {"p_10": 0.1, "p_05": 0.05, "p_01": 0.01, "p_001": 0.001}
RATES = {"05": 0.05, "10": 0.1}
"""False discovery rates."""
PLANTED, HIDDEN = (0, 1, 5, 10, 25), (0, 1, 5, 10)
"""Anomalies in a batch, and in a cohort of which none is known to be normal."""
BATCH, BATCHES = 40, 10
"""Normal samples that are tested together, and batches of each draw."""
MOST = 240
"""Normal samples that a draw tests, and anomalies."""
P_VALUES, FLAGS, WITHOUT = "p-values", "flags", "flags without a reference"
KEY = ("dataset", "seed")

SIMULATED = "simulated"
SHAPES = ("normal", "lognormal", "t4")
CORRELATION = 0.5
"""Of the simulated views."""
SIMULATED_SIZES, REFERENCES = (8, 19, 30, 112), 10
"""Calibration samples, and how often they are drawn for each seed."""
CONDITIONAL_SIZES, MANY = (112, 300), 2000
"""Where p-values of 0.05 exist that hold for the reference at hand, and samples that tell what
share of all its error rate is."""


@dataclass(frozen=True)
class Setting:
    """A cohort, and how references are drawn from its normal samples.

    Attributes
    ----------
    tasks
        Of the suite; draws take turns.
    sizes
        Samples of the reference, or groups if there are any.
    without
        Normal samples of cohorts that have no reference.
    """

    tasks: tuple[str, ...]
    sizes: tuple[int, ...]
    without: tuple[int, ...] = ()
    conditional_on: str | None = None
    group: str | None = None


LUMINAL = ("tcga_brca:pam50->Basal-like",)
SETTINGS = {
    "BRCA, luminal": Setting(LUMINAL, (8, 15, 19, 30, 60, 112, 120, 300, 447), (60, 120, 300)),
    "ALL, B cells": Setting(("all_leukaemia:lineage->T",), (8, 15, 19, 30, 55), (60,)),
    "tissues": Setting(
        tuple(
            f"tissue_dslabs:tissue->{tissue}"
            for tissue in ("cerebellum", "colon", "hippocampus", "kidney", "liver")
        ),
        (8, 15, 19, 30, 60, 110),
        (60, 100),
    ),
    "TG-GATEs, by experiment": Setting(
        ("tggates_hepatocyte:dose_level->High",), (8, 19, 30, 112), group="exp_id"
    ),
    "E. coli, by project": Setting(("ecoli_precise:Strain->BW25113",), (8, 15), group="project"),
    "BRCA, luminal A and B apart": Setting(LUMINAL, (30, 60, 112, 300), conditional_on="pam50"),
    "tissues, each apart": Setting(
        ("tissue_dslabs:tissue->liver",), (60, 110), conditional_on="tissue"
    ),
}


class Tested(NamedTuple):
    """p-values of samples, the smallest that ranks allow for each, and how many calibrate."""

    p_n: Array
    smallest_n: Array
    n_calibration: int


def calibration(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Error rates of single p-values, and of flags with what is found at them.

    Parameters
    ----------
    only
        Names of settings, or ``simulated``.
    seeds
        Draws.

    Returns
    -------
    pandas.DataFrame
        ``case`` says what a row is about. ``p-values``: the share of normal samples with p as small
        as ranks allow (``smallest``; by right ``nominal``), and with p <= .1, .05, .01, .001; where
        there are groups, on average over these. ``flags``: in batches of 40 normal samples with
        ``planted`` anomalies, at q <= .05 and .1, how often anything is flagged (``any_05``), and
        the shares of the anomalies (``power_05``) and of the flags (``false_05``, 0 if there are
        none) that are. ``flags without a reference``: the same where every sample is compared with
        all others. ``m`` samples or groups are the reference; ``n_calibration`` samples calibrate.
    """
    known: dict[str, Callable[[int], Iterator[Row]]] = {SIMULATED: _simulated}
    known |= {name: _Cohort(setting, progress).measured for name, setting in SETTINGS.items()}
    if unknown := set(only or ()) - set(known):
        raise DataError(f"unknown setting {min(unknown)!r}; known: {', '.join(known)}")
    kept = Kept(file, KEY)
    for seed in range(seeds):
        for name in only or known:
            if kept.has(name, seed):
                continue
            with progress.stage(f"{name}, draw {seed}"), few_threads():
                rows = pd.DataFrame(known[name](seed))
            kept.add(rows.assign(dataset=name, seed=seed))
    return kept.rows()


def _simulated(seed: int) -> Iterator[Row]:
    """Five views that depend on each other, of calibration samples and of others like them."""
    for shape in SHAPES:
        rng = np.random.default_rng([seed, SHAPES.index(shape)])
        for m in SIMULATED_SIZES:
            found: dict[str, list[Row]] = {}
            for _ in range(REFERENCES):
                held_out, tested = _views(m, shape, rng), _views(BATCH, shape, rng)
                for method, of in _by_rule(held_out, tested, Calibration(m)).items():
                    found.setdefault(method, []).append(_shares(of) | _flagged(of.p_n, BATCH))
                of = _alone(held_out, tested, Calibration(m))
                found.setdefault(SPLIT, []).append(_shares(of) | _flagged(of.p_n, BATCH))
            for method, rows in found.items():
                about = {"remark": shape, "m": m, "n_calibration": m, "detector": method}
                measured = pd.DataFrame(rows).mean().to_dict()
                yield about | {"case": P_VALUES} | {k: measured[k] for k in SHARES}
                yield (
                    about | {"case": FLAGS} | {k: measured[k] for k in measured if k not in SHARES}
                )
        for m in CONDITIONAL_SIZES:
            held_out, tested = _views(m, shape, rng), _views(MANY, shape, rng)
            for method, of in _by_rule(held_out, tested, Calibration(m)).items():
                about = {"remark": f"{shape}, single references", "detector": method}
                yield about | {"case": P_VALUES, "m": m, "n_calibration": m} | _shares(of)


def _views(n: int, shape: str, rng: np.random.Generator) -> pd.DataFrame:
    common_n1, own_nv = rng.normal(size=(n, 1)), rng.normal(size=(n, len(VIEWS)))
    z_nv = np.sqrt(CORRELATION) * common_n1 + np.sqrt(1 - CORRELATION) * own_nv
    if shape == "lognormal":
        z_nv = np.exp(z_nv)
    elif shape == "t4":
        z_nv /= np.sqrt(rng.chisquare(4, size=(n, 1)) / 4)
    return pd.DataFrame(z_nv, columns=list(VIEWS))


class _Cohort:
    """A setting with its samples, which are read when they are first asked for."""

    def __init__(self, setting: Setting, progress: Progress) -> None:
        self.setting, self.progress = setting, progress
        self._read: dict[str, tuple[AnnData, Rows, Rows]] = {}

    def _samples(self, task: str) -> tuple[AnnData, Rows, Rows]:
        """All samples, and which are normal and anomalous."""
        if task not in self._read:
            case, adata = next(of_suite([task], self.progress))
            label_n = adata.obs[case.label].astype(str)
            labels = (case.normal, case.anomalies)
            rows = (np.flatnonzero(label_n.isin(names)) for names in labels)
            self._read[task] = (adata, *rows)
        return self._read[task]

    def measured(self, seed: int) -> Iterator[Row]:
        """The rows of a draw, of all sizes."""
        of = self.setting
        adata, normal, strange = self._samples(of.tasks[seed % len(of.tasks)])
        for m in of.sizes:
            yield from self._with_reference(adata, m, normal, strange, seed)
        for m in of.without:
            for planted in HIDDEN:
                rng = np.random.default_rng([seed, m, planted])
                rows = [rng.permutation(normal)[:m], rng.permutation(strange)[:planted]]
                yield from _without_reference(adata, *rows, seed=seed)

    def _with_reference(
        self, adata: AnnData, m: int, normal: Rows, strange: Rows, seed: int
    ) -> Iterator[Row]:
        of, rng = self.setting, np.random.default_rng([seed, m])
        unit_n = adata.obs[of.group].astype(str) if of.group else adata.obs_names
        unit_n = unit_n.to_numpy(str)
        chosen = rng.permutation(np.unique(unit_n[normal]))[:m]
        known_n = np.isin(unit_n[normal], chosen)
        reference, tested = normal[known_n], rng.permutation(normal[~known_n])[:MOST]
        strange = rng.permutation(strange)[:MOST]
        part = adata[np.concatenate([reference, tested, strange])].copy()
        split_n = [keys.TRAIN] * len(reference) + [keys.QUERY] * (len(tested) + len(strange))
        part.obs[keys.SPLIT] = split_n
        found = _default(part, of, seed) | _split(part, of, seed)
        batches = [_batch(len(tested), len(strange), rng) for _ in range(BATCHES)]
        for method, one in found.items():
            about = {"remark": "", "m": m, "n_calibration": one.n_calibration, "detector": method}
            yield about | {"case": P_VALUES} | _shares(one, unit_n[tested])
            if of.group or len(tested) < BATCH or method == "conditional":
                continue
            # A stratum of anomalies is not calibrated: there are no p-values.
            for planted in PLANTED[: 1 if of.conditional_on else None]:
                rows = [batch[: BATCH + planted] for batch in batches]
                if len(rows[0]) == BATCH + planted:
                    flags = pd.DataFrame([_flagged(one.p_n[row], BATCH) for row in rows])
                    measured = flags.mean().to_dict()
                    yield about | {"case": FLAGS} | measured | {"planted": planted}


def _batch(n_normal: int, n_strange: int, rng: np.random.Generator) -> Rows:
    """Normal samples, and after them as many anomalies as are ever planted."""
    strange = n_normal + rng.permutation(n_strange)[: max(PLANTED)]
    return np.concatenate([rng.permutation(n_normal)[:BATCH], strange])


def _default(part: AnnData, of: Setting, seed: int) -> dict[str, Tested]:
    """The query samples as the default detector sees them."""
    found = detected(part, Detection(conditional_on=of.conditional_on, group=of.group), seed=seed)
    query = part.obs[part.obs[keys.SPLIT] == keys.QUERY]
    values = found.scores[found.scores["score"].isin(VIEWS)]
    measures = values.pivot_table("value", index="sample", columns="score").loc[query.index]
    detector = found.scorer.detector
    return _by_rule(detector.held_out, measures, detector.calibration, _strata(query, of))


def _by_rule(
    held_out: pd.DataFrame,
    measures: pd.DataFrame,
    how: Calibration,
    stratum_n: tuple[str, ...] = (),
) -> dict[str, Tested]:
    scores = Combination.fit(held_out).beside(measures, held_out)
    found = {
        name: _tested(replace(how, rule=rule), *scores, stratum_n) for name, rule in RULES.items()
    }
    if how.size >= rules.ENOUGH:
        with mock.patch.object(rules, "ENOUGH", np.inf):
            found[ANY_SIZE] = _tested(how, *scores, stratum_n)
    return found


def _tested(how: Calibration, score_n: Array, score_c: Array, stratum_n: tuple[str, ...]) -> Tested:
    beyond = replace(how, rule="conformal").p_values(
        np.full(len(score_n), 1e99), np.zeros(how.m), stratum_n
    )
    return Tested(how.p_values(score_n, score_c, stratum_n).p_n, beyond.p_n, how.m)


def _split(part: AnnData, of: Setting, seed: int) -> dict[str, Tested]:
    """The query samples as a detector sees them that was fitted and calibrated by a split, which
    takes no notice of groups."""
    split_n = part.obs[keys.SPLIT].to_numpy(dtype=object)
    reference = np.random.default_rng(seed).permutation(np.flatnonzero(split_n == keys.TRAIN))
    n_calibration = round(len(reference) / 4)
    if n_calibration < MIN_CALIBRATION:
        return {}
    split_n[reference[:n_calibration]] = keys.CALIBRATION
    part = part.copy()
    part.obs[keys.SPLIT] = split_n
    encoded = Divided(part, seed=seed).scaled().copy()
    latent_dim = max(1, min(LATENT_DIM, (len(reference) - n_calibration) // PER_FEATURE))
    model = tl.fit(encoded, model="pca", seed=seed, device="cpu", latent_dim=latent_dim)
    outputs = model_outputs(encoded, model=model)
    views = FittedViews.fit(outputs[split_n == keys.TRAIN])
    held_n, query_n = split_n == keys.CALIBRATION, split_n == keys.QUERY
    how = Calibration(n_calibration, _strata(part.obs[held_n], of), rule="conformal")
    measured = (views.measure(outputs[rows]) for rows in (held_n, query_n))
    return {SPLIT: _alone(*measured, how, _strata(part.obs[query_n], of))}


def _alone(
    held_out: pd.DataFrame,
    measures: pd.DataFrame,
    how: Calibration,
    stratum_n: tuple[str, ...] = (),
) -> Tested:
    """By ranks; views are standardised by mean and standard deviation of calibration samples."""
    value_cv, value_nv = (table[list(VIEWS)].to_numpy() for table in (held_out, measures))
    mean_v, sd_v = value_cv.mean(0), value_cv.std(0)
    weight_v = [WEIGHTS[view] for view in VIEWS]
    score_c, score_n = (
        np.log(np.average(np.exp((value - mean_v) / sd_v), axis=1, weights=weight_v))
        for value in (value_cv, value_nv)
    )
    return _tested(replace(how, rule="conformal"), score_n, score_c, stratum_n)


def _strata(obs: pd.DataFrame, of: Setting) -> tuple[str, ...]:
    return tuple(obs[of.conditional_on].astype(str)) if of.conditional_on else ()


def _without_reference(adata: AnnData, normal: Rows, strange: Rows, *, seed: int) -> Iterator[Row]:
    """Every sample is compared with all others."""
    part = adata[np.concatenate([normal, strange])].copy()
    detector = detected(part, Detection(), seed=seed).scorer.detector
    score_n, how = detector.calibration_scores, detector.calibration
    found = {name: replace(how, rule=RULES[name]) for name in ("auto", "ranks")}
    p_values = {name: one.among_others(score_n).p_n for name, one in found.items()}
    with mock.patch.object(rules, "ENOUGH", np.inf):
        p_values[ANY_SIZE] = how.among_others(score_n).p_n
    for method, p_n in p_values.items():
        about = {"case": WITHOUT, "remark": "", "m": len(normal), "n_calibration": how.m - 1}
        yield about | {"detector": method} | _flagged(p_n, len(normal))


SHARES = ("nominal", "smallest", *LEVELS)


def _shares(of: Tested, unit_n: NDArray[np.str_] | None = None) -> Row:
    """How many of the first samples, whose units are given, have small p-values; units count
    alike."""
    unit_n = np.arange(len(of.p_n)).astype(str) if unit_n is None else unit_n
    p_n, smallest_n = of.p_n[: len(unit_n)], of.smallest_n[: len(unit_n)]
    known_n = ~np.isnan(p_n)
    _, unit_n, size_u = np.unique(unit_n[known_n], return_inverse=True, return_counts=True)

    def mean(value_n: NDArray[Any]) -> float:
        return float(np.average(value_n[known_n], weights=1 / size_u[unit_n]))

    found = {"nominal": mean(smallest_n), "smallest": mean(p_n <= smallest_n + 1e-12)}
    return found | {name: mean(p_n <= level + 1e-12) for name, level in LEVELS.items()}


def _flagged(p_n: Array, n_normal: int) -> Row:
    """Flags among samples of which the first are normal."""
    q_n = q_values(p_n)
    found: Row = {"planted": len(p_n) - n_normal}
    for name, rate in RATES.items():
        flagged_n = q_n <= rate
        found[f"any_{name}"] = float(flagged_n.any())
        found[f"false_{name}"] = flagged_n[:n_normal].sum() / max(1, flagged_n.sum())
        if found["planted"]:
            found[f"power_{name}"] = float(flagged_n[n_normal:].mean())
    return found


def print_calibration(rows: pd.DataFrame) -> None:
    """Means over draws, with standard errors."""
    for (dataset, remark, case), of in rows.groupby(["dataset", "remark", "case"], sort=False):
        what = f"{dataset}{', ' * bool(remark)}{remark}"
        if case == P_VALUES:
            _print_shares(f"{what}: share of normal samples with small p, %, ± SE", of)
        else:
            for rate in RATES:
                title = f"{what}: {case} at q <= .{rate}; power (FDR) in per cent, ± SE"
                _print_flags(title, of, rate)


def _print_shares(title: str, rows: pd.DataFrame) -> None:
    cells = {}
    for (m, method), of in rows.groupby(["m", "detector"], sort=False):
        line = [f"{100 * of['nominal'].mean():.2f}", _mean_se(of["smallest"])]
        line += [_mean_se(of[name]) for name in LEVELS]
        line += [_mean_se(of["p_05"] > LEVELS["p_05"] + 1e-12), f"{of['n_calibration'].mean():.0f}"]
        cells[f"{m}: {method}"] = line
    columns = ["1 / (m + 1)", "p is that", *(f"p <= {level}" for level in LEVELS.values())]
    columns += ["draws with more than 5 % p <= .05", "calibrate"]
    print_table(f"{title} over {rows['seed'].nunique()} draws", cells, columns)


def _print_flags(title: str, rows: pd.DataFrame, rate: str) -> None:
    planted, cells = sorted(rows["planted"].unique()), {}
    for (m, method), of in rows.groupby(["m", "detector"], sort=False):
        line = []
        for n in planted:
            one = of[of["planted"] == n]
            false = f" ({_mean_se(one[f'false_{rate}'])})"
            found, any_flag = _mean_se(one[f"power_{rate}"]), _mean_se(one[f"any_{rate}"])
            line.append(found + false if n else any_flag)
        cells[f"{m}: {method}"] = line
    columns = [f"{n:.0f} planted" if n else "any flag, 0 planted" for n in planted]
    print_table(f"{title} over {rows['seed'].nunique()} draws", cells, columns)


def _mean_se(values: pd.Series) -> str:
    """In per cent; nothing if nothing was measured."""
    if values.isna().all():
        return ""
    error = f" ± {100 * values.sem():.1f}" if len(values) > 1 else ""
    return f"{100 * values.mean():.1f}{error}"
