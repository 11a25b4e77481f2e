"""Hazards along single numbers: Cox's model, and Kaplan and Meier's curves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.interpretation.follow_up import FollowUp

Cut = Literal["tertiles", "median"]
GROUPS: dict[Cut, tuple[str, ...]] = {
    "tertiles": ("low", "middle", "high"),
    "median": ("low", "high"),
}
HAZARDS = ["hazard_ratio", "lower", "upper", "p_value", "q_value"]
HAZARDS += ["ph_p_value", "ph_q_value", "n", "events"]
CURVES = ["variable", "group", "time", "survival", "lower", "upper", "at_risk", "censored"]
COMPARED = ["variable", "group", "n", "events", "median", "median_lower", "median_upper", "p_value"]


def hazard_ratios(
    values: pd.DataFrame, follow_up: FollowUp, *, group_n: NDArray[np.intp] | None = None
) -> pd.DataFrame:
    """Cox's proportional hazards model of every column alone.

    Parameters
    ----------
    values
        Samples x variables, such as latent features; missing values leave a sample out of its
        column.
    group_n
        Number of each sample's group, where samples of a group depend on each other: standard
        errors are then those of Lin & Wei (1989), with groups as units.

    Returns
    -------
    pandas.DataFrame
        Indexed by variable: ``hazard_ratio`` per standard deviation with its 95 % interval
        ``lower``, ``upper`` and Wald's ``p_value``; ``q_value`` (Benjamini & Hochberg, over the
        columns of `values`); ``ph_p_value`` and ``ph_q_value`` of the test of proportional
        hazards by scaled Schoenfeld residuals against the Kaplan-Meier transform of time
        (Grambsch & Therneau 1994); ``n``, ``events``. NaN where a column is constant, or
        separates the samples so that no ratio is finite.

    Notes
    -----
    Ties as by Efron. Source: Cox, J R Stat Soc B 1972; lifelines.
    """
    with _lifelines():
        rows = [_cox(values[name], follow_up, group_n) for name in values]
    table = pd.DataFrame(rows, index=pd.Index(values.columns, name="variable"))
    table["q_value"] = _bh(table["p_value"])
    table["ph_q_value"] = _bh(table["ph_p_value"])
    return table[HAZARDS]


def _cox(
    values: pd.Series, follow_up: FollowUp, group_n: NDArray[np.intp] | None
) -> dict[str, float]:
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from lifelines.statistics import proportional_hazard_test

    x_n = values.to_numpy(np.float64)
    used_n = follow_up.known_n & np.isfinite(x_n)
    x_n, time_n, event_n = x_n[used_n], follow_up.time_n[used_n], follow_up.event_n[used_n]
    counts = {"n": len(x_n), "events": int(event_n.sum())}
    if len(x_n) < 2 or x_n.std() <= 1e-12 * max(1.0, np.abs(x_n).max()) or not event_n.any():
        return dict.fromkeys(HAZARDS, np.nan) | counts
    x_n = (x_n - x_n.mean()) / x_n.std(ddof=1)
    table = pd.DataFrame({"x": x_n, "time": time_n, "event": event_n})
    try:
        fitted = CoxPHFitter().fit(table, "time", "event")
        form = proportional_hazard_test(fitted, table, time_transform="km").summary
        if group_n is not None:
            clusters = table.assign(group=group_n[used_n])
            fitted = CoxPHFitter().fit(clusters, "time", "event", cluster_col="group")
    except ConvergenceError:
        return dict.fromkeys(HAZARDS, np.nan) | counts
    found = fitted.summary.loc["x"]
    return {
        "hazard_ratio": float(found["exp(coef)"]),
        "lower": float(found["exp(coef) lower 95%"]),
        "upper": float(found["exp(coef) upper 95%"]),
        "p_value": float(found["p"]),
        "ph_p_value": float(form["p"].iloc[0]),
    } | counts


def _bh(p: pd.Series) -> pd.Series:
    """Benjamini-Hochberg over what is known."""
    from scipy.stats import false_discovery_control

    known = p.dropna()
    if known.empty:
        return p
    return pd.Series(false_discovery_control(known), index=known.index).reindex(p.index)


def kaplan_meier(
    values: pd.DataFrame, follow_up: FollowUp, *, cut: Cut = "tertiles"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Survival of samples with low and high values of every column.

    Samples are cut at the tertiles or the median of the values alone, never where the outcome
    would part them best. Values that are equal stay together; groups that are left empty by that
    are left out.

    Returns
    -------
    tuple
        Curves, long: ``variable, group, time``, Kaplan & Meier's ``survival`` with its 95 %
        interval (``lower``, ``upper``; log-log), ``at_risk`` just before that time, ``censored``
        at it. And the groups: ``variable, group, n, events, median`` (infinite where half are
        never reached) with its interval, and the log-rank ``p_value`` of all groups.
    """
    with _lifelines():
        found = [_curves(values[name], follow_up, cut) for name in values]
    curves, groups = zip(*found, strict=True) if found else ((), ())
    return (
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=CURVES),
        pd.concat(groups, ignore_index=True) if groups else pd.DataFrame(columns=COMPARED),
    )


def _curves(values: pd.Series, follow_up: FollowUp, cut: Cut) -> tuple[pd.DataFrame, pd.DataFrame]:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test
    from lifelines.utils import median_survival_times

    x_n = values.to_numpy(np.float64)
    used_n = follow_up.known_n & np.isfinite(x_n)
    x_n, time_n, event_n = x_n[used_n], follow_up.time_n[used_n], follow_up.event_n[used_n]
    names = np.array(GROUPS[cut])
    edges = np.quantile(x_n, np.arange(1, len(names)) / len(names)) if len(x_n) else []
    group_n = names[np.searchsorted(edges, x_n, side="left")]
    present = [name for name in names if (group_n == name).any()]
    p_value = np.nan
    if len(present) > 1:
        p_value = float(multivariate_logrank_test(time_n, group_n, event_n).p_value)
    curves, groups = [], []
    for name in present:
        in_n = group_n == name
        fitter = KaplanMeierFitter().fit(time_n[in_n], event_n[in_n])
        interval = fitter.confidence_interval_survival_function_
        median = median_survival_times(interval).to_numpy().ravel()
        curves.append(
            pd.DataFrame(
                {
                    "variable": values.name,
                    "group": name,
                    "time": fitter.event_table.index.to_numpy(float),
                    "survival": fitter.survival_function_.to_numpy().ravel(),
                    "lower": interval.iloc[:, 0].to_numpy(),
                    "upper": interval.iloc[:, 1].to_numpy(),
                    "at_risk": fitter.event_table["at_risk"].to_numpy(int),
                    "censored": fitter.event_table["censored"].to_numpy(int),
                }
            )
        )
        number = [values.name, name, int(in_n.sum()), int(event_n[in_n].sum())]
        groups.append([*number, fitter.median_survival_time_, *median, p_value])
    table = pd.concat(curves) if curves else pd.DataFrame(columns=CURVES)
    return table, pd.DataFrame(groups, columns=COMPARED)


@contextmanager
def _lifelines() -> Iterator[None]:
    """The library, or how to get it; its remarks on single fits stay unsaid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lifelines  # noqa: F401
    except ImportError:
        raise DataError("survival needs lifelines: pip install 'tybalt-like[survival]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
