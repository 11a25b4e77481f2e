"""One training: a model, and what it and the baselines predict of the groups held out."""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tybalt_like import pp, tl
from tybalt_like.core import keys
from tybalt_like.evaluation.conformal import half_widths
from tybalt_like.models.networks.paired import Paired
from tybalt_like.models.pert_vae import PertVAE
from tybalt_like.perturbation import baselines, profiles, rules
from tybalt_like.perturbation.held_out import held_out, means
from tybalt_like.perturbation.plan import PairedJob, Plan
from tybalt_like.perturbation.prepare import Floats, Prepared, prepare
from tybalt_like.perturbation.profiles import correlations
from tybalt_like.perturbation.samples import Samples
from tybalt_like.study.store import Finished
from tybalt_like.tl.covariates import known
from tybalt_like.tl.encoders import few_threads
from tybalt_like.training.inference import applied

SPLITS = (keys.TRAIN, keys.VALIDATION, keys.TEST)
MIN_PAIRS = 3
"""With fewer held-out pairs nothing is said about correlations."""
IDENTITY = "identity"


def ablation(model: str) -> str:
    """Name of the same model where treatment changes nothing."""
    return f"{model}, {IDENTITY}"


class Trained(NamedTuple):
    """What a job found, and the model behind it.

    Attributes
    ----------
    found
        ``about``: ``of_samples`` (method -> measures of all pairs together), ``notes``,
        ``stopped``, ``best_epoch``, ``seconds``, sizes. ``arrays``, per sample that was held out
        (or, with nothing held out, of all): ``sample``, ``group``, ``is_pair``, ``y`` (NaN =
        unknown), ``scores`` (n, methods) named by ``methods``, ``low`` and ``high``; of predicted
        profiles ``values`` (rules, groups, measures), named by ``rules``, ``groups`` and
        ``measures``; per gene: ``genes``, ``measured``, ``predicted`` (mean changes),
        ``gene_correlation`` (of treated profiles over samples), ``half_width`` (of the interval);
        with nothing held out, latent ``z1``, ``z2``, ``z2_measured``.
    """

    found: Finished
    model: Paired
    normaliser: pp.Normaliser


def train_pairs(plan: Plan, job: PairedJob, samples: Samples, *, device: str = "auto") -> Trained:
    """Train the job's model and predict what was held out, beside the baselines."""
    ready, found = prepare(plan, job, samples), samples.units[job.drug]
    start = time.perf_counter()
    with few_threads(ready.pairs.n_obs * ready.pairs.n_vars):
        model = _fit(plan, job, ready, device=device)
        seconds = time.perf_counter() - start
        predicted = _predicted(model, ready)
        shown_n = np.full(len(found.table), True) if job.fold is None else ready.split(keys.TEST)
        table, held_n = found.table[shown_n], found.table["held_out"].to_numpy(str)
        of_samples: dict[str, dict[str, float]] = {}
        arrays: dict[str, NDArray[Any]] = {
            "sample": table.index.to_numpy(str),
            "group": table["group"].to_numpy(str),
            "is_pair": table["is_pair"].to_numpy(bool),
            "y": ready.y_n[shown_n],
        }
        if plan.has_response:
            arrays |= _responses(plan, job, ready, predicted, shown_n, group_n=held_n)
        if job.fold is None:
            arrays |= _latents(predicted)
        elif plan.has_pairs:
            of_samples, of_profiles = _profiles(model, ready, predicted, group_n=held_n)
            arrays |= of_profiles
    about = {
        "of_samples": of_samples,
        "stopped": model.history.stopped,
        "best_epoch": model.history.best_epoch,
        "epochs": len(model.history.rows),
        "seconds": round(seconds, 2),
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "n_genes": model.n_vars,
        "splits": {name: int(ready.split(name).sum()) for name in SPLITS},
        "notes": list(found.notes),
    }
    return Trained(Finished(about, arrays), model, ready.normaliser)


def _fit(plan: Plan, job: PairedJob, ready: Prepared, *, device: str) -> Paired:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of conditions that no training sample had
        fitted = tl.fit(
            ready.pairs,
            model=plan.model,
            seed=job.seed,
            device=device,
            progress=False,
        )
    return cast(Paired, fitted)


def _predicted(model: Paired, ready: Prepared) -> dict[str, Floats]:
    """What the model says of every unit; with ``"identity "`` before, of the ablation; and where
    measured profiles after treatment lie, ``z2_measured``."""
    x1_ng, x2_ng = np.asarray(ready.pairs.X), np.asarray(ready.pairs.layers[keys.AFTER])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = known(ready.pairs, model)

    def predict(x_ng: Floats, *, identity: bool = False) -> dict[str, Floats]:
        return applied(model, lambda m, b: m.predict(b, identity=identity), x_ng, given=given)

    found, ablated = predict(x1_ng), predict(x1_ng, identity=True)
    found |= {f"{IDENTITY} {name}": values for name, values in ablated.items()}
    if "z2_nk" in found:
        pair_n = ~np.isnan(x2_ng).any(1)
        filled_ng = np.where(pair_n[:, None], x2_ng, x1_ng)
        z2_nk = predict(filled_ng)["z1_nk"]
        found["z2_measured"] = np.where(pair_n[:, None], z2_nk, np.nan)
    return found


def _responses(
    plan: Plan,
    job: PairedJob,
    ready: Prepared,
    predicted: dict[str, Floats],
    shown_n: NDArray[np.bool_],
    *,
    group_n: NDArray[np.str_],
) -> dict[str, NDArray[Any]]:
    """Scores of the model, its ablation and, of held-out samples, the baselines."""
    scores = {plan.model.name: predicted["response_n"][shown_n]}
    if plan.has_pairs:
        scores[ablation(plan.model.name)] = predicted[f"{IDENTITY} response_n"][shown_n]
    if job.fold is not None:
        x1_ng = np.asarray(ready.pairs.X, dtype=np.float64)
        learned_n = ~ready.split(keys.TEST)
        y_n = ready.pairs.obs[keys.RESPONSE].to_numpy(float)
        used_n = learned_n & ~np.isnan(y_n)
        latent_nk = predicted["z1_nk"]
        if plan.has_pairs:
            latent_nk = np.hstack([latent_nk, predicted["z2_nk"] - latent_nk])
        pcs = baselines.components(x1_ng[learned_n], {"all": x1_ng}, k=predicted["z1_nk"].shape[1])
        features = {
            baselines.GENES: x1_ng,
            baselines.COMPONENTS: pcs["all"],
            baselines.LATENTS: latent_nk,
        }
        scores |= baselines.responses(
            {name: (x_nk[used_n], x_nk[shown_n]) for name, x_nk in features.items()},
            y_n[used_n],
            group_n[used_n],
            is_binary=plan.is_binary,
            seed=job.seed,
        )
    return {
        "methods": np.array(list(scores)),
        "scores": np.stack(list(scores.values()), 1),
        "low": predicted["low_n"][shown_n],
        "high": predicted["high_n"][shown_n],
    }


def _profiles(
    model: Paired, ready: Prepared, predicted: dict[str, Floats], *, group_n: NDArray[np.str_]
) -> tuple[dict[str, dict[str, float]], dict[str, NDArray[Any]]]:
    """Measures of samples by method, and arrays: measures of held-out values; genes."""
    x1_ng = np.asarray(ready.pairs.X, dtype=np.float64)
    x2_ng = np.asarray(ready.pairs.layers[keys.AFTER], dtype=np.float64)
    pair_n = ~np.isnan(x2_ng).any(1)
    test_n, learned_n = ready.split(keys.TEST) & pair_n, ~ready.split(keys.TEST) & pair_n
    if test_n.sum() < MIN_PAIRS:
        return {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c_nc = known(ready.pairs, model).get("c_nc", np.zeros((len(x1_ng), 0)))
    c_nc = np.nan_to_num(np.asarray(c_nc, dtype=np.float64))
    found = {
        name: rules.Predicted(predicted[f"{of}after_ng"][test_n], predicted["before_ng"][test_n])
        for name, of in ((model.name, ""), (ablation(model.name), f"{IDENTITY} "))
    } | rules.profiles(
        x1_ng[learned_n],
        x2_ng[learned_n],
        x1_ng[test_n],
        c_mc=c_nc[learned_n],
        c_nc=c_nc[test_n],
        group_m=group_n[learned_n],
    )
    held, condition_t = held_out(ready, group_n, test_n=test_n, learned_n=learned_n)
    values = [
        profiles.measured(held, means(after_tg, condition_t), means(after_tg - b_tg, condition_t))
        for after_tg, b_tg in found.values()
    ]
    covered = _covered(model, ready, group_n, {name: p.after_ng for name, p in found.items()})
    x1_tg, x2_tg, own = x1_ng[test_n], x2_ng[test_n], found[model.name]
    of_samples = {
        name: {profiles.SHARED: profiles.shared_control_correlation(x1_tg, x2_tg, p_tg)}
        for name, (p_tg, _) in found.items()
    }
    if ready.truth_ng is not None:
        truth_tg = ready.truth_ng[test_n] - held.constant_g
        for name, (p_tg, _) in found.items():
            of_truth_t = correlations(truth_tg.T, (p_tg - held.constant_g).T)
            of_samples[name]["true_correlation"] = float(of_truth_t.mean())
    base_tg = np.where(np.isnan(ready.other_ng), x1_ng, ready.other_ng)[test_n]
    return of_samples, {
        "groups": held.groups,
        "rules": np.array(list(found)),
        "measures": np.array(profiles.MEASURES + profiles.INTERVALS),
        "values": np.concatenate([np.stack(values), covered], axis=2),
        "genes": ready.pairs.var_names.to_numpy(str),
        "measured": (x2_tg - base_tg).mean(0),
        "predicted": (own.after_ng - own.before_ng).mean(0),
        "gene_correlation": correlations(x2_tg, own.after_ng),
        "half_width": _half_width(model),
    }


def _covered(
    model: Paired, ready: Prepared, group_n: NDArray[np.str_], found: dict[str, Floats]
) -> Floats:
    """`profiles.INTERVALS` of the model and, by the same validation pairs, of the constant."""
    x2_ng = np.asarray(ready.pairs.layers[keys.AFTER], dtype=np.float64)
    train_n, validation_n, test_n = (ready.split(name) & ~np.isnan(x2_ng).any(1) for name in SPLITS)
    half_width_g = _half_width(model)
    widths = {model.name: half_width_g}
    if np.isfinite(half_width_g).all():
        error_ng = np.abs(x2_ng[validation_n] - x2_ng[train_n].mean(0))
        widths[rules.CONSTANT] = half_widths(error_ng, group_n[validation_n])
    unknown_g = np.full(x2_ng.shape[1], np.inf)
    return np.stack(
        [
            profiles.within(x2_ng[test_n], p_ng, widths.get(name, unknown_g), group_n[test_n])
            for name, p_ng in found.items()
        ]
    )


def _half_width(model: Paired) -> Floats:
    """Half the width of the model's intervals, (g,); infinite where it has none."""
    if isinstance(model, PertVAE):
        return np.asarray(model.half_width_g.cpu(), dtype=np.float64)
    return np.full(model.n_vars, np.inf)


def _latents(predicted: dict[str, Floats]) -> dict[str, NDArray[Any]]:
    names = {"z1": "z1_nk", "z2": "z2_nk", "z2_measured": "z2_measured"}
    return {name: predicted[key] for name, key in names.items() if key in predicted}
