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


def test_gene_sets_find_genes_by_any_name() -> None:
    """Ensembl ids, former symbols, and probes with symbols beside them."""
    symbols = ["TP53", "MYC", "ERBB2", "ESR1", "CXCL8", "XIST"]
    ensembl = ["ENSG00000141510", "ENSG00000136997", "ENSG00000141736", "ENSG00000091831",
               "ENSG00000169429", "ENSG00000229807"]  # fmt: skip
    sets = {"cancer": ["MYC", "TP53", "ERBB2", "IL8"], "other": ["XIST", "ESR1", "NOSUCHGENE"]}
    for background in (symbols, ensembl):
        found = GeneSets.within(background, sets, smallest=2)
        assert found.names == ("cancer", "other")
        assert found.member_sg.tolist() == [[1, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 1]]
    assert "found under other names: 6 of 6 (MYC is ENSG00000136997" in found.notes[0]
    probes = ["p1_at", "p2_at", "p3_at", "p4_at", "p5_at", "p6_at"]
    twice = ["TP53", "MYC", "ERBB2", "ESR1", "TP53", "XIST"]
    found = GeneSets.within(probes, sets, ids={"symbol": twice}, smallest=2)
    assert found.member_sg.tolist() == [[1, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 1]]
