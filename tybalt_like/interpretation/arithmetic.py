"""Latent arithmetic: what a vector does to profiles, judged by samples it was not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.evaluation import Estimate
from tybalt_like.interpretation.changes import Change

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.intp]

LEVEL = 0.05
"""False discovery rate at which a change is said not to be the measured one; one minus the
coverage of the intervals."""
APART = 2.0
"""Standard errors within which two rules are not distinguishable."""
HALVES = 20
"""Divisions of the held-out samples for the ceiling."""
MEANS = "mean difference"
"""The rule that every other stands beside: add what the training means differ by."""


def agreement(predicted: Change, measured: Change) -> dict[str, Estimate]:
    """How near a predicted change of all genes is to the measured one.

    Returns
    -------
    dict
        ``correlation`` over genes; ``r2``, the share of the measured squared change that is
        predicted (0 for no change at all); ``error``, root mean square. Standard errors are those
        of the samples that both were measured on.
    """
    p, m = predicted.value_g, measured.value_g

    def estimate(value: float, by_p: Array, by_m: Array) -> Estimate:
        influence_n = predicted.influence_ng @ by_p + measured.influence_ng @ by_m
        unit_n = np.unique(measured.unit_n, return_inverse=True)[1].ravel()
        return Estimate(float(value), influence_n).by_group(unit_n)

    off_g, square, wrong = p - m, float(m @ m), float((p - m) @ (p - m))
    error = np.sqrt(wrong / len(m))
    by_error_g = off_g / max(len(m) * error, 1e-300)
    by_m_g = 2 * (off_g / square + m * wrong / square**2)
    found = {
        "r2": estimate(1 - wrong / square, -2 * off_g / square, by_m_g),
        "error": estimate(error, by_error_g, -by_error_g),
    }
    if min(p.std(), m.std()) <= 1e-12 * max(float(np.abs(m).max()), 1e-300):
        return {"correlation": Estimate(np.nan), **found}
    (p_g, p_norm), (m_g, m_norm) = (_direction(v) for v in (p, m))
    r = float(p_g @ m_g)
    return {
        "correlation": estimate(r, (m_g - r * p_g) / p_norm, (p_g - r * m_g) / m_norm),
        **found,
    }


def _direction(value_g: Array) -> tuple[Array, float]:
    """Centred and of length 1, and the length it had."""
    centred_g = value_g - value_g.mean()
    norm = float(np.linalg.norm(centred_g))
    return centred_g / norm, norm


def ceiling(
    value: Callable[[Mask], Array | None], unit_n: Codes, part_n: Codes, seed: int
) -> float:
    """The correlation with the measured change that the true change would have.

    From halves of the held-out units, drawn `HALVES` times: their correlation r becomes the
    reliability 2r / (1 + r) of the whole (Spearman 1910; Brown 1910), whose root is the ceiling.
    NaN if halves do not agree at all, or if a group cannot be halved.

    Parameters
    ----------
    value
        The change measured on some of the samples; None if they do not suffice.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(HALVES):
        first_n = _half(unit_n, part_n, rng)
        one_g, other_g = value(first_n), value(~first_n)
        if one_g is not None and other_g is not None:
            found.append(float(_direction(one_g)[0] @ _direction(other_g)[0]))
    r = float(np.mean(found)) if found else np.nan
    return float(np.sqrt(2 * r / (1 + r))) if r > 0 else np.nan


def _half(unit_n: Codes, part_n: Codes, rng: np.random.Generator) -> Mask:
    """A random half of the units of every group."""
    unit_u, first_u = np.unique(unit_n, return_index=True)
    order_u = rng.permutation(len(unit_u))
    order_u = order_u[np.argsort(part_n[first_u][order_u], kind="stable")]
    in_half_u = np.zeros(len(unit_u), dtype=bool)
    in_half_u[order_u[rng.integers(2) :: 2]] = True
    return np.asarray(in_half_u[np.searchsorted(unit_u, unit_n)])


def compared(rules: Mapping[str, Change], measured: Change, *, ceiling: float) -> pd.DataFrame:
    """A row for every rule, beside `MEANS`.

    Returns
    -------
    pandas.DataFrame
        ``rule``; ``correlation``, ``r2`` and ``error`` (`agreement`), each with ``_se``;
        ``ceiling``; ``ahead`` and ``ahead_se``, by how much the correlation is above that of the
        mean difference on the same samples; and ``verdict`` on that.
    """
    found = {rule: agreement(change, measured) for rule, change in rules.items()}
    rows = []
    for rule, measures in found.items():
        row: dict[str, object] = {"rule": rule}
        for name, estimate in measures.items():
            row |= {name: estimate.value, f"{name}_se": estimate.standard_error}
        ahead = measures["correlation"] - found[MEANS]["correlation"]
        row |= {"ceiling": ceiling, "ahead": np.nan, "ahead_se": np.nan, "verdict": ""}
        if rule != MEANS:
            row |= {"ahead": ahead.value, "ahead_se": ahead.standard_error}
            row["verdict"] = verdict(ahead.value, ahead.standard_error)
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(ahead: float, error: float) -> str:
    """What a difference from the simple rule comes to."""
    if not abs(ahead) > APART * error:
        return "not distinguishable"
    return "better" if ahead > 0 else "worse"


def gene_table(
    predicted_g: Array, means: Change, measured: Change, *, genes: pd.Index
) -> pd.DataFrame:
    """What a model says of every gene, what the means alone say, and what was measured.

    A change counts as different from the measured one where the difference is beyond what
    sampling of both the training samples (of the mean difference) and the held-out ones explains,
    with a false discovery rate of `LEVEL` over genes.

    Parameters
    ----------
    predicted_g
        By the model.
    means
        The mean difference of the training samples.
    measured
        On held-out samples.

    Returns
    -------
    pandas.DataFrame
        ``gene``; ``model_change``; ``mean_change``; ``measured_change`` with its 95 % interval
        ``measured_low``, ``measured_high``; ``model_verdict`` and ``mean_verdict``: "agrees",
        "invented" (no change was measured), "opposite", "overstated" or "understated"; the
        largest changes by the model first.
    """
    from scipy.stats import t

    error_g, free_g = measured.uncertainty()
    train_error_g, train_free_g = means.uncertainty()
    width_g = t.ppf(1 - LEVEL / 2, free_g) * error_g
    both_g = np.hypot(error_g, train_error_g)
    free_both_g = both_g**4 / np.maximum(
        error_g**4 / free_g + train_error_g**4 / train_free_g, 1e-300
    )
    m_g = measured.value_g
    table = pd.DataFrame(
        {
            "gene": genes,
            "model_change": predicted_g,
            "mean_change": means.value_g,
            "measured_change": m_g,
            "measured_low": m_g - width_g,
            "measured_high": m_g + width_g,
        }
    )
    for name in ("model", "mean"):
        said_g = table[f"{name}_change"].to_numpy()
        z_g = np.divide(said_g - m_g, both_g, out=np.zeros_like(m_g), where=both_g > 0)
        p_g = np.asarray(2 * t.sf(np.abs(z_g), np.maximum(free_both_g, 1)))
        table[f"{name}_verdict"] = _verdicts(said_g, m_g, width_g, _discoveries(p_g))
    order = np.argsort(-np.abs(predicted_g), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _discoveries(p_g: Array) -> Mask:
    """Those that Benjamini & Hochberg (1995) call at `LEVEL`."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p_g) < LEVEL)


def _verdicts(said_g: Array, m_g: Array, width_g: Array, differs_g: Mask) -> NDArray[np.object_]:
    return np.select(
        [
            ~differs_g,
            np.abs(m_g) <= width_g,
            said_g * m_g < 0,
            np.abs(said_g) > np.abs(m_g),
        ],
        ["agrees", "invented", "opposite", "overstated"],
        default="understated",
    ).astype(object)


def feature_table(
    trained: Change, held_out: Change, *, spread_k: Array, gene_change_k: Array, features: pd.Index
) -> pd.DataFrame:
    """Which latent features carry a difference.

    Parameters
    ----------
    trained, held_out
        The difference of the codes of training and of held-out samples.
    spread_k
        Standard deviation of the training codes.
    gene_change_k
        By how much the profile changes (root mean square over genes) when the feature alone
        makes its step.

    Returns
    -------
    pandas.DataFrame
        ``feature``; ``difference``; ``effect``, the same in standard deviations; ``gene_change``;
        ``held_out`` with its 95 % interval ``low``, ``high``; the largest ``gene_change`` first.
    """
    from scipy.stats import t

    error_k, free_k = held_out.uncertainty()
    width_k = t.ppf(1 - LEVEL / 2, free_k) * error_k
    effect_k = np.divide(
        trained.value_g, spread_k, out=np.zeros_like(spread_k), where=spread_k > 1e-12
    )
    table = pd.DataFrame(
        {
            "feature": features,
            "difference": trained.value_g,
            "effect": effect_k,
            "gene_change": gene_change_k,
            "held_out": held_out.value_g,
            "low": held_out.value_g - width_k,
            "high": held_out.value_g + width_k,
        }
    )
    return table.sort_values("gene_change", ascending=False, kind="stable", ignore_index=True)
