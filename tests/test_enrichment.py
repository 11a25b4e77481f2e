"""Over-representation against the definition, one pair at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact

from tybalt_like import io
from tybalt_like.core.errors import DataError
from tybalt_like.genes import gene_sets as enrichment
from tybalt_like.genes.gene_sets import GeneSets

GENES = [f"g{i}" for i in range(40)]


def random_sets(seed: int) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 20, size=12)
    return {
        f"set {i}": [*rng.choice(GENES, n, replace=False), "absent"] for i, n in enumerate(sizes)
    }


def exact_p(chosen: set[str], members: set[str]) -> float:
    both = len(chosen & members)
    table = [
        [both, len(chosen) - both],
        [len(members) - both, len(GENES) - len(chosen | members)],
    ]
    return float(fisher_exact(table, alternative="greater").pvalue)


@given(st.integers(0, 1000), st.sets(st.sampled_from(GENES), max_size=20))
def test_over_representation_is_fishers_test_of_every_set(seed, chosen) -> None:
    named = random_sets(seed)
    sets = GeneSets.within(GENES, named, smallest=3, largest=15)
    table = enrichment.over_representation(chosen, sets).set_index("set")
    sizes = {name: len(set(genes) - {"absent"}) for name, genes in named.items()}
    assert set(table.index) == {name for name, n in sizes.items() if 3 <= n <= 15}
    expected = {name: exact_p(chosen, set(named[name]) & set(GENES)) for name in table.index}
    np.testing.assert_allclose(table["p_value"], [expected[n] for n in table.index], rtol=1e-9)
    np.testing.assert_allclose(table["q_value"], false_discovery_control(list(table["p_value"])))
    for name, row in table.iterrows():
        assert set(row["genes"].split()) == chosen & set(named[name])
        assert row["n_overlap"] == len(chosen & set(named[name]))


def test_features_are_covered_by_the_sets_of_their_tails() -> None:
    rng = np.random.default_rng(0)
    weights_kg = rng.normal(size=(3, len(GENES)))
    weights_kg[0, :5] = -9
    weights_kg[2, 10:15] = 9
    named = {"low": GENES[:6], "high": GENES[10:16], "other": GENES[20:26], "wide": GENES[::2]}
    sets = GeneSets.within(GENES, named, smallest=2)
    table = enrichment.of_weights(weights_kg, sets, tail=1.5)

    p_values = {}
    for feature, w_g in enumerate(weights_kg):
        z_g = (w_g - w_g.mean()) / w_g.std()
        for tail, chosen_g in (("high", z_g > 1.5), ("low", z_g < -1.5)):
            chosen = set(np.array(GENES)[chosen_g])
            for name, members in named.items():
                p_values[feature, tail, name] = exact_p(chosen, set(members))
    q_values = dict(zip(p_values, false_discovery_control(list(p_values.values())), strict=True))
    rows = table.set_index(["feature", "tail", "set"])
    for key, row in rows.iterrows():
        assert row["p_value"] == pytest.approx(p_values[key])
        assert row["q_value"] == pytest.approx(q_values[key])
    covered_s = enrichment.covered(weights_kg, sets, tail=1.5)
    found = {name for (_, _, name), q in q_values.items() if q <= 0.05}
    assert found == {"low", "high"}
    assert dict(zip(sets.names, covered_s, strict=True)) == {n: n in found for n in named}
    assert [tuple(k) for k in rows.index[:2]] in (
        [(0, "low", "low"), (2, "high", "high")],
        [(2, "high", "high"), (0, "low", "low")],
    )


def test_gene_sets_must_name_genes_as_the_background_does() -> None:
    with pytest.raises(DataError, match=r"none of 1 gene sets .*such as g0"):
        GeneSets.within(GENES, {"entrez": ["7157", "672", "1956", "2064", "5290"]})
    sets = GeneSets.within(GENES, {"one": GENES[:6]})
    with pytest.raises(DataError, match="'TP53' is not in the background"):
        enrichment.over_representation(["g1", "TP53"], sets)


def test_real_gene_sets_are_read(shared_data) -> None:
    sets = io.read_gmt(shared_data / "genesets" / "msigdb_h.all.v7.5.1.symbols.gmt.gz")
    assert len(sets) == 50
    early = sets["HALLMARK_ESTROGEN_RESPONSE_EARLY"]
    assert len(early) == 200
    assert {"GREB1", "PGR", "TFF1"} <= set(early)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\tX\tY\n\nno genes\tb\n", "line 3: no gene set"),
        ("a,b,X\n", "line 1: no gene set"),
        ("a\tb\tX\na\tb\tY\n", "line 2: gene set 'a' occurs twice"),
        ("\n\n", "no gene sets in it"),
    ],
)
def test_what_is_no_gmt_is_refused(tmp_path, text, message) -> None:
    file = tmp_path / "sets.gmt"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        io.read_gmt(file)


def test_gmt_genes_are_kept_once_and_in_order(tmp_path) -> None:
    file = tmp_path / "sets.gmt"
    file.write_bytes(b"a\t\tX\tY\tX\t\t\r\nb\thttp://x\tZ\r\n")
    assert io.read_gmt(file) == {"a": ("X", "Y"), "b": ("Z",)}
