"""Sets that the weights of features cover, against Fisher's test of one pair at a time."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, fisher_exact

from tybalt_like.core.errors import DataError
from tybalt_like.genes.gene_sets import GeneSets, covered

GENES = [f"g{i}" for i in range(40)]


def exact_p(chosen: set[str], members: set[str]) -> float:
    both = len(chosen & members)
    table = [
        [both, len(chosen) - both],
        [len(members) - both, len(GENES) - len(chosen | members)],
    ]
    return float(fisher_exact(table, alternative="greater").pvalue)


def test_features_are_covered_by_the_sets_of_their_tails() -> None:
    rng = np.random.default_rng(0)
    weights_kg = rng.normal(size=(3, len(GENES)))
    weights_kg[0, :5] = -9
    weights_kg[2, 10:15] = 9
    named = {"low": GENES[:6], "high": GENES[10:16], "other": GENES[20:26], "wide": GENES[::2]}
    sets = GeneSets.within(GENES, named, smallest=2)
    p_values = {}
    for feature, w_g in enumerate(weights_kg):
        z_g = (w_g - w_g.mean()) / w_g.std()
        for tail, chosen_g in (("high", z_g > 1.5), ("low", z_g < -1.5)):
            chosen = set(np.array(GENES)[chosen_g])
            for name, members in named.items():
                p_values[feature, tail, name] = exact_p(chosen, set(members))
    q_values = dict(zip(p_values, false_discovery_control(list(p_values.values())), strict=True))
    covered_s = covered(weights_kg, sets, tail=1.5)
    found = {name for (_, _, name), q in q_values.items() if q <= 0.05}
    assert found == {"low", "high"}
    assert dict(zip(sets.names, covered_s, strict=True)) == {n: n in found for n in named}


def test_gene_sets_must_name_genes_as_the_background_does() -> None:
    with pytest.raises(DataError, match=r"none of 1 gene sets .*such as g0"):
        GeneSets.within(GENES, {"entrez": ["7157", "672", "1956", "2064", "5290"]})
