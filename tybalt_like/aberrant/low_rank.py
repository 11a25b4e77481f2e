"""What the log counts of a sample should be, given its other genes: a winsorised low-rank fit.

Hidden factors are the leading singular vectors of the log counts, each gene in units of its noise.
Outliers neither shape them nor the noise: counts beyond `CLIP` are winsorised and the fit is
repeated, which loses less than leaving them out. What a count adds to its own expectation is taken
back by its leverage, so that the residual is that of a fit without the sample (without the gene,
where the sample is new). Numbers of factors around the best guess are averaged over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tybalt_like.aberrant.statistics import Floats
from tybalt_like.aberrant.threshold import n_above_noise

CLIP = 4.0
"""Residuals count up to so many times the noise of their gene."""
PASSES = 3
NEW_PASSES = 4
"""Rounds of fitting and winsorising in a cohort, and for a new sample."""
MOST_LEVERAGE = 0.95
MOST_OWN = 0.8
"""Largest shares of its own expectation that a count is taken to be, by its sample in a cohort and
by its gene in a new sample."""
NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""
SMALLEST = 1e-6
"""Noise of a gene without any."""


class Residuals(NamedTuple):
    """Log counts against expectation, (n, g) each.

    Attributes
    ----------
    t_ng
        Residuals in units of the noise of their gene and sample.
    expected_ng
        Logarithms of expected counts at the size factor 1.
    """

    t_ng: Floats
    expected_ng: Floats


@dataclass(frozen=True)
class LowRank:
    """Factors of one number.

    Attributes
    ----------
    effect_cg
        Baseline of each gene (the first row) and effects of the covariates.
    axes_kg
        Orthonormal directions in which genes, in units of `unit_g`, vary together.
    unit_g
        Noise of each gene as the factors were found.
    noise_g
        Noise of each gene around the factors, in natural logarithms.
    """

    effect_cg: Floats
    axes_kg: Floats
    unit_g: Floats
    noise_g: Floats

    @classmethod
    def fit(
        cls, log_ng: Floats, design_nc: Floats, *, share: float = 1.0, rank: int | None = None
    ) -> tuple[LowRank, Residuals]:
        """Fit factors to a cohort.

        Parameters
        ----------
        log_ng
            ``log((count + 1) / size factor)``.
        design_nc
            A column of ones, and covariates.
        share
            Of the best guess, how many factors to take.
        rank
            The best guess; without it, the optimal hard threshold in every pass.
        """
        solve_cn = np.linalg.pinv(design_nc)
        known_n = np.einsum("nc,cn->n", design_nc, solve_cn)
        n_known = round(float(known_n.sum()))
        most = max(1, (len(log_ng) - n_known) // 2)
        y_ng, row_n1 = log_ng, np.ones((len(log_ng), 1))
        unit_g = noise_g = np.maximum(log_ng.std(axis=0, ddof=1), SMALLEST)
        for last in [False] * (PASSES - 1) + [True]:
            effect_cg = solve_cn @ y_ng
            fit_ng = design_nc @ effect_cg
            w_ng = (y_ng - fit_ng) / unit_g
            w_ng /= row_n1
            s_m, u_nm = _left(w_ng)
            guess = n_above_noise(s_m, w_ng.shape, n_known=n_known) if rank is None else rank
            k = min(max(1, round(share * max(1, guess))), most, len(s_m))
            u_nk, s_k = u_nm[:, :k], s_m[:k]
            part_ng = u_nk @ (u_nk.T @ w_ng)
            part_ng *= row_n1
            part_ng *= unit_g
            fit_ng += part_ng
            own_n1 = (known_n + (u_nk**2).sum(axis=1)).clip(max=MOST_LEVERAGE)[:, None]
            fit_ng -= own_n1 / (1 - own_n1) * (y_ng - fit_ng)
            of_sample_n1 = row_n1 / np.sqrt(1 - own_n1)
            t_ng = (log_ng - fit_ng) / of_sample_n1
            noise_g = winsorised_rms(t_ng, CLIP * noise_g, axis=0)
            t_ng /= noise_g
            if last:
                break
            row_n1 = row_n1 * winsorised_rms(t_ng, CLIP, axis=1)[:, None]
            row_n1 /= np.median(row_n1)
            limit_ng = CLIP * noise_g * row_n1 / np.sqrt(1 - own_n1)
            y_ng = log_ng.clip(fit_ng - limit_ng, fit_ng + limit_ng)
            unit_g = noise_g
        axes_kg = (u_nk.T @ w_ng) / np.maximum(s_k, SMALLEST)[:, None]
        return cls(effect_cg, axes_kg, unit_g, noise_g), Residuals(t_ng, fit_ng)

    def residuals(self, log_ng: Floats, design_nc: Floats, noise_g: Floats) -> Residuals:
        """Of new samples, each by itself, in units of `noise_g`."""
        project_gk = np.linalg.pinv(self.axes_kg)
        own_g = np.einsum("gk,kg->g", project_gk, self.axes_kg).clip(max=MOST_OWN)
        base_ng = design_nc @ self.effect_cg
        of_gene_g = noise_g / np.sqrt(1 - own_g)
        y_ng, row_n1 = log_ng, np.empty(0)
        for i in range(NEW_PASSES):
            fit_ng = ((y_ng - base_ng) / self.unit_g) @ project_gk @ self.axes_kg
            fit_ng *= self.unit_g
            fit_ng += base_ng
            fit_ng -= own_g / (1 - own_g) * (y_ng - fit_ng)
            t_ng = (log_ng - fit_ng) / of_gene_g
            typical_n1 = row_n1 if i else robust_sd(t_ng, axis=1)[:, None]
            row_n1 = winsorised_rms(t_ng, CLIP * typical_n1, axis=1)[:, None]
            limit_ng = CLIP * row_n1 * of_gene_g
            y_ng = log_ng.clip(fit_ng - limit_ng, fit_ng + limit_ng)
        return Residuals(t_ng / row_n1, fit_ng)

    def only(self, kept_g: NDArray[np.bool_]) -> LowRank:
        """Without the other genes; the axes need no longer be orthonormal."""
        return LowRank(
            self.effect_cg[:, kept_g],
            self.axes_kg[:, kept_g],
            self.unit_g[kept_g],
            self.noise_g[kept_g],
        )


def _left(w_ng: Floats) -> tuple[Floats, Floats]:
    """Singular values and left singular vectors, by way of the smaller of the two Gram matrices:
    exact enough for all but the smallest ones, and far faster than a decomposition."""
    n, g = w_ng.shape
    if n <= g:
        square_m, u_nm = np.linalg.eigh(w_ng @ w_ng.T)
        return np.sqrt(square_m[::-1].clip(min=0)), u_nm[:, ::-1]
    square_m, v_gm = np.linalg.eigh(w_ng.T @ w_ng)
    s_m = np.sqrt(square_m[::-1].clip(min=0))
    return s_m, (w_ng @ v_gm[:, ::-1]) / np.maximum(s_m, SMALLEST)


def winsorised_rms(t: Floats, limit: Floats | float, *, axis: int) -> Floats:
    """Root of the mean square of values cut at the limit, above 0."""
    clipped = t.clip(-limit, limit)
    clipped *= clipped
    return np.asarray(np.maximum(np.sqrt(clipped.mean(axis=axis)), SMALLEST))


def robust_sd(t: Floats, *, axis: int) -> Floats:
    """Standard deviation of values around 0 by their median absolute value, above 0."""
    return np.asarray(np.maximum(np.median(np.abs(t), axis=axis) / NORMAL_MEDIAN, SMALLEST))
