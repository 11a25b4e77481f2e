"""What people call genes."""

import pandas as pd

from tybalt_like.genes import symbols


def test_symbols_of_ids_and_of_a_column() -> None:
    ids = ["ENSG00000129824.16", "ENSG00000229807", "novel"]
    assert list(symbols(pd.DataFrame(index=ids)).values()) == ["RPS4Y1", "XIST", "novel"]
    loci = [f"b{i:04}" for i in range(20)]
    named = pd.DataFrame({"gene_name": ["", *(f"thr{i}" for i in range(1, 20))]}, index=loci)
    assert list(symbols(named).items())[:2] == [("b0000", "b0000"), ("b0001", "thr1")]
    assert symbols(pd.DataFrame(index=["TP53", "MYC"])) == {"TP53": "TP53", "MYC": "MYC"}
    assert symbols(pd.DataFrame(index=["1007_s_at"])) == {"1007_s_at": "1007_s_at"}
