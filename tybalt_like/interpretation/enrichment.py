"""Which gene sets a latent feature moves, judged beside random directions of the same space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tybalt_like.core.errors import DataError
from tybalt_like.genes.gene_sets import GeneSets, high_weight, hypergeometric

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Floats = NDArray[np.floating]

HIGH, LOW = "high", "low"
N_RANDOM, LEAST_RANDOM = 1000, 100
"""Random directions that are drawn, and without which there is no null."""
RANK = 1e-3
"""Directions with singular values below this share of the largest are no dimensions."""
FDR = 0.05
N_SHOWN = 3
"""Sets of each tail that have a leading edge in any case."""
COLUMNS = [
    *("feature", "tail", "set", "n_genes", "overlap", "p_over", "q_over", "p_tail", "q_tail"),
    *("score", "z", "p_value", "q_value", "es", "leading_edge"),
]


def random_effects(effects_kg: Floats, *, n: int = N_RANDOM, seed: int = 0) -> Array:
    """Effects of random directions of the space that features span, (n, g).

    Directions of length 1 where every feature counts by its SD, from the uniform distribution: for
    features that are uncorrelated, the directions that a random rotation makes of them. Effects of
    a direction are the same mixture of the features' (exactly so for infinitely small steps). Give
    the features that the model uses; collapsed ones would be no part of such a direction.
    """
    effects_kg = np.asarray(effects_kg, dtype=np.float64)
    direction_rk = np.random.default_rng(seed).normal(size=(n, len(effects_kg)))
    direction_rk /= np.linalg.norm(direction_rk, axis=1, keepdims=True)
    return np.asarray(direction_rk @ effects_kg)


def tail_genes(
    effects_kg: Floats, *, features: Sequence[str], genes: Sequence[str], n_top: int = 20
) -> pd.DataFrame:
    """The genes at both ends of every feature, and those with a high weight.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature, tail, rank, gene, effect, z, high``, strongest first: the `n_top` of
        either tail, and more if more are high. ``z``: standard deviations from the feature's mean;
        ``high``: beyond `TAIL` of them, Tybalt's rule.
    """
    import pandas as pd

    effects_kg = np.asarray(effects_kg, dtype=np.float64)
    sd_k1 = np.maximum(effects_kg.std(1, keepdims=True), 1e-12)
    z_kg = (effects_kg - effects_kg.mean(1, keepdims=True)) / sd_k1
    high_tkg = high_weight(effects_kg).reshape(2, *z_kg.shape)
    names, tables = np.asarray(genes, dtype=object), []
    for k, side in np.ndindex(len(z_kg), 2):
        order_g = np.argsort(-z_kg[k] if side == 0 else z_kg[k], kind="stable")
        top = order_g[: max(min(n_top, len(order_g) // 2), int(high_tkg[side, k].sum()))]
        columns = {
            "feature": features[k],
            "tail": (HIGH, LOW)[side],
            "rank": np.arange(1, len(top) + 1),
            "gene": names[top],
            "effect": effects_kg[k, top],
            "z": z_kg[k, top],
            "high": high_tkg[side, k, top],
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def enrichment(
    effects_kg: Floats,
    sets: GeneSets,
    *,
    features: Sequence[str],
    random_rg: Floats,
) -> pd.DataFrame:
    """Test both tails of every feature for every gene set.

    Genes that are co-expressed move together along any direction, so that almost every direction
    is "enriched" for something where genes are drawn one by one. Two tests here ask more: is there
    more of it than along random directions of the same space?

    - **Shift** (``score, z, p_value, q_value``): does the whole set move? ``score`` is the mean
      effect of its genes about that of all genes, in standard errors of as many genes drawn at
      random (a competitive z). ``z`` is the same mean, not standardised, in units of its root mean
      square along random directions; for uncorrelated features its square is their number times
      the share of the set's mean expression that the feature explains. A direction drawn
      uniformly from k dimensions has ``z / sqrt(k)`` distributed as a coordinate of the unit
      sphere, which gives its p-value without a normal approximation; of fewer than about ten
      dimensions, random directions are too much like the features to be exceeded. ``p_value`` is
      the larger of both one-sided ones: the set moves more than other genes do, and along this
      feature more than along others (Efron & Tibshirani, Ann Appl Stat 2007, ask for both).
      ``q_value``: Benjamini-Hochberg over all features, tails and sets.
    - **Tail** (``overlap, p_over, q_over, p_tail, q_tail``): are the set's genes among those with a
      high weight, beyond `TAIL` SD from the mean (Tybalt's rule)? ``p_over`` is hypergeometric
      among the genes used, ``q_over`` Benjamini-Hochberg over it: what is usually reported, and
      far too small. ``p_tail`` is the share of tails of random directions in which any set at all
      is as over-represented: corrected for the number of sets (Westfall & Young 1993). ``q_tail``:
      Benjamini-Hochberg over the best set of every tail, and never less than ``p_tail``.

    Parameters
    ----------
    effects_kg
        Effects of features on genes.
    sets
        Within these genes.
    features
        Names of the k features.
    random_rg
        Effects of random directions in the same unit, as `random_effects` or `gene_effects` make
        them; 20 for each feature or more, so that one small ``p_tail`` can count.

    Returns
    -------
    pandas.DataFrame
        A row for every feature, tail (``"high"``, ``"low"``) and set, the columns named above
        besides ``feature, tail, set, n_genes``, and of GSEA (Subramanian et al. 2005, weight 1)
        ``es``, the running sum's largest deviation to that side, and ``leading_edge``, the set's
        genes up to there, strongest first, joined by blanks; these are given for sets with a
        ``q_value`` or ``p_tail`` of 5 % and for the three best of every tail by ``p_value``.
        ``score`` and ``z`` are positive towards the tail.

    Raises
    ------
    DataError
        With fewer than `LEAST_RANDOM` random directions.
    """
    import pandas as pd
    from scipy.stats import false_discovery_control, norm, t

    effects_kg = np.asarray(effects_kg, dtype=np.float64)
    random_rg = np.asarray(random_rg, dtype=np.float64)
    if len(random_rg) < LEAST_RANDOM:
        raise DataError(
            f"{len(random_rg)} random directions are too few to compare features with; "
            f"{LEAST_RANDOM} are the least, {N_RANDOM} are better"
        )
    n_features, n_genes = effects_kg.shape
    n_s = sets.member_sg.sum(1)

    mean_ks = _means(effects_kg, sets)
    sd_k1 = np.maximum(effects_kg.std(1, keepdims=True), 1e-12)
    score_ks = mean_ks / sd_k1 * np.sqrt(n_s * (n_genes - 1) / np.maximum(n_genes - n_s, 1))
    z_ks = mean_ks / np.maximum(np.sqrt(np.square(_means(random_rg, sets)).mean(0)), 1e-12)
    n_dims = _rank(random_rg)
    # The mean square of as many directions is uncertain: its upper limit makes p-values larger.
    upper = 1 + 2 * np.sqrt(2 / len(random_rg))
    share_ks = np.minimum(np.square(z_ks) / n_dims, 1) / upper
    t_ks = np.sign(z_ks) * np.sqrt(share_ks / (1 - share_ks) * max(n_dims - 1, 1))
    sign_t11 = np.array([1, -1])[:, None, None]
    score_tks, z_tks = sign_t11 * score_ks, sign_t11 * z_ks
    p_tks = np.maximum(norm.sf(score_tks), t.sf(sign_t11 * t_ks, max(n_dims - 1, 1)))

    shape = (2, n_features, len(n_s))
    chosen_fg = high_weight(effects_kg)
    over_fs = hypergeometric(chosen_fg, sets)
    tail_fs, tail_q_fs = _beside_random(over_fs, hypergeometric(high_weight(random_rg), sets))
    q_tks = false_discovery_control(p_tks, axis=None).reshape(shape)

    overlap_fs = (chosen_fg.astype(np.float32) @ sets.member_sg.T.astype(np.float32)).astype(int)
    shown_tks = (q_tks <= FDR) | (tail_fs.reshape(shape) <= FDR)
    np.put_along_axis(shown_tks, p_tks.argsort(-1)[..., :N_SHOWN], True, -1)
    es_tks, edges = _running_sums(effects_kg, sets, shown_tks)

    def rows(x: NDArray[np.generic]) -> NDArray[np.generic]:
        """Feature by feature, its high tail first."""
        return np.broadcast_to(x, shape).transpose(1, 0, 2).reshape(-1)

    numbers = {
        "overlap": overlap_fs,
        "p_over": over_fs,
        "q_over": false_discovery_control(over_fs, axis=None).reshape(over_fs.shape),
        "p_tail": tail_fs,
        "q_tail": tail_q_fs,
        "score": score_tks,
        "z": z_tks,
        "p_value": p_tks,
        "q_value": q_tks,
        "es": es_tks,
        "leading_edge": edges,
    }
    return pd.DataFrame(
        {
            "feature": np.repeat(np.asarray(features, dtype=object), 2 * len(n_s)),
            "tail": np.tile(np.repeat(np.array([HIGH, LOW], dtype=object), len(n_s)), n_features),
            "set": np.tile(np.asarray(sets.names, dtype=object), 2 * n_features),
            "n_genes": rows(n_s),
            **{name: rows(x.reshape(shape)) for name, x in numbers.items()},
        }
    )[COLUMNS]


def _means(effects_kg: Floats, sets: GeneSets) -> Array:
    """Mean effect on the genes of each set, about that on all genes."""
    centred_kg = effects_kg - effects_kg.mean(1, keepdims=True)
    return np.asarray(centred_kg @ sets.member_sg.T / sets.member_sg.sum(1))


def _rank(random_rg: Floats) -> int:
    """Dimensions of the space that directions were drawn from."""
    value_r = np.linalg.eigvalsh(random_rg @ random_rg.T)
    return max(1, int((value_r > RANK**2 * value_r[-1]).sum()))


def _beside_random(over_fs: Array, null_rs: Array) -> tuple[Array, Array]:
    """How often any set of a random tail has so small a p-value, and the q-values of that."""
    from scipy.stats import false_discovery_control

    best_r = np.sort(null_rs.min(1))
    tail_fs = (1 + np.searchsorted(best_r, over_fs, side="right")) / (1 + len(best_r))
    q_f = false_discovery_control(tail_fs.min(1))
    return tail_fs, np.maximum(tail_fs, q_f[:, None])


def _running_sums(
    effects_kg: Floats, sets: GeneSets, shown_tks: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.object_]]:
    """GSEA's running sum of the chosen sets: its largest deviation, and the genes before it."""
    es_tks = np.full(shown_tks.shape, np.nan)
    edge_tks = np.full(shown_tks.shape, "", dtype=object)
    genes = np.asarray(sets.genes, dtype=object)
    n_genes = len(genes)
    members = [np.flatnonzero(member_g) for member_g in sets.member_sg]
    for side, feature in np.ndindex(shown_tks.shape[:2]):
        effect_g = effects_kg[feature] if side == 0 else -effects_kg[feature]
        place_g = np.empty(n_genes, dtype=np.intp)
        place_g[np.argsort(-effect_g, kind="stable")] = np.arange(n_genes)
        for s in np.flatnonzero(shown_tks[side, feature]):
            ordered = members[s][np.argsort(place_g[members[s]])]
            weight_m = np.abs(effect_g[ordered])
            hit_m = np.cumsum(weight_m) / max(weight_m.sum(), 1e-300)
            missed_m = (place_g[ordered] - np.arange(len(ordered))) / (n_genes - len(ordered))
            peak = int(np.argmax(hit_m - missed_m))
            es_tks[side, feature, s] = (hit_m - missed_m)[peak]
            edge_tks[side, feature, s] = " ".join(genes[ordered[: peak + 1]])
    return es_tks, edge_tks
