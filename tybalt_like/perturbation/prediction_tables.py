"""What the trainings of a run found, as tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tybalt_like.perturbation.agreement import BINARY, CONTINUOUS, agreement, intervals
from tybalt_like.perturbation.plan import PairedJob
from tybalt_like.study.store import Finished

Results = Mapping[PairedJob, Finished]


def predictions(results: Results) -> pd.DataFrame:
    """One row per held-out sample and seed: its response, and what each method says of it."""
    rows = []
    for job, found in results.items():
        of = found.arrays
        if job.fold is None or "scores" not in of:
            continue
        about = {"drug": job.drug, "seed": job.seed, "fold": job.fold}
        names = ["sample", "group", "is_pair", "y", "low", "high"]
        table = pd.DataFrame(about | {name: of[name] for name in names})
        rows.append(table.join(pd.DataFrame(of["scores"], columns=of["methods"].tolist())))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


FIRST = ("drug", "seed", "fold", "sample", "group", "is_pair", "y", "low", "high")


def methods(table: pd.DataFrame) -> list[str]:
    """The columns of `predictions` that are scores."""
    return [str(column) for column in table if column not in FIRST]


def responses(table: pd.DataFrame) -> pd.DataFrame:
    """One row per drug, seed, method and measure: ``value`` with a 95 % interval."""
    rows = []
    for (drug, seed), part in table.groupby(["drug", "seed"], sort=False):
        known = part[part["y"].notna()]
        y_n, fold_n = known["y"].to_numpy(float), known["fold"].to_numpy()
        group_n = known["group"].to_numpy(str)
        about = {"drug": drug, "seed": seed, "n": len(known)}
        if np.isin(y_n, (0, 1)).all():
            about["positive"] = int(y_n.sum())
        for method in methods(table):
            score_n = known[method].to_numpy(float)
            spans = intervals(y_n, score_n, fold_n=fold_n, group_n=group_n, seed=int(str(seed)))
            for measure, value in agreement(y_n, score_n, fold_n).items():
                low, high = spans[measure]
                found = {"measure": measure, "value": value, "low": low, "high": high}
                rows.append(about | {"method": method} | found)
    return pd.DataFrame(rows)


def changes(results: Results) -> pd.DataFrame:
    """One row per drug, seed, fold, held-out value, method and measure of predicted profiles.

    Measures of all samples of a fold together have no ``group``.
    """
    parts = []
    for job, found in results.items():
        of = found.arrays
        if "values" not in of:
            continue
        for method, value_gm in zip(of["rules"].tolist(), of["values"], strict=True):
            wide = pd.DataFrame(value_gm, columns=of["measures"], index=of["groups"])
            whole = pd.DataFrame([found.about["of_samples"][method]], index=[""])
            for table in (wide, whole):
                long = table.rename_axis("group").reset_index().melt("group", var_name="measure")
                parts.append(
                    long.assign(drug=job.drug, seed=job.seed, fold=job.fold, method=method)
                )
    if not parts:
        return pd.DataFrame()
    columns = ["drug", "seed", "fold", "group", "method", "measure", "value"]
    return pd.concat(parts, ignore_index=True)[columns].dropna(subset="value")


def compared(changes: pd.DataFrame, model: str) -> pd.DataFrame:
    """One row per method and measure: ``value``, the mean over held-out values; how far the model
    is ``ahead``, and the standard error ``se`` of that, with held-out values as units."""
    group = changes["group"].fillna("")
    unit = group.where(group != "", changes["fold"].astype(str))
    units = ["drug", "unit"]
    rows = []
    for measure, part in changes.assign(unit=unit).groupby("measure", sort=False):
        of_method = {
            str(method): of.groupby(units)["value"].mean()
            for method, of in part.groupby("method", sort=False)
        }
        for method, value in of_method.items():
            ahead = (of_method[model] - value).dropna() if model in of_method else value[:0]
            se = ahead.sem() if len(ahead) > 1 else np.nan
            about = {"method": method, "measure": measure, "value": value.mean()}
            rows.append(about | {"ahead": ahead.mean(), "se": se, "n": len(ahead)})
    return pd.DataFrame(rows)


def genes(results: Results) -> pd.DataFrame:
    """One row per drug and gene: mean measured and predicted change, the correlation of treated
    profiles over held-out samples, and half the width of the 90 % interval (infinite: none); means
    over folds and seeds."""
    parts = [
        pd.DataFrame(
            {"drug": job.drug}
            | {
                name: found.arrays[key]
                for name, key in (
                    ("gene", "genes"),
                    ("measured", "measured"),
                    ("predicted", "predicted"),
                    ("correlation", "gene_correlation"),
                    ("half_width", "half_width"),
                )
            }
        )
        for job, found in results.items()
        if "measured" in found.arrays
    ]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts).groupby(["drug", "gene"], sort=False, as_index=False).mean()
    order = table["predicted"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].sort_values("drug", kind="stable").reset_index(drop=True)


def trainings(results: Results) -> pd.DataFrame:
    """One row per training: sizes of its splits, epochs, seconds, and why it ended."""
    rows = [
        {
            "drug": job.drug,
            "seed": job.seed,
            "fold": "" if job.fold is None else str(job.fold),
            **found.about["splits"],
            **{key: found.about[key] for key in ("epochs", "best_epoch", "seconds", "stopped")},
        }
        for job, found in results.items()
    ]
    return pd.DataFrame(rows)


def latents(results: Results) -> pd.DataFrame:
    """Of the models that nothing was held out from: every sample before and after treatment.

    ``state`` is ``before``, ``predicted`` (after treatment) or ``after`` (as measured); ``pc1``
    and ``pc2`` are principal components of the drug's latent features, ``z1`` to ``zk``.
    """
    parts = []
    for job, found in results.items():
        of = found.arrays
        if job.fold is not None or "z1" not in of:
            continue
        states = {"before": of["z1"]}
        if "z2" in of:
            states |= {"predicted": of["z2"], "after": of["z2_measured"]}
        z_nk = np.concatenate(list(states.values()))
        known_n = ~np.isnan(z_nk).any(1)
        centred_nk = z_nk - z_nk[known_n].mean(0)
        axes = np.linalg.svd(centred_nk[known_n], full_matrices=False)[2][:2]
        pc_n2 = centred_nk @ axes.T
        table = pd.DataFrame(
            {
                "drug": job.drug,
                "sample": np.tile(of["sample"], len(states)),
                "group": np.tile(of["group"], len(states)),
                "y": np.tile(of["y"], len(states)),
                "state": np.repeat(list(states), len(of["z1"])),
                "pc1": pc_n2[:, 0],
                "pc2": pc_n2[:, -1],
            }
        )
        names = [f"z{i + 1}" for i in range(z_nk.shape[1])]
        parts.append(table.join(pd.DataFrame(z_nk, columns=names))[known_n])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def measures(is_binary: bool) -> tuple[str, ...]:
    """The measures of predicted responses."""
    return BINARY if is_binary else CONTINUOUS
