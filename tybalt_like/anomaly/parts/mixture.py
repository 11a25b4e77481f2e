"""Where the training samples are dense in the latent space."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import logsumexp

from tybalt_like.anomaly.outputs import Array, ModelOutputs
from tybalt_like.anomaly.view import Part

MAX_AXES = 10
"""Principal axes of the latent space on which densities are estimated."""
PER_AXIS = 5
"""Training samples for each of those axes, at least."""
COMPONENTS = (1, 2, 3, 5, 8)
"""Numbers of Gaussians tried; the Bayesian information criterion chooses."""
RIDGE = 1e-2
"""Added to the variances of every Gaussian, as a share of the mean variance of the axes."""


@dataclass(frozen=True)
class Mixture(Part, name="mixture"):
    """A mixture of Gaussians on the main axes of the latent space."""

    center_k: Array
    axes_ka: Array
    log_weight_c: Array
    mean_ca: Array
    root_caa: Array
    typical: Array

    @classmethod
    def fit(cls, train: ModelOutputs) -> Self:
        """Fit mixtures of several sizes to the training latents and keep the one of lowest BIC.

        The axes are principal components, scaled by one common factor.
        """
        z_mk = np.asarray(train.z_nk, dtype=np.float64)
        m, center_k = len(z_mk), z_mk.mean(0)
        _, spread_a, axes_ak = np.linalg.svd(z_mk - center_k, full_matrices=False)
        n_axes = max(1, min(MAX_AXES, m // PER_AXIS, int((spread_a > 1e-9 * spread_a[0]).sum())))
        scale = np.sqrt(np.square(spread_a[:n_axes]).mean() / m)
        flat = scale <= 1e-9 * np.abs(z_mk).max()  # all alike but for rounding
        axes_ka = axes_ak[:n_axes].T / (1.0 if flat else scale)
        mixture = _mixture((z_mk - center_k) @ axes_ka)
        fitted = cls(
            center_k=center_k,
            axes_ka=axes_ka,
            log_weight_c=np.log(mixture.weights_),
            mean_ca=mixture.means_,
            root_caa=mixture.precisions_cholesky_,
            typical=np.array(0.0),
        )
        density_m = fitted.measure(train)["density"]
        return cls(**{**vars(fitted), "typical": np.median(density_m)})

    def measure(self, samples: ModelOutputs) -> dict[str, Array]:
        """``density``: minus the log density of the mixture; ``typicality``: how far that is from
        a training sample's, either way (Nalisnick et al. 2019, for one sample)."""
        at_na = (samples.z_nk - self.center_k) @ self.axes_ka
        scaled_nca = np.einsum("nca,cab->ncb", at_na[:, None] - self.mean_ca, self.root_caa)
        log_det_c = np.log(np.diagonal(self.root_caa, axis1=1, axis2=2)).sum(1)
        log_2pi = np.log(2 * np.pi) * at_na.shape[1]
        log_nc = log_det_c - 0.5 * (np.square(scaled_nca).sum(2) + log_2pi)
        density_n = -np.asarray(logsumexp(log_nc + self.log_weight_c, axis=1))
        return {"density": density_n, "typicality": np.abs(density_n - self.typical)}


def _mixture(at_ma: Array):  # type: ignore[no-untyped-def]
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    m, n_axes = at_ma.shape
    best, lowest = None, np.inf
    ridge = RIDGE if at_ma.var() > 0 else 1.0
    for n in COMPONENTS:
        if best is not None and m < 2 * n * (n_axes + 1):
            break
        with warnings.catch_warnings():
            # Duplicated samples leave fewer distinct points than Gaussians.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = GaussianMixture(n, reg_covar=ridge, random_state=0).fit(at_ma)
        bic = fitted.bic(at_ma)
        if best is None or bic < lowest:
            best, lowest = fitted, bic
    return best
