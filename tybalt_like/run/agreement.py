"""Where finished runs agree, and where they do not: tables from their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tybalt_like import anomaly
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.evaluation.stability import linear_cka
from tybalt_like.report.run_contents import RunContents
from tybalt_like.report.sections.settings import flattened

Runs = Mapping[str, RunContents]
TOP = 20
"""So many of the strangest samples are looked for in both of two runs."""
Z = 1.96
ERRORS = 2.0
"""Standard errors within which two measurements are not told apart."""
OF_ALL = {
    "r2": "R2, all genes",
    "gene_r2": "R2 of the median gene",
    "sample_pearson": "Pearson, median sample",
    "cka": "CKA of two trainings",
}
OF_LABEL = {
    "linear_balanced_accuracy": "linear, balanced accuracy",
    "knn_balanced_accuracy": "kNN, balanced accuracy",
}
RECONSTRUCTION = ("r2", "gene_r2", "sample_pearson")
CHOICE = ("n_genes", "select", "keep")
"""Settings that choose genes: where these are the same, it does not matter how."""
NOT_SET = "not set"


class Score(NamedTuple):
    """What one detector of a run says of the samples that were tested."""

    run: str
    scorer: str
    value: pd.Series
    p: pd.Series
    q: pd.Series
    called: pd.Series


def scores_of(name: str, run: RunContents) -> list[Score]:
    """All detectors of a run, the one that decides first."""
    names = [run.decides, *(one for one in run.about["scorers"] if one != run.decides)]
    found = []
    for one in names:
        what = ("value", "p_value", "q_value", "flagged")
        value, p, q, called = (run.score(w, model=one)[run.tested] for w in what)
        found.append(Score(name, one, value, p, q, called.astype(bool)))
    return found


def tested_by_all(runs: Runs) -> pd.Index:
    """Samples that every run was asked about, in the order of the first.

    Raises
    ------
    RunError
        If there are none; it says why.
    """
    (name, first), *others = runs.items()
    for other, run in others:
        common = first.samples.index.intersection(run.samples.index)
        if common.empty:
            raise RunError(
                f"{name} and {other} have no sample in common: the first holds "
                f"{first.samples.index[0]}, the second {run.samples.index[0]}; compare runs over "
                "the same samples, under the same names"
            )
        if not (first.tested[common] & run.tested[common]).any():
            raise RunError(
                f"{name} and {other} have {len(common):,} samples in common, but none that both "
                "have tested: what one tests is reference in the other"
            )
    asked = first.tested.index[first.tested]
    for run in runs.values():
        asked = asked[asked.isin(run.tested.index[run.tested])]
    if asked.empty:
        raise RunError(f"no sample is tested in all of {', '.join(runs)}; compare two at a time")
    return asked


def compared(scores: Mapping[str, Sequence[Score]], samples: pd.Index) -> list[Score]:
    """One score of each run: that which decides, or, where those say the same in all runs, that of
    its model."""
    deciding = [several[0] for several in scores.values()]
    values = [one.value[samples].to_numpy(np.float64) for one in deciding]
    if all(np.allclose(values[0], other, rtol=1e-5) for other in values[1:]):
        return [several[-1] for several in scores.values()]
    return deciding


def by_sample(chosen: Sequence[Score], samples: pd.Index, labels: pd.Series) -> pd.DataFrame:
    """A row per sample and run, those on which runs disagree first.

    Columns ``sample, label, run, scorer, rank, p_value, q_value, called``; of the sample, ``calls``
    (by so many runs) and ``ratio``, the largest of its ranks by the smallest: places 1 and 10 are
    as far apart as 20 and 200. Rank 1 is the strangest of `samples`.
    """
    parts = [
        pd.DataFrame(
            {
                "sample": samples,
                "label": labels.reindex(samples).to_numpy(),
                "run": one.run,
                "scorer": one.scorer,
                "rank": one.value[samples].rank(ascending=False, method="min").to_numpy(),
                "p_value": one.p[samples].to_numpy(),
                "q_value": one.q[samples].to_numpy(),
                "called": one.called[samples].to_numpy(),
            }
        )
        for one in chosen
    ]
    table = pd.concat(parts, ignore_index=True)
    of_sample = table.groupby("sample", sort=False)
    table["calls"] = of_sample["called"].transform("sum")
    table["ratio"] = of_sample["rank"].transform("max") / of_sample["rank"].transform("min")
    differs = table["calls"].between(1, len(chosen) - 1)
    order = table.assign(differs=differs).sort_values(
        ["differs", "ratio", "sample"], ascending=[False, False, True], kind="stable"
    )
    return table.loc[order.index]


def pairs(scores: Sequence[Score]) -> pd.DataFrame:
    """Every score beside those of other runs, over the samples that both have tested.

    ``spearman`` with its 95 % interval (Bonett & Wright, Psychometrika 65:23, 2000), who is called
    by both or one of them, ``overlap`` (of those that are called by either, the share that both
    call), ``p_more`` (exact McNemar test: whether one calls more than the other), and how many of
    the `TOP` strangest are the same.
    """
    from scipy.stats import binomtest

    rows = []
    for a, b in combinations(scores, 2):
        both = a.value.index[a.value.index.isin(b.value.index)]
        if a.run == b.run or both.empty:
            continue
        x_n, y_n = a.value[both], b.value[both]
        spearman = float(x_n.rank().corr(y_n.rank()))
        width = Z * np.sqrt((1 + spearman**2 / 2) / max(len(both) - 3, 1))
        middle = np.arctanh(np.clip(spearman, -1 + 1e-9, 1 - 1e-9))
        low, high = np.tanh(middle - width), np.tanh(middle + width)
        called_a, called_b = a.called[both], b.called[both]
        only_a, only_b = int((called_a & ~called_b).sum()), int((called_b & ~called_a).sum())
        either, top = int((called_a | called_b).sum()), min(TOP, len(both))
        same = set(x_n.nlargest(top).index) & set(y_n.nlargest(top).index)
        rows.append(
            {
                "run": a.run,
                "scorer": a.scorer,
                "other_run": b.run,
                "other_scorer": b.scorer,
                "n": len(both),
                "spearman": spearman,
                "spearman_low": low,
                "spearman_high": high,
                "called_by_both": either - only_a - only_b,
                "called_by_first": only_a,
                "called_by_second": only_b,
                "overlap": (either - only_a - only_b) / either if either else np.nan,
                "p_more": binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0,
                "top": top,
                "same_on_top": len(same),
            }
        )
    return pd.DataFrame(rows)


def detection(runs: Runs, chosen: Sequence[Score]) -> pd.DataFrame:
    """How well each score finds the anomalies that all runs name, on the same samples.

    ``ahead`` and ``ahead_error``: the AUROC less that of the first row, with DeLong's standard
    error on the same samples. Empty if no anomaly is named by all.
    """
    first = next(iter(runs.values()))
    value = pd.DataFrame({one.run: runs[one.run].score(model=one.scorer) for one in chosen})
    value = value.reindex(first.samples.index)
    normal_n = pd.Series(True, index=value.index)
    for one in chosen:
        normal_n &= _held_out(runs[one.run], one.scorer).reindex(value.index, fill_value=False)
    known_n = value.notna().all(axis=1)
    rows = []
    for name in first.about["anomalies"]:
        strange_n = (first.labels == name) & ~normal_n
        used_n = known_n & (normal_n | strange_n)
        truth_n = strange_n[used_n].to_numpy()
        if not _agrees(runs, name) or truth_n.all() or not truth_n.any():
            continue
        for one in chosen:
            ours, other = value[one.run][used_n], value[chosen[0].run][used_n]
            area = anomaly.auroc_interval(ours, truth_n)
            ahead = anomaly.auroc_difference(ours, other, truth_n)
            rows.append(
                {
                    "anomaly": name,
                    "run": one.run,
                    "scorer": one.scorer,
                    "n_normal": int((~truth_n).sum()),
                    "n_anomaly": int(truth_n.sum()),
                    "auroc": area.value,
                    "auroc_low": area.low,
                    "auroc_high": area.high,
                    "ahead": ahead.value,
                    "ahead_error": ahead.error,
                }
            )
    return pd.DataFrame(rows)


def _held_out(run: RunContents, scorer: str) -> pd.Series:
    """The reference samples that the score of that detector has not learned from."""
    split: pd.Series = run.samples[keys.SPLIT]
    return split != keys.QUERY if scorer == keys.DEFAULT else run.normals


def _agrees(runs: Runs, name: str) -> bool:
    """Whether every run names that anomaly, and gives it to the same of its samples."""
    first, *others = runs.values()
    holds = first.labels == name
    return all(
        name in run.about["anomalies"]
        and (run.labels == name).equals(holds.reindex(run.labels.index, fill_value=False))
        for run in others
    )


def encodings(runs: Runs) -> pd.DataFrame:
    """What was measured of each run's encoding: a row per measure, label column and run.

    ``side`` compares with the first run, where both measured the same: ``level`` within two
    standard errors. These take the runs to be independent, which they are not: a real difference
    may be called level, the other way round is rarer than one in twenty.
    """
    found = []
    for name, run in runs.items():
        table = run.table("evaluation.tsv")
        if table.empty:
            continue
        rows = table[(table["encoder"] == run.model) & table["metric"].isin([*OF_ALL, *OF_LABEL])]
        found.append(rows.assign(run=name, column=rows["column"].fillna("")))
    if not found:
        return pd.DataFrame()
    table = pd.concat(found, ignore_index=True)
    table = table[["metric", "column", "run", "value", "standard_error", "n"]]
    several = table.groupby(["metric", "column"])["run"].transform("size") > 1
    table = table[several].reset_index(drop=True)
    (name, one), *others = runs.items()
    same = [other for other, run in others if same_samples(one, run)]
    like = [other for other, run in others if same_values(one, run)]
    groups = table.groupby(["metric", "column"])
    first = groups[["value", "standard_error", "run"]].transform("first")
    apart = table["value"] - first["value"]
    error = np.hypot(table["standard_error"], first["standard_error"])
    side_n = np.where(apart > 0, "better", "worse")
    side_n = np.where(apart.abs() <= ERRORS * error, "level", side_n)
    told = np.isfinite(error) & (first["run"] == name) & table["run"].isin(same)
    told &= table["run"].isin(like) | ~table["metric"].isin(RECONSTRUCTION)
    table["side"] = np.where(told, side_n, "")
    order = {metric: place for place, metric in enumerate([*OF_ALL, *OF_LABEL])}
    return table.sort_values(
        ["metric", "column"], key=lambda c: c.map(order) if c.name == "metric" else c, kind="stable"
    )


def latents(runs: Runs) -> pd.DataFrame:
    """Linear CKA of every two encodings, over samples that neither model was trained on."""
    unseen = {
        name: run.samples.index[~run.samples[keys.SPLIT].isin((keys.TRAIN, keys.VALIDATION))]
        for name, run in runs.items()
    }
    rows = []
    for a, b in combinations(runs, 2):
        both = unseen[a].intersection(unseen[b])
        cka = linear_cka(runs[a].latent.loc[both], runs[b].latent.loc[both])
        rows.append({"run": a, "other_run": b, "n": len(both), "cka": cka})
    return pd.DataFrame(rows)


def settings(runs: Runs) -> pd.DataFrame:
    """What differs between the recipes, the data and the versions: ``what, key`` and a column for
    each run."""
    said = {}
    for name, run in runs.items():
        about = run.about
        read = {key: about["reading"].get(key, NOT_SET) for key in ("source", "n_obs", "n_vars")}
        parts = {"recipe": about["recipe"], "data": read, "versions": about["versions"]}
        rows = {
            (what, key): value
            for what, tables in parts.items()
            for key, value in flattened(tables)
            if (what, key) != ("recipe", "name")
        }
        said[name] = pd.Series(rows, dtype=object)
    order = dict.fromkeys(key for rows in said.values() for key in rows.index)
    table = pd.DataFrame(said).reindex(list(order)).fillna(NOT_SET).rename_axis(["what", "key"])
    differs = table.ne(table.iloc[:, 0], axis=0).any(axis=1)
    return table[differs].reset_index()


def same_samples(one: RunContents, other: RunContents) -> bool:
    """Whether both runs measured their encodings on the same samples."""
    held = [
        frozenset(run.samples.index[run.samples[keys.SPLIT].isin((keys.TEST, keys.QUERY))])
        for run in (one, other)
    ]
    return held[0] == held[1]


def same_values(one: RunContents, other: RunContents) -> bool:
    """Whether both runs measured reconstruction on the same genes, on the same scale."""
    seen = []
    for run in (one, other):
        how = run.about["recipe"].get("normalize") or {}
        scale = {key: value for key, value in how.items() if key not in CHOICE}
        train = frozenset(run.samples.index[run.samples[keys.SPLIT] == keys.TRAIN])
        seen.append((scale, train, _text(run.folder / "genes.txt")))
    return seen[0] == seen[1]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
