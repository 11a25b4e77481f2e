"""Files of gene sets."""

import pytest

from tybalt_like import io
from tybalt_like.core.errors import DataError


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
