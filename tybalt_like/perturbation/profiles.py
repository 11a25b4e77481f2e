"""How well treated profiles were predicted, of conditions whose group was held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
MAX_FDR = 0.05
"""Of the genes that count as changed (Benjamini-Hochberg), by condition."""
MEASURES = (
    "treated_correlation",
    "explained",
    "retrieval",
    "change_correlation",
    "sign_accuracy",
    "change_auprc",
)
"""Of a condition, that is the mean of the samples of one held-out value under the same covariates:

``treated_correlation``: over genes, of the measured and the predicted treated profile, after the
mean treated training profile (the constant) was taken from both; 0 for the constant itself. What
all treated samples share counts for nothing (Systema: Viñas Torné et al., Nat Biotechnol 2025).
``explained``: share of the squared distance from the constant that the prediction explains; below
0 where the constant is nearer to the truth.
``retrieval``: share of all other conditions under the same covariates, training ones included,
whose measured profile the prediction resembles less than the right one; chance and constant: 0.5.
``change_correlation``: over genes, of the measured and the predicted change, after the mean change
in training was taken from both. The control in the measured change is another than the one that
the prediction knows and starts from.
``sign_accuracy``: share of the genes that change whose predicted change has the right sign; a
predicted change of 0 counts as half right.
``change_auprc``: average precision of the size of the predicted change in finding these genes; by
chance, their share.
"""
INTERVALS = ("coverage", "width")
"""Of single samples: the share of genes within the 90 % interval, and its mean width in standard
deviations of the gene."""
SHARED = "shared_control_correlation"
"""Per gene over samples, of changes with one and the same control in both; median gene. Noise of
the control is part of both, so that even nonsense correlates: 1 / sqrt 2 where all is noise."""


@dataclass(frozen=True)
class HeldOut:
    """Conditions that were held out, as measured.

    Attributes
    ----------
    group_c, kind_c
        Their held-out values, and the values of their covariates.
    x2_cg
        Mean treated profiles.
    change_cg, changed_cg
        Mean change against other controls, NaN where there are none, and which genes change.
    constant_g, mean_change_g
        Mean treated profile and mean change of the training pairs.
    other_og, kind_o
        Mean treated profiles of the training conditions, and their covariates.
    """

    group_c: Texts
    kind_c: Texts
    x2_cg: Floats
    change_cg: Floats
    changed_cg: NDArray[np.bool_]
    constant_g: Floats
    mean_change_g: Floats
    other_og: Floats
    kind_o: Texts

    @property
    def groups(self) -> Texts:
        """Held-out values, sorted."""
        return np.unique(self.group_c)


def measured(held: HeldOut, predicted_cg: Floats, change_cg: Floats) -> Floats:
    """`MEASURES` of each held-out value, (groups, measures): means over its conditions.

    NaN where a measure is not defined: without other controls, or without genes that change.
    """
    truth_cg, guess_cg = held.x2_cg - held.constant_g, predicted_cg - held.constant_g
    distance_c = (truth_cg**2).sum(1)
    of_changes = _changed(change_cg, held)
    value_cm = np.stack(
        [
            correlations(truth_cg.T, guess_cg.T),
            (distance_c - ((truth_cg - guess_cg) ** 2).sum(1)) / distance_c.mean(),
            _retrieval(held, truth_cg, guess_cg),
            _change_correlation(held, change_cg),
            *of_changes,
        ],
        axis=1,
    )
    return by_group(value_cm, held.group_c)


def within(x2_ng: Floats, predicted_ng: Floats, half_width_g: Floats, group_n: Texts) -> Floats:
    """`INTERVALS` of each held-out value, (groups, 2); NaN for infinite ones."""
    if not np.isfinite(half_width_g).all():
        return np.full((len(np.unique(group_n)), 2), np.nan)
    inside_n = (np.abs(x2_ng - predicted_ng) <= half_width_g).mean(1)
    width_n = np.full(len(x2_ng), 2 * half_width_g.mean())
    return by_group(np.stack([inside_n, width_n], 1), group_n)


def by_group(value_cm: Floats, group_c: Texts) -> Floats:
    """Means over the rows of each group that have a value, (groups, m); NaN where none has."""
    code_c = np.unique(group_c, return_inverse=True)[1]
    n_groups = code_c.max() + 1
    sum_gm, n_gm = np.zeros((2, n_groups, value_cm.shape[1]))
    np.add.at(sum_gm, code_c, np.nan_to_num(value_cm))
    np.add.at(n_gm, code_c, ~np.isnan(value_cm))
    return _ratio(sum_gm, n_gm)


def correlations(a_ng: Floats, b_ng: Floats) -> Floats:
    """Pearson correlation of each column, (g,); 0 where one of the two does not vary."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a_ng, b_ng))
    a, b = a - a.mean(0), b - b.mean(0)
    scale_g = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    known_g = scale_g > 1e-9 * max(1.0, float(scale_g.max(initial=0)))
    found_g: Floats = np.divide((a * b).sum(0), scale_g, out=np.zeros_like(scale_g), where=known_g)
    return found_g


def shared_control_correlation(x1_ng: Floats, x2_ng: Floats, predicted_ng: Floats) -> float:
    """`SHARED`, of samples."""
    return float(np.median(correlations(x2_ng - x1_ng, predicted_ng - x1_ng)))


def _retrieval(held: HeldOut, truth_cg: Floats, guess_cg: Floats) -> Floats:
    all_og = np.concatenate([truth_cg, held.other_og - held.constant_g])
    kind_o = np.concatenate([held.kind_c, held.kind_o])
    same_co = np.stack([kind_o == kind for kind in held.kind_c])
    np.fill_diagonal(same_co, val=False)
    similar_co = _standard(guess_cg) @ _standard(all_og).T
    own_c1 = np.diagonal(similar_co)[:, None]
    less_co = (similar_co < own_c1 - 1e-12) + 0.5 * (np.abs(similar_co - own_c1) <= 1e-12)
    return _ratio((less_co * same_co).sum(1), same_co.sum(1).astype(np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    """NaN where nothing is below."""
    found: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def _standard(x_ng: Floats) -> Floats:
    """Rows without their mean, of length 1; of length 0 those that do not vary."""
    centred_ng = x_ng - x_ng.mean(1, keepdims=True)
    length_n1 = np.sqrt((centred_ng**2).sum(1, keepdims=True))
    longest = max(1.0, float(length_n1.max(initial=0)))
    kept_n1 = length_n1 > 1e-9 * longest
    found: Floats = np.divide(centred_ng, length_n1, out=np.zeros_like(centred_ng), where=kept_n1)
    return found


def _change_correlation(held: HeldOut, change_cg: Floats) -> Floats:
    known_c = ~np.isnan(held.change_cg).any(1)
    found_c = np.full(len(held.change_cg), np.nan)
    a_cg, b_cg = (x_cg[known_c] - held.mean_change_g for x_cg in (held.change_cg, change_cg))
    found_c[known_c] = correlations(a_cg.T, b_cg.T)
    return found_c


def _changed(change_cg: Floats, held: HeldOut) -> tuple[Floats, Floats]:
    """Sign accuracy and average precision, (c,) each."""
    from sklearn.metrics import average_precision_score

    sign_c, auprc_c = np.full((2, len(change_cg)), np.nan)
    for i, changed_g in enumerate(held.changed_cg):
        if not changed_g.any():
            continue
        right_g = np.sign(held.change_cg[i]) * np.sign(change_cg[i])
        sign_c[i] = 0.5 + 0.5 * right_g[changed_g].mean()
        if not changed_g.all():
            auprc_c[i] = average_precision_score(changed_g, np.abs(change_cg[i]))
    return sign_c, auprc_c
