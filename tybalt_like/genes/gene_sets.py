"""Which gene sets a list of genes, or the genes that weigh most in latent features, stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tybalt_like.core.errors import DataError

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


def over_representation(genes: Collection[str], sets: GeneSets) -> pd.DataFrame:
    """Sets that hold more of `genes` than chance would put there.

    Parameters
    ----------
    genes
        Chosen from the background of `sets`.

    Returns
    -------
    pandas.DataFrame
        One row per set, most significant first: ``set``, ``n_set``, ``n_overlap``, ``expected``,
        ``p_value`` (hypergeometric, one-sided), ``q_value`` (Benjamini-Hochberg over the sets)
        and the overlapping ``genes``.

    Raises
    ------
    DataError
        If a gene is not in the background.
    """
    unknown = sorted(set(genes) - set(sets.genes))
    if unknown:
        raise DataError(f"gene {unknown[0]!r} is not in the background of {len(sets.genes)} genes")
    chosen_g = np.isin(sets.genes, list(genes))
    p_s = hypergeometric(chosen_g[None], sets)[0]
    return _table(chosen_g, sets, p_s, _bh(p_s)).sort_values("p_value", ignore_index=True)


def of_weights(weights_kg: ArrayLike, sets: GeneSets, *, tail: float = TAIL) -> pd.DataFrame:
    """Sets over-represented among the high-weight genes of latent features.

    Parameters
    ----------
    weights_kg
        Weights of the background's genes, a row per feature.
    tail
        See `high_weight`.

    Returns
    -------
    pandas.DataFrame
        As `over_representation`, with ``feature`` (from 0) and ``tail`` ("high" or "low") in
        front, for every pair that shares a gene. Benjamini-Hochberg is over all features, tails
        and sets, so that spaces of different sizes can be compared.
    """
    chosen_fg = high_weight(weights_kg, tail=tail)
    p_fs = hypergeometric(chosen_fg, sets)
    q_fs = _bh(p_fs)
    n_features = len(chosen_fg) // 2
    tables = []
    for f, chosen_g in enumerate(chosen_fg):
        table = _table(chosen_g, sets, p_fs[f], q_fs[f])
        table.insert(0, "feature", f % n_features)
        table.insert(1, "tail", "high" if f < n_features else "low")
        tables.append(table[table["n_overlap"] > 0])
    return pd.concat(tables).sort_values("p_value", ignore_index=True)


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


def _table(chosen_g: Mask, sets: GeneSets, p_s: Array, q_s: Array) -> pd.DataFrame:
    both_sg = sets.member_sg & chosen_g
    n_set = sets.member_sg.sum(axis=1)
    genes = np.array(sets.genes, dtype=object)
    return pd.DataFrame(
        {
            "set": sets.names,
            "n_set": n_set,
            "n_overlap": both_sg.sum(axis=1),
            "expected": n_set * chosen_g.mean(),
            "p_value": p_s,
            "q_value": q_s,
            "genes": [" ".join(genes[both_g]) for both_g in both_sg],
        }
    )


def _bh(p: Array) -> Array:
    """Benjamini-Hochberg over all entries."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, axis=None)).reshape(p.shape)
