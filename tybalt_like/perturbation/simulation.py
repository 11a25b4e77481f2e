"""Samples drawn from Dr.VAE's generative model, so that the truth about them is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like.core.provenance import record
from tybalt_like.perturbation.design import Design, Simulation

if TYPE_CHECKING:
    from anndata import AnnData

TRUTH = "profile without noise"
"""Layer: the expected profile, of treated samples that of the expected latent position."""
DESIGN = Design(group="cell_line", response="response")
LATENT_NOISE = 0.1
LEAST_SCALE = 0.4
"""Standard deviation of the last feature of z1, the one that the response moves: most of what
sets cell lines apart has nothing to do with it."""


def simulate(settings: Simulation) -> AnnData:
    """One control sample of every cell line and, of most, one treated sample.

    ``y ~ Bernoulli(1/2)``, ``z3 ~ N(0, 1)``, ``z1 = A z3 + y d + noise``,
    ``z2 = z1 + W z1 + b + noise``, and ``x = f(z) + noise`` with one nonlinear `f` for both.

    Returns
    -------
    AnnData
        ``obs``: `DESIGN`'s columns; ``layers[TRUTH]``: ``f(z1)`` and ``f(z1 + W z1 + b)``.
    """
    from anndata import AnnData

    n, k, g = settings.groups, settings.latent_dim, settings.n_genes
    rng = np.random.default_rng(settings.seed)

    def matrix(rows: int, columns: int) -> NDArray[np.float64]:
        return np.asarray(rng.normal(size=(rows, columns)) / np.sqrt(rows))

    y_n, z3_nk = rng.integers(0, 2, n), rng.normal(size=(n, k))
    scale_k = np.geomspace(1, LEAST_SCALE, k)
    apart_k = np.where(np.arange(k) == k - 1, settings.effect * LEAST_SCALE, 0.0)
    z1_nk = z3_nk * scale_k + np.outer(y_n - 0.5, apart_k)
    z1_nk += LATENT_NOISE * rng.normal(size=(n, k))
    moved_nk = z1_nk + settings.shift * z1_nk @ matrix(k, k) + 0.5 * rng.normal(size=k)
    z2_nk = moved_nk + LATENT_NOISE * rng.normal(size=(n, k))
    linear_kg, bent_kg = matrix(k, g), matrix(k, g)

    def profile(z_nk: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(z_nk @ linear_kg + 0.5 * np.tanh(z_nk @ bent_kg))

    clean_mg = np.concatenate([profile(z1_nk), profile(z2_nk)])
    x_mg = clean_mg + settings.noise * rng.normal(size=clean_mg.shape)
    truth_mg = np.concatenate([profile(z1_nk), profile(moved_nk)])
    lines = [f"line_{i + 1:04d}" for i in range(n)]
    obs = pd.DataFrame(
        {
            "cell_line": lines * 2,
            "treatment": ["control"] * n + ["treated"] * n,
            "response": np.tile(y_n, 2).astype(float),
        },
        index=[f"{line}_{state}" for state in ("before", "after") for line in lines],
    )
    n_unknown, n_single = (round(share * n) for share in (settings.unknown, settings.single))
    unknown_n, single_n = (rng.permutation(n) < count for count in (n_unknown, n_single))
    obs.loc[np.tile(unknown_n, 2), "response"] = np.nan
    genes = pd.DataFrame(index=[f"gene_{i + 1:04d}" for i in range(g)])
    adata = AnnData(x_mg.astype(np.float32), obs=obs, var=genes)
    adata.layers[TRUTH] = truth_mg.astype(np.float32)
    adata = adata[~np.append(np.zeros(n, dtype=bool), single_n)].copy()
    record(adata, reading={"source": "simulated", "notes": ["simulated, not measured"]})
    return adata
