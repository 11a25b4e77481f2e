"""Latent arithmetic beside the plain means, and synthetic cohorts beside a normal distribution.

A vector is learned on training samples and moves held-out ones: kang (interferon beta; known cell
types, and each with its treated cells left out of training), tggates (high dose minus control, new
experiments) and tcga_brca (basal minus luminal). Synthetic samples are of tcga_brca and of
all_leukaemia, which is small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from suite import cohort

from tybalt_like import pp, tl
from tybalt_like.benchmark.rows import Kept, mean_sd, print_table
from tybalt_like.core import keys
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation.arithmetic import MEANS, verdict
from tybalt_like.io.datasets import load
from tybalt_like.run.progress import Progress
from tybalt_like.tl.contrast import ALL
from tybalt_like.tl.encoders import few_threads

KEY = ("case", "model", "seed")
COLUMNS = ["case", "model", "seed", "where", "rule", "measure", "value"]
LOGGED = pp.Normalisation(units="log2", log="no", library="none", scale="none", n_genes=1000)
UNIT = pp.Normalisation(units="log2", log="no", library="none", n_genes=1000)
TYPES = ("B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells", "FCGR3A+ Monocytes")
MOVED = ("correlation", "correlation_se", "r2", "error", "ceiling", "ahead", "ahead_se")
N_MADE = 500
MEASURES = (
    *("auroc linear", "auroc trees", "sd ratio", "correlation agreement", "near share"),
    *("membership auroc genes", "membership auroc components", "balanced_accuracy"),
)


class Setting(NamedTuple):
    """A cohort, how it is divided, and what is compared.

    Attributes
    ----------
    divided
        The samples, undivided values and all, with the split of a seed.
    compare
        Arguments of `tl.contrast`.
    """

    dataset: str
    divided: Callable[[int], AnnData]
    compare: dict[str, Any]
    models: tuple[str, ...]


def _kang(seed: int, *, left_out: str = "") -> AnnData:
    adata = cohort("kang_ifnb")
    adata.layers[keys.COUNTS] = load("kang_ifnb").X.toarray()
    held_n = (adata.obs["cluster_id"] == left_out) & (adata.obs["group_id"] == "stim")
    kinds = adata.obs["cluster_id"].astype(str) + adata.obs["group_id"].astype(str)
    adata.obs["kind"] = kinds
    pp.split(adata, label="kind", train=0.6, calibration=0, held_out=held_n.to_numpy(), seed=seed)
    return adata


def _tggates(seed: int) -> AnnData:
    adata = cohort("tggates_hepatocyte")
    late_n = adata.obs["duration"].astype(str).isin(["24", "24.0"])
    adata = adata[late_n & adata.obs["dose_level"].isin(["Control", "High"])].copy()
    pp.split(adata, label="dose_level", train=0.6, calibration=0, group="exp_id", seed=seed)
    return adata


def _breast(seed: int) -> AnnData:
    adata = cohort("tcga_brca")
    pp.split(adata, label="pam50", train=0.6, calibration=0, seed=seed)
    return adata


MODELS = ("ppca_vae", "beta_vae", "f_anogan")
STIMULATED: dict[str, Any] = {"column": "group_id", "groups": ("stim", "ctrl")}
IN_TYPES = STIMULATED | {"within": "cluster_id"}
SETTINGS = {
    "kang_ifnb": Setting("kang_ifnb", _kang, IN_TYPES, (*MODELS, "count_vae")),
    **{
        f"kang_ifnb, without treated {name}": Setting(
            "kang_ifnb",
            lambda seed, name=name: _kang(seed, left_out=name),
            IN_TYPES,
            ("ppca_vae", "beta_vae", "count_vae"),
        )
        for name in TYPES
    },
    "tggates_hepatocyte": Setting(
        "tggates_hepatocyte",
        _tggates,
        {"column": "dose_level", "groups": ("High", "Control")},
        MODELS,
    ),
    "tcga_brca": Setting(
        "tcga_brca",
        _breast,
        {"column": "pam50", "groups": ("Basal-like", ("Luminal A", "Luminal B"))},
        (*MODELS, "tybalt"),
    ),
}
WAYS = ("prior", "posterior", "class")
SYNTHETIC = {
    "tcga_brca, synthetic": {
        "pca": ("posterior", "class"),
        "ppca_vae": WAYS,
        "beta_vae": WAYS,
        "tybalt": WAYS,
    },
    "all_leukaemia, synthetic": {"pca": ("posterior", "class"), "ppca_vae": WAYS},
}
"""How samples are drawn, by case and model."""
CLASSES = {"tcga_brca, synthetic": "pam50", "all_leukaemia, synthetic": "lineage"}


def arithmetic(
    *, only: Sequence[str] | None, seeds: int, file: Path | None, progress: Progress
) -> pd.DataFrame:
    """Rows of `COLUMNS`; a seed is a division and a training.

    Raises
    ------
    DataError
        If a case is unknown, or there is none on this machine.
    """
    known = (*SETTINGS, *SYNTHETIC)
    if unknown := set(only or ()) - set(known):
        raise DataError(f"unknown case {min(unknown)!r}; known: {', '.join(known)}")
    kept = Kept(file, KEY)
    for case in only or known:
        models = SYNTHETIC[case] if case in SYNTHETIC else SETTINGS[case].models
        measured = _made if case in SYNTHETIC else _moved
        for seed in range(seeds):
            for model in models:
                if kept.has(case, model, seed):
                    continue
                try:
                    with progress.stage(f"{case}, {model}, seed {seed}"), few_threads():
                        rows = pd.DataFrame(measured(case, model, seed))
                except (DataError, OSError) as error:
                    progress.say(f"left out: {error}")
                    continue
                kept.add(rows.assign(case=case, model=model, seed=seed)[COLUMNS])
    return kept.rows()


def _trained(adata: AnnData, model: str, seed: int) -> tuple[AnnData, Any]:
    train_n = (adata.obs[keys.SPLIT] == keys.TRAIN).to_numpy()
    latent_dim = 10 if model == "count_vae" else 50
    if model == "count_vae":
        expressed_g = (adata.layers[keys.COUNTS][train_n] > 0).mean(0) > 0.05
        adata = adata[:, expressed_g].copy()
        adata.X = adata.layers[keys.COUNTS].astype(np.float32)
    else:
        how = UNIT if model == "tybalt" else LOGGED
        adata = pp.Normaliser.fit(adata, how, train=train_n).transform(adata)
    return adata, tl.fit(adata, model=model, seed=seed, device="cpu", latent_dim=latent_dim)


def _moved(case: str, model: str, seed: int) -> Iterator[dict[str, Any]]:
    setting = SETTINGS[case]
    adata, fitted = _trained(setting.divided(seed), model, seed)
    found = tl.contrast(adata, fitted, **setting.compare, seed=seed)
    for row in found.agreement.to_dict(orient="records"):
        for measure in MOVED:
            yield {"where": row["level"], "rule": row["rule"], "measure": measure} | {
                "value": row[measure]
            }
    for rule, column in ((model, "model_verdict"), (MEANS, "mean_verdict")):
        share = float((found.genes[column] != "agrees").mean())
        yield {"where": ALL, "rule": rule, "measure": "share differs", "value": share}


def _made(case: str, model: str, seed: int) -> Iterator[dict[str, Any]]:
    adata = cohort(case.partition(",")[0])
    pp.split(adata, label=CLASSES[case], train=0.7, calibration=0, seed=seed)
    adata, fitted = _trained(adata, model, seed)
    for how in SYNTHETIC[case][model]:
        for noise in (True, False) if how == "posterior" else (True,):
            column = CLASSES[case] if how == "class" else None
            made = tl.synthesise(
                adata, fitted, n=N_MADE, how=how, column=column, noise=noise, seed=seed
            )
            where = how if noise else f"{how}, no noise"
            report = tl.judge_synthetic(adata, made, seed=seed)
            table = pd.concat([report.fidelity, report.privacy])
            for row in table.to_dict(orient="records"):
                yield {
                    "where": where,
                    "rule": row["source"],
                    "measure": row["measure"],
                    "value": row["value"],
                }
            if report.classes is not None:
                for row in report.classes.to_dict(orient="records"):
                    yield {
                        "where": where,
                        "rule": row["source"],
                        "measure": "balanced_accuracy",
                        "value": row["balanced_accuracy"],
                    }


def print_arithmetic(rows: pd.DataFrame) -> None:
    """A table per case."""
    for case, part in rows.groupby("case", sort=False):
        if case in SYNTHETIC:
            _print_made(str(case), part)
            continue
        left_out = str(case).partition("without treated ")[2]
        for where in [left_out] if left_out else part["where"].unique():
            _print_moved(f"{case}: {where}", part[part["where"] == where])


def _print_moved(title: str, part: pd.DataFrame) -> None:
    """Simple rules stand once, as measured on the genes of the first model, and on counts."""
    wide = part.pivot_table(
        index=["model", "rule", "seed"], columns="measure", values="value", sort=False
    ).reset_index()
    cells: dict[str, list[str]] = {}
    for (model, rule), of_rule in wide.groupby(["model", "rule"], sort=False):
        name = str(rule) if model != "count_vae" or rule == model else f"{rule}, of counts"
        if name in cells:
            continue
        # Divisions share samples: their mean is no surer than one of them.
        ahead, error = of_rule["ahead"].mean(), np.sqrt((of_rule["ahead_se"] ** 2).mean())
        error = float(np.nanmax([error, of_rule["ahead"].std()])) if rule != MEANS else np.nan
        cells[name] = [
            *(mean_sd(of_rule[measure]) for measure in ("correlation", "r2", "ceiling")),
            "" if rule == MEANS else f"{ahead:+.3f} ± {error:.3f}: {verdict(ahead, error)}",
        ]
    columns = ("correlation", "R2", "ceiling", "ahead of the mean difference")
    print_table(f"{title}, {part['seed'].nunique()} seeds", cells, columns)


def _print_made(title: str, part: pd.DataFrame) -> None:
    """Other sources stand once for every way of drawing."""
    cells: dict[str, list[str]] = {}
    for (model, where, rule), of_rule in part.groupby(["model", "where", "rule"], sort=False):
        name = f"{rule}, {where}"
        if name in cells or (rule != model and "no noise" in str(where)):
            continue
        by_measure = of_rule.groupby("measure")["value"]
        cells[name] = [
            mean_sd(by_measure.get_group(measure)) if measure in by_measure.groups else ""
            for measure in MEASURES
        ]
    print_table(f"{title}, {part['seed'].nunique()} seeds", cells, MEASURES)
