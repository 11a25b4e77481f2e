"""Sets of genes within a background, and which of them latent features stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.genes.alignment import align

if TYPE_CHECKING:
    from anndata import AnnData

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
    """

    names: tuple[str, ...]
    genes: tuple[str, ...]
    member_sg: Mask

    @classmethod
    def within(
        cls,
        background: Sequence[str],
        sets: Mapping[str, Collection[str]],
        *,
        smallest: int = SMALLEST,
        largest: int = LARGEST,
    ) -> Self:
        """Cut `sets` (`io.read_gmt`) to the genes of `background`.

        Raises
        ------
        DataError
            If no set is left, mostly because the two name genes in different ways.
        """
        place = {gene: i for i, gene in enumerate(background)}
        inside = {name: [place[g] for g in genes if g in place] for name, genes in sets.items()}
        fits = {name: at for name, at in inside.items() if smallest <= len(at) <= largest}
        if not fits:
            raise DataError(
                f"none of {len(sets)} gene sets has {smallest} to {largest} of the "
                f"{len(background)} genes (such as {background[0]}); both must name genes alike"
            )
        member_sg = np.zeros((len(fits), len(background)), dtype=bool)
        for row, at in zip(member_sg, fits.values(), strict=True):
            row[at] = True
        return cls(tuple(fits), tuple(background), member_sg)


def gene_sets_in(adata: AnnData, sets: Mapping[str, Collection[str]]) -> GeneSets:
    """`GeneSets.within` the genes of a matrix, which may call them by other names than the sets
    do: symbols, Ensembl or Entrez ids, probes with a symbol in ``var`` (`align`).

    Raises
    ------
    DataError
        If no set is left.
    """
    wanted = list(dict.fromkeys(gene for genes in sets.values() for gene in genes))
    names = adata.var_names.astype(str)
    found = dict(zip(wanted, align(adata, wanted).columns, strict=True))
    here = {name: [names[c] for gene in genes for c in found[gene]] for name, genes in sets.items()}
    return GeneSets.within(list(names), here)


def covered(
    weights_kg: ArrayLike, sets: GeneSets, *, fdr: float = 0.05, tail: float = TAIL
) -> Mask:
    """Which sets are over-represented in at least one tail of one feature, (s,)."""
    q_fs = _bh(_hypergeometric(high_weight(weights_kg, tail=tail), sets))
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


def _hypergeometric(chosen_fg: Mask, sets: GeneSets) -> Array:
    """Chance of at least the overlap seen, for every list of genes and every set, (f, s)."""
    from scipy.stats import hypergeom

    overlap_fs = chosen_fg.astype(np.float32) @ sets.member_sg.T.astype(np.float32)
    cases = np.broadcast_arrays(
        overlap_fs.astype(np.int64),
        chosen_fg.sum(axis=1, keepdims=True),
        sets.member_sg.sum(axis=1)[None],
    )
    # Most pairs share their three numbers with many others, and one takes microseconds.
    distinct, place = np.unique(
        np.stack(cases, axis=-1).reshape(-1, 3), axis=0, return_inverse=True
    )
    overlap, n_chosen, n_set = distinct.T
    p = hypergeom.sf(overlap - 1, len(sets.genes), n_set, n_chosen)
    return np.asarray(p[place.ravel()].reshape(overlap_fs.shape))


def _bh(p: Array) -> Array:
    """Benjamini-Hochberg over all entries."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, axis=None)).reshape(p.shape)
