"""Who finds aberrant counts: ours and others, each given counts, size factors and covariates."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from nb_counts import NBReference, p_values
from numpy.typing import NDArray

from tybalt_like.aberrant.reference import Reference, Tested
from tybalt_like.aberrant.samples import Samples
from tybalt_like.aberrant.statistics import Floats
from tybalt_like.aberrant.threshold import n_above_noise

if TYPE_CHECKING:
    from anndata import AnnData

OURS, NB, OUTSINGLE = "low-rank t", "nb_autoencoder", "OutSingle"
PCA, PROTRIDER = "PCA, best size", "PROTRIDER"
PCA_SIZES = range(5, 45, 5)


class Found(NamedTuple):
    """What a detector says, (n, g) each: p-values, what it ranks by (larger is stranger), and
    where counts are below expectation. Without p-values, NaN."""

    p_ng: Floats
    score_ng: Floats
    down_ng: NDArray[np.bool_]

    @classmethod
    def of_z(cls, z_ng: Floats) -> Found:
        """Two-sided normal p-values."""
        from scipy.special import ndtr

        return cls(2 * ndtr(-np.abs(z_ng)), np.abs(z_ng), z_ng < 0)

    @classmethod
    def of_tested(cls, tested: Tested) -> Found:
        return cls(tested.p_ng, -tested.p_ng, tested.z_ng < 0)

    @classmethod
    def of_expected(cls, p_ng: Floats, x_ng: Floats, mean_ng: Floats) -> Found:
        return cls(p_ng, -p_ng, x_ng < mean_ng)


def ours(given: Samples, seed: int) -> Found:
    """The product, with its defaults."""
    return Found.of_tested(fitted(given, seed)[1])


def fitted(given: Samples, seed: int) -> tuple[Reference, Tested]:
    """The product's cohort."""
    adata = as_anndata(given)
    return Reference.fit(adata, covariates=list(adata.obs), min_count=0, seed=seed)


def nb_autoencoder(given: Samples, seed: int) -> Found:
    """OUTRIDER's way."""
    found = NBReference.fit(given, seed=seed)
    p_ng = p_values(given.x_ng, found.mean_ng, found.own_g)
    return Found.of_expected(p_ng, given.x_ng, found.mean_ng)


def outsingle(given: Samples, seed: int) -> Found:  # noqa: ARG001
    """OutSingle (Salkovic et al., Bioinformatics 2023), written anew from the paper.

    Log ratios of counts to their gene's mean, standardised by gene; without the singular vectors
    above the optimal hard threshold; standardised again. It takes no covariates, whose effects
    are factors like others.
    """
    z_ng = standardised(given.x_ng, given.size_n)
    u_nm, s_m, v_mg = np.linalg.svd(z_ng, full_matrices=False)
    k = n_above_noise(s_m, z_ng.shape)
    return Found.of_z(_unit(z_ng - (u_nm[:, :k] * s_m[:k]) @ v_mg[:k]))


def pca_known_answer(given: Samples, truth_ng: NDArray[np.bool_]) -> Found:
    """Residuals of standardised log counts, covariates regressed out, with the number of
    components that finds most: no rival, as it knows the answer, but a bound for such methods."""
    log_ng = standardised(given.x_ng, given.size_n)
    design_nc = given.design_nc
    z_ng = _unit(log_ng - design_nc @ (np.linalg.pinv(design_nc) @ log_ng))
    u_nm, s_m, v_mg = np.linalg.svd(z_ng, full_matrices=False)
    sizes = [k for k in PCA_SIZES if k < len(s_m)]
    of_size = (Found.of_z(_unit(z_ng - (u_nm[:, :k] * s_m[:k]) @ v_mg[:k])) for k in sizes)
    return max(of_size, key=lambda found: auprc(truth_ng, found.score_ng))


def protrider(given: Samples, seed: int) -> Found:  # noqa: ARG001
    """PROTRIDER at its defaults, given normalised log2 counts."""
    import protrider as package  # type: ignore[import-not-found]

    table = pd.DataFrame(np.log2(given.x_ng / given.size_n[:, None] + 1)).T
    table.columns = [f"s{i}" for i in table.columns]
    table.index = pd.Index([f"g{i}" for i in table.index], name="protein_ID")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "log2.csv"
        table.to_csv(file)
        config = package.ProtriderConfig(
            input_intensities=str(file), log_func_name=None, device="cpu", n_jobs=-1
        )
        result = package.run(config)[0]
    # It leaves out what it cannot fit: nothing is found there.
    p_ng, z_ng = (
        part.reindex(index=table.columns, columns=table.index).fillna(nothing).to_numpy(float)
        for part, nothing in ((result.df_pvals, 1.0), (result.df_Z, 0.0))
    )
    return Found(p_ng, -p_ng, z_ng < 0)


Detector = Callable[[Samples, int], Found]
DETECTORS: dict[str, Detector] = {OURS: ours, OUTSINGLE: outsingle, NB: nb_autoencoder}
SLOW = {PROTRIDER: protrider} if find_spec("protrider") else {}
"""For small cohorts only."""


def standardised(x_ng: Floats, size_n: Floats) -> Floats:
    """log2 of the ratio to the gene's mean, with the mean 0 and the standard deviation 1."""
    scaled_ng = x_ng / size_n[:, None]
    return _unit(np.log2((scaled_ng + 1) / (scaled_ng.mean(axis=0) + 1)))


def _unit(x_ng: Floats) -> Floats:
    x_ng = x_ng - x_ng.mean(axis=0)
    return np.asarray(x_ng / np.maximum(x_ng.std(axis=0, ddof=1), 1e-9))


def auprc(truth_ng: NDArray[np.bool_], score_ng: Floats) -> float:
    """All pairs of gene and sample ranked together."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth_ng.ravel(), score_ng.ravel()))


def as_anndata(given: Samples) -> AnnData:
    """With one column of ``obs`` for each covariate."""
    from anndata import AnnData

    n, g = given.x_ng.shape
    obs = pd.DataFrame(
        {f"c{i}": column for i, column in enumerate(given.c_nc.T)},
        index=[f"s{i}" for i in range(n)],
    )
    return AnnData(given.x_ng, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(g)]))
