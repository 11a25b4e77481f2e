"""How far sets of genes usually are, together, from what is expected of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tybalt_like.anomaly.null import ResidualNull
from tybalt_like.anomaly.outputs import Array


@dataclass(frozen=True)
class SetNull:
    """What gene sets look like in samples that nothing was learned from.

    A set's residual in a sample is the mean normal score of its genes (Stouffer's combination of
    p-values): a mean of z would be decided by the one gene furthest out, because tails are heavy.
    It is compared with the same mean in the reference samples, which know how the genes of the set
    move together: a test that took them for independent would call every large set significant.
    Reference samples are standardised by the other ones twice, gene by gene and set by set, as new
    samples are by all.

    Attributes
    ----------
    genes, sets
        What is usual for each.
    weight_gs
        1 over the size of the set for its genes.
    """

    genes: ResidualNull
    sets: ResidualNull
    weight_gs: Array

    @classmethod
    def fit(
        cls,
        residual_cg: Array,
        member_sg: NDArray[np.bool_],
        *,
        chosen_cg: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Learn from held-out samples, and which set holds which gene.

        Parameters
        ----------
        chosen_cg
            See `ResidualNull.fit`; means are over genes that were chosen.
        """
        genes = ResidualNull.fit(residual_cg, chosen_cg=chosen_cg)
        member_gs = member_sg.T.astype(np.float64)
        score_cg = genes.normal_scores(ResidualNull.left_out_z(residual_cg))
        if chosen_cg is None:
            chosen_cg = np.ones(score_cg.shape, dtype=bool)
        n_cs = chosen_cg @ member_gs
        mean_cs = np.where(chosen_cg, score_cg, 0.0) @ member_gs / np.where(n_cs > 0, n_cs, np.nan)
        # Means of normal scores have tails that are hardly heavier than normal ones.
        sets = ResidualNull.fit(mean_cs, power=2.0)
        return cls(genes, sets, member_gs / member_gs.sum(0))

    def mean(self, residual_ng: Array) -> Array:
        """Mean normal scores of the sets in new samples, (n, s); `sets` says what is usual."""
        return np.asarray(self.genes.normal_scores(self.genes.z(residual_ng)) @ self.weight_gs)
