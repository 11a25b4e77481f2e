"""Which sample columns go with which latent features: effect sizes, p- and q-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core import keys
from tybalt_like.evaluation.labels import MIN_PER_CLASS, UNKNOWN, label_columns

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Codes = NDArray[np.intp]

FEW = 12
"""Whole numbers with more values are measurements; with no more they name groups, as batches and
stages do."""
MIN_MEASURED = 2 * MIN_PER_CLASS
"""A correlation over fewer units says nothing."""
MIN_UNITS = 3
"""Of each class where whole groups of samples are the units."""
EXACT, MOST_EXACT = 8, 500
"""Without ties, p-values of two groups are exact up to so many units in the smaller one, as SciPy's
are, and in both. Of more units the exact ones take seconds, and the normal ones are larger."""
GROUPS, CLASSES, NUMBERS = "two groups", "groups", "numbers"
MEASURE = {GROUPS: "AUROC", CLASSES: "eta squared", NUMBERS: "Spearman"}
SAMPLES, WHOLE, WITHIN = "sample", "group", "within groups"


def associations(
    z_nk: Floats,
    obs: pd.DataFrame,
    *,
    features: Sequence[str],
    group_n: Codes | None = None,
) -> pd.DataFrame:
    """Test every feature against every usable sample column, by ranks.

    *Two groups*: AUROC, and the Mann-Whitney test (exact where a group is small and nothing is
    tied). *More groups*: eta squared of the ranks, ``(H - k + 1) / (n - k)`` (Tomczak & Tomczak
    2014), which is 0 on average where there is nothing, and the Kruskal-Wallis test. *Numbers*:
    Spearman's correlation and its t test. Columns that name groups are those of
    `evaluation.label_columns`; numbers with fractions or more than `FEW` values are measurements.
    Left out are names, running numbers, constant columns and those that this package writes.

    Samples that repeat (of one patient, in `group_n`) are no independent evidence; exchangeable
    are whole groups, or the samples within one:

    - A column that does not change within a group is tested between groups: their mean codes are
      the units.
    - A column that changes within groups is tested within them. Every group's mean is taken out of
      the codes, what is left is ranked (the aligned ranks of Hodges & Lehmann 1962), and compared
      with permutations of the column within the groups, by their exact mean and variance and a
      normal (chi-squared) tail. Effect sizes are of what is left, too.
    - Where a column changes within some groups only, the kind of test is taken that more samples
      can serve, and the other groups are left out.

    A direction that was chosen by a column is associated with it on the samples that chose it,
    whatever it is worth: give held-out samples.

    Parameters
    ----------
    z_nk
        Codes of samples.
    obs
        Their table.
    features
        Names of the k features.
    group_n
        Number of the group of each sample; every sample stands alone if None.

    Returns
    -------
    pandas.DataFrame
        A row for every column and feature: ``feature, column, kind, measure, value, level,
        direction, auroc, unit, n, p_value, q_value``. ``level`` and ``direction``: the group that
        is high or, of more than two, furthest from the others, and to which side; of numbers the
        side to which the feature goes with them. ``auroc``: of the level against all others, at
        least .5; missing for numbers. ``n``: samples, or groups where ``unit`` is ``"group"``.
        ``q_value``: Benjamini-Hochberg over all features and columns.
    """
    import pandas as pd
    from scipy.stats import false_discovery_control

    ranks = _Ranks(np.asarray(z_nk, dtype=np.float64))
    tables = []
    for column in _columns(obs, group_n):
        unit, found = _tested(ranks, column, group_n)
        if found is not None:
            about = {"column": column.name, "kind": column.kind, "measure": MEASURE[column.kind]}
            told = {"unit": unit, "n": found.pop("n"), "p_value": found.pop("p_value")}
            tables.append(pd.DataFrame({"feature": list(features), **about, **found, **told}))
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    table["q_value"] = false_discovery_control(table["p_value"])
    return table[COLUMNS]


COLUMNS = [
    *("feature", "column", "kind", "measure", "value", "level", "direction", "auroc", "unit"),
    *("n", "p_value", "q_value"),
]


@dataclass(frozen=True)
class _Column:
    """A sample column as numbers: codes of its classes, or what was measured; NaN = unknown."""

    name: str
    classes: tuple[str, ...]
    value_n: Array

    @property
    def kind(self) -> str:
        if not self.classes:
            return NUMBERS
        return GROUPS if len(self.classes) == 2 else CLASSES

    def of(self, value_n: Array, *, least: int) -> _Column | None:
        """The same column of other units; None if too few of them are left."""
        if not self.classes:
            known = value_n[~np.isnan(value_n)]
            enough = len(known) >= MIN_MEASURED and np.ptp(known) > 0
            return _Column(self.name, (), value_n) if enough else None
        code_n = np.where(np.isnan(value_n), -1, value_n).astype(int)
        n_c = np.bincount(code_n[code_n >= 0], minlength=len(self.classes))
        kept = np.flatnonzero(n_c >= least)
        if len(kept) < 2:
            return None
        new_c = np.full(len(n_c) + 1, np.nan)
        new_c[kept] = np.arange(len(kept))
        return _Column(self.name, tuple(self.classes[c] for c in kept), new_c[code_n])


def _columns(obs: pd.DataFrame, group_n: Codes | None) -> list[_Column]:
    """Those that can be tested, in the order of the table."""
    from pandas.api.types import is_numeric_dtype

    ours = {keys.SPLIT, keys.RESPONSE, keys.WEIGHT, keys.UNIT}
    obs = obs[[name for name in obs.columns if name not in ours]]
    measured = {name: value_n for name in obs if (value_n := _measured(obs[name])) is not None}
    # Of columns that group the samples alike, texts tell more than numbers, and the first is kept.
    texts = [name for name in obs if not is_numeric_dtype(obs[name])]
    ordered = [*texts, *obs.columns.difference([*texts, *measured], sort=False)]
    labels, _ = label_columns(obs[[n for n in ordered if n not in measured]], group_n=group_n)
    found = {name: _Column(str(name), (), value_n) for name, value_n in measured.items()}
    for label in labels:
        code_n = np.where(label.known_n, label.code_n, np.nan)
        found[label.column] = _Column(label.column, label.classes, code_n)
    usable = (found[name] for name in obs if name in found)
    return [c for c in usable if c.of(c.value_n, least=MIN_PER_CLASS) is not None]


def _measured(values: pd.Series) -> Array | None:
    """The numbers of a column that measures something, as text too; None if it does not."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return None
    if not pd.api.types.is_numeric_dtype(values):
        text = values.astype(str).str.strip()
        values = text.where(values.notna() & ~text.str.lower().isin(UNKNOWN))
    number_n = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    number_n = np.where(np.isfinite(number_n), number_n, np.nan)
    known = number_n[~np.isnan(number_n)]
    if len(known) < values.notna().sum() or not len(known):
        return None
    distinct = np.unique(known)
    whole = bool((distinct % 1 == 0).all())
    running = whole and len(distinct) == len(known) == np.ptp(distinct) + 1
    return None if running or (whole and len(distinct) <= FEW) else number_n


class _Ranks:
    """Codes as ranks about their mean, kept for the columns that know every sample."""

    def __init__(self, z_nk: Array) -> None:
        self.z_nk = z_nk
        self._all_nk: Array | None = None

    def of(self, known_n: NDArray[np.bool_]) -> Array:
        if not known_n.all():
            return _centred_ranks(self.z_nk[known_n])
        if self._all_nk is None:
            self._all_nk = _centred_ranks(self.z_nk)
        return self._all_nk


def _centred_ranks(x_nk: Array) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(x_nk, axis=0) - (len(x_nk) + 1) / 2)


Found = dict[str, NDArray[np.generic] | float]


def _tested(ranks: _Ranks, column: _Column, group_n: Codes | None) -> tuple[str, Found | None]:
    """What are the units, and what they say of every feature."""
    known_n = ~np.isnan(column.value_n)
    if group_n is None:
        return SAMPLES, _free(ranks.of(known_n), column.of(column.value_n, least=MIN_PER_CLASS))
    group_m = np.unique(group_n[known_n], return_inverse=True)[1]
    z_mk, value_m = ranks.z_nk[known_n], column.value_n[known_n]
    n_g = np.bincount(group_m)
    low_g, high_g = np.full(len(n_g), np.inf), np.full(len(n_g), -np.inf)
    np.minimum.at(low_g, group_m, value_m)
    np.maximum.at(high_g, group_m, value_m)
    varies_m = (low_g < high_g)[group_m]
    if varies_m.sum() <= (~varies_m).sum():
        mean_gk = np.stack([np.bincount(group_m, z_m) / n_g for z_m in z_mk.T], axis=1)
        whole = column.of(np.where(low_g < high_g, np.nan, low_g), least=MIN_UNITS)
        if whole is None:
            return WHOLE, None
        return WHOLE, _free(_centred_ranks(mean_gk[~np.isnan(whole.value_n)]), whole)
    within = column.of(value_m[varies_m], least=MIN_PER_CLASS)
    if within is None:
        return WITHIN, None
    kept_n = ~np.isnan(within.value_n)
    return WITHIN, _within(z_mk[varies_m][kept_n], within, group_m[varies_m][kept_n])


def _free(rank_nk: Array, column: _Column | None) -> Found | None:
    """Tests of units that can all change places; `rank_nk` are those that the column knows."""
    from scipy.stats import chi2, norm, t

    if column is None:
        return None
    value_n, n = column.value_n[~np.isnan(column.value_n)], len(rank_nk)
    spread_k = np.maximum(np.square(rank_nk).sum(0), 1e-12)
    if column.kind == NUMBERS:
        y_n = _centred_ranks(value_n[:, None])[:, 0]
        rho_k = y_n @ rank_nk / np.sqrt(spread_k * (y_n @ y_n))
        t_k = rho_k * np.sqrt((n - 2) / np.maximum(1 - rho_k**2, 1e-300))
        return _numbers(rho_k, 2 * t.sf(np.abs(t_k), n - 2), n)
    member_nc = value_n[:, None] == np.arange(len(column.classes))
    n_c, sum_ck = member_nc.sum(0), member_nc.T @ rank_nk
    if column.kind == GROUPS:
        sd_k = np.sqrt(n_c[0] * n_c[1] / (n * (n - 1)) * spread_k)
        p_k = np.minimum(1, 2 * norm.sf((np.abs(sum_ck[0]) - 0.5) / sd_k))
        tied_k = spread_k < n * (n * n - 1) / 12 - 1e-6
        if n_c.min() <= EXACT and n <= MOST_EXACT and not tied_k.all():
            p_k[~tied_k] = _exact(rank_nk[:, ~tied_k], member_nc[:, 0])
        return _classes(column, sum_ck, n_c, p_k)
    h_k = (n - 1) * (np.square(sum_ck) / n_c[:, None]).sum(0) / spread_k
    df = len(n_c) - 1
    eta_k = np.maximum(0, (h_k - df) / (n - df - 1))
    return _classes(column, sum_ck, n_c, chi2.sf(h_k, df), eta_k)


def _exact(rank_nk: Array, first_n: NDArray[np.bool_]) -> Array:
    from scipy.stats import mannwhitneyu

    return np.asarray(mannwhitneyu(rank_nk[first_n], rank_nk[~first_n], method="exact").pvalue)


def _within(z_nk: Array, column: _Column, group_n: Codes) -> Found | None:
    """Tests of samples that can change places within their group."""
    from scipy.stats import chi2

    order = np.argsort(group_n, kind="stable")
    z_nk, value_n = z_nk[order], column.value_n[~np.isnan(column.value_n)][order]
    starts, size_n = _blocks(group_n[order])
    n = len(z_nk)

    def centred(x: Array) -> Array:
        return np.asarray(x - (np.add.reduceat(x, starts) / size_n[starts, None])[group])

    group = np.repeat(np.arange(len(starts)), size_n[starts])
    rank_nk = _centred_ranks(centred(z_nk))
    if column.kind == NUMBERS:
        y_nc = _centred_ranks(centred(value_n[:, None]))
    else:
        y_nc = (value_n[:, None] == np.arange(len(column.classes))).astype(float)
    r_nk, x_nc = centred(rank_nk), centred(y_nc)
    # Of a column permuted within groups, x'r has mean 0 and this variance (Landis et al. 1978).
    square_gk = np.add.reduceat(np.square(r_nk), starts)
    cross_gcc = np.add.reduceat(x_nc[:, :, None] * x_nc[:, None, :], starts)
    free_g = np.maximum(size_n[starts] - 1, 1)
    variance_kcc = np.tensordot((square_gk / free_g[:, None]).T, cross_gcc, axes=1)
    sum_ck = x_nc.T @ r_nk
    df = int(np.linalg.matrix_rank(cross_gcc.sum(0), hermitian=True))
    if df == 0:
        return None
    inverse_kcc = np.linalg.pinv(variance_kcc, rcond=1e-9, hermitian=True)
    q_k = np.einsum("ck,kcd,dk->k", sum_ck, inverse_kcc, sum_ck)
    p_k = chi2.sf(q_k, df)
    if column.kind == NUMBERS:
        length_k = np.sqrt(np.maximum(np.square(r_nk).sum(0), 1e-12) * np.square(x_nc).sum())
        return _numbers(sum_ck[0] / length_k, p_k, n)
    # Effect sizes need the sums over all samples.
    eta_k = np.clip((q_k - df) / max(n - len(starts) - df, 1), 0, 1)
    return _classes(column, y_nc.T @ rank_nk, y_nc.sum(0), p_k, eta_k)


def _blocks(sorted_n: Codes) -> tuple[Codes, Codes]:
    """Where each group begins, and the size of the group of every sample."""
    _, starts, n_g = np.unique(sorted_n, return_index=True, return_counts=True)
    return starts, np.repeat(n_g, n_g)


def _numbers(rho_k: Array, p_k: Array, n: int) -> Found:
    side_k = np.where(rho_k >= 0, "high", "low").astype(object)
    nothing = {"level": np.full(len(rho_k), "", dtype=object), "direction": side_k}
    return {"value": rho_k, **nothing, "auroc": np.nan, "n": n, "p_value": p_k}


def _classes(
    column: _Column, sum_ck: Array, n_c: NDArray[np.number], p_k: Array, eta_k: Array | None = None
) -> Found:
    """From the sums of ranks about their mean; without eta squared, of two groups."""
    n = int(n_c.sum())
    pairs_c1 = (n_c * (n - n_c))[:, None]
    at_k = np.abs(sum_ck / np.sqrt(pairs_c1)).argmax(0)
    if eta_k is None or column.kind == GROUPS:
        at_k = sum_ck.argmax(0)
    auroc_k = np.take_along_axis(0.5 + sum_ck / pairs_c1, at_k[None], 0)[0]
    return {
        "value": np.maximum(auroc_k, 1 - auroc_k) if column.kind == GROUPS else eta_k,
        "level": np.asarray(column.classes, dtype=object)[at_k],
        "direction": np.where(auroc_k >= 0.5, "high", "low").astype(object),
        "auroc": np.maximum(auroc_k, 1 - auroc_k),
        "n": n,
        "p_value": p_k,
    }
