"""Sets of genes within a background, and which of them latent features stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.core.messages import some
from tybalt_like.genes.alignment import align_table

SMALLEST, LARGEST = 5, 500
"""Sets with fewer or more genes in the background are left out: too few to be found, or too many
to mean anything."""
TAIL = 2.5
"""Standard deviations from the mean beyond which a weight is high, as in Tybalt's paper."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GeneSets:
    """Gene sets within a background: the genes that could have been chosen.

    Attributes
    ----------
    names
        Of the sets that were neither too small nor too large.
    genes
        The background.
    member_sg
        Which set holds which gene.
    notes
        How genes were found that the sets call otherwise, in words.
    """

    names: tuple[str, ...]
    genes: tuple[str, ...]
    member_sg: Mask
    notes: tuple[str, ...] = ()

    @classmethod
    def within(
        cls,
        background: Sequence[str],
        sets: Mapping[str, Collection[str]],
        *,
        ids: Mapping[str, Sequence[str]] | None = None,
        smallest: int = SMALLEST,
        largest: int = LARGEST,
    ) -> Self:
        """Cut `sets` (`io.read_gmt`) to the genes of `background`, whatever either calls them
        (`align_table`): symbols find Ensembl or Entrez ids, former symbols those of today. Several
        genes of the background that are the same gene of a set (probes) are all in it.

        Parameters
        ----------
        ids
            Further identifiers of the background, as `identifiers` gives them.

        Raises
        ------
        DataError
            If no set is left, mostly because the two name genes in different ways.
        """
        wanted = tuple(dict.fromkeys(gene for genes in sets.values() for gene in genes))
        place, notes = _places(background, wanted, ids or {})
        inside = {name: {c for g in genes for c in place[g]} for name, genes in sets.items()}
        fits = {name: at for name, at in inside.items() if smallest <= len(at) <= largest}
        if not fits:
            raise DataError(
                f"none of {len(sets)} gene sets has {smallest} to {largest} of the "
                f"{len(background)} genes (such as {background[0]}); both must name genes alike"
            )
        member_sg = np.zeros((len(fits), len(background)), dtype=bool)
        for row, at in zip(member_sg, fits.values(), strict=True):
            row[list(at)] = True
        return cls(tuple(fits), tuple(background), member_sg, notes)


def _places(
    background: Sequence[str], wanted: Sequence[str], ids: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Where each wanted gene is in the background, and a note if some are there under other
    names."""
    import pandas as pd

    found = align_table(pd.DataFrame(dict(ids), index=list(background)), wanted)
    notes: tuple[str, ...] = ()
    if found.renamed:
        shown = some([f"{theirs} is {ours}" for theirs, ours in found.renamed.items()], 3)
        here = sum(bool(columns) for columns in found.columns)
        notes = (
            f"genes of the sets found under other names: {len(found.renamed):,} of {here:,} "
            f"({shown})",
        )
    return dict(zip(wanted, found.columns, strict=True)), notes


def covered(
    weights_kg: ArrayLike, sets: GeneSets, *, fdr: float = 0.05, tail: float = TAIL
) -> Mask:
    """Which sets are over-represented in at least one tail of one feature, (s,)."""
    q_fs = _bh(hypergeometric(high_weight(weights_kg, tail=tail), sets))
    return np.asarray((q_fs <= fdr).any(axis=0))


def high_weight(weights_kg: ArrayLike, *, tail: float = TAIL) -> Mask:
    """Genes with a weight beyond `tail` standard deviations from the feature's mean.

    Returns
    -------
    numpy.ndarray
        (2 k, g): high tails of all features, then low tails.
    """
    w_kg = np.asarray(weights_kg, dtype=np.float64)
    reach_k1 = tail * w_kg.std(axis=1, keepdims=True)
    from_mean_kg = w_kg - w_kg.mean(axis=1, keepdims=True)
    return np.concatenate([from_mean_kg > reach_k1, from_mean_kg < -reach_k1])


def hypergeometric(chosen_fg: Mask, sets: GeneSets) -> Array:
    """Chance of at least the overlap seen, for every list of genes and every set, (f, s)."""
    from scipy.stats import hypergeom

    overlap_fs = (chosen_fg.astype(np.float32) @ sets.member_sg.T.astype(np.float32)).astype(int)
    n_chosen_f1 = chosen_fg.sum(axis=1, keepdims=True)
    # Most pairs share their three numbers with many others, and one takes microseconds.
    base = len(sets.genes) + 1
    case_fs = (overlap_fs * base + n_chosen_f1) * base + sets.member_sg.sum(axis=1)
    distinct, place = np.unique(case_fs, return_inverse=True)
    (overlap, n_chosen), n_set = np.divmod(distinct // base, base), distinct % base
    p = np.asarray(hypergeom.sf(overlap - 1, len(sets.genes), n_set, n_chosen))
    return np.asarray(p[place].reshape(overlap_fs.shape))


def _bh(p: Array) -> Array:
    """Benjamini-Hochberg over all entries."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, axis=None)).reshape(p.shape)
