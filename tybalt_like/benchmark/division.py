"""A cohort of which some samples are learned from, some calibrate, and some are tested."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like import pp
from tybalt_like.benchmark.cases import Case
from tybalt_like.core import keys
from tybalt_like.pp.select import mean_ad, most_variable, spread
from tybalt_like.pp.transforms.zscore import ZScore

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

N_GENES = 2000
SCALES = {"real": "zscore", "unit": "zero_one"}
"""By the domain of a model."""


class Divided:
    """The samples of a case as they were read, divided, and on any scale that a detector asks for.

    Parameters
    ----------
    adata
        With ``obs["tybalt_split"]``.
    seed
        Of the division, and of all that a detector draws at random.
    as_is
        Whether values are on the scale of the detectors already.
    """

    def __init__(self, adata: AnnData, *, seed: int, as_is: bool = False) -> None:
        self.adata, self.seed, self.as_is = adata, seed, as_is
        self.split_n = adata.obs[keys.SPLIT].to_numpy(dtype=object)
        self._scaled: dict[str, AnnData] = {}

    @classmethod
    def of_case(cls, case: Case, adata: AnnData, *, seed: int) -> Divided:
        """60 % of the normal samples train, 20 % calibrate, 20 % are tested beside the anomalies
        that are not `Case.hidden` among the first two."""
        label_n = adata.obs[case.label].astype(str)
        part = adata[label_n.isin([*case.normal, *case.anomalies]).to_numpy()].copy()
        part.obs = part.obs[[case.label]]
        pp.split(
            part,
            label=case.label,
            normal=case.normal,
            train=0.6,
            calibration=0.2,
            validation=0.0,
            seed=seed,
        )
        split_n = part.obs[keys.SPLIT].to_numpy(dtype=object).copy()
        anomalous = np.flatnonzero(split_n == keys.QUERY)
        rows = np.random.default_rng(seed).permutation(anomalous)[: len(anomalous) // 2]
        for name in (keys.TRAIN, keys.CALIBRATION):
            n = round(case.hidden / (1 - case.hidden) * (split_n == name).sum())
            split_n[rows[:n]] = name
            rows = rows[n:]
        part.obs[keys.SPLIT] = split_n.astype(str)
        return cls(part, seed=seed)

    def in_split(self, *names: str) -> Mask:
        """Which samples are in one of these splits."""
        return np.isin(self.split_n, names)

    @property
    def reference_n(self) -> Mask:
        """Those that a detector may learn from or calibrate on."""
        return self.in_split(keys.TRAIN, keys.CALIBRATION)

    def scaled(self, domain: str = "real") -> AnnData:
        """On the scale of a domain, with the same genes on each: those of largest mean absolute
        deviation, all statistics from the training split."""
        if self.as_is:
            return self.adata
        scale = SCALES.get(domain, "zscore")
        if scale not in self._scaled:
            how = pp.Normalisation(n_genes=N_GENES, scale=scale)
            self._scaled[scale] = pp.Normaliser.fit(self.adata, how).transform(self.adata)
        return self._scaled[scale]

    def standardised(self, learn_n: Mask) -> Array:
        """As ``scaled("real")``, but genes are chosen and standardised on the samples named."""
        x_ng = self._logged_ng
        if self.as_is:
            return x_ng
        learn_mg = x_ng[learn_n]
        varies_g = spread(learn_mg.min(0), learn_mg.max(0))
        chosen_g = most_variable(mean_ad(learn_mg), varies_g, N_GENES)
        return ZScore.fit(learn_mg[:, chosen_g]).transform(x_ng[:, chosen_g])

    @cached_property
    def _logged_ng(self) -> Array:
        """All genes that vary, before any is standardised: no step so far has looked at more than
        one sample."""
        if self.as_is:
            return np.asarray(self.adata.X, dtype=np.float64)
        how = pp.Normalisation(n_genes=None, scale="none")
        logged = pp.Normaliser.fit(self.adata, how, train=self.reference_n).transform(self.adata)
        return np.asarray(logged.X, dtype=np.float64)
