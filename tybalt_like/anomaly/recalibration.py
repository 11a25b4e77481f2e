"""p-values of samples from another source, from normal samples of that source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.domain import MIN_CONTROLS, Domain, check_controls
from tybalt_like.anomaly.outputs import Array


def offset(domain: Domain, controls_kg: NDArray[np.floating]) -> Array:
    """By how much the source of controls displaces each gene, to be subtracted from samples.

    The difference of means, shrunk as its noise demands: the posterior mean for
    displacements that are normal with equal variance in all standardised genes, when sampling
    noise has the covariance of the reference (empirical Bayes; James & Stein 1961, along
    principal axes). Differences along programmes in which normal samples vary are mostly the
    luck of the draw and are left nearly as they are; others are taken off nearly whole.

    Returns
    -------
    numpy.ndarray
        In the units of the profiles, (g,); 0 if the controls show no displacement.

    Raises
    ------
    DataError
        If there are fewer than 4 controls: `left_out` leaves out one of 5.
    """
    check_controls(controls_kg, least=MIN_CONTROLS - 1)
    d_g = (np.asarray(controls_kg, np.float64).mean(0) - domain.reference_g) * domain.weight_g
    usable_g = domain.residual_weight_g > 0
    noise = 1 / len(controls_kg) + 1 / float(domain.n_reference)
    axes_kg = domain.axes_kg.astype(np.float64)
    along_k = axes_kg @ d_g
    e_g = np.where(usable_g, d_g - along_k @ axes_kg, 0.0)
    rest = float(np.square(1 / domain.residual_weight_g[usable_g]).mean())
    size2 = max(0.0, float(np.square(e_g[usable_g]).mean()) - rest * noise)
    if not size2:
        return np.zeros_like(d_g)
    kept_g = e_g * size2 / (size2 + rest * noise)
    kept_g += (along_k * size2 / (size2 + domain.variance_k * noise)) @ axes_kg
    return np.divide(kept_g, domain.weight_g, out=np.zeros_like(kept_g), where=usable_g)


def left_out(domain: Domain, controls_kg: NDArray[np.floating]) -> Array:
    """Controls less the `offset` of the other ones: what new samples of the source are like
    after recentring, (k, g)."""
    check_controls(controls_kg)
    rows = np.arange(len(controls_kg))
    return np.stack([controls_kg[i] - offset(domain, controls_kg[rows != i]) for i in rows])


def as_reference(
    score_n: NDArray[np.floating],
    *,
    controls_k: NDArray[np.floating],
    reference_m: NDArray[np.floating],
) -> Array:
    """Scores of samples from a shifted source, as they would be had they come from the reference's.

    A score becomes as many standard deviations above the mean of the reference scores as it lies
    above that of the controls, by Student's predictive distribution, so that few controls make
    p-values larger, not smaller. That normal samples of the source then have p <= a with
    probability a is not guaranteed: it supposes that the source changes location and scale of the
    scores, not their shape, and that these are nearly normal (of exponential scores .08 have
    p <= .05). Guaranteed would be ranks among the controls, which k of them cannot bring below
    1 / (k + 1).

    Parameters
    ----------
    score_n
        Scores of new samples, less the `offset` of the controls.
    controls_k
        Scores of the controls, each less the offset of the other ones (`left_out`).
    reference_m
        Scores that p-values are computed from.

    Raises
    ------
    DataError
        If there are fewer than 5 controls.
    """
    from scipy.stats import norm, t

    check_controls(controls_k)
    k = len(controls_k)
    location, scale = float(np.mean(controls_k)), float(np.std(controls_k, ddof=1))
    t_n = (np.asarray(score_n, dtype=np.float64) - location) / max(scale, 1e-12)
    t_n /= np.sqrt(1 + 1 / k)
    # The survival function of |t| keeps the digits of large values.
    z_n = np.sign(t_n) * norm.isf(t.sf(np.abs(t_n), k - 1))
    return np.asarray(np.mean(reference_m) + np.std(reference_m, ddof=1) * z_n)
