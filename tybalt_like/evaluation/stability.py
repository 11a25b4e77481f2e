"""Whether two trainings found the same latent space, up to what does not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tybalt_like.evaluation.estimate import Array

VARIANCE = 0.99
"""Share of the variance whose directions SVCCA compares, as in its paper."""


def linear_cka(a_nk: ArrayLike, b_nl: ArrayLike) -> float:
    """Linear centred kernel alignment of two encodings of the same samples.

    1 for encodings that differ by a rotation and a scale, about 0 for unrelated ones (Kornblith
    et al., ICML 2019). HSIC is estimated without bias (Song et al., JMLR 2012): the usual form is
    far above 0 even for unrelated encodings when they have about as many features as samples.

    Returns
    -------
    float
        NaN for fewer than 4 samples or where an encoding does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from tybalt_like import evaluation
    >>> z_nk = np.random.default_rng(0).normal(size=(50, 3))
    >>> print(f"{evaluation.linear_cka(z_nk, 2 * z_nk[:, ::-1]):.3f}")
    1.000
    """
    gram_nn = [_gram(values) for values in (a_nk, b_nl)]
    if len(gram_nn[0]) < 4:
        return np.nan
    cross, of_a, of_b = (_hsic(gram_nn[i], gram_nn[j]) for i, j in ((0, 1), (0, 0), (1, 1)))
    return cross / np.sqrt(of_a * of_b) if of_a > 0 and of_b > 0 else np.nan


def svcca(
    a_nk: ArrayLike,
    b_nl: ArrayLike,
    *,
    judged_on: tuple[ArrayLike, ArrayLike] | None = None,
    variance: float = VARIANCE,
) -> float:
    """Mean correlation of canonical directions of two encodings of the same samples.

    Each encoding is cut to the principal directions that hold `variance` of it, canonical
    directions are found, and their correlations averaged (Raghu et al., NeurIPS 2017).

    Parameters
    ----------
    a_nk, b_nl
        Two encodings of the samples that the directions are learned from.
    judged_on
        The two encodings of further samples, on which the correlations are measured. On the
        samples themselves every two encodings agree perfectly as soon as they have as many
        features as there are samples.
    variance
        Share of the variance that is compared.

    Returns
    -------
    float
        NaN where nothing can be learned: fewer samples than directions, or no variance.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (a_nk, b_nl))
    (u_nk, to_u), (v_nl, to_v) = (_whitened(values, variance) for values in (a, b))
    n_directions = u_nk.shape[1] + v_nl.shape[1]
    if min(u_nk.shape[1], v_nl.shape[1]) == 0 or len(a) - 1 <= n_directions:
        return np.nan
    left, _, right = np.linalg.svd(u_nk.T @ v_nl, full_matrices=False)
    new_a, new_b = (a, b) if judged_on is None else map(np.asarray, judged_on)
    s, t = (new_a - a.mean(0)) @ to_u @ left, (new_b - b.mean(0)) @ to_v @ right.T
    s, t = s - s.mean(0), t - t.mean(0)
    size = np.linalg.norm(s, axis=0) * np.linalg.norm(t, axis=0)
    correlation = np.divide((s * t).sum(0), size, out=np.zeros_like(size), where=size > 0)
    return float(correlation.mean())


def _gram(values_nk: ArrayLike) -> Array:
    """Inner products of centred rows, each sample's with itself left out."""
    values = np.asarray(values_nk, dtype=np.float64)
    values = values - values.mean(0)
    size = np.linalg.norm(values)
    gram_nn: Array = (values @ values.T) / (size**2 or 1.0)
    np.fill_diagonal(gram_nn, 0)
    return gram_nn


def _hsic(k_nn: Array, l_nn: Array) -> float:
    """Unbiased Hilbert-Schmidt independence criterion of matrices with zero diagonals."""
    n = len(k_nn)
    once = k_nn.sum() * l_nn.sum() / ((n - 1) * (n - 2))
    twice = 2 / (n - 2) * (k_nn.sum(0) @ l_nn.sum(0))
    return float(((k_nn * l_nn).sum() + once - twice) / (n * (n - 3)))


def _whitened(values_nk: Array, variance: float) -> tuple[Array, Array]:
    """Main directions of the rows with unit length (n, r), and the map (k, r) that gives them."""
    u_nr, s_r, vt_rk = np.linalg.svd(values_nk - values_nk.mean(0), full_matrices=False)
    share_r = np.cumsum(s_r**2) / max(float((s_r**2).sum()), np.finfo(float).tiny)
    real = s_r > 1e-10 * max(s_r[0], 1e-300)
    r = min(int(np.searchsorted(share_r, variance - 1e-12)) + 1, int(real.sum()))
    return u_nr[:, :r], vt_rk[:r].T / s_r[:r]
