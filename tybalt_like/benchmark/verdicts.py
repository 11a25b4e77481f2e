"""What measured rows allow to be said: groups of cases as units, and printed tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tybalt_like.benchmark.anomaly import LEVELS, RATES
from tybalt_like.benchmark.detectors import DEFAULT, SPLIT
from tybalt_like.benchmark.rows import print_table

LEAST_GROUPS = 5
"""Fewer have no standard error that means anything."""
ERRORS = 2.0
"""Standard errors that a difference must exceed."""
PROTOCOLS = {
    False: "learned from 60 % of the normal samples, calibrated on 20 %",
    True: "learned from 80 % of the normal samples, calibrated on the same out of fold",
}
"""By whether a detector is cross-fitted."""


def verdict(value: float, error: float) -> str:
    """What may be said of a difference: within 2 standard errors "not distinguishable"."""
    if abs(value) > ERRORS * error:
        return "better" if value > 0 else "worse"
    return "not distinguishable"


def by_group(rows: pd.DataFrame, measure: str = "auroc") -> pd.DataFrame:
    """Means over seeds, then over the tasks of a group: detectors x groups. A case without a group
    is one of its own."""
    rows = rows[~rows["pooled"]]
    group = rows["group"].where(rows["group"] != "", rows["case"] + " -> " + rows["anomaly"])
    keys = ["detector", group.rename("of"), "case", "anomaly"]
    of_task = rows.groupby(keys, sort=False)[measure].mean().reset_index()
    return of_task.pivot_table(measure, index="detector", columns="of", sort=False)


def over_groups(rows: pd.DataFrame, *, beside: str = DEFAULT) -> pd.DataFrame:
    """One row per detector, best first.

    Returns
    -------
    pandas.DataFrame
        ``auroc``, ``error``: mean over the groups and its standard error (infinite for one group);
        ``gap``, ``worst``, ``where``: how far below the best simple detector of each group, on
        average and at most, and in which; ``ahead``, ``ahead_error``, ``verdict``: how far `beside`
        is ahead of the detector on the same groups, if it is among them.
    """
    auroc = by_group(rows)
    ours = rows.groupby("detector", sort=False)["ours"].first().astype(bool)
    simple = auroc.loc[ours.index[~ours]]
    table = pd.DataFrame({"auroc": auroc.mean(axis=1), "error": standard_error(auroc)})
    if len(simple):
        gap = simple.max() - auroc
        table["gap"], table["worst"] = gap.mean(axis=1), gap.max(axis=1)
        table["where"] = gap.idxmax(axis=1)
    if beside in auroc.index:
        ahead = auroc.loc[beside] - auroc
        table["ahead"], table["ahead_error"] = ahead.mean(axis=1), standard_error(ahead)
        pairs = zip(table["ahead"], table["ahead_error"], strict=True)
        table["verdict"] = [verdict(*pair) for pair in pairs]
    return table.sort_values("auroc", ascending=False, kind="stable")


def standard_error(values: pd.DataFrame) -> pd.Series:
    """Of the mean of each row; infinite for a single column."""
    n = values.notna().sum(axis=1)
    error: pd.Series = (values.std(axis=1, ddof=1) / np.sqrt(n)).where(n > 1, np.inf)
    return error


def print_anomaly(rows: pd.DataFrame, *, parts: bool = False) -> None:
    """A table per case and anomaly with intervals, and what they allow to be said.

    Parameters
    ----------
    parts
        Also show the scores that combined ones are made of.
    """
    shown = rows if parts else rows[~rows["part"].astype(bool)]
    for (case, anomalous), of_case in shown.groupby(["case", "anomaly"], sort=False):
        first = of_case.iloc[0]
        title = (
            f"{case} -> {anomalous}: {first['n_anomaly']} anomalies and {first['n_normal']} normal "
            f"samples (prevalence {first['prevalence']:.2f}), {_seeds(of_case)}"
            f"{'; ' * bool(first['remark'])}{first['remark']}"
        )
        columns = ["AUROC (95 %)", "AUPRC", f"% p <= {', '.join(map(str, LEVELS))}"]
        columns += ["default ahead", "default is", "seconds"]
        by_detector = of_case.groupby("detector", sort=False)
        cells = {str(name): _line(str(name), of) for name, of in by_detector}
        print_table(title, cells, columns)
    if len(by_group(shown).columns) >= LEAST_GROUPS:
        print_suite(shown, parts=parts)


def print_suite(rows: pd.DataFrame, *, parts: bool = False) -> None:
    """By half, detectors that learn from as many samples together: means over the groups, error
    rates, and the AUROC of each group; where anomalies are hidden in the reference, only means."""
    shown = rows if parts else rows[~rows["part"].astype(bool)]
    for (half, cross_fitted), part in shown.groupby(["half", "cross_fitted"], sort=False):
        of = part.assign(detector=part["detector"].str.removesuffix(SPLIT))
        n = len(by_group(of).columns)
        title = f"{half or 'all'}: {n} group{'s' * (n > 1)}, {_seeds(of)}; "
        title += PROTOCOLS[bool(cross_fitted)]
        if of["hidden"].any():
            _print_hidden(f"{title}: AUROC ± SE by the share of hidden anomalies", of)
            continue
        table = over_groups(of)
        _print_areas(title, table)
        _print_rates(f"{title}: error rates in per cent, ± SE over groups", of, list(table.index))
        _print_groups(f"{title}: AUROC", of)


def _print_groups(title: str, rows: pd.DataFrame) -> None:
    """By group: ours, and the best simple detector."""
    auroc, ours = by_group(rows), rows.groupby("detector", sort=False)["ours"].first().astype(bool)
    mine, simple = auroc.loc[ours.index[ours]], auroc.loc[ours.index[~ours]]
    cells = {}
    for group in auroc:
        best = [f"{simple[group].max():.3f}", str(simple[group].idxmax())] if len(simple) else []
        cells[str(group)] = [*(f"{area:.3f}" for area in mine[group]), *best]
    columns = [*map(str, mine.index), *["best simple one", "which"] * bool(len(simple))]
    print_table(title, cells, columns)


def _print_hidden(title: str, rows: pd.DataFrame) -> None:
    tables = {f"{share:.0%}": over_groups(of) for share, of in rows.groupby("hidden")}
    names = list(dict.fromkeys(name for table in tables.values() for name in table.index))
    cells = {str(name): [""] * len(tables) for name in names}
    for i, table in enumerate(tables.values()):
        for name, row in table.iterrows():
            cells[str(name)][i] = _with_error(row["auroc"], row["error"])
    print_table(title, cells, tables)


def _seeds(rows: pd.DataFrame) -> str:
    n = rows["seed"].nunique()
    return f"{n} seed{'s' * (n > 1)}"


def _line(name: str, rows: pd.DataFrame) -> list[str]:
    """A detector's cells: means over seeds. Every seed tests the same anomalies, so that errors
    are averaged and not divided by the root of their number."""
    mean = rows.mean(numeric_only=True)
    shares = [100 * mean[f"p_{100 * level:02.0f}"] for level in LEVELS]
    cells = [
        f"{mean['auroc']:.3f} ({mean['auroc_low']:.2f}-{mean['auroc_high']:.2f})",
        f"{mean['auprc']:.3f}",
        "" if np.isnan(shares[0]) else ", ".join(f"{share:.1f}" for share in shares),
    ]
    ahead = (mean.get("ahead", np.nan), mean.get("ahead_error", np.nan))
    compared = name != DEFAULT and not np.isnan(ahead[0])
    cells += [_with_error(*ahead, sign="+"), verdict(*ahead)] if compared else ["", ""]
    return [*cells, f"{mean['seconds']:.2f}"]


def _print_areas(title: str, table: pd.DataFrame) -> None:
    cells = {}
    for name, row in table.iterrows():
        line = [_with_error(row["auroc"], row["error"])]
        if "gap" in row:
            line += [f"{row['gap']:.3f}", f"{row['worst']:.3f}", str(row["where"])]
        if "ahead" in row and name != DEFAULT:
            line += [_with_error(row["ahead"], row["ahead_error"], sign="+"), row["verdict"]]
        cells[str(name)] = line
    columns = ["AUROC ± SE"]
    columns += ["below best", "at most", "where"] * ("gap" in table)
    columns += ["default ahead", "default is"] * ("ahead" in table)
    print_table(title, cells, columns)


def _with_error(value: float, error: float, *, sign: str = "") -> str:
    return f"{value:{sign}.3f} ± {error:.3f}" if np.isfinite(error) else f"{value:{sign}.3f}"


def _print_rates(title: str, rows: pd.DataFrame, order: Sequence[str]) -> None:
    """The last line is what p-values of so few calibration samples can reach at most."""
    shares = {f"p_{100 * level:02.0f}": level for level in LEVELS}
    flags = [f"{what}_{100 * rate:02.0f}" for rate in RATES for what in ("power", "false")]
    known = rows[rows["p_10"].notna()]
    shown = [name for name in order if name in set(known["detector"])]
    if not shown:
        return
    n = known["n_calibration"] + 1
    most = known.assign(**{share: np.floor(level * n) / n for share, level in shares.items()})
    cells: dict[str, list[str]] = {name: [] for name in shown}
    attainable = []
    for measure in (*shares, *flags):
        of_group = 100 * by_group(known, measure)
        mean, error = of_group.mean(axis=1), standard_error(of_group)
        for name, line in cells.items():
            spread = f" ± {error[name]:.1f}" if np.isfinite(error[name]) else ""
            line.append(f"{mean[name]:.1f}{spread}")
        at_most = 100 * by_group(most, measure).loc[shown[0]].mean()
        attainable.append(f"{at_most:.1f}" if measure in shares else "")
    columns = [f"p <= {level}" for level in LEVELS]
    columns += [f"{what}, q <= {rate}" for rate in RATES for what in ("found", "false")]
    print_table(title, cells | {"attainable": attainable}, columns)
