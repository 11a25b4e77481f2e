"""Gene sets of features: error rates on random directions of real data, power where sets are
planted, and GSEA's running sum gene by gene."""

import numpy as np
import pytest
from scipy.stats import hypergeom, norm

from tybalt_like.core.errors import DataError
from tybalt_like.genes.gene_sets import GeneSets
from tybalt_like.interpretation import enrichment, random_effects

GENES = [f"g{i}" for i in range(2000)]


def share_with_any(table, column: str) -> float:
    """Of the features, those with any set at 5 %."""
    return table[table[column] <= 0.05]["feature"].nunique() / table["feature"].nunique()


def test_random_directions_of_real_data_are_enriched_for_nothing(brca, hallmark) -> None:
    """Their genes are co-expressed all the same: drawn one by one, they would seem to be."""
    null_rg = random_effects(brca.effects_kg)
    effects_kg = random_effects(brca.effects_kg, n=300, seed=1)
    found = enrichment(effects_kg, hallmark, features=range(300), random_rg=null_rg)
    assert share_with_any(found, "q_value") <= 0.01
    assert share_with_any(found, "q_tail") <= 0.05
    assert (found["p_value"] <= 0.01).mean() <= 0.012
    tails = found.groupby(["feature", "tail"])["p_tail"].min()
    assert (tails <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert share_with_any(found, "q_over") > 0.2
    one_by_one = norm.sf(found["score"])
    assert (one_by_one <= 0.001).mean() > 0.05


def test_features_of_permuted_genes_are_enriched_for_nothing(brca, hallmark) -> None:
    rng = np.random.default_rng(0)
    effects_kg = rng.permuted(brca.effects_kg, axis=1)
    found = enrichment(
        effects_kg, hallmark, features=brca.names, random_rg=random_effects(effects_kg)
    )
    for column in ("q_over", "q_value", "q_tail"):
        assert share_with_any(found, column) <= 0.05, column


def planted(k: int) -> tuple[np.ndarray, GeneSets]:
    """Sets of 40 genes; those of the first move along the first feature alone, those of the second
    along all."""
    rng = np.random.default_rng(k)
    sets = {f"s{i}": rng.choice(GENES, 40, replace=False) for i in range(60)}
    within = GeneSets.within(GENES, sets)
    effects_kg = rng.normal(size=(k, len(GENES)))
    effects_kg[0, within.member_sg[0]] += 1.5
    effects_kg[:, within.member_sg[1]] += 1.5 / np.sqrt(k)
    return effects_kg, within


@pytest.mark.parametrize("k", [10, 50])
def test_a_set_that_moves_along_one_feature_is_found_there(k: int) -> None:
    """Of few features too: p-values go by the number of dimensions."""
    effects_kg, sets = planted(k)
    found = enrichment(effects_kg, sets, features=range(k), random_rg=random_effects(effects_kg))
    hits = found[found["q_value"] <= 0.05]
    assert set(zip(hits["feature"], hits["tail"], hits["set"], strict=True)) == {(0, "high", "s0")}


def test_over_representation_and_running_sums_are_those_of_the_books() -> None:
    effects_kg, sets = planted(5)
    found = enrichment(
        effects_kg, sets, features=list("abcde"), random_rg=random_effects(effects_kg)
    )
    assert len(found) == 5 * 2 * 60
    z_kg = (effects_kg - effects_kg.mean(1, keepdims=True)) / effects_kg.std(1, keepdims=True)
    for row in found.iloc[[0, 60, 61, 130]].to_dict("records"):
        feature, sign = "abcde".index(row["feature"]), 1 if row["tail"] == "high" else -1
        members = sets.member_sg[sets.names.index(row["set"])]
        high_g = sign * z_kg[feature] > 2.5
        assert row["overlap"] == (high_g & members).sum()
        p = hypergeom.sf(row["overlap"] - 1, len(GENES), members.sum(), high_g.sum())
        assert row["p_over"] == pytest.approx(p)
    shown = found[found["es"].notna()]
    assert shown.groupby(["feature", "tail"]).size().min() >= 3
    for row in shown.head(40).to_dict("records"):
        sign = 1 if row["tail"] == "high" else -1
        effect_g = sign * effects_kg["abcde".index(row["feature"])]
        members = set(np.array(GENES)[sets.member_sg[sets.names.index(row["set"])]])
        total = sum(abs(effect_g[int(gene[1:])]) for gene in members)
        level, best, edge, seen = 0.0, -1.0, [], []
        for g in np.argsort(-effect_g):
            if GENES[g] in members:
                level += abs(effect_g[g]) / total
                seen.append(GENES[g])
            else:
                level -= 1 / (len(GENES) - len(members))
            if level > best and GENES[g] in members:
                best, edge = level, list(seen)
        assert row["es"] == pytest.approx(best)
        assert row["leading_edge"].split() == edge


def test_a_few_random_directions_are_refused() -> None:
    effects_kg, sets = planted(5)
    with pytest.raises(DataError, match="50 random directions are too few"):
        enrichment(effects_kg, sets, features=range(5), random_rg=random_effects(effects_kg, n=50))
